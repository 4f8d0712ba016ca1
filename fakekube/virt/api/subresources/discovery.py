"""What the aggregated group says about itself.

Some subresources are served but not listed; upstream forgot them, and clients do not look.

Origin: kubevirt: pkg/virt-api/api.go
"""

from typing import Any

GROUP = "subresources.kubevirt.io"
VERSIONS = ("v1", "v1alpha3")

_OF_INSTANCES = (
    *("vnc", "vnc/screenshot", "console", "portforward", "backup", "redefine-checkpoint", "pause", "unpause"),
    *("freeze", "unfreeze", "reset", "softreboot", "guestosinfo", "userlist", "filesystemlist", "addvolume"),
    *("removevolume", "objectgraph", "sev/fetchcertchain", "sev/querylaunchmeasurement", "sev/setupsession"),
    *("sev/injectlaunchsecret", "evacuate/cancel"),
)
_OF_MACHINES = ("start", "stop", "restart", "migrate", "expand-spec", "objectgraph", "evacuate/cancel")
NAMES = (
    "expand-vm-spec",
    *(f"virtualmachineinstances/{name}" for name in _OF_INSTANCES),
    *(f"virtualmachines/{name}" for name in _OF_MACHINES),
)


def group() -> dict[str, Any]:
    """The group and its versions."""
    versions = [{"groupVersion": f"{GROUP}/{version}", "version": version} for version in VERSIONS]
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": GROUP,
        "versions": versions,
        "preferredVersion": versions[0],
    }


def resources(version: str) -> dict[str, Any]:
    """The listed subresources: names, and that they are namespaced."""
    listed = [
        {"name": name, "singularName": "", "namespaced": True, "kind": "", "verbs": None} for name in NAMES
    ]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{GROUP}/{version}",
        "resources": listed,
    }


def build(release: str) -> dict[str, str]:
    """Which release this answers as."""
    return {
        "gitVersion": release,
        "gitCommit": "d923fdb8",
        "gitTreeState": "clean",
        "buildDate": "2026-08-22T00:00:00Z",
        "goVersion": "go1.25.0",
        "compiler": "gc",
        "platform": "linux/amd64",
    }


def guest_file_systems(launcher: str) -> dict[str, str]:
    """Which image `virtctl guestfs` runs: one that lies beside launchers' own, `registry/prefix-virt-launcher:tag`."""
    registry, _, own = launcher.rpartition("/")
    prefix, _, tag = own.partition("virt-launcher:")
    return {"registry": registry, "tag": tag, "digest": "", "imagePrefix": prefix, "gsImage": ""}
