"""Upstream's functional specs of what KubeVirt runs on: definitions, labels of nodes, taints, its own pods.

Origin: kubevirt: tests/infrastructure/{crds,node-labeller,taints-and-tolerations}.go
"""

import pytest

from tests.upstream import guests
from tests.upstream.conftest import JSON_PATCH, Make, Suite, conditions
from tests.upstream.guests import NODES

DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
HERE = "/api/v1/namespaces/kubevirt/pods"
OBSOLETE = ("486", "pentium", "pentium2", "pentium3", "pentiumpro", "coreduo", "n270", "core2duo", "Conroe")
OURS = ("virt-handler", "virt-controller", "virt-api", "virt-operator")


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await guests.a_namespace(await suite_of(pace="realistic"))


async def test_definitions(suite: Suite) -> None:
    """[5177] All have structural schemas."""
    names = [
        *(f"virtualmachine{kind}.kubevirt.io" for kind in ("s", "instances", "instancepresets")),
        *(f"virtualmachineinstance{kind}.kubevirt.io" for kind in ("replicasets", "migrations")),
        "kubevirts.kubevirt.io",
        *(f"virtualmachinesnapshot{kind}.snapshot.kubevirt.io" for kind in ("s", "contents")),
        "virtualmachineclones.clone.kubevirt.io",
        "virtualmachineexports.export.kubevirt.io",
    ]
    for name in names:
        found = await suite.get(f"{DEFINITIONS}/{name}")
        assert conditions(found).get("NonStructuralSchema", "False") == "False"


async def test_labels_of_nodes(suite: Suite) -> None:
    """[6247] [6250] The CPU's vendor is told, models that are obsolete by default are not."""
    for node in await suite.items(NODES):
        marks = node["metadata"]["labels"]
        assert [one for one in marks if one.startswith("cpu-vendor.node.kubevirt.io/")]
        assert not [one for one in OBSOLETE if f"cpu-model.node.kubevirt.io/{one}" in marks]


async def test_critical_addons_only(suite: Suite) -> None:
    """[4134] KubeVirt's own pods stay on a node that others have to leave."""
    node = (await suite.items(NODES))[0]
    own = node["metadata"]["name"]
    here = await _pods_on(suite, own)
    assert {name for name in OURS if any(one.startswith(name) for one in here)} >= {"virt-handler"}
    taint = {"key": "CriticalAddonsOnly", "value": "", "effect": "NoExecute"}
    taints = [*node["spec"].get("taints", ()), taint]
    await suite.patch(f"{NODES}/{own}", [{"op": "add", "path": "/spec/taints", "value": taints}], JSON_PATCH)

    async def all_there() -> bool:
        for name in here:
            pod = await suite.get(f"{HERE}/{name}")
            assert "deletionTimestamp" not in pod["metadata"]
            assert pod["spec"]["nodeName"] == own
        return bool(here)

    await suite.consistently(all_there, 10)


async def _pods_on(suite: Suite, node: str) -> list[str]:
    found = await suite.items(HERE, fieldSelector=f"spec.nodeName={node}")
    return [one["metadata"]["name"] for one in found if one["metadata"]["name"].startswith(OURS)]
