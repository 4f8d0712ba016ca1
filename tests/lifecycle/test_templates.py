import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakekube.lifecycle.templates import Template

CONTEXT = {"now": "T", "object": {"metadata": {"name": "p"}}, "pod": {"ip": "10.0.0.1", "list": [1, 2]}}


@pytest.mark.parametrize(
    ("data", "rendered"),
    [
        ({"phase": "Running"}, {"phase": "Running"}),
        ({"at": "{now}"}, {"at": "T"}),
        ({"all": "{pod.list}"}, {"all": [1, 2]}),
        ("pod {object.metadata.name} at {pod.ip}", "pod p at 10.0.0.1"),
        ("[{pod.none}]", "[]"),
        ({"a": "{pod.none}", "b": 1}, {"b": 1}),
        ({"a": None, "b": ["{now}", 2, None]}, {"a": None, "b": ["T", 2, None]}),
        ("{{now}}", "{now}"),
    ],
)
def test_names_are_replaced_by_their_values(data, rendered):
    """A text that is one name becomes the value itself, longer texts are put together, absent members left out."""
    assert Template(data).render(CONTEXT) == rendered


@pytest.mark.parametrize("text", ["{", "a } b", "{not a name}", "{}"])
def test_stray_braces_are_refused(text):
    """A brace that is neither a name's nor doubled is an error when the template is made."""
    with pytest.raises(ValueError, match="a single"):
        Template({"x": [text]})


def test_names_used_are_known():
    """A template knows which names it uses, so that files can be checked when they are loaded."""
    assert Template({"a": ["{now}", "x {pod.ip}"]}).names == {"now", "pod.ip"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("abc "),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=20,
)


@given(JSON)
def test_data_without_names_stays_as_it_is(data):
    """Rendering is the identity on data without braces."""
    assert Template(data).render({}) == data
