"""Upstream's functional specs of subresources: what a machine is, its instance type and preference written out, and their OpenAPI.

Origin: kubevirt: tests/compute/subresources/{expandspec,openapi}.go
"""

import copy

import pytest

from tests.upstream.conftest import Object, Suite

NS = "default"
GROUP = "/apis/instancetype.kubevirt.io/v1beta1"
VMS = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachines"
SUBRESOURCES = f"/apis/subresources.kubevirt.io/v1/namespaces/{NS}"
CPU = {"sockets": 2, "cores": 1, "threads": 1}
KINDS = {
    "VirtualMachineInstancetype": f"{GROUP}/namespaces/{NS}/virtualmachineinstancetypes",
    "VirtualMachineClusterInstancetype": f"{GROUP}/virtualmachineclusterinstancetypes",
    "VirtualMachinePreference": f"{GROUP}/namespaces/{NS}/virtualmachinepreferences",
    "VirtualMachineClusterPreference": f"{GROUP}/virtualmachineclusterpreferences",
}
MEMORY = "spec.template.spec.domain.resources.requests.memory"


def machine(*, memory: bool = True, **spec: Object) -> Object:
    """A machine that is off. Without `memory` there is nothing in it that an instance type decides."""
    resources = {"requests": {"memory": "128Mi"}} if memory else {}
    domain = {"devices": {}, "resources": resources}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": "testvm"},
        "spec": {"runStrategy": "Halted", "template": {"spec": {"domain": domain}}, **spec},
    }


async def made(suite: Suite, kind: str) -> Object:
    """An instance type with two CPUs or a preference for a serial console, and what refers to it."""
    spec: Object = {"cpu": {"guest": 2}, "memory": {"guest": "128Mi"}}
    if kind.endswith("Preference"):
        spec = {"devices": {"preferredAutoattachSerialConsole": True}}
    meta = {
        "apiVersion": "instancetype.kubevirt.io/v1beta1",
        "kind": kind,
        "metadata": {"generateName": "it-"},
    }
    created = await suite.create(KINDS[kind], {**meta, "spec": spec})
    return {"name": created["metadata"]["name"], "kind": kind.lower()}


async def expanded(suite: Suite, vm: Object, *, existing: bool) -> Object:
    """The machine written out: one that exists, or one that is sent along."""
    if existing:
        await suite.create(VMS, vm)
        return await suite.get(f"{SUBRESOURCES}/virtualmachines/testvm/expand-spec")
    status, answer = await suite.call("PUT", f"{SUBRESOURCES}/expand-vm-spec", vm)
    assert status == 200, answer
    return answer


@pytest.mark.parametrize("existing", [True, False])
async def test_nothing_to_expand(suite: Suite, existing: bool) -> None:
    """A machine without instance type and preference comes back as it is."""
    vm = machine()
    found = await expanded(suite, vm, existing=existing)
    known = await suite.get(f"{VMS}/testvm") if existing else vm
    assert found["spec"] == known["spec"]


@pytest.mark.parametrize("existing", [True, False])
@pytest.mark.parametrize("kind", KINDS)
async def test_expansion(suite: Suite, kind: str, existing: bool) -> None:
    """What they decide is in the machine, they are not."""
    preference = kind.endswith("Preference")
    field = "preference" if preference else "instancetype"
    found = await expanded(
        suite, machine(memory=preference, **{field: await made(suite, kind)}), existing=existing
    )
    assert field not in found["spec"]
    domain = found["spec"]["template"]["spec"]["domain"]
    if preference:
        assert domain["devices"]["autoattachSerialConsole"] is True
    else:
        assert domain["cpu"] == CPU


@pytest.mark.parametrize("kind", KINDS)
async def test_what_does_not_exist(suite: Suite, kind: str) -> None:
    """The text names the kind as the machine did."""
    plural = f"{kind.lower()}s"
    field = "preference" if kind.endswith("Preference") else "instancetype"
    vm = machine(memory=False, **{field: {"name": "nonexisting", "kind": plural}})
    refused = await suite.refused("PUT", f"{SUBRESOURCES}/expand-vm-spec", vm)
    assert refused["message"] == f'{plural}.instancetype.kubevirt.io "nonexisting" not found'


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.endswith("type")])
async def test_conflicts_and_other_namespaces(suite: Suite, kind: str) -> None:
    """Memory that both the machine and its type decide; a machine of another namespace than the request's."""
    vm = machine(instancetype=await made(suite, kind))
    refused = await suite.refused("PUT", f"{SUBRESOURCES}/expand-vm-spec", vm)
    assert refused["message"] == f"VM field(s) {MEMORY} conflicts with selected instance type"
    strange = copy.deepcopy(vm)
    strange["metadata"]["namespace"] = "madethisup"
    refused = await suite.refused("PUT", f"{SUBRESOURCES}/expand-vm-spec", strange)
    assert refused["message"] == f"VM namespace must be empty or {NS}"


async def test_openapi(suite: Suite) -> None:
    """[test_id:3177] What the aggregated API serves is in the cluster's OpenAPI, of both versions."""
    document = await suite.get("/openapi/v2")
    start = "/apis/subresources.kubevirt.io/v1/namespaces/{namespace}/virtualmachines/{name}/start"
    assert document["paths"][start]["put"]["operationId"]
    assert start.replace("/v1/", "/v1alpha3/") in document["paths"]
    told = await suite.get("/openapi/v3/apis/subresources.kubevirt.io/v1")
    assert told["paths"][start].keys() == {"put", "parameters"}
