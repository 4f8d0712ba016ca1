"""From the volumes of a machine's template to those of its running instance."""

from typing import Any

import pytest

from fakekube.virt.controller import hotplug

Object = dict[str, Any]
ROOT = {"name": "root", "containerDisk": {"image": "x"}}


def claim(own: str = "a", **more: Any) -> Object:
    return {"name": "more", "persistentVolumeClaim": {"claimName": own, "hotpluggable": True, **more}}


def spec(*volumes: Object) -> Object:
    disks = [{"name": one["name"], "disk": {"bus": "scsi"}} for one in volumes]
    return {"volumes": list(volumes), "domain": {"devices": {"disks": disks}}}


@pytest.mark.parametrize(
    ("template", "left"),
    [
        ([ROOT, claim()], [ROOT, claim()]),
        ([ROOT, claim("b")], [ROOT]),
        ([ROOT, claim(readOnly=True)], [ROOT]),
        ([ROOT, {"name": "more", "dataVolume": {"name": "a", "hotpluggable": True}}], [ROOT]),
        ([ROOT, {"name": "more", "persistentVolumeClaim": {"claimName": "a"}}], [ROOT, claim()]),
        ([ROOT], [ROOT]),
        ([claim()], [ROOT, claim()]),
    ],
)
def test_volumes_become_others(template: list[Object], left: list[Object]) -> None:
    """A volume that is to be another one in anything goes first; what cannot be plugged is nobody's business here."""
    vm, vmi = {"spec": {"template": {"spec": spec(*template)}}}, {"spec": spec(ROOT, claim()), "status": {}}
    made = {one["path"]: one["value"] for one in hotplug.template_changes(vm, vmi) if one["op"] == "replace"}
    assert made.get("/spec/volumes", vmi["spec"]["volumes"]) == left
