"""KubeVirt's own virt-controller on nodes: a silent virt-handler, guests that are lost with it, and what clocks they have.

Origin: kubevirt: pkg/virt-controller/watch/{node/node,topology/nodetopologyupdater}.go
"""

import json

from tests.upstream.conftest import MERGE_PATCH, STRATEGIC, Object, Suite
from tests.upstream.foreign.go_controller import PODS
from tests.upstream.foreign.go_migrations import VirtController
from tests.upstream.foreign.subjects import running

SCHEDULABLE = "kubevirt.io/schedulable"
TSC = "scheduling.node.kubevirt.io/tsc-frequency-"


async def labelled(go: VirtController, node: str, labels: Object) -> Object:
    return await go.suite.patch(f"/api/v1/nodes/{node}", {"metadata": {"labels": labels}}, STRATEGIC)


async def test_a_node_that_does_not_respond(suite: Suite, go: VirtController) -> None:
    """It takes no new guests, the pods that are left on it are looked at, and guests without one are given up as they are."""
    vmi = await running(go)
    node = vmi["status"]["nodeName"]
    marked = await labelled(go, node, {SCHEDULABLE: "false"})
    assert marked["metadata"]["labels"][SCHEDULABLE] == "false"
    here = f"spec.nodeName={node}"
    handlers = await go.suite.items("/api/v1/pods", "kubevirt.io=virt-handler", fieldSelector=here)
    sets = await go.suite.items("/apis/apps/v1/daemonsets", "kubevirt.io=virt-handler")
    assert (len(handlers), len(sets)) == (1, 1)
    assert {"desiredNumberScheduled", "currentNumberScheduled", "numberReady"} <= sets[0]["status"].keys()
    (pod,) = await go.pods(vmi)
    at = f"{PODS}/{pod['metadata']['name']}"
    assert at.rpartition("/")[2] in {
        one["metadata"]["name"] for one in await go.suite.items("/api/v1/pods", fieldSelector=here)
    }
    await suite.patch(f"{at}/status", {"status": {"phase": "Failed"}}, MERGE_PATCH)
    lost = [{"op": "replace", "path": "/status/phase", "value": "Failed"}]
    lost += [{"op": "add", "path": "/status/reason", "value": "NodeUnresponsive"}]
    given_up = await go.suite.patch(go.path, lost)
    assert (given_up["status"]["phase"], given_up["status"]["reason"]) == ("Failed", "NodeUnresponsive")
    await suite.delete(go.path)
    await go.work()
    assert not await go.there()


async def test_clocks_of_nodes(suite: Suite, go: VirtController) -> None:
    """Frequencies are labels, set and taken off as Go's two-way merge says it."""
    node = (await suite.items("/api/v1/nodes"))[0]["metadata"]["name"]
    assert f"{TSC}42" in (await labelled(go, node, {f"{TSC}42": "true"}))["metadata"]["labels"]
    raw = json.dumps({"metadata": {"labels": {f"{TSC}42": None}}}).encode()
    status, answer = await go.suite.call("PATCH", f"/api/v1/nodes/{node}", raw, content=STRATEGIC)
    assert (status, f"{TSC}42" in answer["metadata"]["labels"]) == (200, False)
