"""What KubeVirt's own pods tell Prometheus."""

from fakekube.virt.operator import figures
from fakekube.virt.operator.figures import World
from fakekube.virt.operator.figures.exposition import histogram, text

BORN, THEN, LATER = (f"2026-01-01T00:00:{second}Z" for second in ("00", "04", "30"))
VMI = {
    "metadata": {
        "name": "v",
        "namespace": "n",
        "uid": "u1",
        "creationTimestamp": BORN,
        "labels": {"kubevirt.io/nodeName": "node01"},
        "annotations": {"vm.kubevirt.io/os": "fedora", "kubevirt.io/cluster-instancetype-name": "u1.small"},
    },
    "spec": {
        "evictionStrategy": "LiveMigrate",
        "domain": {
            "cpu": {"sockets": 2},
            "memory": {"guest": "1Gi"},
            "devices": {"interfaces": [{"name": "default", "masquerade": {}}]},
        },
        "networks": [{"name": "default", "pod": {}}],
        "volumes": [{"name": "disk"}],
    },
    "status": {
        "phase": "Running",
        "nodeName": "node01",
        "interfaces": [{"name": "default", "ipAddress": "10.0.0.1"}],
        "phaseTransitionTimestamps": [
            {"phase": "Pending", "phaseTransitionTimestamp": BORN},
            {"phase": "Running", "phaseTransitionTimestamp": THEN},
        ],
    },
}
MARKS = 'node="node01",namespace="n",name="v"'


def told(component, node="node01", leads=False, **world):
    return figures.told(component, node, World(**world), leads=leads)


def known(**world):
    return told("virt-controller", leads=True, **world).splitlines()


def test_guests_are_told_of_by_their_nodes_handler():
    """Memory is the guest's; each CPU, drive and interface has its own line; labels come along; others tell nothing of it."""
    mounted = {"diskName": "vda1", "mountPoint": "/", "totalBytes": 10, "usedBytes": 4}
    said = told("virt-handler", vmis=[VMI], filesystems=[(VMI, mounted)])
    marks = f'{MARKS},kubernetes_vmi_label_kubevirt_io_nodeName="node01"'
    assert f"kubevirt_vmi_memory_available_bytes{{{marks}}} 1073741824\n" in said
    assert f'kubevirt_vmi_vcpu_seconds_total{{{marks},id="1",state="running"}} 0\n' in said
    assert f'kubevirt_vmi_storage_iops_read_total{{{marks},drive="disk"}} 0\n' in said
    assert f'kubevirt_vmi_network_receive_bytes_total{{{marks},interface="default"}} 0\n' in said
    where = 'disk_name="vda1",mount_point="/"'
    assert f"kubevirt_vmi_filesystem_capacity_bytes{{{marks},{where}}} 10\n" in said
    assert f"kubevirt_vmi_filesystem_used_bytes{{{marks},{where}}} 4\n" in said
    assert "kubevirt_virt_handler_ready_status 1\n" in said
    assert "kubevirt_vmi" not in told("virt-handler", "node02", vmis=[VMI])
    assert "kubevirt_vmi" not in told("virt-api", vmis=[VMI])
    assert "kubevirt_virt_api_ready_status 1\n" in told("virt-api")


def test_the_leader_tells_of_all():
    """Which instances there are, and that one cannot be moved though it should; who does not lead says only that."""
    said = known(vmis=[VMI])
    assert f"kubevirt_vmi_non_evictable{{{MARKS}}} 1" in said
    assert "kubevirt_virt_controller_leading_status 1" in said
    said = told("virt-controller", vmis=[VMI])
    assert "kubevirt_virt_controller_leading_status 0\n" in said
    assert "kubevirt_vmi" not in said


def test_an_instance_is_described():
    """By phase, system, type (a user's own is not named), guest, pod; labels without a value are left out."""
    pod = {
        "metadata": {"name": "virt-launcher-v", "labels": {"kubevirt.io/created-by": "u1"}},
        "spec": {"nodeName": "node01"},
        "status": {"phase": "Running"},
    }
    vendor = {"metadata": {"labels": {"instancetype.kubevirt.io/vendor": "kubevirt.io"}}}
    kind = "VirtualMachineClusterInstancetype"
    tail = 'evictable="false",outdated="false"'
    for types, named in (({(kind, "u1.small"): vendor}, "u1.small"), ({}, "<other>")):
        (line,) = [one for one in known(vmis=[VMI], launchers=[pod], types=types) if "vmi_info" in one][1:]
        assert line == (
            f'kubevirt_vmi_info{{{MARKS},phase="running",os="fedora",instance_type="{named}",{tail},'
            'vmi_pod="virt-launcher-v"} 1'
        )
    said = known(vmis=[VMI])
    card = 'vnic_name="default",binding_type="core",network="pod networking",binding_name="masquerade"'
    assert f'kubevirt_vmi_vnic_info{{name="v",namespace="n",{card},model="<none>"}} 1' in said
    where = 'vnic_name="default",address="10.0.0.1",type="ExternalInterface"'
    assert f"kubevirt_vmi_status_addresses{{{MARKS},{where}}} 1" in said
    assert "kubevirt_vmi_number_of_outdated 0" in said


def test_who_can_be_evicted():
    """The cluster's strategy counts where an instance has none."""
    plain = {**VMI, "spec": {**VMI["spec"], "evictionStrategy": None}}
    kubevirt = {"spec": {"configuration": {"evictionStrategy": "LiveMigrate"}}}
    assert f"kubevirt_vmi_non_evictable{{{MARKS}}} 0" in known(vmis=[plain])
    assert f"kubevirt_vmi_non_evictable{{{MARKS}}} 1" in known(vmis=[plain], kubevirt=kubevirt)
    movable = {**VMI["status"], "conditions": [{"type": "LiveMigratable", "status": "True"}]}
    assert f"kubevirt_vmi_non_evictable{{{MARKS}}} 0" in known(vmis=[{**VMI, "status": movable}])


def test_phases_are_timed():
    """From the phase before, and from creation; a bucket counts all that took no longer."""
    said = known(vmis=[VMI])
    own = "kubevirt_vmi_phase_transition_time_seconds"
    assert f'{own}_bucket{{phase="Running",last_phase="Pending",le="2"}} 0' in said
    assert f'{own}_bucket{{phase="Running",last_phase="Pending",le="5"}} 1' in said
    assert f'{own}_sum{{phase="Running",last_phase="Pending"}} 4' in said
    assert 'kubevirt_vmi_phase_transition_time_from_creation_seconds_count{phase="Running"} 1' in said
    assert f"# TYPE {own} histogram" in said


VM = {
    "metadata": {"name": "m", "namespace": "n", "creationTimestamp": BORN},
    "spec": {
        "instancetype": {"name": "own", "kind": "VirtualMachineInstancetype"},
        "template": {
            "metadata": {"annotations": {"vm.kubevirt.io/os": "fedora"}},
            "spec": {
                "domain": {
                    "machine": {"type": "q35"},
                    "resources": {"requests": {"memory": "1Mi"}, "limits": {"cpu": "500m"}},
                },
                "volumes": [{"name": "disk", "persistentVolumeClaim": {"claimName": "c"}}],
            },
        },
    },
    "status": {
        "printableStatus": "Stopped",
        "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": THEN}],
    },
}


def test_a_machine_is_described():
    """By its state and since when it is in it; what it asks for; how large its disks are."""
    claim = {
        "metadata": {"name": "c", "namespace": "n"},
        "spec": {"resources": {"requests": {"storage": "1Ki"}}},
    }
    said = known(vms=[VM], claims=[claim])
    own = 'name="m",namespace="n"'
    assert (
        f'kubevirt_vm_info{{{own},os="fedora",machine_type="q35",instance_type="<other>",status="stopped",'
        'status_group="non_running"} 1'
    ) in said
    since = "status_last_transition_timestamp_seconds"
    assert f"kubevirt_vm_non_running_{since}{{{own}}} 1767225604" in said
    assert f"kubevirt_vm_running_{since}{{{own}}} 0" in said
    assert f"kubevirt_vm_create_date_timestamp_seconds{{{own}}} 1767225600" in said
    asked = f"kubevirt_vm_resource_requests{{{own}"
    assert f'{asked},resource="memory",unit="bytes",source="domain"}} 1048576' in said
    assert f'{asked},resource="cpu",unit="sockets",source="default"}} 1' in said
    assert f'kubevirt_vm_resource_limits{{{own},resource="cpu",unit="cores"}} 0.5' in said
    disk = 'persistentvolumeclaim="c",volume_mode="Filesystem",device="disk"'
    assert f"kubevirt_vm_disk_allocated_size_bytes{{{own},{disk}}} 1024" in said


def test_migrations_are_counted():
    """By phase while they last, by outcome afterwards."""

    def migration(own, phase):
        times = [{"phase": phase, "phaseTransitionTimestamp": LATER}]
        meta = {"name": own, "namespace": "n", "creationTimestamp": BORN}
        status = {"phase": phase, "phaseTransitionTimestamps": times}
        return {"metadata": meta, "spec": {"vmiName": "v"}, "status": status}

    phases = ("Pending", "TargetReady", "Running", "Succeeded", "Failed")
    said = known(migrations=[migration(f"m{at}", phase) for at, phase in enumerate(phases)])
    counts = {"pending": 1, "scheduling": 0, "running": 2, "unset": 0}
    for phase, count in counts.items():
        assert f"kubevirt_vmi_migrations_in_{phase}_phase {count}" in said
    assert 'kubevirt_vmi_migration_succeeded{vmi="v",vmim="m3",namespace="n"} 1' in said
    assert 'kubevirt_vmi_migration_failed{vmi="v",vmim="m4",namespace="n"} 1' in said
    took = "kubevirt_vmi_migration_phase_transition_time_from_creation_seconds_bucket"
    assert f'{took}{{phase="Failed",le="30"}} 1' in said


def test_snapshots_are_dated():
    """Those that have succeeded, with the machine they are of."""
    meta, source = {"name": "s", "namespace": "n"}, {"source": {"name": "m"}}
    taken = {"phase": "Succeeded", "creationTime": THEN}
    marks = 'name="m",snapshot_name="s",namespace="n"'
    line = f"kubevirt_vmsnapshot_succeeded_timestamp_seconds{{{marks}}} 1767225604"
    assert line in known(snapshots=[{"metadata": meta, "spec": source, "status": taken}])
    going = {**taken, "phase": "InProgress"}
    assert line not in known(snapshots=[{"metadata": meta, "spec": source, "status": going}])


def test_text():
    """Samples of a name stand together under its type; values of labels are quoted; one without a value is none."""
    samples = [("a_total", {"k": 'x"\\', "none": ""}, 1.0), ("b", {}, 2.5), ("a_total", {}, 3.0)]
    assert text(samples) == (
        '# TYPE a_total counter\na_total{k="x\\"\\\\"} 1\na_total 3\n# TYPE b gauge\nb 2.5\n'
    )


def test_histograms_have_one_type():
    """Buckets, sum and count are one family; the last bucket has all."""
    said = text(histogram("h_seconds", {(("k", "v"),): [0.5, 7200.0]})).splitlines()
    assert said[0] == "# TYPE h_seconds histogram"
    assert said[1] == 'h_seconds_bucket{k="v",le="0.5"} 1'
    assert said[-3:] == [
        'h_seconds_bucket{k="v",le="+Inf"} 2',
        'h_seconds_sum{k="v"} 7200.5',
        'h_seconds_count{k="v"} 2',
    ]
