"""What the subresources look at first, and in which words they refuse: upstream's handlers, one by one."""

import orjson
import pytest

from fakekube.machinery.resources import (
    CDI_CONFIGS,
    MIGRATIONS,
    PERSISTENT_VOLUME_CLAIMS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
)
from tests.virt.api.conftest import NS, condition

VMS, VMIS = "virtualmachines/x", "virtualmachineinstances/x"
MACHINE = 'Operation cannot be fulfilled on virtualmachine.kubevirt.io "x": '
INSTANCE = 'Operation cannot be fulfilled on virtualmachineinstance.kubevirt.io "x": '
UNREADABLE = "Can not unmarshal Request body to struct, error: "
TRIED = {"dryRun": ["All"]}


async def grace_period(cluster):
    return (await cluster.get(VIRTUAL_MACHINE_INSTANCES))["spec"].get("terminationGracePeriodSeconds")


async def requests(cluster):
    return (await cluster.get(VIRTUAL_MACHINES)).get("status", {}).get("stateChangeRequests")


async def test_a_stop_that_is_refused_has_changed_the_grace_period(cluster):
    """The instance is patched before it is asked whether a Halted machine may be stopped like that."""
    await cluster.vm()
    await cluster.vmi(terminationGracePeriodSeconds=5)
    text = "Halted only supports manual stop requests with a shorter graceperiod"
    assert (await cluster.refused(f"{VMS}/stop", {"gracePeriod": 9})).message == MACHINE + text
    assert await grace_period(cluster) == 9
    assert (await cluster.put(f"{VMS}/stop", {"gracePeriod": 3})).status == 202
    assert await grace_period(cluster) == 3


async def test_a_receiver_is_not_stopped(cluster):
    """A machine that waits for its guest from elsewhere takes a stop without a word, and does nothing."""
    await cluster.vm(runStrategy="WaitAsReceiver")
    assert (await cluster.put(f"{VMS}/stop")).status == 202
    assert await requests(cluster) is None


async def test_a_forced_restart_that_fails_gives_the_time_back(cluster):
    """The grace period of a forced restart is one second from its start; where the request cannot be written it is as before."""
    await cluster.vm(runStrategy="Always", status={"stateChangeRequests": [{"action": "Start"}]})
    await cluster.vmi(terminationGracePeriodSeconds=30)
    error = await cluster.refused(f"{VMS}/restart", {"gracePeriodSeconds": 0})
    assert error.message == "Internal error occurred: unable to complete request: stop/start already underway"
    assert await grace_period(cluster) == 1


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "migrate"])
async def test_tried_out(cluster, verb):
    """`dryRun` goes through admission and stores nothing; what it may not say is refused by the API server."""
    await cluster.vm(runStrategy="Manual", status={"created": True})
    if verb != "start":
        await cluster.vmi()
    assert (await cluster.put(f"{VMS}/{verb}", TRIED)).status == 202
    assert await requests(cluster) is None
    assert (await cluster.client.list(MIGRATIONS, NS)).items == []


async def test_trying_out_what_admission_refuses(cluster):
    """A migration that admission would refuse is refused when it is only tried, too."""
    await cluster.vm(runStrategy="Always")
    await cluster.vmi(status={"conditions": [condition("LiveMigratable", "False", reason="R", message="M")]})
    error = await cluster.refused(f"{VMS}/migrate", TRIED)
    assert (error.code, "Cannot migrate VMI" in error.message) == (500, True)


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        (f"{VMS}/start", b"{", "unexpected EOF"),
        (f"{VMS}/start", [], "json: cannot unmarshal array into Go value of type v1.StartOptions"),
        (
            f"{VMS}/start",
            {"paused": "yes"},
            "json: cannot unmarshal string into Go struct field StartOptions.paused of type bool",
        ),
        (
            f"{VMS}/stop",
            {"gracePeriod": 1.5},
            "json: cannot unmarshal number 1.5 into Go struct field StopOptions.gracePeriod of type int64",
        ),
        (
            f"{VMS}/addvolume",
            {"name": "v", "disk": 1},
            "json: cannot unmarshal number into Go struct field AddVolumeOptions.disk of type v1.Disk",
        ),
        (
            f"{VMIS}/pause",
            {"dryRun": "All"},
            "json: cannot unmarshal string into Go struct field PauseOptions.dryRun of type []string",
        ),
    ],
)
async def test_bodies_that_are_no_options(cluster, path, body, text):
    """Bodies are read before anything is looked up, and refused in the words of Go's decoder."""
    error = await cluster.refused(path, body)
    assert (error.code, error.message) == (400, UNREADABLE + text)


async def test_unpausing_looks_at_snapshots_first(cluster):
    """V-174: a snapshot in progress counts before what the body says."""
    await cluster.vm(status={"snapshotInProgress": "s"})
    assert (await cluster.refused(f"{VMIS}/unpause", b"{")).message == MACHINE + "VM snapshot is in progress"


async def test_freezing_needs_a_time(cluster):
    """The node asks for it, so that it is an internal error; an instance that does not run is told first."""
    said = "Internal error occurred: unexpected return code 400 (400 Bad Request), message: "
    await cluster.vmi(phase="Scheduled")
    assert (await cluster.refused(f"{VMIS}/freeze", b"{")).message == INSTANCE + "VM is not running"
    vmi = await cluster.get(VIRTUAL_MACHINE_INSTANCES)
    vmi["status"]["phase"] = "Running"
    await cluster.controller.update(VIRTUAL_MACHINE_INSTANCES, vmi)
    assert (await cluster.refused(f"{VMIS}/freeze", b"{")).message == (
        f"{said}failed to unmarshal unfreeze timeout"
    )
    error = await cluster.refused(f"{VMIS}/freeze", {})
    assert (error.code, error.message) == (500, f"{said}Unfreeze timeout in freeze request is not set")


async def test_resetting_a_guest_that_has_not_begun(cluster):
    """V-180: a scheduled instance has a node, which knows no guest of that name."""
    await cluster.vmi(phase="Scheduled")
    error = await cluster.refused(f"{VMIS}/reset")
    assert error.code == 500
    assert error.message.startswith(
        "Internal error occurred: Failed to reset non-running VMI with phase Scheduled: unexpected return code 500"
    )


PLUG = {
    "name": "v",
    "disk": {"disk": {"bus": "scsi"}},
    "volumeSource": {"persistentVolumeClaim": {"claimName": "c"}},
}


async def test_queued_requests_for_one_volume(cluster):
    """One request for each volume: removing takes the place of adding, adding waits until removing is done."""
    await cluster.configure(developerConfiguration={"featureGates": ["HotplugVolumes"]})
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "c", "hotpluggable": True}}
    spec = {"domain": {"devices": {}, "memory": {"guest": "1Gi"}}, "volumes": [volume]}
    wish = {**PLUG, "disk": {"name": "v", **PLUG["disk"]}}
    pending = [{"addVolumeOptions": wish}, {"addVolumeOptions": {**wish, "name": "w"}}]
    await cluster.vm(template={"spec": spec}, status={"volumeRequests": pending})
    again = {**PLUG, "name": "w", "volumeSource": {"persistentVolumeClaim": {"claimName": "d"}}}
    text = "add volume request for volume [w] already exists"
    assert (await cluster.refused(f"{VMS}/addvolume", again)).message == MACHINE + text
    assert (await cluster.put(f"{VMS}/removevolume", {"name": "v"})).status == 202
    queue = (await cluster.get(VIRTUAL_MACHINES))["status"]["volumeRequests"]
    assert [next(iter(one)) for one in queue] == ["addVolumeOptions", "removeVolumeOptions"]
    text = "a remove volume request for volume [v] already exists and is still being processed"
    assert (await cluster.refused(f"{VMS}/removevolume", {"name": "v"})).message == MACHINE + text
    vm = await cluster.get(VIRTUAL_MACHINES)
    vm["spec"]["template"]["spec"]["volumes"] = []
    await cluster.client.update(VIRTUAL_MACHINES, vm)
    text = f"unable to add volume since {text}"
    assert (await cluster.refused(f"{VMS}/addvolume", PLUG)).message == MACHINE + text


async def test_volumes_by_the_name_of_their_source(cluster):
    """V-188: a volume may be named by its claim; then it is found, and stays where it is."""
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}
    spec = {"domain": {"devices": {}, "memory": {"guest": "1Gi"}}, "volumes": [volume]}
    vm = await cluster.vm(template={"spec": spec})
    text = "Unable to remove volume [v] because it is not hotpluggable"
    assert (await cluster.refused(f"{VMS}/removevolume", {"name": "c"})).message == MACHINE + text
    vm["spec"]["template"]["spec"]["volumes"][0]["persistentVolumeClaim"]["hotpluggable"] = True
    await cluster.client.update(VIRTUAL_MACHINES, vm)
    assert (await cluster.put(f"{VMS}/removevolume", {"name": "c"})).status == 202
    found = await cluster.get(VIRTUAL_MACHINES)
    assert [one["name"] for one in found["spec"]["template"]["spec"]["volumes"]] == ["v"]


async def test_what_is_invalid_is_passed_on(cluster):
    """Clients try again on what admission finds invalid, so it is told as it is."""
    await cluster.vm()
    many = {**PLUG, "disk": {"disk": {"bus": "nonsense"}}}
    assert (await cluster.refused(f"{VMS}/addvolume", many)).code == 422


@pytest.mark.parametrize(
    ("size", "said"),
    [("1Gi", "pvc size [1073742k] should be bigger then [1186Mi]"), ("2Gi", "")],
)
async def test_dumps_need_room(cluster, size, said):
    """What is requested for the guest, a hundred mebibytes, and what the filesystem needs by CDI's configuration."""
    config = await cluster.client.get(CDI_CONFIGS, "config")
    config["status"]["filesystemOverhead"] = {"global": "0.055", "storageClass": {}}
    await cluster.client.update(CDI_CONFIGS, config)
    await cluster.vm()
    await cluster.vmi(
        domain={
            "devices": {},
            "memory": {"guest": "1Gi"},
            "resources": {"requests": {"memory": "1Gi"}},
        }
    )
    claim = {
        "apiVersion": "v1",
        "kind": PERSISTENT_VOLUME_CLAIMS.kind,
        "metadata": {"name": "c", "namespace": NS},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}},
    }
    await cluster.client.create(PERSISTENT_VOLUME_CLAIMS, claim)
    if not said:
        assert (await cluster.put(f"{VMS}/memorydump", {"claimName": "c"})).status == 202
        return
    error = await cluster.refused(f"{VMS}/memorydump", {"claimName": "c"})
    assert error.message == f'Operation cannot be fulfilled on persistentvolumeclaim.kubevirt.io "c": {said}'


async def test_letting_a_dump_go_needs_no_gate(cluster):
    """With hot-plug closed memory cannot be dumped, but what has been dumped can be let go."""
    await cluster.configure(developerConfiguration={"disabledFeatureGates": ["DeclarativeHotplugVolumes"]})
    await cluster.vm(status={"memoryDumpRequest": {"claimName": "c", "phase": "Completed", "fileName": "f"}})
    assert (await cluster.refused(f"{VMS}/memorydump", {"claimName": "c"})).code == 400
    assert (await cluster.put(f"{VMS}/removememorydump")).status == 202


async def test_another_claim_is_told_before_the_guest(cluster):
    """The claim that is still associated counts before the question whether the guest runs."""
    await cluster.vm(status={"memoryDumpRequest": {"claimName": "c", "phase": "Completed"}})
    text = "can't request memory dump for pvc [d] while pvc [c] is still associated as the memory dump pvc"
    assert (await cluster.refused(f"{VMS}/memorydump", {"claimName": "d"})).message == MACHINE + text


async def test_evacuation_from_a_node_that_is_gone(cluster):
    """V-195: the node is asked whether it is drained; where there is none, that is an internal error."""
    await cluster.vmi(status={"evacuationNodeName": "n1"})
    error = await cluster.refused(f"{VMIS}/evacuate/cancel", {"evacuationNodeName": "n1"})
    assert (error.code, 'nodes "n1" not found' in error.message) == (500, True)


@pytest.mark.parametrize(
    ("tail", "text"),
    [
        ("0", 'unable to parse "0" as a port number'),
        ("a", 'unable to parse "a" as a port number'),
        ("9" * 5000, f'unable to parse "{"9" * 5000}" as a port number'),
        ("1/sctp", "invalid protocol sctp, only tcp and udp are supported"),
    ],
    ids=["zero", "letter", "too long", "protocol"],
)
async def test_ports_that_are_none(cluster, tail, text):
    """V-192: an instance that is not there is told first, then one without an interface, then the port."""
    path = f"{VMIS}/portforward/{tail}"
    assert (await cluster.refused(path, method="GET")).code == 404
    vmi = await cluster.vmi()
    assert (await cluster.refused(path, method="GET")).message == "no network interfaces are present"
    vmi["status"]["interfaces"] = [{"name": "default", "ipAddress": "10.0.0.1"}]
    await cluster.controller.update(VIRTUAL_MACHINE_INSTANCES, vmi)
    error = await cluster.refused(path, method="GET")
    assert (error.code, error.message) == (400, text)


async def test_vsock(cluster):
    """VSOCK has to be attached, the instance has to have a node, and the node has to understand the port."""
    await cluster.configure(developerConfiguration={"featureGates": ["VSOCK"]})
    path = f"{VMIS}/vsock"
    assert (await cluster.refused(f"{path}?port=1", method="GET")).code == 404
    devices = {"autoattachVSOCK": True}
    vmi = await cluster.vmi(phase="Scheduling", domain={"devices": devices, "memory": {"guest": "1Gi"}})
    error = await cluster.refused(path, method="GET")
    assert (error.code, error.message) == (
        400,
        "Unable to connect to VirtualMachineInstance because phase is Scheduling instead of Running or Scheduled",
    )
    vmi["status"]["phase"] = "Running"
    await cluster.controller.update(VIRTUAL_MACHINE_INSTANCES, vmi)
    error = await cluster.refused(path, method="GET")
    assert (error.code, error.message) == (
        500,
        "Internal error occurred: dialing virt-handler: websocket: bad handshake",
    )


SEV = {
    "firmware": {"bootloader": {"efi": {"secureBoot": False}}},
    "launchSecurity": {"sev": {"attestation": {}}},
}


async def test_attestation(cluster):
    """Sessions are set up while the instance is Scheduled, once, with both parts; secrets wait for a paused guest."""
    session = {"session": "AAABBB", "dhCert": "CCCDDD"}
    path = f"{VMIS}/sev/setupsession"
    assert (await cluster.refused(path, {})).message == "Session blob is required"
    assert (await cluster.refused(path, {"session": "A"})).message == "DH cert is required"
    assert (await cluster.refused(path, session)).code == 404
    domain = {"devices": {}, "memory": {"guest": "1Gi"}, **SEV}
    vmi = await cluster.vmi(domain=domain, startStrategy="Paused")
    assert (await cluster.refused(path, session)).message == INSTANCE + "VMI is not in Scheduled phase"
    secret = await cluster.refused(f"{VMIS}/sev/injectlaunchsecret", {"header": "A", "secret": "B"})
    assert secret.message == INSTANCE + "VMI is not paused"
    vmi["status"]["phase"] = "Scheduled"
    await cluster.controller.update(VIRTUAL_MACHINE_INSTANCES, vmi)
    assert (await cluster.put(path, session)).status == 202
    sev = (await cluster.get(VIRTUAL_MACHINE_INSTANCES))["spec"]["domain"]["launchSecurity"]["sev"]
    assert sev == {"attestation": {}, **session}
    assert (await cluster.refused(path, session)).message == INSTANCE + "Session already defined"
    assert (await cluster.refused(f"{VMIS}/sev/fetchcertchain", method="GET")).code == 501


async def test_attestation_nobody_asked_for(cluster):
    """Questions to the host are refused with 500; with the gate shut nothing else is looked at."""
    await cluster.vmi()
    error = await cluster.refused(f"{VMIS}/sev/querylaunchmeasurement", method="GET")
    assert (error.code, error.message) == (500, INSTANCE + "Attestation not requested for VMI")
    await cluster.configure(developerConfiguration={"disabledFeatureGates": ["WorkloadEncryptionSEV"]})
    error = await cluster.refused(f"{VMIS}/sev/fetchcertchain", method="GET")
    assert (error.code, error.message) == (400, "'WorkloadEncryptionSEV' feature gate is not enabled")


async def test_the_image_of_guestfs(cluster):
    """`virtctl guestfs` is told of the registry, the prefix and the version that are installed."""
    root = "/apis/subresources.kubevirt.io/v1/guestfs"
    found = orjson.loads((await cluster.client.request("GET", root)).body)
    assert (found["registry"], found["tag"], found["imagePrefix"]) == ("quay.io/kubevirt", "v1.9.0", "")
