"""The pool's webhook: order, fields and words of its refusals."""

import pytest

from fakekube.machinery.errors import Invalid
from fakekube.machinery.resources import VIRTUAL_MACHINE_POOLS, Resource
from fakekube.virt.api import pool
from fakekube.virt.causes import Cause, not_supported
from fakekube.virt.config import ClusterConfig

NS = "default"
CONFIG = ClusterConfig("amd64", {"developerConfiguration": {}})
DENIED = 'admission webhook "virtualmachinepool-validator.kubevirt.io" denied the request: '
TEMPLATE = "spec.virtualMachineTemplate.spec"


def machine(**spec):
    return {"runStrategy": "Halted", "template": {"spec": {"domain": {"devices": {}}}}, **spec}


def of(name="p", machine_spec=None, labels=None, **spec):
    template = {"metadata": {"labels": labels or {"a": "b"}}, "spec": machine_spec or machine()}
    body = {"selector": {"matchLabels": {"a": "b"}}, "virtualMachineTemplate": template, **spec}
    return {
        "apiVersion": "pool.kubevirt.io/v1beta1",
        "kind": "VirtualMachinePool",
        "metadata": {"name": name, "namespace": NS},
        "spec": body,
    }


def causes(old=None, **spec):
    return [(cause.field, cause.message) for cause in pool.validate(of(**spec), old, CONFIG)]


async def refused(cluster, obj, resource=VIRTUAL_MACHINE_POOLS):
    with pytest.raises(Invalid) as caught:
        await cluster.client.create(resource, obj)
    return caught.value


async def test_p012_selector_does_not_match(cluster):
    """P-012: the selector selects what the template makes."""
    error = await refused(cluster, of(labels={"a": "c"}))
    assert error.message == DENIED + "selector does not match labels."
    assert error.details["causes"][0]["field"] == "spec.selector"


async def test_p013_empty_selector(cluster):
    """P-013: an empty selector selects everything."""
    made = await cluster.client.create(VIRTUAL_MACHINE_POOLS, of(selector={}, labels={"x": "y"}))
    assert made["spec"]["selector"] == {}


def test_p014_selector_operator():
    """P-014: the parser's own words."""
    selector = {"matchExpressions": [{"key": "a", "operator": "Foo"}]}
    assert causes(selector=selector) == [("spec.selector", '"Foo" is not a valid label selector operator')]


def test_p014_selector_spelling():
    """P-014: keys and values that no label can have are refused like operators that are none."""
    found = causes(selector={"matchLabels": {"grüße": "b"}})
    assert [field for field, _ in found] == ["spec.selector"]
    assert found[0][1].startswith('<nil>: Invalid value: "grüße": name part must consist of')


def test_p015_selector_is_immutable():
    """P-015: a pool keeps its selector."""
    assert causes(old=of(selector={"matchLabels": {"z": "z"}})) == [
        ("spec.selector", "selector is immutable after creation.")
    ]


@pytest.mark.parametrize(
    "selector",
    [
        {"matchLabels": {"a": "b"}, "matchExpressions": []},
        {"matchLabels": {"a": "b"}, "matchExpressions": None},
    ],
)
def test_p015_a_selector_that_says_the_same(selector):
    """P-015: what is empty is as good as absent, so writing it is no change."""
    assert causes(old=of(selector=selector)) == []
    exists = {"key": "a", "operator": "Exists"}
    before = of(selector={"matchExpressions": [{**exists, "values": []}]})
    assert causes(old=before, selector={"matchExpressions": [exists]}) == []


def test_p016_labels_must_keep_matching():
    """P-016: changing the template's labels is judged as at creation."""
    assert causes(old=of(), labels={"a": "c"}) == [("spec.selector", "selector does not match labels.")]


async def test_p017_disk_without_volume(cluster):
    """P-017: the machine's own rules, below the template."""
    spec = machine(template={"spec": {"domain": {"devices": {"disks": [{"name": "d"}]}}}})
    error = await refused(cluster, of(machine_spec=spec))
    path = f"{TEMPLATE}.template.spec.domain.devices.disks[0]"
    assert error.message == f"{DENIED}{path}.Name 'd' not found."
    assert error.details["causes"][0]["field"] == f"{path}.name"


def test_p018_no_run_strategy():
    """P-018: a pool's machines say how they run."""
    spec = {"template": {"spec": {"domain": {"devices": {}}}}}
    assert causes(machine_spec=spec) == [(f"{TEMPLATE}.running", "RunStrategy must be specified")]


def test_p019_order_of_causes():
    """P-019: machine first, then selector, maxUnavailable, update and scale-in strategy."""
    both = {"proactive": {}, "unmanaged": {}}
    found = causes(
        machine_spec=machine(runStrategy="No"),
        labels={"a": "c"},
        maxUnavailable=0,
        updateStrategy=both,
        scaleInStrategy=both,
    )
    assert [field for field, _ in found] == [
        f"{TEMPLATE}.runStrategy",
        "spec.selector",
        "spec.maxUnavailable",
        "spec.updateStrategy",
        "spec.scaleInStrategy",
    ]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("5", "maxUnavailable percentage must end with %"),  # P-020
        (
            "invalid%",
            'maxUnavailable percentage value "invalid" is invalid: strconv.Atoi: parsing "invalid": invalid syntax',
        ),  # P-021
        ("0%", "maxUnavailable percentage value 0 must be between 1 and 100"),  # P-022
        ("101%", "maxUnavailable percentage value 101 must be between 1 and 100"),  # P-022
        (
            f"{'9' * 5000}%",
            f'maxUnavailable percentage value "{"9" * 5000}" is invalid: strconv.Atoi: parsing "{"9" * 5000}": value out of range',
        ),
        (0, "maxUnavailable must be greater than 0"),  # P-023
        (-1, "maxUnavailable must be greater than 0"),  # P-023
    ],
)
def test_p020_p021_p022_p023_max_unavailable(given, text):
    """P-020, P-021, P-022, P-023: a positive number, or 1 to 100 percent."""
    assert causes(maxUnavailable=given) == [("spec.maxUnavailable", text)]


@pytest.mark.parametrize("given", [1, 1000, "1%", "100%", None])
def test_max_unavailable_accepted(given):
    """Numbers above the pool's size are fine."""
    assert causes(maxUnavailable=given) == []


def test_p024_p025_one_strategy():
    """P-024, P-025: one member of each strategy; update is told before scale-in."""
    three = {"proactive": {}, "unmanaged": {}, "opportunistic": {}}
    found = causes(updateStrategy=three, scaleInStrategy=three)
    assert [field for field, _ in found] == ["spec.updateStrategy", "spec.scaleInStrategy"]
    assert found[0][1] == (
        "only one strategy can be configured at a time: but found unmanaged, opportunistic, proactive strategies"
    )


async def test_p026_empty_strategies(cluster):
    """P-026: an empty strategy is the default one."""
    await cluster.client.create(VIRTUAL_MACHINE_POOLS, of(updateStrategy={}, scaleInStrategy={}))


async def test_p027_admission_comes_first(cluster):
    """P-027: an invalid pool is judged before its name is found to be taken."""
    await cluster.client.create(VIRTUAL_MACHINE_POOLS, of())
    assert "must be greater than 0" in (await refused(cluster, of(maxUnavailable=0))).message


async def test_p028_subresources_bypass(cluster):
    """P-028: scale and status are not the webhook's business."""
    made = await cluster.client.create(VIRTUAL_MACHINE_POOLS, of())
    del cluster.api._admission.hooks["/virtualmachinepool-validate"]
    await cluster.client.patch(
        VIRTUAL_MACHINE_POOLS, "p", NS, {"spec": {"replicas": 2}}, type="merge", subresource="scale"
    )
    made = await cluster.get(VIRTUAL_MACHINE_POOLS, "p")
    await cluster.client.update(
        VIRTUAL_MACHINE_POOLS, {**made, "status": {"replicas": 1}}, subresource="status"
    )


async def test_p029_older_version(cluster):
    """P-029: the rules hold for v1alpha1 too."""
    old = Resource("pool.kubevirt.io", "v1alpha1", "virtualmachinepools", "VirtualMachinePool")
    obj = of(labels={"a": "c"}) | {"apiVersion": "pool.kubevirt.io/v1alpha1"}
    assert "selector does not match labels." in (await refused(cluster, obj, old)).message


def test_missing_template():
    """Without a template nothing else is looked at; the field is upstream's."""
    assert [tuple(cause) for cause in pool.validate({"spec": {}}, None, CONFIG)] == [
        ("missing virtual machine template.", "spec.template", "FieldValueRequired")
    ]


def test_discontinued_gates_are_told_of_at_creation_only():
    """Gates of what is gone are told of when a pool that relies on them is made; its machines are wrong at any time."""
    interfaces = [{"name": "n", "passt": {}}]
    spec = {"domain": {"devices": {"interfaces": interfaces}}, "networks": [{"name": "n", "pod": {}}]}
    made = of(machine_spec=machine(template={"spec": spec}))
    opened = ClusterConfig("amd64", {"developerConfiguration": {"featureGates": ["Passt"]}})
    at = "spec.virtualMachineTemplate.spec.template.spec.domain.devices.interfaces[0]"
    none = Cause("logical n interface must have exactly one binding method or binding plugin", at)
    text = "Passt network binding is discontinued since v1.3. Please refer to Kubevirt user guide for alternatives."
    assert pool.validate(made, None, opened) == [none, not_supported(text)]
    assert pool.validate(made, made, opened) == [none]
    assert pool.validate(made, None, CONFIG) == [none]
