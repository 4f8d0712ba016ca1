"""What `virtctl create` prints meets admission: machines, their sizes and preferences, and what is inferred from volumes.

Origin: kubevirt: tests/virtctl/create_{vm,instancetype,preference}.go, pkg/virtctl/create
"""

from typing import Any

import pytest

from tests.upstream.conftest import Object, Suite
from tests.upstream.guests import NS, Guest, a_namespace

HERE = f"/apis/kubevirt.io/v1/namespaces/{NS}/virtualmachines"
CORE = f"/api/v1/namespaces/{NS}"
KINDS = "/apis/instancetype.kubevirt.io/v1beta1"
CDI = f"/apis/cdi.kubevirt.io/v1beta1/namespaces/{NS}"
LABEL = "instancetype.kubevirt.io/default-"
SIZE, LIKING = "virtualmachineinstancetype", "virtualmachinepreference"
BLANK: Object = {"source": {"blank": {}}, "storage": {"resources": {"requests": {"storage": "10Gi"}}}}


@pytest.fixture
async def here(suite: Suite) -> Suite:
    return await a_namespace(suite)


def printed(*volumes: Object, name: str = "vm-abcde", memory: str = "512Mi", **spec: Any) -> Object:
    """A machine as Go prints it: with empty structs, and times that are null."""
    domain: Object = {"devices": {}, "resources": {}, **({"memory": {"guest": memory}} if memory else {})}
    template = {
        "metadata": {"creationTimestamp": None},
        "spec": {
            "domain": domain,
            "terminationGracePeriodSeconds": 180,
            **({"volumes": list(volumes)} if volumes else {}),
        },
    }
    return {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "creationTimestamp": None},
        "spec": {"runStrategy": "Always", "template": template, **spec},
        "status": {},
    }


def imported(name: str, **spec: Any) -> tuple[Object, Object]:
    """A volume, and the template of what it is made from."""
    meta = {"name": name, "creationTimestamp": None}
    return {"name": name, "dataVolume": {"name": name}}, {"metadata": meta, "spec": spec}


def from_claim(own: str, size: str = "128Mi") -> Object:
    storage = {"resources": {"requests": {"storage": size}}} if size else {"resources": {}}
    return {"source": {"pvc": {"name": own, "namespace": NS}}, "storage": storage}


def inferred(volume: str, policy: str = "") -> Object:
    return {"inferFromVolume": volume, **({"inferFromVolumeFailurePolicy": policy} if policy else {})}


async def tried(suite: Suite, vm: Object) -> Object:
    """The spec that would be stored."""
    status, answer = await suite.call("POST", HERE, vm, dryRun="All")
    assert status == 201, answer
    found: Object = answer["spec"]
    return found


async def made(suite: Suite, kind: str, spec: Object, *, cluster: bool = False, **meta: Any) -> Object:
    """A size or a preference, of a namespace or of all."""
    scope = "Cluster" if cluster else ""
    plural = f"virtualmachine{scope.lower()}{kind.lower()}s"
    body = {"apiVersion": "instancetype.kubevirt.io/v1beta1", "kind": f"VirtualMachine{scope}{kind}"}
    path = f"{KINDS}/{plural}" if cluster else f"{KINDS}/namespaces/{NS}/{plural}"
    return await suite.create(path, {**body, "metadata": {"creationTimestamp": None, **meta}, "spec": spec})


async def size(suite: Suite) -> str:
    spec = {"cpu": {"guest": 1}, "memory": {"guest": "128Mi"}}
    return str((await made(suite, "Instancetype", spec, generateName="instancetype-"))["metadata"]["name"])


async def liking(suite: Suite) -> str:
    spec = {"cpu": {"preferredCPUTopology": "cores"}}
    return str((await made(suite, "Preference", spec, generateName="preference-"))["metadata"]["name"])


def labels(instancetype: str = "", preference: str = "") -> Object:
    found: Object = {}
    if instancetype:
        found |= {f"{LABEL}instancetype": instancetype, f"{LABEL}instancetype-kind": SIZE}
    if preference:
        found |= {f"{LABEL}preference": preference, f"{LABEL}preference-kind": LIKING}
    return found


async def claim(suite: Suite, marks: Object | None = None) -> str:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "128Mi"}}}
    body = {"metadata": {"name": "pvc", "labels": marks or {}}, "spec": spec}
    return str((await suite.create(f"{CORE}/persistentvolumeclaims", body))["metadata"]["name"])


async def source(suite: Suite, marks: Object) -> str:
    body = {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataSource",
        "metadata": {"generateName": "vm-datasource-", "labels": marks},
        "spec": {"source": {}},
    }
    return str((await suite.create(f"{CDI}/datasources", body))["metadata"]["name"])


async def test_defaults(here: Suite) -> None:
    """[9840] Without flags: half a gibibyte, three minutes to shut down, always on."""
    spec = await tried(here, printed())
    assert (spec["runStrategy"], spec["template"]["spec"]["terminationGracePeriodSeconds"]) == ("Always", 180)
    assert spec["template"]["spec"]["domain"]["memory"]["guest"] == "512Mi"


async def test_size_and_preference_of_a_claim(here: Suite) -> None:
    """[11647] Both are inferred from what the first volume is cloned from; the memory that was a guess goes."""
    own, preferred = await size(here), await liking(here)
    volume, template = imported("imported-volume", **from_claim(await claim(here, labels(own, preferred))))
    guess = inferred("imported-volume", "Ignore")
    body = printed(volume, dataVolumeTemplates=[template], instancetype=guess, preference=dict(guess))
    spec = await tried(here, body)
    assert spec["instancetype"] == {"kind": SIZE, "name": own}
    assert spec["preference"] == {"kind": LIKING, "name": preferred}
    assert "memory" not in spec["template"]["spec"]["domain"]
    (made,) = spec["dataVolumeTemplates"]
    assert made["spec"]["source"]["pvc"] == {"name": "pvc", "namespace": NS}
    assert made["spec"]["storage"]["resources"]["requests"]["storage"] == "128Mi"
    assert spec["template"]["spec"]["volumes"] == [volume]


@pytest.mark.parametrize("kind", ["registry", "blank"])
async def test_other_imports(here: Suite, kind: str) -> None:
    """[11648] [11649] Nothing is inferred from images and blank volumes, and nobody has asked."""
    what = (
        {"registry": {"url": "docker://registry:5000/kubevirt/alpine:devel"}}
        if kind == "registry"
        else {"blank": {}}
    )
    volume, template = imported(
        "registry-source", source=what, storage={"resources": {"requests": {"storage": "128Mi"}}}
    )
    spec = await tried(here, printed(volume, dataVolumeTemplates=[template]))
    assert not {"instancetype", "preference"} & spec.keys()
    assert spec["template"]["spec"]["domain"]["memory"]["guest"] == "512Mi"
    assert spec["dataVolumeTemplates"][0]["spec"]["source"] == what


async def test_everything_at_once(here: Suite) -> None:
    """[9841] Six volumes in the order of their flags; only the one with a boot order is listed among the disks."""
    own, preferred, pvc = await size(here), await liking(here), await claim(here)
    where = await source(here, labels("something", "something"))
    ds, of_source = imported(
        "imported-volume-a",
        sourceRef={"kind": "DataSource", "name": where, "namespace": NS},
        storage={"resources": {}},
    )
    copy, of_claim = imported("imported-volume-b", **from_claim(pvc, ""))
    blank, empty = imported("imported-volume-c", **BLANK)
    data = "I2Nsb3VkLWNvbmZpZwp1c2VyOiB1c2VyCnBhc3N3b3JkOiBwYXNzd29yZApjaHBhc3N3ZDogeyBleHBpcmU6IEZhbHNlIH0="
    volumes = [
        {"name": "vm-abcde-containerdisk-0", "containerDisk": {"image": "my.registry/my-image:my-tag"}},
        {"name": pvc, "persistentVolumeClaim": {"claimName": pvc}},
        *(ds, copy, blank),
        {"name": "cloudinitdisk", "cloudInitNoCloud": {"userDataBase64": data}},
    ]
    body = printed(
        *volumes,
        memory="",
        dataVolumeTemplates=[of_source, of_claim, empty],
        instancetype={"kind": SIZE, "name": own},
        preference={"kind": LIKING, "name": preferred},
    )
    body["spec"]["runStrategy"] = "Manual"
    body["spec"]["template"]["spec"]["domain"]["devices"] = {"disks": [{"name": pvc, "bootOrder": 1}]}
    spec = await tried(here, body)
    assert spec["template"]["spec"]["volumes"] == volumes
    assert spec["template"]["spec"]["domain"]["devices"]["disks"] == [{"name": pvc, "bootOrder": 1}]
    assert "memory" not in spec["template"]["spec"]["domain"]
    assert (spec["instancetype"]["name"], spec["preference"]["name"]) == (own, preferred)
    assert spec["dataVolumeTemplates"][0]["spec"]["sourceRef"]["name"] == where


async def test_inferred_from_different_volumes(here: Suite) -> None:
    """[9842] The size from the volume that boots first, the preference from the one that is named."""
    own, preferred = await size(here), await liking(here)
    where = await source(here, labels("something", preferred))
    pvc = await claim(here, labels(own, "something"))
    ds, of_source = imported(
        "vm-ds", sourceRef={"kind": "DataSource", "name": where, "namespace": NS}, storage={"resources": {}}
    )
    copy, of_claim = imported("imported-volume-b", **from_claim(pvc, ""))
    body = printed(
        *(ds, copy),
        memory="",
        dataVolumeTemplates=[of_source, of_claim],
        instancetype=inferred("imported-volume-b"),
        preference=inferred("vm-ds"),
    )
    body["spec"]["template"]["spec"]["domain"]["devices"] = {
        "disks": [{"name": "imported-volume-b", "bootOrder": 1}]
    }
    spec = await tried(here, body)
    assert spec["instancetype"] == {"kind": SIZE, "name": own}
    assert spec["preference"] == {"kind": LIKING, "name": preferred}


async def test_memory_and_preference(here: Suite) -> None:
    """[11650] A preference leaves room for a memory of one's own."""
    blank, empty = imported("imported-volume", **BLANK)
    preferred = {"kind": LIKING, "name": await liking(here)}
    spec = await tried(here, printed(blank, memory="4Gi", preference=preferred, dataVolumeTemplates=[empty]))
    assert spec["template"]["spec"]["domain"]["memory"]["guest"] == "4Gi"
    assert spec["preference"] == preferred
    assert "instancetype" not in spec


async def test_sysprep(here: Suite) -> None:
    """[11651] Answers for Windows come from a ConfigMap."""
    await here.create(
        f"{CORE}/configmaps", {"metadata": {"name": "cm"}, "data": {"Autounattend.xml": "test"}}
    )
    volumes = [
        {"name": "vm-abcde-containerdisk-0", "containerDisk": {"image": "my.registry/my-image:my-tag"}},
        {"name": "sysprepdisk", "sysprep": {"configMap": {"name": "cm"}}},
    ]
    assert (await tried(here, printed(*volumes)))["template"]["spec"]["volumes"] == volumes


async def test_keys_by_the_agent(here: Suite) -> None:
    """[11653] A machine with a key for one of its users runs, and tells that the key has reached it."""
    secret = {"metadata": {"name": "my-keys"}, "data": {"key1": "c3NoLWVkMjU1MTkgQUFBQQ=="}}
    await here.create(f"{CORE}/secrets", secret)
    said = "#cloud-config\nruncmd:\n  - [ setsebool, -P, 'virt_qemu_ga_manage_ssh', 'on' ]"
    image = "registry:5000/kubevirt/fedora-with-test-tooling-container-disk:devel"
    body = printed(
        {"name": "vm-abcde-containerdisk-0", "containerDisk": {"image": image}},
        {"name": "cloudinitdisk", "cloudInitNoCloud": {"userData": said}},
    )
    body["spec"]["template"]["spec"]["accessCredentials"] = [
        {
            "sshPublicKey": {
                "source": {"secret": {"secretName": "my-keys"}},
                "propagationMethod": {"qemuGuestAgent": {"users": ["fedora"]}},
            }
        }
    ]
    await here.create(HERE, body)
    vm = Guest(here, "vm-abcde")
    await vm.ready()
    await vm.has("AccessCredentialsSynchronized")


async def test_nothing_to_infer(here: Suite) -> None:
    """[11654] Where inferring was a guess and fails, the machine keeps its memory and names nothing."""
    volume, template = imported("imported-volume", **from_claim(await claim(here)))
    guess = inferred("imported-volume", "Ignore")
    body = printed(volume, dataVolumeTemplates=[template], instancetype=guess, preference=dict(guess))
    spec = await tried(here, body)
    assert spec["template"]["spec"]["domain"]["memory"]["guest"] == "512Mi"
    assert not {"instancetype", "preference"} & spec.keys()


MUTATOR = 'admission webhook "virtualmachines-mutator.kubevirt.io" denied the request: '


@pytest.mark.parametrize(
    ("volume", "spec", "text", "ignorable"),
    [
        (
            {"name": "other", "emptyDisk": {"capacity": "1Gi"}},
            None,
            "unable to find volume v to infer defaults",
            False,
        ),
        (
            {"persistentVolumeClaim": {"claimName": "no"}},
            None,
            'persistentvolumeclaims "no" not found',
            False,
        ),
        ({"dataVolume": {"name": "no"}}, None, 'persistentvolumeclaims "no" not found', False),
        (
            {"containerDisk": {"image": "x"}},
            None,
            "unable to infer defaults from volume v as type is not supported",
            True,
        ),
        (
            {"persistentVolumeClaim": {"claimName": "pvc"}},
            None,
            f"unable to find required {LABEL}instancetype label on the volume",
            True,
        ),
        (
            {"dataVolume": {"name": "dv"}},
            BLANK,
            "unable to infer defaults from DataVolumeSpec as DataVolumeSource is not supported",
            True,
        ),
        (
            {"dataVolume": {"name": "dv"}},
            {"sourceRef": {"kind": "DataSource", "name": "empty"}, "storage": {"resources": {}}},
            "unable to infer defaults from DataSource that doesn't provide DataVolumeSourcePVC",
            True,
        ),
    ],
)
async def test_why_nothing_is_inferred(
    here: Suite, volume: Object, spec: Object | None, text: str, ignorable: bool
) -> None:
    """What is not there is a mistake; what says nothing can be lived with by those who only guess."""
    await claim(here)
    empty = {
        "apiVersion": "cdi.kubevirt.io/v1beta1",
        "kind": "DataSource",
        "metadata": {"name": "empty"},
        "spec": {"source": {}},
    }
    await here.create(f"{CDI}/datasources", empty)
    templates = {"dataVolumeTemplates": [{"metadata": {"name": "dv"}, "spec": spec}]} if spec else {}
    body = printed({"name": "v", **volume}, memory="", instancetype=inferred("v"), **templates)
    refused = await here.refused("POST", HERE, body)
    assert (refused["code"], refused["message"]) == (400, MUTATOR + text)
    body["spec"]["instancetype"] = inferred("v", "Ignore")
    if ignorable:
        assert "instancetype" not in await tried(here, body)
    else:
        assert (await here.refused("POST", HERE, body))["message"] == MUTATOR + text


@pytest.mark.parametrize("cluster", [False, True], ids=["namespaced", "cluster"])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"gpus": [{"name": "gpu1", "deviceName": "nvidia/gpu1"}]},
        {"hostDevices": [{"name": "device1", "deviceName": "hostdevice1"}]},
        {"ioThreadsPolicy": "auto"},
        {"ioThreadsPolicy": "shared"},
    ],
)
async def test_instancetypes(here: Suite, cluster: bool, more: Object) -> None:
    """CPUs and memory, devices and I/O threads, for a namespace and for all."""
    spec = {"cpu": {"guest": 2}, "memory": {"guest": "256Mi"}, **more}
    found = await made(here, "Instancetype", spec, cluster=cluster, name="instancetype-abcde")
    assert found["spec"] == spec


@pytest.mark.parametrize("cluster", [False, True], ids=["namespaced", "cluster"])
@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"machine": {"preferredMachineType": "pc-q35-2.10"}},
        {"volumes": {"preferredStorageClassName": "hostpath-provisioner"}},
        {"cpu": {"preferredCPUTopology": "cores"}},
        {"cpu": {"preferredCPUTopology": "threads"}},
    ],
)
async def test_preferences(here: Suite, cluster: bool, spec: Object) -> None:
    """[9836] [9837] [9838] [9839] A machine type, a storage class, a topology, or nothing at all."""
    found = await made(here, "Preference", spec, cluster=cluster, name="preference-abcde")
    assert found["spec"] == spec
