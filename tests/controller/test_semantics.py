import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.semantics import quantity, same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"memory": {"guest": "1Gi"}}, {"memory": {"guest": "1024Mi"}}),
        ({"resources": {"requests": {"cpu": "100m"}}}, {"resources": {"requests": {"cpu": 0.1}}}),
        ({"resources": {"requests": {"storage": "1e3"}}}, {"resources": {"requests": {"storage": "1k"}}}),
        ({"labels": None, "volumes": []}, {}),
        ({"metadata": {"labels": {}, "creationTimestamp": None}}, {}),
        ({"domain": {"resources": {}, "devices": {}}}, {"domain": {}}),
    ],
)
def test_templates_that_mean_the_same(one, other):
    """P-135: null and empty are absence, and quantities count by value."""
    assert same(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"memory": {"guest": "1Gi"}}, {"memory": {"guest": "1G"}}),
        ({"interfaces": [{"name": "a", "masquerade": {}}]}, {"interfaces": [{"name": "a"}]}),
        ({"networks": [{"pod": {}}]}, {"networks": [{}]}),
        ({"labels": {"a": "1"}}, {"labels": {"a": "1000m"}}),
        ({"runStrategy": "Always"}, {"runStrategy": "Halted"}),
        ({"volumes": [{"name": "a"}, {"name": "b"}]}, {"volumes": [{"name": "b"}, {"name": "a"}]}),
        ({"terminationGracePeriodSeconds": 0}, {}),
    ],
)
def test_templates_that_differ(one, other):
    """An empty object that chooses something is not absence, labels are no quantities, and order matters."""
    assert not same(one, other)


def test_what_is_no_quantity_stays_text():
    """A value under a quantity's name that cannot be read is compared as it is."""
    assert quantity("a lot") is None
    assert quantity("1e99999") is None
    assert quantity(value=True) is None
    assert same({"guest": "x"}, {"guest": "x", "labels": {}})
    assert not same({"guest": "x"}, {"guest": "y"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "labels", "guest"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(JSON, JSON)
def test_sameness_is_an_equivalence(one, other):
    """Everything is the same as itself, and it does not matter which is asked first."""
    assert same(one, one)
    assert same(one, other) == same(other, one)
