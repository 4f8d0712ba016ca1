"""What recordings tell the node side in words, and how the script of `node` carries it out."""

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from fakekube.agents.policy_status import POLICIES
from fakekube.clock import rfc3339
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import name, namespace
from fakekube.machinery.resources import (
    NODES,
    PODS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINE_POOLS,
    Resource,
)
from fakekube.machinery.wire import Object

LOAD = "fakekube.io/cpu"  # how much each pod of a pool uses
_BINDINGS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicybindings",
    "ValidatingAdmissionPolicyBinding",
    namespaced=False,
)


class UnknownInstruction(Exception):
    """Nobody knows how to do this; the text is the instruction."""


async def follow(line: Object, run: Any) -> None:
    """Do what a `node` line says. Raises UnknownInstruction."""
    text = line["node"]
    if text == "behaviour":
        settings = {key: value for key, value in line.items() if key not in ("n", "t", "node", "match")}
        run.node.rules.append((re.compile(line["match"]), settings))
        return
    for pattern, play in _TABLE:
        if pattern.fullmatch(text):
            await play(run)
            return
    raise UnknownInstruction(text)


def _vmi(run: Any) -> Object:
    return next(iter(run.all("vmi")))


def _pod(run: Any) -> Object:
    return run.all("pod")[-1]


async def _starts(run: Any) -> None:
    run.node.rules.append((re.compile(""), {"pod": "ok", "schedule": 0.1}))


async def _ends_well(run: Any) -> None:
    await run.node.end_guest(_vmi(run), "Succeeded")


async def _ends_badly(run: Any) -> None:
    await run.node.end_guest(_vmi(run), "Failed")


async def _back_off(run: Any) -> None:
    await run.node.wait_for_image(_pod(run), "ImagePullBackOff", 'Back-off pulling image "x"')


async def _containers_run(run: Any) -> None:
    await run.node.start_containers(_pod(run))


async def _binds(run: Any) -> None:
    await _starts(run)
    pod = _pod(run)
    await run.node.bind(pod)
    await run.node._create(pod)
    await run.clock.sleep(0.3)
    await run.node.start_containers(pod)


async def _consumer_arrives(run: Any) -> None:
    claim, volume = run.get("pvc", "root"), run.get("dv", "root")
    await run.node.bind_claim(claim)
    await run.node.succeed(volume)


async def _paused(run: Any) -> None:
    def how(found: Object) -> Object:
        told = run.node.say("Paused", "True", "PausedByUser", "VMI was paused by user")
        told["lastProbeTime"] = run.node.now()
        found["status"]["conditions"] = [*found["status"]["conditions"], told]
        return found

    await run.node.change(VIRTUAL_MACHINE_INSTANCES, _vmi(run), how)


async def _unpaused(run: Any) -> None:
    def how(found: Object) -> Object:
        listed = found["status"]["conditions"]
        found["status"]["conditions"] = [one for one in listed if one["type"] != "Paused"]
        return found

    await run.node.change(VIRTUAL_MACHINE_INSTANCES, _vmi(run), how)


async def _pod_fails(run: Any) -> None:
    pods = [pod for pod in run.all("pod") if name(pod).startswith("virt-launcher-vm-")]
    await run.node.end_pod(pods[-1], "Failed")


async def _pod_succeeds(run: Any) -> None:
    await run.node.end_pod(_pod(run), "Succeeded")


async def _no_heartbeat(run: Any) -> None:
    old = rfc3339(run.clock.now() - timedelta(minutes=10))
    run.quiet.add("node01")
    mark = {"metadata": {"annotations": {"kubevirt.io/heartbeat": old}}}
    await run.client.patch(NODES, "node01", None, mark, type="merge")


# One field at a time.


async def _only_running(run: Any) -> None:
    await run.node.change(PODS, _pod(run), lambda pod: _with(pod, phase="Running"), "status")


async def _only_bound(run: Any) -> None:
    await run.node.bind(_pod(run), "node01")


async def _only_containers(run: Any) -> None:
    state = {"running": {"startedAt": run.node.now()}}
    image = "virt-launcher@sha256:" + "0" * 64
    one = {
        "name": "compute",
        "image": "virt-launcher:v1.9.0",
        "imageID": image,
        "lastState": {},
        "state": state,
    }
    one |= {"ready": False, "started": True, "restartCount": 0}
    await run.node.change(PODS, _pod(run), lambda pod: _with(pod, containerStatuses=[one]), "status")


async def _only_guest(run: Any) -> None:
    await run.node.change(VIRTUAL_MACHINE_INSTANCES, _vmi(run), lambda vmi: _with(vmi, phase="Running"))


async def _only_ready(run: Any) -> None:
    pod, patch = _pod(run), {"status": {"conditions": [run.node.say("Ready", "True")]}}
    await run.client.patch(PODS, name(pod), namespace(pod), patch, type="strategic", subresource="status")


async def _only_entry(run: Any) -> None:
    def how(vmi: Object) -> Object:
        run.node._enter(vmi, "Running")
        return vmi

    await run.node.change(VIRTUAL_MACHINE_INSTANCES, _vmi(run), how)


async def _only_final(run: Any) -> None:
    await run.node.end_guest(_vmi(run), "Succeeded", entered=False)


async def _only_succeeded(run: Any) -> None:
    await run.node.change(PODS, _pod(run), lambda pod: _with(pod, phase="Succeeded"), "status")


async def _only_removed(run: Any) -> None:
    await run.node.remove(_pod(run))


def _with(obj: Object, **status: Any) -> Object:
    return {**obj, "status": {**obj.get("status", {}), **status}}


# Policies that refuse.


async def _deny_create(run: Any) -> None:
    await _deny(run, "CREATE", "object.metadata.name != 'seed-1'", "seed-1 is denied")


async def _deny_delete(run: Any) -> None:
    await _deny(run, "DELETE", "false", "no deletes")


async def _deny_instances(run: Any) -> None:
    await _deny(run, "CREATE", "false", "no instances", "virtualmachineinstances")


async def _deny(
    run: Any, verb: str, expression: str, message: str, resource: str = "virtualmachines"
) -> None:
    rule = {
        "apiGroups": ["kubevirt.io"],
        "apiVersions": ["*"],
        "resources": [resource],
        "operations": [verb],
    }
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [rule]},
        "validations": [{"expression": expression, "message": message}],
    }
    group = "admissionregistration.k8s.io/v1"
    meta = {"name": "vg-deny"}
    policy = {"apiVersion": group, "kind": "ValidatingAdmissionPolicy", "metadata": meta, "spec": spec}
    await run.client.create(POLICIES, policy)
    binding = {"policyName": "vg-deny", "validationActions": ["Deny"]}
    bound = {
        "apiVersion": group,
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": meta,
        "spec": binding,
    }
    await run.client.create(_BINDINGS, bound)


async def _allow(run: Any) -> None:
    for resource in (_BINDINGS, POLICIES):
        try:
            await run.client.delete(resource, "vg-deny", None)
        except NotFound:
            continue


async def _load_300(run: Any) -> None:
    await _load(run, "300m")


async def _load_10(run: Any) -> None:
    await _load(run, "10m")


async def _load(run: Any, amount: str) -> None:
    mark = {"metadata": {"annotations": {LOAD: amount}}}
    await run.client.patch(VIRTUAL_MACHINE_POOLS, "seed", "recorded", mark, type="merge")


_TABLE: tuple[tuple[re.Pattern[str], Callable[[Any], Awaitable[None]]], ...] = tuple(
    (re.compile(text), play)
    for text, play in (
        (r"(from now on launcher pods start|launcher pods start from now on|starts from now on)", _starts),
        (r"guest ends: VMI Succeeded", _ends_well),
        (r"guest ends: VMI Failed", _ends_badly),
        (r"kubelet: ImagePullBackOff", _back_off),
        (r"kubelet: containers running", _containers_run),
        (r"scheduler binds the pod", _binds),
        (r"first consumer arrives: .*", _consumer_arrives),
        (r"guest paused", _paused),
        (r"guest unpaused", _unpaused),
        (r"kubelet: pod of vm Failed", _pod_fails),
        (r"kubelet: pod Succeeded", _pod_succeeds),
        (r"node01: heartbeat annotation set to 10 minutes ago", _no_heartbeat),
        (r"pod: status.phase=Running only.*", _only_running),
        (r"pod: bound to node01", _only_bound),
        (r"pod: containerStatuses compute running, not ready", _only_containers),
        (r"VMI: status.phase=Running only", _only_guest),
        (r"pod: condition Ready=True", _only_ready),
        (r"VMI: status.phaseTransitionTimestamps gets an entry for Running", _only_entry),
        (r"VMI: status.phase=Succeeded only", _only_final),
        (r"pod: status.phase=Succeeded", _only_succeeded),
        (r"pod: removed with grace 0", _only_removed),
        (r"policy: CREATE of VM seed-1 denied", _deny_create),
        (r"policy: DELETE of VMs denied", _deny_delete),
        (r"policy: CREATE of VMIs denied", _deny_instances),
        (r"policy gone", _allow),
        (r"load 300m per pod", _load_300),
        (r"load 10m per pod", _load_10),
    )
)
