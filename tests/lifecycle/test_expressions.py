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
    ["", "spec.nodeName", ".a..b", ".a[", ".a | map(.b)", '.a[] | select(.b == "x', ".a[] | select(.b == x)"],
)
def test_what_cannot_be_read_is_refused(text):
    """Anything outside the small language is an error, not a guess."""
    with pytest.raises(ValueError, match=r"expression|neither"):
        parse(text)
