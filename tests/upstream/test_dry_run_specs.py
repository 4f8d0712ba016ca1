"""Requests that are only tried out, for every kind of KubeVirt's: nothing comes of them.

Origin: kubevirt: tests/dryrun_test.go
"""

import pytest

from tests.upstream.conftest import MERGE_PATCH, Make, Object, Suite
from tests.upstream.guests import HERE, NS, VMS, Guest, a_namespace, guest, instance, machine

SNAPSHOTS = f"/apis/snapshot.kubevirt.io/v1beta1/namespaces/{NS}"
_MACHINE = {"apiGroup": "kubevirt.io", "kind": "VirtualMachine", "name": "vm"}
_TRIED = {"dryRun": "All"}


def _kubevirt(kind: str, spec: Object) -> Object:
    return {"apiVersion": "kubevirt.io/v1", "kind": kind, "metadata": {"name": "one"}, "spec": spec}


def _of_snapshots(kind: str, **spec: object) -> Object:
    made = _kubevirt(kind, dict(spec))
    return {**made, "apiVersion": "snapshot.kubevirt.io/v1beta1"}


def _set() -> Object:
    labels = {"kubevirt.io/testrs": "testrs"}
    template = {"metadata": {"labels": labels}, "spec": guest()}
    return {"selector": {"matchLabels": labels}, "template": template}


_PRESET = {
    "domain": {"devices": {}, "resources": {"requests": {"memory": "512Mi"}}},
    "selector": {"matchLabels": {"kubevirt.io/vmi-preset-test": "test"}},
}

KINDS = {
    "instances": (f"{HERE}/virtualmachineinstances", lambda: _kubevirt("VirtualMachineInstance", guest())),
    "machines": (
        VMS,
        lambda: _kubevirt("VirtualMachine", {"runStrategy": "Halted", "template": {"spec": guest()}}),
    ),
    "migrations": (
        f"{HERE}/virtualmachineinstancemigrations",
        lambda: _kubevirt("VirtualMachineInstanceMigration", {"vmiName": "vmi"}),
    ),
    "presets": (
        f"{HERE}/virtualmachineinstancepresets",
        lambda: _kubevirt("VirtualMachineInstancePreset", _PRESET),
    ),
    "sets": (
        f"{HERE}/virtualmachineinstancereplicasets",
        lambda: _kubevirt("VirtualMachineInstanceReplicaSet", _set()),
    ),
    "snapshots": (
        f"{SNAPSHOTS}/virtualmachinesnapshots",
        lambda: _of_snapshots("VirtualMachineSnapshot", source=_MACHINE),
    ),
    "restores": (
        f"{SNAPSHOTS}/virtualmachinerestores",
        lambda: _of_snapshots("VirtualMachineRestore", target=_MACHINE, virtualMachineSnapshotName="before"),
    ),
}


@pytest.fixture
async def tried(suite_of: Make) -> Suite:
    """With an instance to migrate, and a machine that has a snapshot."""
    suite = await a_namespace(await suite_of(pace="realistic"))
    await instance(suite, guest(), "vmi")
    await machine(suite, guest(), "vm", runStrategy="Halted")
    before = {**_of_snapshots("VirtualMachineSnapshot", source=_MACHINE), "metadata": {"name": "before"}}
    await suite.create(f"{SNAPSHOTS}/virtualmachinesnapshots", before)

    async def ready() -> bool:
        found = await suite.get(f"{SNAPSHOTS}/virtualmachinesnapshots/before")
        return bool(found.get("status", {}).get("readyToUse"))

    await suite.eventually(ready, 120, 2)
    return suite


async def test_nothing_comes_of_it(tried: Suite) -> None:
    """[7627]–[7658] Creation, deletion, update and patch are answered as if they had happened, and have not."""
    for path, made in KINDS.values():
        one = f"{path}/one"
        status, answer = await tried.call("POST", path, made(), **_TRIED)
        assert (status, answer.get("metadata", {}).get("name")) == (201, "one"), answer
        assert (await tried.call("GET", one))[0] == 404, path
        await tried.create(path, made())
        options = {"dryRun": ["All"], "propagationPolicy": "Foreground"}
        assert (await tried.call("DELETE", one, options))[0] == 200
        present = await tried.get(one)
        assert "deletionTimestamp" not in present["metadata"], path
        present["metadata"]["labels"] = {**present["metadata"].get("labels", {}), "key": "42"}
        status, answer = await tried.call("PUT", one, present, **_TRIED)
        assert (status, answer["metadata"]["labels"]["key"]) == (200, "42"), answer
        change = {"metadata": {"labels": {"key": "42"}}}
        status, answer = await tried.call("PATCH", one, change, content=MERGE_PATCH, **_TRIED)
        assert (status, answer["metadata"]["labels"]["key"]) == (200, "42"), answer
        assert "key" not in (await tried.get(one))["metadata"].get("labels", {}), path


async def test_subresources(tried: Suite) -> None:
    """Start, stop, restart, pause and migration are only tried out, too."""
    vm = Guest(tried, "vm")
    assert await vm.act("start", {"dryRun": ["All"]}, "virtualmachines") == ""
    await tried.cluster.advance(10)
    assert (await tried.call("GET", vm.path))[0] == 404
    vmi = Guest(tried, "vmi")
    for verb in ("pause", "softreboot", "reset"):
        assert await vmi.act(verb, {"dryRun": ["All"]}) in ("", "Guest agent not connected")
    assert "Paused" not in [one["type"] for one in (await vmi.vmi())["status"]["conditions"]]
