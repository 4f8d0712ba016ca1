"""The common instance types and preferences, as data."""

from fakekube.virt.operator import common_types

TYPES = {one["metadata"]["name"]: one for one in common_types.instancetypes()}
PREFERENCES = {one["metadata"]["name"]: one for one in common_types.preferences()}


def test_series():
    """Each series has its sizes."""
    sizes = {}
    for name in TYPES:
        series, _, size = name.partition(".")
        sizes.setdefault(series, set()).add(size)
    counts = {series: len(found) for series, found in sizes.items()}
    assert counts == {"u1": 10, "d1": 10, "o1": 9, "rt1": 8, "cx1": 12, "m1": 10, "n1": 6}
    assert {"nano", "2xmedium", "8xlarge"} <= sizes["u1"]


def test_sizes():
    """A name tells a size, and labels tell what is in it."""
    medium, exclusive = TYPES["u1.medium"], TYPES["cx1.2xlarge1gi"]
    assert medium["spec"] == {"cpu": {"guest": 1}, "memory": {"guest": "4Gi"}}
    assert medium["metadata"]["labels"] == {
        "instancetype.kubevirt.io/class": "general.purpose",
        "instancetype.kubevirt.io/size": "medium",
        "instancetype.kubevirt.io/version": "1",
        "instancetype.kubevirt.io/cpu": "1",
        "instancetype.kubevirt.io/memory": "4Gi",
        "instancetype.kubevirt.io/vendor": "kubevirt.io",
        "instancetype.kubevirt.io/common-instancetypes-version": "v1.7.0",
    }
    assert TYPES["o1.large"]["spec"]["memory"] == {"guest": "8Gi", "overcommitPercent": 50}
    assert TYPES["n1.large"]["spec"]["cpu"]["guest"] == 4
    assert exclusive["spec"]["cpu"]["maxSockets"] == 8
    assert exclusive["spec"]["memory"] == {"guest": "16Gi", "hugepages": {"pageSize": "1Gi"}}
    assert exclusive["metadata"]["labels"]["instancetype.kubevirt.io/numa"] == "true"


def test_preferences():
    """A preference tells what its system needs and likes; variants differ in what their names say."""
    assert len(PREFERENCES) == 54
    fedora = PREFERENCES["fedora"]["spec"]
    assert fedora["requirements"] == {
        "architecture": "amd64",
        "cpu": {"guest": 1},
        "memory": {"guest": "2Gi"},
    }
    assert fedora["firmware"] == {"preferredEfi": {"secureBoot": True}}
    assert PREFERENCES["linux"]["spec"] == {
        "devices": {"preferredDiskBus": "virtio", "preferredInterfaceModel": "virtio", "preferredRng": {}},
        "annotations": {"vm.kubevirt.io/os": "linux"},
    }
    plain, quick = (PREFERENCES[f"windows.11{suffix}"]["spec"] for suffix in ("", ".virtio"))
    assert plain["devices"]["preferredInterfaceModel"] == "e1000e"
    assert quick["devices"]["preferredInterfaceModel"] == "virtio"
    assert plain["devices"]["preferredTPM"] == quick["devices"]["preferredTPM"] == {"persistent": True}
    assert "windows.xp.virtio" not in PREFERENCES
