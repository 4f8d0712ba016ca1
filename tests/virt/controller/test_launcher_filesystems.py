"""Files shared with guests: which containers do that, from where, and with what."""

from fakekube.virt.config import ClusterConfig
from fakekube.virt.controller.launcher_facts import Settings
from fakekube.virt.controller.launcher_filesystems import share

SOCKETS = {"name": "virtiofs-containers", "mountPath": "/var/run/kubevirt/virtiofs-containers"}


def pod(*volumes, wanted=None, settings=None, **domain):
    made = {
        "volumes": [{"name": one["name"]} for one in volumes],
        "containers": [{"name": "compute", "volumeMounts": []}],
    }
    names = [one["name"] for one in volumes] if wanted is None else wanted
    devices = {"filesystems": [{"name": one, "virtiofs": {}} for one in names]}
    vmi = {"spec": {"domain": {"devices": devices, **domain}, "volumes": list(volumes)}}
    share(made, vmi, settings or Settings())
    return made


def test_nothing_to_share():
    made = pod({"name": "disk", "dataVolume": {"name": "d"}}, wanted=[])
    assert ([one["name"] for one in made["volumes"]], len(made["containers"])) == (["disk"], 1)


def test_claims():
    made = pod({"name": "files", "persistentVolumeClaim": {"claimName": "c"}})
    guest, sharing = made["containers"]
    assert guest["volumeMounts"] == [SOCKETS]
    assert made["volumes"][-1] == {"name": "virtiofs-containers", "emptyDir": {}}
    assert (sharing["name"], sharing["command"]) == ("virtiofs-files", ["/usr/libexec/virtiofsd"])
    assert sharing["args"] == [
        "--socket-path=/var/run/kubevirt/virtiofs-containers/files.sock",
        "--shared-dir=/files",
        "--sandbox=none",
        "--cache=auto",
        "--migration-on-error=guest-error",
        "--migration-mode=find-paths",
        "--migration-verify-handles",
    ]
    assert sharing["volumeMounts"] == [SOCKETS, {"name": "files", "mountPath": "/files"}]


def test_configuration():
    """It is shared from where the guest's container would have it; the pod has its account anyway."""
    made = pod(
        {"name": "conf", "configMap": {"name": "c"}},
        {"name": "told", "downwardAPI": {"fields": [{"path": "p"}]}},
        {"name": "who", "serviceAccount": {"serviceAccountName": "default"}},
        {"name": "token", "containerPath": {"path": "/var/run/token"}},
    )
    conf, told, who, token = made["containers"][1:]
    assert ("--shared-dir=/var/run/token" in token["args"], token["volumeMounts"]) == (True, [SOCKETS])
    assert conf["volumeMounts"][1:] == [
        {"name": "conf", "mountPath": "/var/run/kubevirt-private/config-map/conf"}
    ]
    assert "--shared-dir=/var/run/kubevirt-private/downwardapi/told" in told["args"]
    assert "--shared-dir=/var/run/secrets/kubernetes.io/serviceaccount" in who["args"]
    assert who["volumeMounts"] == [SOCKETS]
    assert "--migration-verify-handles" not in conf["args"]


def test_resources():
    """The usual ones, what the configuration says instead, and all of the limits where a pod has to be guaranteed them."""
    files = {"name": "files", "dataVolume": {"name": "d"}}
    usual = pod(files)["containers"][1]["resources"]
    assert usual == {
        "limits": {"cpu": "100m", "memory": "80M"},
        "requests": {"cpu": "10m", "memory": "1M"},
    }
    said = [{"type": "virtiofs", "resources": {"limits": {"cpu": "1"}}}]
    config = ClusterConfig(raw={"supportContainerResources": said})
    assert pod(files, settings=Settings(config=config))["containers"][1]["resources"]["limits"] == {
        "cpu": "1",
        "memory": "80M",
    }
    guaranteed = pod(files, cpu={"dedicatedCpuPlacement": True})["containers"][1]["resources"]
    assert guaranteed["requests"] == guaranteed["limits"]
