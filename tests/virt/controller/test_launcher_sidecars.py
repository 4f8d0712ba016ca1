"""Hook sidecars of launchers."""

import json

import pytest

from fakekube.virt.config import ClusterConfig
from fakekube.virt.controller import launcher_sidecars
from fakekube.virt.controller.launcher_facts import Settings

CONFIG = ClusterConfig()


def vmi(*listed, text=""):
    marks = {launcher_sidecars.ANNOTATION: text or json.dumps(listed)}
    return {"metadata": {"annotations": marks}, "spec": {"domain": {}}}


def test_images_or_scripts():
    """A sidecar is an image of one's own, or a script the shim runs; each has a directory for its socket."""
    script = {"args": ["--version", "v1alpha2"]}
    script["configMap"] = {"name": "cm", "key": "my.sh", "hookPath": "/usr/bin/onDefineDomain"}
    own = {"image": "registry:5000/mine:1", "imagePullPolicy": "Always", "command": ["/mine"]}
    settings = Settings(launcher_image="registry:5000/kubevirt/virt-launcher:v1")
    first, second = launcher_sidecars.containers(vmi(script, own), settings)
    assert (first["name"], first["image"]) == ("hook-sidecar-0", "registry:5000/kubevirt/sidecar-shim:v1")
    assert (first["args"], second["command"]) == (["--version", "v1alpha2"], ["/mine"])
    assert (second["image"], second["imagePullPolicy"]) == ("registry:5000/mine:1", "Always")
    assert {"name": "CONTAINER_NAME", "value": "hook-sidecar-1"} in second["env"]
    socket = {"name": "hook-sidecar-sockets", "mountPath": "/var/run/kubevirt-hooks"}
    assert second["volumeMounts"] == [{**socket, "subPath": "hook-sidecar-1"}]
    mount = {"name": "cm", "mountPath": "/usr/bin/onDefineDomain", "subPath": "my.sh"}
    assert first["volumeMounts"][1] == mount
    assert launcher_sidecars.mounts_of_guest(vmi(script, own), CONFIG) == [socket]
    sockets, config = launcher_sidecars.volumes(vmi(script, own), CONFIG)
    assert sockets == {"name": "hook-sidecar-sockets", "emptyDir": {}}
    assert config == {"name": "cm", "configMap": {"name": "cm", "defaultMode": 0o755}}


def test_shared_claims():
    """A claim may be met by the sidecar and by the guest's container."""
    one = vmi({"pvc": {"name": "c", "volumePath": "/a", "sharedComputePath": "/b"}})
    (container,) = launcher_sidecars.containers(one, Settings())
    assert {"name": "c", "mountPath": "/a"} in container["volumeMounts"]
    assert {"name": "c", "mountPath": "/b"} in launcher_sidecars.mounts_of_guest(one, CONFIG)
    claim = {"name": "c", "persistentVolumeClaim": {"claimName": "c"}}
    assert claim in launcher_sidecars.volumes(one, CONFIG)


def test_none():
    """No annotation, no sidecar, no volume for sockets."""
    plain = {"metadata": {}, "spec": {"domain": {}}}
    assert launcher_sidecars.volumes(plain, CONFIG) == launcher_sidecars.mounts_of_guest(plain, CONFIG) == []


@pytest.mark.parametrize("text", ["{", "{}", "[1]"])
def test_no_list(text):
    """What is no list of objects cannot be made containers of."""
    assert "no list of hook sidecars" in launcher_sidecars.mistake(vmi(text=text))
    assert launcher_sidecars.mistake(vmi()) == ""
