"""What nodes are labelled with."""

from fakekube.virt.handler import labeller

HOST, NEHALEM = "Cascadelake-Server", "cpu-model.node.kubevirt.io/Nehalem"


def node(labels, **annotations):
    return {"metadata": {"name": "n", "labels": labels, "annotations": annotations}}


def test_obsolete_models_are_kept_back():
    """Neither guests nor migrations are offered a model that counts as obsolete; others are."""
    told = labeller.capabilities({"obsoleteCPUModels": {"Nehalem": True}})
    assert NEHALEM not in told
    assert "cpu-model-migration.node.kubevirt.io/Nehalem" not in told
    assert labeller.CAPABILITIES.items() >= told.items()
    assert labeller.alarm({"obsoleteCPUModels": {"Nehalem": True}}) == ""


def test_obsolete_hosts():
    """A host of an obsolete model keeps saying which it is, says that it is one, and somebody is told."""
    configuration = {"obsoleteCPUModels": {HOST: True}}
    told = labeller.capabilities(configuration)
    assert told[labeller.OBSOLETE] == told[f"host-model-cpu.node.kubevirt.io/{HOST}"] == "true"
    alarm = labeller.alarm(configuration)
    assert alarm.startswith(
        "This node has Cascadelake-Server host-model cpu that is included in ObsoleteCPUModels: map[486:true "
    )


def test_labels_made_anew():
    """What was not found goes, what was changed is as it was found; labels of other kinds stay."""
    own = {**labeller.CAPABILITIES, "cpu-model.node.kubevirt.io/mine": "true", NEHALEM: "no", "a": "b"}
    assert labeller.missing(node(own), {}) == {}
    assert labeller.anew(node(own), {}) == {"cpu-model.node.kubevirt.io/mine": None, NEHALEM: "true"}


def test_nodes_that_are_skipped():
    """Nothing is made anew there, and what somebody has taken off does not come back; that it lives is said all the same."""
    skipped = node({"cpu-model.node.kubevirt.io/mine": "true"}, **{labeller.SKIP: ""})
    assert labeller.anew(skipped, {}) == {}
    lacking = labeller.missing(skipped, {})
    assert NEHALEM not in lacking
    assert lacking[labeller.SCHEDULABLE] == "true"


def test_room():
    """As many guests as the configuration says, or very many."""
    assert set(labeller.devices({}, {}).values()) == {"16k"}
    assert labeller.devices({}, {"virtualMachineInstancesPerNode": 10})["devices.kubevirt.io/kvm"] == "10"


def test_merging_of_pages():
    """A node that was never meant is left alone; a selector that is none means nobody; what is said already is not said again."""
    node = {"metadata": {"name": "n", "labels": {"a": "b"}, "annotations": {}}}
    assert labeller.merging(node, {}) == ({}, {})
    for selector, wanted in ((None, "false"), ({}, "true"), ({"matchLabels": {"a": "c"}}, "false")):
        found = labeller.merging(node, {"ksmConfiguration": {"nodeLabelSelector": selector}})
        assert found == ({labeller.MERGES: wanted}, {labeller.MERGED_BY_US: "false"})
    wrong = {"matchExpressions": [{"key": "a", "operator": "Near"}]}
    assert labeller.merging(node, {"ksmConfiguration": {"nodeLabelSelector": wrong}})[0] == {
        labeller.MERGES: "false"
    }
    short = {"kubevirt.io/ksm-free-percent-override": "1.0"}
    meant = {"ksmConfiguration": {"nodeLabelSelector": {}}}
    node["metadata"]["annotations"] = short
    assert labeller.merging(node, meant) == ({labeller.MERGES: "true"}, {labeller.MERGED_BY_US: "true"})
    node["metadata"]["labels"] = {labeller.MERGES: "true"}
    node["metadata"]["annotations"] = {**short, labeller.MERGED_BY_US: "true"}
    assert labeller.merging(node, meant) == ({}, {})
    assert labeller.merging(node, {}) == ({labeller.MERGES: "false"}, {labeller.MERGED_BY_US: "false"})


def test_devices_that_are_not_everywhere():
    """Devices for VSOCK, IOMMUFD and reservations come with the configuration; encryption with the node."""
    assert "devices.kubevirt.io/sev" not in labeller.devices({}, {})
    node = {"metadata": {"labels": {"kubevirt.io/sev": "true"}}}
    gates = {"developerConfiguration": {"featureGates": ["VSOCK"]}}
    found = labeller.devices(node, {**gates, "persistentReservationConfiguration": {"enabled": True}})
    kinds = {one.partition("/")[2] for one in found}
    assert kinds == {"kvm", "tun", "vhost-net", "vhost-vsock", "pr-helper", "sev"}
