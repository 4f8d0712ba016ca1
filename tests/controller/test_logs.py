import json
import logging

from controller.logs import JsonFormatter


def record(*args, **changes):
    made = logging.makeLogRecord({"name": "n", "levelno": logging.WARNING, "levelname": "WARNING"} | changes)
    made.msg, made.args = "%s failed", args
    return made


def test_what_a_record_was_given_is_there_by_name():
    """Extra fields stand beside the text, so that nobody has to take the text apart."""
    entry = json.loads(JsonFormatter().format(record("it", created=0.25, key="ns/p", retries=3)))
    assert entry == {
        "level": "warning",
        "ts": "1970-01-01T00:00:00.250+00:00",
        "logger": "n",
        "msg": "it failed",
        "key": "ns/p",
        "retries": 3,
    }


def test_a_trace_stays_on_the_line():
    """However long a failure's trace, a record is one line."""
    try:
        raise ValueError("no")
    except ValueError as error:
        text = JsonFormatter().format(record("it", exc_info=(ValueError, error, error.__traceback__)))
    assert "\n" not in text
    assert json.loads(text)["stacktrace"].endswith("ValueError: no")
