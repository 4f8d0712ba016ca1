"""Subresources through the aggregated API: effects on objects, codes and texts of refusals."""

import orjson
import pytest

from fakekube.machinery.errors import ApiError
from fakekube.machinery.resources import (
    MIGRATIONS,
    NODES,
    PERSISTENT_VOLUME_CLAIMS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)
from fakekube.machinery.wire import Request, User
from fakekube.virt.instancetypes.kinds import CLUSTER_INSTANCETYPES, CLUSTER_PREFERENCES
from tests.virt.api.conftest import Cluster

NS = "default"
VMS, VMIS = "virtualmachines/x", "virtualmachineinstances/x"
MACHINE = 'Operation cannot be fulfilled on virtualmachine.kubevirt.io "x": '
INSTANCE = 'Operation cannot be fulfilled on virtualmachineinstance.kubevirt.io "x": '


def condition(kind, status="True", **more):
    return {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": None, **more}


async def requests(cluster):
    return (await cluster.get(VIRTUAL_MACHINES)).get("status", {}).get("stateChangeRequests")


async def test_v017_v018_discovery(cluster):
    """V-017, V-018: v1 is preferred; start is listed, addvolume is not."""
    group = orjson.loads((await cluster.client.request("GET", "/apis/subresources.kubevirt.io")).body)
    assert group["preferredVersion"] == {"groupVersion": "subresources.kubevirt.io/v1", "version": "v1"}
    listed = orjson.loads((await cluster.client.request("GET", "/apis/subresources.kubevirt.io/v1")).body)
    names = {one["name"] for one in listed["resources"]}
    assert "virtualmachines/start" in names
    assert "virtualmachines/addvolume" not in names
    assert listed["resources"][0]["verbs"] is None
    assert all(one["namespaced"] and one["kind"] == "" for one in listed["resources"])


async def test_v019_both_versions_answer_alike(cluster):
    """V-019: v1alpha3 serves the same paths."""
    await cluster.vm()
    path = f"/namespaces/{NS}/{VMS}/expand-spec"
    answers = [
        (await cluster.client.request("GET", f"/apis/subresources.kubevirt.io/{version}{path}")).body
        for version in ("v1", "v1alpha3")
    ]
    assert answers[0] == answers[1]


async def _everything(version, state):
    """What each call of a version says, in a cluster of its own in which the state has been brought about."""
    cluster = Cluster()
    await cluster.start()
    try:
        if state != "nothing":
            await cluster.vm(runStrategy="Manual", status={"created": state == "running"})
        if state == "running":
            await cluster.vmi()
        said = {}
        for plural, operations in cluster.api._subresources._operations.items():
            for method, subresource in sorted(operations):
                tail = f"{subresource}/22" if subresource == "portforward" else subresource
                path = f"/apis/subresources.kubevirt.io/{version}/namespaces/{NS}/{plural}/x/{tail}"
                try:
                    answer = await cluster.client.request(method, path, body={} if method == "PUT" else None)
                    said[method, plural, tail] = (answer.status, answer.body)
                except ApiError as error:
                    said[method, plural, tail] = (error.code, error.reason, error.message)
        return said
    finally:
        cluster.server.close()


@pytest.mark.parametrize("state", ["nothing", "halted", "running"])
async def test_v019_every_call_is_alike_in_both_versions(state):
    """V-019: call by call v1alpha3 does the same, with the same codes and texts."""
    newer, older = await _everything("v1", state), await _everything("v1alpha3", state)
    assert len(newer) > 30
    assert newer == older


async def test_v020_version(cluster):
    """V-020: the version document names the release and the tool chain."""
    answer = await cluster.client.request("GET", "/apis/subresources.kubevirt.io/v1/version")
    found = orjson.loads(answer.body)
    assert (answer.status, found["gitVersion"]) == (200, "v1.9.0")
    assert all(found[member] for member in ("gitVersion", "gitCommit", "goVersion", "platform"))


async def test_v152_start_halted(cluster):
    """V-152: starting a Halted machine, empty body: 202, empty answer, run strategy Always."""
    await cluster.vm()
    answer = await cluster.put(f"{VMS}/start")
    assert (answer.status, answer.body) == (202, b"")
    assert (await cluster.get(VIRTUAL_MACHINES))["spec"]["runStrategy"] == "Always"


async def test_start_with_running_field(cluster):
    """V-060: a machine that says `running: false` is started in the same words."""
    await cluster.vm(running=False)
    await cluster.put(f"{VMS}/start")
    spec = (await cluster.get(VIRTUAL_MACHINES))["spec"]
    assert (spec["running"], "runStrategy" in spec) == (True, False)


async def test_start_paused_is_a_request(cluster):
    """Starting a Halted machine paused leaves the run strategy and writes a request."""
    await cluster.vm()
    await cluster.put(f"{VMS}/start", {"paused": True})
    assert await requests(cluster) == [{"action": "Start", "data": {"paused": "true"}}]
    assert (await cluster.get(VIRTUAL_MACHINES))["spec"]["runStrategy"] == "Halted"


async def test_v153_start_running(cluster):
    """V-153: what runs cannot be started."""
    await cluster.vm()
    await cluster.vmi()
    error = await cluster.refused(f"{VMS}/start")
    assert (error.code, error.reason, error.message) == (409, "Conflict", MACHINE + "VM is already running")


async def test_v154_start_always(cluster):
    """V-154: Always and Once start by themselves."""
    await cluster.vm(runStrategy="Always")
    error = await cluster.refused(f"{VMS}/start")
    assert error.message == MACHINE + "Always does not support manual start requests"


async def test_v155_start_failed_rerun(cluster):
    """V-155: RerunOnFailure restarts failed instances itself."""
    await cluster.vm(runStrategy="RerunOnFailure")
    await cluster.vmi(phase="Failed")
    error = await cluster.refused(f"{VMS}/start")
    assert error.message == MACHINE + "RerunOnFailure does not support starting VM from failed state"


async def test_v156_start_manual_with_final_instance(cluster):
    """V-156: a finished instance is stopped first."""
    await cluster.vm(runStrategy="Manual")
    vmi = await cluster.vmi(phase="Succeeded")
    await cluster.put(f"{VMS}/start")
    stop = {"action": "Stop", "uid": vmi["metadata"]["uid"]}
    assert await requests(cluster) == [stop, {"action": "Start"}]


async def test_v157_start_twice(cluster):
    """V-157: one request at a time."""
    await cluster.vm(runStrategy="Manual")
    await cluster.put(f"{VMS}/start")
    error = await cluster.refused(f"{VMS}/start")
    assert error.code == 500
    assert "unable to complete request: stop/start already underway" in error.message


async def test_v158_v162_stop_replaces(cluster):
    """V-158, V-162: a stop takes the place of a pending start; the strategy stays Manual."""
    await cluster.vm(runStrategy="Manual", status={"stateChangeRequests": [{"action": "Start"}]})
    vmi = await cluster.vmi()
    await cluster.put(f"{VMS}/stop")
    assert await requests(cluster) == [{"action": "Stop", "uid": vmi["metadata"]["uid"]}]
    assert (await cluster.get(VIRTUAL_MACHINES))["spec"]["runStrategy"] == "Manual"


@pytest.mark.parametrize("action", ["start", "stop", "restart", "migrate", "expand-spec"])
async def test_v159_unknown_machine(cluster, action):
    """V-159: a machine that does not exist is not found, in the singular."""
    error = await cluster.refused(f"{VMS}/{action}", method="GET" if action == "expand-spec" else "PUT")
    assert (error.code, error.message) == (404, 'virtualmachine.kubevirt.io "x" not found')


async def test_v160_stop_always(cluster):
    """V-160: Always becomes Halted, also without an instance."""
    await cluster.vm(runStrategy="Always")
    assert (await cluster.put(f"{VMS}/stop")).status == 202
    assert (await cluster.get(VIRTUAL_MACHINES))["spec"]["runStrategy"] == "Halted"


@pytest.mark.parametrize("strategy", ["Halted", "Manual", "RerunOnFailure"])
async def test_v161_stop_stopped(cluster, strategy):
    """V-161: what does not run cannot be stopped."""
    await cluster.vm(runStrategy=strategy)
    assert (await cluster.refused(f"{VMS}/stop")).message == MACHINE + "VM is not running"


async def test_v163_stop_at_once(cluster):
    """V-163: a grace period is passed on to the instance."""
    await cluster.vm(runStrategy="Always")
    await cluster.vmi()
    await cluster.put(f"{VMS}/stop", {"gracePeriod": 0})
    vmi = await cluster.get(VIRTUAL_MACHINE_INSTANCES)
    assert vmi["spec"]["terminationGracePeriodSeconds"] == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (5, "For force restart, only gracePeriod=0 is supported for now"),
        (-1, "gracePeriod has to be greater or equal to 0"),
    ],
)
async def test_v164_restart_grace(cluster, seconds, text):
    """V-164: a forced restart is immediate or not at all."""
    error = await cluster.refused(f"{VMS}/restart", {"gracePeriodSeconds": seconds})
    assert (error.code, error.message) == (400, text)


async def test_v165_restart_at_once(cluster):
    """V-165: a forced restart leaves the guest one second."""
    await cluster.vm(runStrategy="Always")
    vmi = await cluster.vmi()
    await cluster.put(f"{VMS}/restart", {"gracePeriodSeconds": 0})
    assert (await cluster.get(VIRTUAL_MACHINE_INSTANCES))["spec"]["terminationGracePeriodSeconds"] == 1
    stop = {"action": "Stop", "uid": vmi["metadata"]["uid"]}
    assert await requests(cluster) == [stop, {"action": "Start"}]


@pytest.mark.parametrize("strategy", ["Halted", "Once"])
async def test_v166_restart_where_it_makes_no_sense(cluster, strategy):
    """V-166: Halted and Once know no restart; the spelling is upstream's."""
    await cluster.vm(runStrategy=strategy)
    text = f"RunStategy {strategy} does not support manual restart requests"
    assert (await cluster.refused(f"{VMS}/restart")).message == MACHINE + text


async def test_v167_restart_without_instance(cluster):
    """V-167: nothing runs that could be restarted."""
    await cluster.vm(runStrategy="Always")
    assert (await cluster.refused(f"{VMS}/restart")).message == MACHINE + "VM is not running: Halted"


async def test_v168_dry_run_changes_nothing(cluster):
    """V-168: a dry run answers the same and writes nothing."""
    await cluster.vm(runStrategy="Manual")
    await cluster.vmi()
    before = await cluster.get(VIRTUAL_MACHINES)
    for action in ("stop", "restart"):
        assert (await cluster.put(f"{VMS}/{action}", {"dryRun": ["All"]})).status == 202
    assert await cluster.get(VIRTUAL_MACHINES) == before


async def test_v168_dry_run_starts_nothing(cluster):
    """V-168: neither does a start that is only tried."""
    before = await cluster.vm()
    assert (await cluster.put(f"{VMS}/start", {"dryRun": ["All"]})).status == 202
    assert await cluster.get(VIRTUAL_MACHINES) == before


@pytest.mark.parametrize(
    ("strategy", "action"), [("Manual", "start"), ("RerunOnFailure", "start"), ("Always", "restart")]
)
async def test_v169_start_forgets_failures(cluster, strategy, action):
    """V-169: a manual start, and a restart, begin a new count of failures."""
    await cluster.vm(runStrategy=strategy, status={"startFailure": {"consecutiveFailCount": 2}})
    if action == "restart":
        await cluster.vmi()
    await cluster.put(f"{VMS}/{action}")
    assert "startFailure" not in (await cluster.get(VIRTUAL_MACHINES))["status"]


async def test_v170_broken_body(cluster):
    """V-170: a body that is no JSON is refused before anything is looked up."""
    error = await cluster.refused(f"{VMS}/start", b"{")
    assert error.code == 400
    assert error.message.startswith("Can not unmarshal Request body to struct, error: ")


async def test_v171_pause(cluster):
    """V-171: pausing is the node's work; what is paused already is refused."""
    vmi = await cluster.vmi()
    assert (await cluster.put(f"{VMIS}/pause")).status == 200
    assert cluster.node.told == [(f"{NS}/x", "pause", {})]
    vmi = await cluster.get(VIRTUAL_MACHINE_INSTANCES)
    vmi["status"]["conditions"] = [condition("Paused")]
    await cluster.controller.update(VIRTUAL_MACHINE_INSTANCES, vmi)
    assert (await cluster.refused(f"{VMIS}/pause")).message == INSTANCE + "VMI is already paused"


async def test_v172_pause_nothing(cluster):
    """V-172: an instance that does not exist is not found."""
    error = await cluster.refused(f"{VMIS}/pause")
    assert (error.code, error.message) == (404, 'virtualmachineinstance.kubevirt.io "x" not found')


async def test_v173_pause_too_early(cluster):
    """V-173: only what runs can be paused."""
    await cluster.vmi(phase="Scheduled")
    assert (await cluster.refused(f"{VMIS}/pause")).message == INSTANCE + "VM is not running"


async def test_v174_unpause(cluster):
    """V-174: what is not paused cannot be resumed, nor what is being snapshotted."""
    await cluster.vmi()
    assert (await cluster.refused(f"{VMIS}/unpause")).message == INSTANCE + "VMI is not paused"
    await cluster.vm(status={"snapshotInProgress": "s"})
    assert (await cluster.refused(f"{VMIS}/unpause")).message == MACHINE + "VM snapshot is in progress"


async def test_v175_pause_with_liveness_probe(cluster):
    """V-175: a probe would kill a paused guest."""
    await cluster.vmi(livenessProbe={"exec": {"command": ["true"]}})
    error = await cluster.refused(f"{VMIS}/pause")
    assert error.code == 403
    assert error.message.endswith("Pausing VMIs with a non-GuestAgentPing LivenessProbe is not supported")


@pytest.mark.parametrize("verb", ["guestosinfo", "userlist", "filesystemlist"])
async def test_v176_no_agent(cluster, verb):
    """V-176: without an agent, questions end in 500 and plain text."""
    await cluster.vmi()
    with pytest.raises(ApiError) as caught:
        await cluster.client.request(
            "GET", f"/apis/subresources.kubevirt.io/v1/namespaces/{NS}/{VMIS}/{verb}"
        )
    assert caught.value.code == 500
    direct = await cluster.api(_request("GET", f"{VMIS}/{verb}"))
    assert direct.content_type.startswith("text/plain")
    assert b"VMI does not have guest agent connected" in direct.body


async def test_v177_agent_answers(cluster):
    """V-177: with an agent, the node's answer is sent as it is."""
    await cluster.vmi(status={"conditions": [condition("AgentConnected")]})
    answer = await cluster.api(_request("GET", f"{VMIS}/guestosinfo"))
    assert orjson.loads(answer.body)["guestAgentVersion"] == "9"


def _request(method, path):
    """As the API server hands it on."""
    return Request(
        method, f"/apis/subresources.kubevirt.io/v1/namespaces/{NS}/{path}", user=User("a", ("g",))
    )


async def test_v178_v179_soft_reboot(cluster):
    """V-178, V-179: a reboot from outside needs a guest that moves and listens."""
    await cluster.vmi(
        domain={"devices": {}, "memory": {"guest": "1Gi"}, "features": {"acpi": {"enabled": False}}}
    )
    text = "VMI neither have the agent connected nor the ACPI feature enabled"
    assert (await cluster.refused(f"{VMIS}/softreboot")).message == INSTANCE + text
    vmi = await cluster.get(VIRTUAL_MACHINE_INSTANCES)
    vmi["status"]["conditions"] = [condition("Paused")]
    await cluster.controller.update(VIRTUAL_MACHINE_INSTANCES, vmi)
    assert (await cluster.refused(f"{VMIS}/softreboot")).message == INSTANCE + "VMI is paused"


async def test_v180_reset_pending(cluster):
    """V-180: a reset needs a running guest."""
    await cluster.vmi(phase="Pending")
    error = await cluster.refused(f"{VMIS}/reset")
    assert error.code == 400
    assert error.message.startswith("Failed to reset non-running VMI with phase Pending: Unable to connect")


async def test_v181_migrate(cluster):
    """V-181: migrate writes a migration object."""
    await cluster.vm(runStrategy="Always")
    await cluster.vmi()
    assert (await cluster.put(f"{VMS}/migrate", {"addedNodeSelector": {"a": "b"}})).status == 202
    (made,) = (await cluster.client.list(MIGRATIONS, NS)).items
    assert made["metadata"]["name"].startswith("kubevirt-migrate-vm-")
    assert made["spec"] == {"vmiName": "x", "addedNodeSelector": {"a": "b"}}


async def test_v182_migrate_what_cannot(cluster):
    """V-182: the refusal of admission comes through as an internal error."""
    await cluster.vm(runStrategy="Always")
    refusal = condition("LiveMigratable", "False", reason="R", message="M")
    await cluster.vmi(status={"conditions": [refusal]})
    error = await cluster.refused(f"{VMS}/migrate")
    assert error.code == 500
    assert "Cannot migrate VMI, Reason: R, Message: M" in error.message


PLUG = {
    "name": "v",
    "disk": {"disk": {"bus": "scsi"}},
    "volumeSource": {"persistentVolumeClaim": {"claimName": "c"}},
}


async def test_v183_add_volume(cluster):
    """V-183: a volume is plugged into the machine's template."""
    await cluster.vm()
    assert (await cluster.put(f"{VMS}/addvolume", PLUG)).status == 202
    vm = await cluster.get(VIRTUAL_MACHINES)
    template = vm["spec"]["template"]["spec"]
    assert template["volumes"] == [
        {"name": "v", "persistentVolumeClaim": {"claimName": "c", "hotpluggable": True}}
    ]
    assert template["domain"]["devices"]["disks"] == [{"name": "v", "disk": {"bus": "scsi"}}]
    assert "volumeRequests" not in vm.get("status", {})


async def test_v184_add_volume_by_queue(cluster):
    """V-184: with the old gate, the wish is queued in the status."""
    await cluster.configure(developerConfiguration={"featureGates": ["HotplugVolumes"]})
    await cluster.vm()
    await cluster.put(f"{VMS}/addvolume", PLUG)
    (request,) = (await cluster.get(VIRTUAL_MACHINES))["status"]["volumeRequests"]
    assert request["addVolumeOptions"]["name"] == "v"


async def test_v185_v186_add_volume_refused(cluster):
    """V-185, V-186: names are taken once; a disk is needed."""
    await cluster.vm()
    await cluster.put(f"{VMS}/addvolume", PLUG)
    text = "Unable to add volume [v] because volume with that name already exists"
    assert (await cluster.refused(f"{VMS}/addvolume", PLUG)).message == MACHINE + text
    text = "Unable to add volume source [c] because it already exists"
    assert (await cluster.refused(f"{VMS}/addvolume", {**PLUG, "name": "w"})).message == MACHINE + text
    error = await cluster.refused(f"{VMS}/addvolume", {"name": "w"})
    assert (error.code, error.message) == (400, "AddVolumeOptions requires disk to not be nil")


async def test_add_volume_needs_a_gate(cluster):
    """With both gates closed there is no hot-plug."""
    await cluster.configure(developerConfiguration={"disabledFeatureGates": ["DeclarativeHotplugVolumes"]})
    await cluster.vm()
    error = await cluster.refused(f"{VMS}/addvolume", PLUG)
    assert error.message == (
        "Enable DeclarativeHotplugVolumes or HotplugVolumes feature gate to use this API."
    )


async def test_v187_volume_of_an_owned_instance(cluster):
    """V-187: an instance that belongs to a machine is changed through the machine."""
    vm = await cluster.vm()
    vmi = await cluster.vmi()
    vmi["metadata"]["ownerReferences"] = [
        {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachine",
            "name": "x",
            "uid": vm["metadata"]["uid"],
            "controller": True,
        }
    ]
    await cluster.controller.update(VIRTUAL_MACHINE_INSTANCES, vmi)
    error = await cluster.refused(f"{VMIS}/addvolume", PLUG)
    assert (error.code, error.message) == (400, "VMI default/x is owned by a VM")


async def test_volume_of_a_free_instance(cluster):
    """An instance without owner takes the volume itself, and gives it back."""
    await cluster.vmi()
    assert (await cluster.put(f"{VMIS}/addvolume", PLUG)).status == 202
    vmi = await cluster.get(VIRTUAL_MACHINE_INSTANCES)
    assert [volume["name"] for volume in vmi["spec"]["volumes"]] == ["v"]
    await cluster.put(f"{VMIS}/removevolume", {"name": "v"})
    assert (await cluster.get(VIRTUAL_MACHINE_INSTANCES))["spec"]["volumes"] == []


async def test_v188_remove_volume_refused(cluster):
    """V-188: only what was plugged in can be plugged out."""
    template = {
        "spec": {
            "domain": {"devices": {}, "memory": {"guest": "1Gi"}},
            "volumes": [{"name": "v", "containerDisk": {"image": "i"}}],
        }
    }
    await cluster.vm(template=template)
    text = "Unable to remove volume [v] because it is not hotpluggable"
    assert (await cluster.refused(f"{VMS}/removevolume", {"name": "v"})).message == MACHINE + text
    text = "Unable to remove volume [w] because it does not exist"
    assert (await cluster.refused(f"{VMS}/removevolume", {"name": "w"})).message == MACHINE + text


async def test_v189_console(cluster):
    """V-189: the console of a running instance speaks plain.kubevirt.io, and is the node's to hold."""
    await cluster.vmi()
    answer = await cluster.api(_request("GET", f"{VMIS}/console"))
    assert answer.status == 101
    assert tuple(answer.upgrade.protocols) == ("plain.kubevirt.io",)
    assert answer.upgrade.serve is cluster.node.conversation
    assert cluster.node.told == [(f"{NS}/x", "console", {"port": 0, "protocol": "tcp"})]


async def test_port_of_a_port_forward(cluster):
    """The node is told which port and protocol are meant; TCP is meant when nothing is said."""
    await cluster.vmi(status={"interfaces": [{"name": "default", "ipAddress": "10.244.0.9"}]})
    await cluster.api(_request("GET", f"{VMIS}/portforward/22"))
    await cluster.api(_request("GET", f"{VMIS}/portforward/53/udp"))
    asked = [options for _, _, options in cluster.node.told]
    assert asked == [{"port": 22, "protocol": "tcp"}, {"port": 53, "protocol": "udp"}]


async def test_v190_console_too_early(cluster):
    """V-190: not yet is 400, which clients wait on; failed is 409, which ends it."""
    vmi = await cluster.vmi(phase="Scheduling")
    error = await cluster.refused(f"{VMIS}/console", method="GET")
    assert (error.code, error.message) == (400, "VMI is not running")
    vmi["status"]["phase"] = "Failed"
    await cluster.controller.update(VIRTUAL_MACHINE_INSTANCES, vmi)
    assert (
        await cluster.refused(f"{VMIS}/console", method="GET")
    ).message == INSTANCE + "VMI is in failed status"


async def test_v191_no_graphics(cluster):
    """V-191: without a graphics card there is no VNC."""
    devices = {"autoattachGraphicsDevice": False}
    await cluster.vmi(domain={"devices": devices, "memory": {"guest": "1Gi"}})
    error = await cluster.refused(f"{VMIS}/vnc", method="GET")
    assert (error.code, error.message) == (400, "No graphics devices are present.")


async def test_v192_v193_port_forward(cluster):
    """V-192, V-193: no ports of a paused guest, nor of a machine that does not run."""
    await cluster.vm()
    assert (await cluster.refused(f"{VMS}/portforward/22/tcp", method="GET")).message == (
        MACHINE + "VMI is not started"
    )
    await cluster.vmi(status={"conditions": [condition("Paused")]})
    error = await cluster.refused(f"{VMIS}/portforward/22", method="GET")
    assert (error.code, error.message) == (409, INSTANCE + "VMI is paused")


async def test_v194_expand_spec(cluster):
    """V-194: the answer has the size written out; the stored machine keeps its matcher."""
    size = {
        "apiVersion": CLUSTER_INSTANCETYPES.api_version,
        "kind": CLUSTER_INSTANCETYPES.kind,
        "metadata": {"name": "small"},
        "spec": {"cpu": {"guest": 2}, "memory": {"guest": "2Gi"}},
    }
    await cluster.client.create(CLUSTER_INSTANCETYPES, size)
    template = {"spec": {"domain": {"devices": {}}}}
    before = await cluster.vm(instancetype={"name": "small"}, template=template)
    answer = await cluster.client.request(
        "GET", f"/apis/subresources.kubevirt.io/v1/namespaces/{NS}/{VMS}/expand-spec"
    )
    vm = orjson.loads(answer.body)
    assert "instancetype" not in vm["spec"]
    assert vm["spec"]["template"]["spec"]["domain"]["cpu"] == {"sockets": 2, "cores": 1, "threads": 1}
    assert vm["spec"]["template"]["spec"]["domain"]["memory"] == {"guest": "2Gi"}
    assert await cluster.get(VIRTUAL_MACHINES) == before


async def test_expand_spec_writes_defaults_out(cluster):
    """Disks, network and other defaults are in the answer; the preference decides about disks nobody named."""
    preference = {
        "apiVersion": CLUSTER_INSTANCETYPES.api_version,
        "kind": "VirtualMachineClusterPreference",
        "metadata": {"name": "linux"},
        "spec": {"devices": {"preferredDiskBus": "scsi"}, "annotations": {"a": "theirs", "b": "theirs"}},
    }
    await cluster.client.create(CLUSTER_PREFERENCES, preference)
    spec = {"domain": {"devices": {}}, "volumes": [{"name": "root", "containerDisk": {"image": "x"}}]}
    template = {"metadata": {"annotations": {"a": "mine"}}, "spec": spec}
    await cluster.vm(preference={"name": "linux"}, template=template)
    answer = await cluster.client.request(
        "GET", f"/apis/subresources.kubevirt.io/v1/namespaces/{NS}/{VMS}/expand-spec"
    )
    found = orjson.loads(answer.body)["spec"]["template"]
    marks = found["metadata"]["annotations"]
    assert (marks["a"], marks["b"]) == ("mine", "theirs")
    devices = found["spec"]["domain"]["devices"]
    assert devices["disks"] == [{"name": "root", "disk": {"bus": "scsi"}}]
    assert devices["interfaces"] == [{"name": "default", "bridge": {}}]
    assert found["spec"]["networks"] == [{"name": "default", "pod": {}}]
    assert found["spec"]["domain"]["cpu"] == {"cores": 1, "sockets": 1, "threads": 1}
    assert found["spec"]["volumes"][0]["containerDisk"]["imagePullPolicy"] == "Always"


async def test_expand_vm_spec_checks_its_body(cluster):
    """PUT expand-vm-spec needs a machine of the namespace."""
    assert (await cluster.refused("expand-vm-spec")).message == "empty request body"
    assert (await cluster.refused("expand-vm-spec", {})).message == "Object is not a valid VirtualMachine"


async def test_v195_cancel_evacuation(cluster):
    """V-195: an instance may stay; where it need not leave, nothing happens."""
    await cluster.client.create(NODES, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    await cluster.vm(status={"created": True})
    await cluster.vmi(status={"evacuationNodeName": "n1"})
    assert (await cluster.put(f"{VMS}/evacuate/cancel", {"evacuationNodeName": "n1"})).status == 200
    assert "evacuationNodeName" not in (await cluster.get(VIRTUAL_MACHINE_INSTANCES))["status"]
    assert (await cluster.put(f"{VMIS}/evacuate/cancel", {"evacuationNodeName": "n1"})).status == 200


async def test_cancel_evacuation_of_a_drained_node(cluster):
    """A node with the drain taint has to be left; another node's name is a mistake."""
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
    await cluster.client.create(NODES, node)
    await cluster.vmi(status={"evacuationNodeName": "n1"})
    assert (await cluster.refused(f"{VMIS}/evacuate/cancel", {"evacuationNodeName": "n2"})).code == 500
    taint = [
        {"op": "add", "path": "/spec/taints", "value": [{"key": "kubevirt.io/drain", "effect": "NoSchedule"}]}
    ]
    await cluster.client.patch(NODES, "n1", None, taint, type="json")
    error = await cluster.refused(f"{VMIS}/evacuate/cancel", {"evacuationNodeName": "n1"})
    assert (error.code, error.message) == (
        400,
        'Node "n1" has NodeDrainTaintKey "kubevirt.io/drain:NoSchedule"',
    )


async def test_memory_dump(cluster):
    """A memory dump needs a running guest and a large enough claim, and is recorded in the status."""
    await cluster.vm()
    assert (await cluster.refused(f"{VMS}/memorydump")).message == "Memory dump requires claim name to be set"
    body = {"claimName": "c"}
    missing = await cluster.refused(f"{VMS}/memorydump", body)
    assert missing.message == 'virtualmachineinstance.kubevirt.io "x" not found'
    vmi = await cluster.vmi(phase="Scheduled")
    assert (await cluster.refused(f"{VMS}/memorydump", body)).message == INSTANCE + "VMI is not running"
    vmi["status"]["phase"] = "Running"
    await cluster.controller.update(VIRTUAL_MACHINE_INSTANCES, vmi)
    assert (await cluster.refused(f"{VMS}/memorydump", body)).message == (
        'persistentvolumeclaim.kubevirt.io "c" not found'
    )
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
    claim = {
        "apiVersion": "v1",
        "kind": PERSISTENT_VOLUME_CLAIMS.kind,
        "metadata": {"name": "c", "namespace": NS},
        "spec": spec,
    }
    await cluster.client.create(PERSISTENT_VOLUME_CLAIMS, claim)
    assert (await cluster.put(f"{VMS}/memorydump", body)).status == 202
    dump = (await cluster.get(VIRTUAL_MACHINES))["status"]["memoryDumpRequest"]
    assert dump == {"claimName": "c", "phase": "Associating"}
    text = "memory dump request for pvc [c] already in progress"
    assert (await cluster.refused(f"{VMS}/memorydump", body)).message == MACHINE + text
    assert (await cluster.put(f"{VMS}/removememorydump")).status == 202
    dump = (await cluster.get(VIRTUAL_MACHINES))["status"]["memoryDumpRequest"]
    assert dump == {"claimName": "c", "remove": True, "phase": "Dissociating"}
    text = "can't dump memory for pvc [c] a remove memory dump request is in progress"
    assert (await cluster.refused(f"{VMS}/memorydump")).message == MACHINE + text
    text = "memory dump remove request for pvc [c] already exists"
    assert (await cluster.refused(f"{VMS}/removememorydump")).message == MACHINE + text


async def test_paths_nobody_serves(cluster):
    """Unknown subresources are 404, known ones by another method 405."""
    await cluster.vm()
    assert (await cluster.refused(f"{VMS}/dance")).code == 404
    assert (await cluster.refused(f"{VMS}/start", method="GET")).code == 405
    assert (await cluster.refused(f"{VMIS}/portforward", method="GET")).code == 404
    assert (await cluster.refused(f"{VMIS}/portforward/1/tcp/2", method="GET")).code == 404
