"""Machines nobody recorded: what they are refused, what their disks come from, and what is deleted too early."""

from tests.recordings import facts
from tests.recordings.scene import SPEC, Scene

VM = "VirtualMachine/vm"
HTTP = {"source": {"http": {"url": "http://example/disk.img"}}}


def with_volumes(strategy="Always", *names, **spec):
    """A machine with a DataVolume template for each name."""
    names, spec = names or ("root",), spec or HTTP
    size = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    disks = [{"disk": {"bus": "virtio"}, "name": one} for one in names]
    volumes = [{"name": one, "dataVolume": {"name": one}} for one in names]
    domain = {**SPEC["domain"], "devices": {"disks": disks}}
    return {
        "runStrategy": strategy,
        "dataVolumeTemplates": [
            {"metadata": {"name": one}, "spec": {**spec, "storage": size}} for one in names
        ],
        "template": {"spec": {**SPEC, "domain": domain, "volumes": volumes}},
    }


def failure(seen):
    return seen.values("vm/vm", "status.conditions[Failure]")


async def test_two_strategies_at_once(caplog):
    """A machine that says `running` and `runStrategy` gets its finalizer and a log line, and no more; it can be deleted."""
    spec = {"template": {"spec": SPEC}, "runStrategy": "Always", "running": True}
    scene = Scene().create("vm", "vm", spec).wait(2)
    seen = await scene.play()
    assert seen.statuses() == ["Stopped"]
    assert "running and runstrategy are mutually exclusive" in caplog.text
    assert "Traceback" not in caplog.text
    told = {path.split(".")[1] for path in seen.facts.lives["vm/vm"].fields if path.startswith("status.")}
    assert told == {"printableStatus", "volumeSnapshotStatuses"}
    assert not seen.there("vmi")
    assert not (await scene.delete("vm", "vm").wait(1).play()).there("vm")


async def test_running_is_a_strategy():
    """`running` true and false are Always and Halted, in the status under these names."""
    scene = Scene().create("vm", "vm", {"template": {"spec": SPEC}, "running": True}).wait(2)
    seen = await scene.patch("vm", "vm", {"spec": {"running": False}}).wait(2).play()
    assert seen.statuses() == ["Stopped", "Starting", "Running", "Stopping", "Stopped"]
    assert seen.values("vm/vm", "status.runStrategy") == ["Always", "Halted"]


async def test_an_instance_is_refused():
    """While its instance is refused a machine is Stopped, says why as condition and event, and then starts."""
    scene = Scene().node("policy: CREATE of VMIs denied").vm("Always").wait(1).node("policy gone").wait(5)
    seen = await scene.play()
    told, gone = failure(seen)
    assert (told["status"], told["reason"], told["lastProbeTime"]) == ("True", "FailedCreate", None)
    assert told["message"].startswith("Failure while starting VMI: virtualmachineinstances.kubevirt.io ")
    assert gone == facts.ABSENT
    (message,) = seen.events(VM, "FailedCreate")
    assert message.startswith("Error creating virtual machine instance: virtualmachineinstances.kubevirt.io ")
    assert seen.statuses() == ["Stopped", "Starting", "Running"]
    assert seen.values("vm/vm", "metadata.generation") == [1, 2]


async def test_deleted_before_it_has_a_place():
    """A start that is called off counts as a failed one, of a machine as of an instance; only the machine tries again."""
    scene = Scene().node("behaviour", match="vm$", schedule=None).vm("Always").wait(1)
    seen = await scene.delete("vm", "vm").wait(2).play()
    assert seen.statuses() == ["Stopped", "Starting", "Terminating"]
    assert seen.values("vm/vm", "status.startFailure.consecutiveFailCount") == [1]
    assert seen.values("vmi/vm", "status.phase") == ["Pending", "Scheduling", "Failed"]
    assert not seen.there("vm") | seen.there("vmi") | seen.there("pod")
    scene = Scene().node("behaviour", match="vm$", pod_start=3).vm("Always").wait(1).delete("vmi", "vm")
    seen = await scene.wait(5).play()
    assert seen.statuses() == ["Stopped", "Starting", "Stopping", "CrashLoopBackOff"]
    assert seen.events(VM, "SuccessfulDelete") == {}


async def test_volumes_of_a_machine_that_is_off():
    """Halted or not, volumes are filled at once, unless an annotation puts it off until the start."""
    start = {"spec": {"runStrategy": "Always"}}
    seen = (
        await Scene()
        .create("vm", "vm", with_volumes("Halted"))
        .wait(3)
        .patch("vm", "vm", start)
        .wait(2)
        .play()
    )
    assert seen.statuses() == ["Stopped", "Provisioning", "Stopped", "Starting", "Running"]
    marks = {"kubevirt.io/immediate-data-volume-creation": "false"}
    scene = Scene().create("vm", "vm", with_volumes("Halted"), annotations=marks).wait(2)
    seen = await scene.patch("vm", "vm", start).wait(3).play()
    assert seen.statuses() == ["Stopped", "Provisioning", "Starting", "Running"]
    assert seen.facts.lives["dv/root"].born >= 2


async def test_one_of_two_volumes_fails():
    """V-102: one volume that cannot be filled keeps the machine off; both are told of once when they are made."""
    scene = Scene().node("behaviour", match="data$", dv="fail")
    seen = await scene.create("vm", "vm", with_volumes("Always", "root", "data")).wait(3).play()
    assert seen.statuses() == ["Stopped", "Provisioning", "DataVolumeError"]
    assert seen.events(VM, "SuccessfulDataVolumeCreate") == {
        "Created DataVolume root": 1,
        "Created DataVolume data": 1,
    }
    assert set(seen.events(VM, "FailedDataVolumeImport")) == {"DataVolume data failed to import disk image"}
    assert not seen.there("vmi")


async def test_a_volume_is_deleted():
    """A volume deleted under a running guest is made anew; the guest says that not all is ready, and runs on."""
    scene = Scene().create("vm", "vm", with_volumes()).wait(3).delete("dv", "root").wait(3)
    seen = await scene.play()
    ready = seen.values("vmi/vm", "status.conditions[DataVolumesReady]")
    assert [one["status"] for one in ready] == ["True", "Unknown", "False", "True"]
    assert seen.statuses()[-1] == "Running"
    assert seen.events(VM, "SuccessfulDataVolumeCreate") == {"Created DataVolume root": 2}


async def test_a_quota_is_exceeded():
    """A volume that exceeds a quota is an error of the machine, in the words of what CDI says."""
    scene = Scene().node("behaviour", match="root$", dv="stuck").create("vm", "vm", with_volumes()).wait(1)
    text = "exceeded quota: q"
    bound = {"type": "Bound", "status": "Unknown", "reason": "ErrExceededQuota", "message": text}
    status = {"status": {"phase": "Pending", "conditions": [bound]}}
    seen = await scene.patch("dv", "root", status, "status").wait(1).play()
    (told,) = failure(seen)
    why = "DataVolume root importer is not running due to an error: exceeded quota: q"
    assert told["reason"] == "FailedCreate"
    assert told["message"] == f"Error encountered while creating DataVolumes: {why}"
    assert "DataVolume root exceeds quota limits" in seen.events(VM, "FailedDataVolumeImport")
    assert seen.statuses()[-1] == "Provisioning"


async def test_cloned_from_what_a_data_source_stands_for():
    """A template that refers to a DataSource gets the claim it stands for; without one there is no volume, and a reason."""
    reference = {"sourceRef": {"kind": "DataSource", "name": "golden"}}
    scene = Scene().create("vm", "vm", with_volumes("Always", "root", **reference)).wait(1)
    seen = await scene.play()
    (told,) = failure(seen)
    assert told["message"] == (
        "Error encountered while creating DataVolumes: unable to create DataVolume manifest: "
        'datasources.cdi.kubevirt.io "golden" not found'
    )
    assert not seen.there("dv")
    origin = {"source": {"pvc": {"name": "image", "namespace": "default"}}}
    seen = await scene.create("das", "golden", origin).wait(4).play()
    assert seen.values("dv/root", "spec.source.pvc.name") == ["image"]
    assert seen.values("dv/root", "spec.source.pvc.namespace") == ["default"]
    assert "spec.sourceRef.name" not in seen.facts.lives["dv/root"].fields
    missing = (
        "Source PVC image not available: Target PVC root will remain unpopulated until source is created"
    )
    assert seen.events(VM, "SourcePVCNotAvailabe") == {missing: 1}
    assert seen.statuses()[-1] == "Running"


async def test_one_change_after_another():
    """Of changes some guests take the last is told; one that none takes leaves the words that are there, until the stop."""
    spec = {
        "runStrategy": "Always",
        "template": {"spec": {**SPEC, "domain": {**SPEC["domain"], "cpu": {"sockets": 1}}}},
    }
    scene = Scene().create("vm", "vm", spec).wait(2)

    def change(**domain):
        scene.patch("vm", "vm", {"spec": {"template": {"spec": {"domain": domain}}}}).wait(0.5)

    change(memory={"guest": "256Mi"})
    change(cpu={"sockets": 2})
    change(clock={"utc": {}})
    seen = await scene.patch("vm", "vm", {"spec": {"runStrategy": "Halted"}}).wait(2).play()
    told = seen.values("vm/vm", "status.conditions[RestartRequired]")
    assert [one["message"] for one in told] == [
        "memory updated in template spec. Memory-hotplug is only available for migratable VMs",
        "CPU sockets updated in template spec to a value higher than what's available",
        "a non-live-updatable field was changed in the template spec",
    ]
    assert all(one["lastProbeTime"] is None for one in told)
    assert seen.statuses()[-1] == "Stopped"
