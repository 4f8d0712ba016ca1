import pytest

from fakekube.lifecycle.expressions import parse

POD = {
    "metadata": {"name": "p", "annotations": {"example.com/delay": "3s"}, "labels": None},
    "status": {
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "Initialized", "status": "False"}],
        "containerStatuses": [{"ready": True}, {"ready": False}],
        "restarts": 2,
    },
}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (".metadata.name", ["p"]),
        ('.metadata.annotations["example.com/delay"]', ["3s"]),
        (".status.containerStatuses[1].ready", [False]),
        (".status.containerStatuses[-1].ready", [False]),
        (".status.containerStatuses[].ready", [True, False]),
        (".status.conditions.[].type", ["Ready", "Initialized"]),
        ('.status.conditions[] | select(.type == "Ready") | .status', ["True"]),
        ('.status.conditions.[] | select( .type != "Ready" ) | .type', ["Initialized"]),
        (".status.containerStatuses[] | select(.ready == true)", [{"ready": True}]),
        (".status | .restarts", [2]),
        (".spec.nodeName", []),
        (".metadata.labels.app", []),
        (".status.containerStatuses[7].ready", []),
        (".metadata.name[0]", []),
        ('.metadata."name"', ["p"]),
        ('.metadata.labels.tier // "none"', ["none"]),
        (".status.restarts, .metadata.name", [2, "p"]),
        (".status.restarts * 3 - 1 == 5", [True]),
        (".status.restarts % 0", []),
        ("[.status.containerStatuses[] | select(.ready | not)] | length", [1]),
        (".status.conditions | map(.status) | unique", [["False", "True"]]),
        ('.status.conditions | any(.type == "Ready" and .status != "False")', [True]),
        ('.metadata.annotations | has("example.com/delay") or has("x")', [True]),
        ('.metadata.annotations["example.com/delay"] | rtrimstr("s") | tonumber | . >= 3', [True]),
        ('.metadata.name | test("^p$")', [True]),
        ('if .spec.paused then "no" elif .status.restarts > 1 then "often" else "yes" end', ["often"]),
        (".metadata.name | .x?, 1", [1]),
        (".metadata.name[], .metadata.name", []),
        ("-.status.restarts", [-2]),
        (".status.conditions | sort_by(.status) | .[0].type", ["Initialized"]),
        ("[.status.conditions[] as $one | {($one.type): $one.status}] | add | .Ready", ["True"]),
        ("reduce .status.conditions[] as $one (0; . + 1)", [2]),
    ],
)
def test_an_expression_finds_what_is_there(text, found):
    """Members, items and tested items are found; what is absent, null or of another form is not."""
    assert parse(text).values(POD) == found


def test_first_is_one_value_or_none():
    """`first` serves where one value is wanted."""
    assert parse(".status.conditions[].type").first(POD) == "Ready"
    assert parse(".spec.nodeName").first(POD) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "spec.nodeName",
        ".a..b",
        ".a[",
        ".a | nope(.b)",
        ".a | $x",
        ".a | map",
        "if .a then .b",
        '.a[] | select(.b == "x',
        ".a[] | select(.b == x)",
    ],
)
def test_what_cannot_be_read_is_refused(text):
    """What jq cannot read is an error, not a guess, and says what is wrong."""
    with pytest.raises(ValueError, match="expression"):
        parse(text)
