"""Label and field selectors: parse, match, print; the error texts are the real parser's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakekube.machinery import field_selectors, selectors
from fakekube.machinery.selectors import SelectorError

LABELS = {"a": "b", "n": "5", "e": ""}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ("", True),
        ("a=b", True),
        ("a==b", True),
        ("a!=b", False),
        ("z!=b", True),
        ("a in (b,c)", True),
        ("a notin (b,c)", False),
        ("z notin (b)", True),
        ("a", True),
        ("!a", False),
        ("!z", True),
        ("n>4", True),
        ("n<5", False),
        ("e=", True),
        ("a=b,n=5", True),
        ("a=b,n=6", False),
        ("e in (,x)", True),
    ],
)
def test_matching(text: str, matches: bool) -> None:
    """Every operator decides as upstream's does."""
    assert selectors.parse(text).matches(LABELS) is matches


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("x in", "unable to parse requirement: found '' expected: '('"),
        ("a=b,", "found '', expected: identifier after ','"),
        ("a=b b", "found 'b', expected: ',' or 'end of string'"),
        ("a in (b", "unable to parse requirement: found '', expected: ',' or ')'"),
        (
            "a>x",
            """unable to parse requirement: values[0]: Invalid value: "x": for 'Gt', 'Lt' operators, the value must be an integer""",
        ),
    ],
)
def test_errors(text: str, error: str) -> None:
    """What cannot be parsed is refused in the real words."""
    with pytest.raises(SelectorError) as refused:
        selectors.parse(text)
    assert str(refused.value) == error


def test_canonical_text() -> None:
    """Requirements are sorted by key, values inside parentheses too (P-184)."""
    selector = selectors.from_object(
        {
            "matchLabels": {"z": "1"},
            "matchExpressions": [
                {"key": "b", "operator": "In", "values": ["y", "x"]},
                {"key": "a", "operator": "Exists"},
                {"key": "c", "operator": "DoesNotExist"},
                {"key": "d", "operator": "NotIn", "values": ["q"]},
            ],
        }
    )
    assert str(selector) == "a,b in (x,y),!c,d notin (q),z=1"


def test_null_and_empty_object_form() -> None:
    """A null selector matches nothing, an empty one everything."""
    assert not selectors.from_object(None).matches({})
    assert selectors.from_object({}).matches({"any": "thing"})


def test_unknown_operator() -> None:
    """An operator of the object form that does not exist is named."""
    with pytest.raises(SelectorError, match='"Foo" is not a valid label selector operator'):
        selectors.from_object({"matchExpressions": [{"key": "a", "operator": "Foo"}]})


@given(st.text(alphabet="abin()!=,<> ", max_size=20))
def test_parse_refuses_or_prints_what_it_reads(text: str) -> None:
    """Any text is refused with a SelectorError, or prints as a selector that reads the same."""
    try:
        selector = selectors.parse(text)
    except SelectorError:
        return
    again = selectors.parse(str(selector))
    for labels in ({}, {"a": "b"}, {"a": "", "b": "i"}, {"ab": "n"}):
        assert again.matches(labels) == selector.matches(labels)


def test_field_selectors() -> None:
    """Terms are split at unescaped commas; escapes are undone."""
    first, second = field_selectors.parse("metadata.name=a\\,b,status.phase!=Running")
    assert (first.path, first.value, first.equal) == ("metadata.name", "a,b", True)
    assert (second.path, second.value, second.equal) == ("status.phase", "Running", False)


def test_field_selector_error() -> None:
    """A term without operator is shown."""
    with pytest.raises(SelectorError) as refused:
        field_selectors.parse("metadata.name")
    assert str(refused.value) == "invalid selector: 'metadata.name'; can't understand 'metadata.name'"


@pytest.mark.parametrize(
    ("selector", "said"),
    [
        ({"matchLabels": {"grüße": "a"}}, '<nil>: Invalid value: "grüße": name part must consist of'),
        ({"matchLabels": {"a": "x" * 64}}, 'values[0][a]: Invalid value: "xxx'),
        (
            {"matchExpressions": [{"key": "a/b/c", "operator": "Exists"}]},
            '<nil>: Invalid value: "a/b/c": a valid label key',
        ),
        (
            {"matchExpressions": [{"key": "a", "operator": "In", "values": ["-", "+"]}]},
            "[values[0][a]: Invalid",
        ),
    ],
)
def test_what_no_label_can_be_is_no_selector(selector, said):
    """Keys and values are spelled as those of labels; all that is wrong with the values of one term is said at once."""
    with pytest.raises(selectors.SelectorError) as refusal:
        selectors.from_object(selector)
    assert str(refusal.value).startswith(said)
