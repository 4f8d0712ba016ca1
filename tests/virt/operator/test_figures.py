"""What KubeVirt's own pods tell Prometheus."""

from fakekube.virt.operator import figures

VMI = {
    "metadata": {"name": "v", "namespace": "n", "labels": {"kubevirt.io/nodeName": "node01"}},
    "spec": {
        "evictionStrategy": "LiveMigrate",
        "domain": {
            "cpu": {"sockets": 2},
            "memory": {"guest": "1Gi"},
            "devices": {"interfaces": [{"name": "default"}]},
        },
        "volumes": [{"name": "disk"}],
    },
    "status": {"phase": "Running", "nodeName": "node01"},
}


def test_guests_are_told_of_by_their_nodes_handler():
    """Memory is the guest's; each CPU, drive and interface has its own line; labels come along; others tell nothing of it."""
    said = figures.told("virt-handler", "node01", leads=False, guests=[VMI])
    marks = 'node="node01",namespace="n",name="v",kubernetes_vmi_label_kubevirt_io_nodeName="node01"'
    assert f"kubevirt_vmi_memory_available_bytes{{{marks}}} 1.07374e+09\n" in said
    assert f'kubevirt_vmi_vcpu_seconds_total{{{marks},id="1",state="running"}} 0\n' in said
    assert f'kubevirt_vmi_storage_iops_read_total{{{marks},drive="disk"}} 0\n' in said
    assert f'kubevirt_vmi_network_receive_bytes_total{{{marks},interface="default"}} 0\n' in said
    assert "kubevirt_vmi" not in figures.told("virt-handler", "node02", leads=False, guests=[VMI])
    assert "kubevirt_vmi" not in figures.told("virt-api", "node01", leads=False, guests=[VMI])


def test_the_leader_tells_of_all():
    """Which instances there are, and that one cannot be moved though it should; who does not lead says only that."""
    said = figures.told("virt-controller", "node09", leads=True, guests=[VMI])
    assert 'kubevirt_vmi_non_evictable{node="node01",namespace="n",name="v"} 1\n' in said
    assert "kubevirt_virt_controller_leading_status 1\n" in said
    said = figures.told("virt-controller", "node09", leads=False, guests=[VMI])
    assert "kubevirt_virt_controller_leading_status 0\n" in said
    assert "kubevirt_vmi" not in said


def test_text():
    """Samples of a name stand together under its type; values of labels are quoted."""
    samples = [("a_total", {"k": 'x"\\'}, 1.0), ("b", {}, 2.5), ("a_total", {}, 3.0)]
    assert figures.text(samples) == (
        '# TYPE a_total counter\na_total{k="x\\"\\\\"} 1\na_total 3\n# TYPE b gauge\nb 2.5\n'
    )
