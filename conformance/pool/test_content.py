"""VM content."""

from typing import Any

import pytest

from conformance.kube import VM, Object
from conformance.manifests import (
    LABELS,
    REVISION_LABEL,
    data_volume_template,
    disk,
    pool,
    template,
    vmi_template,
)
from conformance.world import World, finalizers, labels, owners, revision, says

INLINE = "I2Nsb3VkLWNvbmZpZwo="


async def made(world: World, *, template: Object, **spec: Any) -> Object:
    """The spec of the second VM made from a template; ordinal 1 tells an index from its absence better than 0."""
    await world.create(pool(replicas=2, template=template, **spec))
    await world.until(lambda: {"p-0", "p-1"} <= set(world.vms))
    found: Object = world.follower.of(VM, "p-1")[0].obj["spec"]
    return found


async def volumes(world: World, *some: Object, flags: Object | None = None, **more: Any) -> dict[str, Object]:
    body = template(vmi=vmi_template(volumes=list(some)), **more)
    spec = await made(world, template=body, **({"nameGeneration": flags} if flags is not None else {}))
    return {one["name"]: one for one in spec["template"]["spec"]["volumes"]}


@pytest.mark.smoke
async def test_P_051_labels_and_annotations(world: World) -> None:
    """P-051: A VM has the template's labels and annotations, and names its revision."""
    body = template(labels=LABELS | {"tier": "x"}, metadata={"annotations": {"note": "n"}})
    await world.create(pool(replicas=1, template=body))
    await world.pool_of("p-0")
    found = labels(world.vms["p-0"])
    assert found == LABELS | {"tier": "x", REVISION_LABEL: "p-1"}
    assert world.vms["p-0"]["metadata"]["annotations"]["note"] == "n"


async def test_P_052_labels_of_the_guest(world: World) -> None:
    """P-052: The template inside the VM names the revision too, beside its own labels."""
    spec = await made(world, template=template(vmi=vmi_template(labels={"guest": "g"})))
    assert spec["template"]["metadata"]["labels"] == {"guest": "g", REVISION_LABEL: "p-1"}


async def test_P_053_labels_of_a_vmi(world: World) -> None:
    """P-053: A VMI started from it carries that label."""
    await world.create(pool(replicas=1, template=template(running=True)))
    await world.until(lambda: revision(world.vmis["p-0"]) == "p-1")
    assert labels(world.vmis["p-0"])["guest"] == "p"


async def test_P_054_other_metadata_means_nothing(world: World) -> None:
    """P-054: Name, namespace, finalizers and owners of the template make no difference."""
    metadata = {
        "name": "other",
        "generateName": "other-",
        "namespace": "elsewhere",
        "finalizers": ["conformance/never"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "x"}],
    }
    await world.create(pool(replicas=1, template=template(metadata=metadata)))
    await world.pool_of("p-0")
    one = world.vms["p-0"]
    assert "conformance/never" not in finalizers(one)
    assert [ref["kind"] for ref in owners(one)] == ["VirtualMachinePool"]
    assert "generateName" not in one["metadata"]


async def test_P_055_storage_of_its_own(world: World) -> None:
    """P-055, S-18: Each dataVolumeTemplate gets the ordinal."""
    disks = [disk("a", dataVolume={"name": "d"}), disk("b", dataVolume={"name": "e"})]
    body = template(
        vmi=vmi_template(volumes=disks),
        dataVolumeTemplates=[data_volume_template("d"), data_volume_template("e")],
    )
    spec = await made(world, template=body)
    assert [one["metadata"]["name"] for one in spec["dataVolumeTemplates"]] == ["d-1", "e-1"]


async def test_P_056_data_volumes_follow(world: World) -> None:
    """P-056: A volume that names a template's data volume names it with the ordinal."""
    found = await volumes(
        world, disk("a", dataVolume={"name": "d"}), dataVolumeTemplates=[data_volume_template()]
    )
    assert found["a"]["dataVolume"]["name"] == "d-1"


async def test_P_057_claims_follow(world: World) -> None:
    """P-057: A claim that has a template's name gets the ordinal."""
    claim = {"claimName": "d"}
    found = await volumes(
        world, disk("a", persistentVolumeClaim=claim), dataVolumeTemplates=[data_volume_template()]
    )
    assert found["a"]["persistentVolumeClaim"]["claimName"] == "d-1"


async def test_P_058_shared_storage_stays(world: World) -> None:
    """P-058: Claims and data volumes that no template makes are shared by all VMs."""
    found = await volumes(
        world,
        disk("a", persistentVolumeClaim={"claimName": "shared"}),
        disk("b", dataVolume={"name": "shared-too"}),
        disk("c", dataVolume={"name": "d"}),
        dataVolumeTemplates=[data_volume_template()],
    )
    assert found["a"]["persistentVolumeClaim"]["claimName"] == "shared"
    assert found["b"]["dataVolume"]["name"] == "shared-too"


CONFIGURED = (disk("c", configMap={"name": "c"}), disk("s", secret={"secretName": "s"}))
BOTH_OFF = {"appendIndexToConfigMapRefs": False, "appendIndexToSecretRefs": False}


@pytest.mark.parametrize("flags", [None, {}, BOTH_OFF], ids=["absent", "empty", "false"])
async def test_P_059_names_stay_unless_asked_for(world: World, flags: Object | None) -> None:
    """P-059: Config maps and secrets keep their names by default."""
    found = await volumes(world, *CONFIGURED, flags=flags)
    assert found["c"]["configMap"]["name"] == "c"
    assert found["s"]["secret"]["secretName"] == "s"


async def test_P_060_config_maps_of_its_own(world: World) -> None:
    """P-060: appendIndexToConfigMapRefs numbers config maps, and no secrets."""
    found = await volumes(world, *CONFIGURED, flags={"appendIndexToConfigMapRefs": True})
    assert found["c"]["configMap"]["name"] == "c-1"
    assert found["s"]["secret"]["secretName"] == "s"


async def test_P_061_secrets_of_its_own(world: World) -> None:
    """P-061: appendIndexToSecretRefs numbers secrets, and no config maps."""
    found = await volumes(world, *CONFIGURED, flags={"appendIndexToSecretRefs": True})
    assert found["c"]["configMap"]["name"] == "c"
    assert found["s"]["secret"]["secretName"] == "s-1"


async def cloud_init(world: World, source: str) -> None:
    secrets = {"secretRef": {"name": "user"}, "networkDataSecretRef": {"name": "net"}}
    found = await volumes(world, disk("i", **{source: secrets}), flags={"appendIndexToSecretRefs": True})
    assert found["i"][source]["secretRef"]["name"] == "user-1"
    assert found["i"][source]["networkDataSecretRef"]["name"] == "net-1"


async def test_P_062_cloud_init_without_cloud(world: World) -> None:
    """P-062: Both secrets of cloudInitNoCloud are numbered."""
    await cloud_init(world, "cloudInitNoCloud")


async def test_P_063_cloud_init_by_config_drive(world: World) -> None:
    """P-063: Both secrets of cloudInitConfigDrive are numbered."""
    await cloud_init(world, "cloudInitConfigDrive")


async def test_P_064_what_is_never_renamed(world: World) -> None:
    """P-064: Inline data, sysprep, service accounts and access credentials keep their names under both flags."""
    credentials = [
        {
            "sshPublicKey": {
                "source": {"secret": {"secretName": "keys"}},
                "propagationMethod": {"qemuGuestAgent": {"users": ["root"]}},
            }
        }
    ]
    vmi = vmi_template(
        volumes=[
            disk("inline", cloudInitNoCloud={"userDataBase64": INLINE}),
            disk("sys", sysprep={"secret": {"name": "answers"}}),
            disk("account", serviceAccount={"serviceAccountName": "robot"}),
        ],
        accessCredentials=credentials,
    )
    flags = {"appendIndexToConfigMapRefs": True, "appendIndexToSecretRefs": True}
    spec = (await made(world, template=template(vmi=vmi), nameGeneration=flags))["template"]["spec"]
    found = {one["name"]: one for one in spec["volumes"]}
    assert found["inline"]["cloudInitNoCloud"]["userDataBase64"] == INLINE
    assert found["sys"]["sysprep"]["secret"]["name"] == "answers"
    assert found["account"]["serviceAccount"]["serviceAccountName"] == "robot"
    assert spec["accessCredentials"] == credentials


async def test_P_065_the_rest_is_the_template(bare: World) -> None:
    """P-065, S-03: Where no webhook adds anything, the VM's spec is the template's to the letter, but for the label."""
    body = template(
        "96Mi", vmi=vmi_template("96Mi", nodeSelector={"disk": "ssd"}, hostname="h", subdomain="s")
    )
    body["spec"]["template"]["metadata"]["annotations"] = {"a": "b"}
    await bare.create(pool(replicas=1, template=body))
    await bare.pool_of("p-0")
    body["spec"]["template"]["metadata"]["labels"] |= {REVISION_LABEL: "p-1"}
    assert says(bare.vms["p-0"]["spec"], body["spec"]), bare.vms["p-0"]["spec"]
