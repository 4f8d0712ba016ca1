import orjson

from fakekube.client import sharing


def test_equal_lines_give_the_same_object():
    """Two caches that are sent the same line share one object; other lines have their own."""
    line = orjson.dumps({"type": "ADDED", "object": {"n": 1}})
    assert sharing.event(line) is sharing.event(bytes(bytearray(line)))
    assert sharing.event(orjson.dumps({"type": "ADDED", "object": {"n": 2}}))["object"] == {"n": 2}


def test_memory_of_lines_is_bounded():
    """What has not been asked for lately is forgotten."""
    first = sharing.event(b'{"type":"FIRST"}')
    for number in range(2_100):
        sharing.event(orjson.dumps({"number": number}))
    again = sharing.event(b'{"type":"FIRST"}')
    assert (again == first, again is first) == (True, False)
