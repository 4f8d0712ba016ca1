"""Upstream's functional specs of presets: what they give to new instances, and to whom.

Origin: kubevirt: tests/vmipreset_test.go, pkg/virt-api/webhooks/mutating-webhook/mutators/vmi-mutator_test.go
"""

import json
from typing import Any

import pytest

from tests.upstream import guests
from tests.upstream.conftest import JSON, MERGE_PATCH, Make, Object, Suite
from tests.upstream.guests import HERE, NS, VMIS, guest

PRESETS = f"{HERE}/virtualmachineinstancepresets"
FLAVOR, CONFLICT = "kubevirt.io/flavor", "kubevirt.io/conflict"
EXCLUDE = "virtualmachineinstancepresets.admission.kubevirt.io/exclude"
DEPRECATED = (
    '299 - "kubevirt.io/v1 VirtualMachineInstancePresets is now deprecated and will be removed in v2."'
)


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    return await guests.a_namespace(await suite_of())


def preset(domain: Object, name: str = "", **selector: Any) -> Object:
    meta = {"name": name} if name else {"generateName": "test-"}
    spec = {"selector": selector, "domain": {"devices": {}, **domain}}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstancePreset",
        "metadata": meta,
        "spec": spec,
    }


def memory(amount: str, **labels: str) -> Object:
    return preset(
        {"resources": {"requests": {"memory": amount}}}, matchLabels=labels or {FLAVOR: "memory-test"}
    )


def cores(count: int, **more: Any) -> Object:
    return preset({"cpu": {"cores": count}}, matchLabels={FLAVOR: "cpu-test"}, **more)


def body(labels: Object, spec: Object | None = None, **annotations: str) -> Object:
    meta = {"name": "vmi", "labels": labels, "annotations": annotations}
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": meta,
        "spec": spec or guest(),
    }


def mark(made: Object) -> str:
    return f"virtualmachinepreset.kubevirt.io/{made['metadata']['name']}"


async def test_presets_are_judged(suite: Suite) -> None:
    """[1595] [1596] [1598] [1599] [617] Without a selector, or with a disk of two kinds, there is none; there is one of a name."""
    unselected = {**preset({}), "spec": {}}
    assert (await suite.refused("POST", PRESETS, unselected))["code"] == 422
    disks = [{"name": "disk0", "disk": {"bus": "virtio"}}, {"name": "testdisk", "disk": {}, "cdrom": {}}]
    answer = await suite.refused("POST", PRESETS, preset({"devices": {"disks": disks}}))
    assert answer["code"] == 422
    assert [one["field"] for one in answer["details"]["causes"]] == ["spec.domain.devices.disks[1]"]
    named = cores(1, name="test-preset")
    await suite.create(PRESETS, named)
    assert (await suite.refused("POST", PRESETS, named))["reason"] == "AlreadyExists"
    await suite.delete(f"{PRESETS}/test-preset")
    assert (await suite.refused("GET", f"{PRESETS}/test-preset"))["code"] == 404


async def test_presets_of_the_same_setting(suite: Suite) -> None:
    """[1597] [1600] [644] What an instance says itself is not overridden, and it does not carry the preset's name."""
    made = await suite.create(PRESETS, memory("64M"))
    found = await suite.create(VMIS, body({FLAVOR: "memory-test"}))
    assert mark(made) not in found["metadata"]["annotations"]
    assert found["spec"]["domain"]["resources"]["requests"]["memory"] == "128Mi"
    await guests.Guest(suite, "vmi").is_in("Running")


async def test_presets_of_other_settings(suite: Suite) -> None:
    """[1601] [1602] [1604] [672] Labels decide who gets more cores; who must not is excluded."""
    made = await suite.create(PRESETS, cores(7, name="seven-cores"))
    found = await suite.create(VMIS, body({FLAVOR: "cpu-test"}))
    assert found["metadata"]["annotations"][mark(made)] == "kubevirt.io/v1"
    assert found["spec"]["domain"]["cpu"]["cores"] == 7
    assert found["status"]["currentCPUTopology"]["cores"] == 7
    await guests.Guest(suite, "vmi").is_in("Running")
    for other in (body({}), body({FLAVOR: "cpu-test"}, **{EXCLUDE: "true"})):
        found = await suite.create(
            VMIS, {**other, "metadata": {**other["metadata"], "name": "", "generateName": "o-"}}
        )
        assert mark(made) not in found["metadata"]["annotations"]
        assert found["spec"]["domain"]["cpu"]["cores"] == 1


async def test_presets_that_come_later(suite: Suite) -> None:
    """[1603] Instances that are there do not change; another namespace has presets of its own."""
    await suite.create("/api/v1/namespaces", {"metadata": {"name": "other"}})
    await suite.create(PRESETS.replace(NS, "other"), cores(7))
    await suite.create(VMIS, body({FLAVOR: "cpu-test"}))
    made = await suite.create(PRESETS, cores(7))
    found = await guests.Guest(suite, "vmi").is_in("Running")
    assert mark(made) not in found["metadata"]["annotations"]
    assert found["spec"]["domain"]["cpu"]["cores"] == 1


async def test_presets_that_conflict(suite: Suite) -> None:
    """[1605] Two presets that disagree keep the instance from being made; a machine's instance, too, and it says so."""
    await suite.create(PRESETS, memory("256M", **{CONFLICT: "conflict-test"}))
    await suite.create(PRESETS, memory("128M"))
    labels = {FLAVOR: "memory-test", CONFLICT: "conflict-test"}
    answer = await suite.refused("POST", VMIS, body(labels))
    assert answer["code"] == 422
    assert answer["message"].startswith(
        'admission webhook "virtualmachineinstances-mutator.kubevirt.io" denied the request: '
        "VirtualMachinePresets cannot be applied due to conflicts: presets 'test-"
    )
    assert "conflict: spec.resources.requests[memory]: " in answer["message"]
    vm = await guests.machine(suite, guest(), runStrategy="Halted", template_meta={"labels": labels})
    await suite.patch(vm.vm_path, {"spec": {"runStrategy": "Always"}}, MERGE_PATCH)
    failed = await vm.has("Failure", of_vm=True)
    (told,) = [one for one in failed["status"]["conditions"] if one["type"] == "Failure"]
    assert "VirtualMachinePresets cannot be applied due to conflicts" in told["message"]


async def test_presets_by_expression(suite: Suite) -> None:
    """[726] One preset gives memory to guests of two systems, those of machines among them."""
    terms = [{"key": "kubevirt.io/os", "operator": "In", "values": ["win10", "win7"]}]
    await suite.create(
        PRESETS, preset({"resources": {"requests": {"memory": "128M"}}}, matchExpressions=terms)
    )
    silent = guest()
    del silent["domain"]["resources"]
    found = await suite.create(VMIS, body({"kubevirt.io/os": "win7"}, silent))
    assert found["spec"]["domain"]["resources"]["requests"]["memory"] == "128M"
    assert found["spec"]["domain"]["memory"]["guest"] == "128M"
    vm = await guests.machine(suite, silent, template_meta={"labels": {"kubevirt.io/os": "win10"}})
    assert (await vm.is_in("Running"))["spec"]["domain"]["resources"]["requests"]["memory"] == "128M"


async def test_presets_are_deprecated(suite: Suite) -> None:
    """Who makes or changes an instance that has one is told."""
    await suite.create(PRESETS, cores(4))

    async def told(method: str, path: str, sent: Object) -> list[str]:
        headers = {"Content-Type": MERGE_PATCH if method == "PATCH" else JSON}
        async with suite._session.request(
            method, f"{suite.url}{path}", data=json.dumps(sent), headers=headers
        ) as answer:
            assert answer.status < 300
            return answer.headers.getall("Warning", [])

    assert await told("POST", VMIS, {**body({}), "metadata": {"name": "plain"}}) == []
    assert await told("POST", VMIS, body({FLAVOR: "cpu-test"})) == [DEPRECATED]
    change = {"metadata": {"labels": {"more": "x"}}}
    assert await told("PATCH", f"{VMIS}/vmi", change) == [DEPRECATED]
