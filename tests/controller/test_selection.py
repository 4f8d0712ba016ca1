import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller import selection
from controller.spec import SpecError


def names(vms):
    return [vm["metadata"]["name"] for vm in vms]


def fleet(world, count):
    return [world.vm(world.pool(), i, created=f"2026-01-01T11:00:{i:02}Z") for i in range(count)]


@pytest.mark.parametrize(
    ("policy", "first"),
    [("AscendingOrder", "p-0"), ("DescendingOrder", "p-10"), ("Newest", "p-10"), ("Oldest", "p-0")],
)
def test_sort_policies(world, policy, first):
    """P-091…P-094, P-096: by ordinal as a number, or by age."""
    vms = selection.ordered(fleet(world, 11), policy, "salt")
    assert names(vms)[0] == first
    assert len(vms) == 11
    assert names(vms)[1] in ("p-1", "p-9")


@given(order=st.permutations(range(12)), salt=st.text(max_size=5))
def test_lots_do_not_depend_on_who_asks(order, salt):
    """P-095: `Random` under one salt is one order, whatever order the cache has."""
    vms = [{"metadata": {"name": f"p-{i}", "uid": f"u{i}"}} for i in range(12)]
    assert selection.ordered([vms[i] for i in order], None, salt) == selection.ordered(vms, "Random", salt)


def test_lots_are_spread():
    """P-095: over many pools each VM of five is drawn first about equally often."""
    vms = [{"metadata": {"name": f"p-{i}", "uid": f"u{i}"}} for i in range(5)]
    drawn = [selection.ordered(vms, "Random", f"pool-{salt}")[0]["metadata"]["name"] for salt in range(1000)]
    assert all(150 < drawn.count(f"p-{i}") < 250 for i in range(5))


@given(st.sets(st.integers(0, 30), min_size=1), st.integers(0, 5))
def test_what_is_gone_does_not_change_the_order_of_the_rest(gone, salt):
    """A choice repeated after part of it was carried out chooses the rest of the same VMs."""
    vms = [{"metadata": {"name": f"p-{i}", "uid": f"u{i}"}} for i in range(31)]
    rest = [vm for i, vm in enumerate(vms) if i not in gone]
    order = selection.ordered(vms, "Random", str(salt))
    assert selection.ordered(rest, "Random", str(salt)) == [vm for vm in order if vm in rest]


def test_labels_are_those_of_the_vmi_template(world):
    """P-097, P-100: the VM's own labels do not matter."""
    vms = fleet(world, 3)
    vms[1]["spec"]["template"]["metadata"]["labels"]["zone"] = "a"
    vms[2]["metadata"]["labels"]["zone"] = "a"
    policy = {"selectors": {"labelSelector": {"matchLabels": {"zone": "a"}}}}
    assert names(selection.selected(vms, policy)) == ["p-1"]


@pytest.mark.parametrize(
    ("term", "chosen"),
    [
        ({"key": "zone", "operator": "In", "values": ["a"]}, ["p-0"]),
        ({"key": "zone", "operator": "NotIn", "values": ["a"]}, ["p-1", "p-2"]),
        ({"key": "zone", "operator": "Exists"}, ["p-0", "p-1"]),
        ({"key": "zone", "operator": "DoesNotExist"}, ["p-2"]),
        ({"key": "size", "operator": "Gt", "values": ["3"]}, ["p-1"]),
        ({"key": "size", "operator": "Lt", "values": ["3"]}, ["p-0"]),
    ],
)
def test_node_requirements_look_at_the_vms_node_selector(world, term, chosen):
    """P-098, P-158: compared with spec.template.spec.nodeSelector, with node operators."""
    vms = fleet(world, 3)
    vms[0]["spec"]["template"]["spec"]["nodeSelector"] = {"zone": "a", "size": "2"}
    vms[1]["spec"]["template"]["spec"]["nodeSelector"] = {"zone": "b", "size": "4"}
    policy = {"selectors": {"nodeSelectorRequirementMatcher": [term]}}
    assert names(selection.selected(vms, policy)) == chosen


def test_both_selectors_must_match(world):
    """P-099: labels and node requirements together restrict further; empty ones match everything."""
    vms = fleet(world, 2)
    vms[1]["spec"]["template"]["spec"]["nodeSelector"] = {"zone": "a"}
    node = [{"key": "zone", "operator": "Exists"}]
    both = {"labelSelector": {"matchLabels": {"vmi": "p"}}, "nodeSelectorRequirementMatcher": node}
    assert names(selection.selected(vms, {"selectors": both})) == ["p-1"]
    assert selection.selected(vms, {"selectors": {"labelSelector": {}}}) == vms
    assert selection.selected(vms, {}) == vms


@pytest.mark.parametrize(
    ("operator", "values", "said"),
    [
        ("Foo", [], '"Foo" is not a valid label selector operator'),
        ("In", [], "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"),
        (
            "Exists",
            ["x"],
            'values: Invalid value: ["x"]: values set must be empty for exists and does not exist',
        ),
        ("Gt", [], "values: Invalid value: []: for 'Gt', 'Lt' operators, exactly one value is required"),
        (
            "Lt",
            ["some"],
            "values[0]: Invalid value: \"some\": for 'Gt', 'Lt' operators, the value must be an integer",
        ),
    ],
)
def test_requirements_nobody_can_read(world, operator, values, said):
    """What stands in the selectors is not validated before, so it is here that a mistake shows, in upstream's words."""
    term = {"key": "a", "operator": operator, "values": values}
    vms = fleet(world, 1)
    with pytest.raises(SpecError) as caught:
        selection.selected(vms, {"selectors": {"nodeSelectorRequirementMatcher": [term]}})
    assert str(caught.value) == f"failed to parse node selector from pool: {said}"
    if operator in ("Gt", "Lt"):  # nodes have these, labels have not
        return
    with pytest.raises(SpecError) as caught:
        selection.selected(vms, {"selectors": {"labelSelector": {"matchExpressions": [term]}}})
    assert str(caught.value) == f"failed to parse label selector from pool: {said}"
