"""StorageProfiles: what is known of a class, and what DataVolumes get from it."""

import pytest

from fakekube.machinery.objects import dig
from fakekube.machinery.resources import (
    DATA_VOLUMES,
    PERSISTENT_VOLUME_CLAIMS,
    STORAGE_CLASSES,
    STORAGE_PROFILES,
)
from fakekube.virt.cdi import profiles

NS = "default"
DEFAULT = "storageclass.kubernetes.io/is-default-class"
ONE, MANY = "ReadWriteOnce", "ReadWriteMany"


def class_(own="fast", provisioner="example.com/unknown", parameters=None, **notes):
    made = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": own}}
    made["metadata"]["annotations"] = notes
    return {**made, "provisioner": provisioner, **({"parameters": parameters} if parameters else {})}


def sets(*pairs):
    return [{"accessModes": [access], "volumeMode": mode} for access, mode in pairs]


def profile(*pairs):
    return {
        "metadata": {"name": "fast"},
        "status": {"storageClass": "fast", "claimPropertySets": sets(*pairs)},
    }


def volume(own="root", **storage):
    storage = {"resources": {"requests": {"storage": "1Gi"}}, **storage}
    spec = {"source": {"blank": {}}, "storage": storage}
    meta = {"name": own, "namespace": NS}
    return {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataVolume", "metadata": meta, "spec": spec}


async def claim_of(world, own="root"):
    await world.settle()
    items = (await world.client.list(PERSISTENT_VOLUME_CLAIMS, NS)).items
    return next((one for one in items if one["metadata"]["name"] == own), None)


async def modes_of(world, own="root"):
    made = await claim_of(world, own)
    return None if made is None else (made["spec"]["accessModes"], made["spec"]["volumeMode"])


async def volume_of(world, own="root"):
    await world.settle()
    return await world.client.get(DATA_VOLUMES, own, NS)


async def status_of(world, own="fast"):
    await world.settle()
    return (await world.client.get(STORAGE_PROFILES, own, None))["status"]


@pytest.mark.parametrize(
    ("provisioner", "parameters", "first"),
    [
        ("rbd.csi.ceph.com", {}, (MANY, "Block")),
        ("nfs.csi.k8s.io", {}, (MANY, "Filesystem")),
        ("k8s.io/minikube-hostpath", {}, (ONE, "Filesystem")),
        ("ebs.csi.aws.com", {"type": "gp3"}, (ONE, "Block")),
        ("ebs.csi.aws.com", {"type": "io2"}, (MANY, "Block")),
        ("driver.longhorn.io", {"migratable": "true"}, (MANY, "Block")),
        ("driver.longhorn.io", {"fsType": "ext4"}, (ONE, "Filesystem")),
        ("fakekube.io/volumes", {}, (ONE, "Filesystem")),
    ],
)
def test_what_is_known_of_a_provisioner(provisioner, parameters, first):
    """Well-known provisioners need no words; parameters of a class may make a difference."""
    found = profiles.status(class_("fast", provisioner, parameters), {"spec": {}})
    assert found["claimPropertySets"][0] == sets(first)[0]
    assert (found["provisioner"], found["storageClass"]) == (provisioner, "fast")


@pytest.mark.parametrize(
    ("asked", "said", "wanted"),
    [
        (None, None, "copy"),
        ("csi-clone", None, "csi-clone"),
        ("nonsense", None, "copy"),
        ("csi-clone", "snapshot", "snapshot"),
    ],
)
def test_how_volumes_are_cloned(asked, said, wanted):
    """The profile's word counts before the class's; where both are silent it is copied."""
    notes = {"cdi.kubevirt.io/clone-strategy": asked} if asked else {}
    spec = {"cloneStrategy": said} if said else {}
    assert profiles.status(class_(**notes), {"spec": spec})["cloneStrategy"] == wanted


@pytest.mark.parametrize(
    ("wanted", "modes"),
    [
        ({}, ([MANY], "Block")),
        ({"volumeMode": "Filesystem"}, ([ONE], "Filesystem")),
        ({"accessModes": [ONE]}, ([ONE], "Block")),
        ({"accessModes": ["ReadOnlyMany"]}, (["ReadOnlyMany"], None)),
        ({"accessModes": [ONE], "volumeMode": "Filesystem"}, ([ONE], "Filesystem")),
    ],
)
def test_what_is_left_open_comes_from_the_profile(wanted, modes):
    """The first set that agrees with what is said; an access mode no set has leaves the volume mode to the server."""
    found = profiles.completed(wanted, profile((MANY, "Block"), (ONE, "Block"), (ONE, "Filesystem")))
    assert (found["accessModes"], found.get("volumeMode")) == modes


@pytest.mark.parametrize(
    ("wanted", "known", "told", "why"),
    [
        (
            {},
            profile(),
            "Spec is missing accessMode and volumeMode, cannot get access mode from StorageProfile fast",
            "no accessMode specified in StorageProfile fast",
        ),
        (
            {"volumeMode": "Block"},
            profile((ONE, "Filesystem")),
            "Spec is missing accessMode and cannot get access mode from StorageProfile fast",
            "no matching accessMode specified in StorageProfile fast",
        ),
        (
            {"volumeMode": "Block"},
            None,
            "PVC spec is missing accessMode and no storageClass to choose profile",
            "PVC spec is missing accessMode and no storageClass to choose profile",
        ),
    ],
)
def test_what_no_claim_can_be_made_of(wanted, known, told, why):
    """Without an access mode, neither said nor known, there is no claim."""
    with pytest.raises(profiles.ClaimNotValid) as caught:
        profiles.completed(wanted, known)
    assert (caught.value.told, str(caught.value)) == (told, why)


async def test_one_for_each_class(world):
    """A profile comes with its class, is put back when somebody deletes it, follows its own spec, and goes with the class."""
    await world.client.create(STORAGE_CLASSES, class_())
    status = await status_of(world)
    assert (status["storageClass"], "claimPropertySets" in status) == ("fast", False)
    await world.client.delete(STORAGE_PROFILES, "fast", None)
    assert await status_of(world) == status
    said = sets((MANY, "Filesystem"))
    patch = {"spec": {"claimPropertySets": said}}
    await world.client.patch(STORAGE_PROFILES, "fast", None, patch, type="merge")
    assert (await status_of(world))["claimPropertySets"] == said
    await world.client.delete(STORAGE_CLASSES, "fast", None)
    await world.settle()
    found = (await world.client.list(STORAGE_PROFILES)).items
    assert [one["metadata"]["name"] for one in found] == ["local"]


async def test_modes_of_a_claim(world):
    """What `storage` leaves open is what the profile of the class says first."""
    await world.client.create(STORAGE_CLASSES, class_("fast", "rbd.csi.ceph.com"))
    await world.client.create(DATA_VOLUMES, volume(storageClassName="fast"))
    await world.client.create(DATA_VOLUMES, volume("other"))
    assert await modes_of(world) == ([MANY], "Block")
    assert await modes_of(world, "other") == ([ONE], "Filesystem")


async def test_a_claim_that_is_not_valid(world):
    """Where nobody knows what a class can, that is told by conditions and events, and there is no claim until somebody says it."""
    await world.client.create(STORAGE_CLASSES, class_())
    await world.client.create(DATA_VOLUMES, volume(storageClassName="fast"))
    status = (await volume_of(world))["status"]
    why = "no accessMode specified in StorageProfile fast"
    conditions = {one["type"]: one for one in status["conditions"]}
    for kind in ("Bound", "Ready"):
        found = conditions[kind]
        assert (found["status"], found["reason"], found["message"]) == ("False", "ErrClaimNotValid", why)
    assert "phase" not in status
    assert await claim_of(world) is None
    told = "Spec is missing accessMode and volumeMode, cannot get access mode from StorageProfile fast"
    assert [one[:3] for one in world.events("root", "DataVolume")] == [
        ("Warning", "ErrClaimNotValid", told),
        ("Normal", "ErrClaimNotValid", why),
    ]
    patch = {"spec": {"claimPropertySets": sets((MANY, "Block"))}}
    await world.client.patch(STORAGE_PROFILES, "fast", None, patch, type="merge")
    assert await modes_of(world) == ([MANY], "Block")
    for _ in range(60):
        await world.elapse(1)
    assert dig(await volume_of(world), "status", "phase") == "Succeeded"


async def test_no_class(world):
    """Without a class to ask, an access mode has to be said; a default class that comes is asked at once."""
    nobody = {"metadata": {"annotations": {DEFAULT: None}}}
    await world.client.patch(STORAGE_CLASSES, "local", None, nobody, type="merge")
    await world.client.create(DATA_VOLUMES, volume())
    why = "PVC spec is missing accessMode and no storageClass to choose profile"
    conditions = {one["type"]: one for one in (await volume_of(world))["status"]["conditions"]}
    assert conditions["Bound"]["message"] == why
    again = {"metadata": {"annotations": {DEFAULT: "true"}}}
    await world.client.patch(STORAGE_CLASSES, "local", None, again, type="merge")
    assert await modes_of(world) == ([ONE], "Filesystem")
