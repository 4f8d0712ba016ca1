"""What cdi-apiserver refuses."""

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import ApiError
from fakekube.machinery.resources import (
    CDIS,
    DATA_IMPORT_CRONS,
    DATA_SOURCES,
    DATA_VOLUMES,
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
    Resource,
)

VOLUME = {
    "apiVersion": "cdi.kubevirt.io/v1beta1",
    "kind": "DataVolume",
    "metadata": {"name": "v", "namespace": "default"},
    "spec": {"source": {"blank": {}}, "storage": {"resources": {"requests": {"storage": "1Gi"}}}},
}


@pytest.mark.parametrize(
    ("strategy", "volumes", "gone"),
    [
        ("BlockUninstallIfWorkloadsExist", [VOLUME], False),
        ("BlockUninstallIfWorkloadsExist", [], True),
        ("RemoveWorkloads", [VOLUME], True),
    ],
)
async def test_data_volumes_block_the_deletion(strategy, volumes, gone):
    """CDI stays while there are DataVolumes, if its uninstall strategy says so."""
    async with Cluster(only=["virt-operator", "cdi"], clock=ManualClock(), seed=1) as cluster:
        await cluster.settle()
        client = cluster.client()
        [cdi] = (await client.list(CDIS)).items
        name = cdi["metadata"]["name"]
        await client.patch(CDIS, name, None, {"spec": {"uninstallStrategy": strategy}}, type="merge")
        for volume in volumes:
            await client.create(DATA_VOLUMES, volume)
        if gone:
            await client.delete(CDIS, name)
            return
        with pytest.raises(ApiError) as refused:
            await client.delete(CDIS, name)
        assert (refused.value.code, refused.value.message) == (
            400,
            (
                'admission webhook "cdi-validate.cdi.kubevirt.io" denied the request: Rejecting the uninstall request, since '
                "there are still DataVolumes present. Either delete all DataVolumes or change the uninstall strategy before "
                "uninstalling CDI."
            ),
        )


def claim(name, space="default", size="2Gi"):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
    meta = {"name": name, "namespace": space}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta, "spec": spec}


def volume(name, **spec):
    return {**VOLUME, "metadata": {"name": name, "namespace": "default"}, "spec": spec}


async def refused(making):
    with pytest.raises(ApiError) as found:
        await making
    assert "denied the request: " in found.value.message
    return found.value.message.partition("denied the request: ")[2]


SMALL = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


async def test_what_is_refused_of_data_volumes():
    """Claims in the way, sources that are too large or not there, and changes of the spec; each after one space."""
    async with Cluster(only=["virt-operator", "cdi"], clock=ManualClock(), seed=1) as cluster:
        await cluster.settle()
        client = cluster.client()
        await client.create(PERSISTENT_VOLUME_CLAIMS, claim("taken"))
        blank = {"source": {"blank": {}}, "storage": SMALL}
        said = await refused(client.create(DATA_VOLUMES, volume("taken", **blank)))
        assert said == " Destination PVC default/taken already exists"
        clone = {"source": {"pvc": {"name": "taken", "namespace": "default"}}, "pvc": SMALL}
        said = await refused(client.create(DATA_VOLUMES, volume("clone", **clone)))
        assert (
            said
            == " target resources requests storage size is smaller than the source 1073741824 < 2147483648"
        )
        elsewhere = {"source": {"pvc": {"name": "taken", "namespace": "nowhere"}}, "storage": SMALL}
        said = await refused(client.create(DATA_VOLUMES, volume("clone", **elsewhere)))
        assert said == 'namespaces "nowhere" not found'
        referring = {"sourceRef": {"kind": "DataSource", "name": "none"}, "storage": SMALL}
        said = await refused(client.create(DATA_VOLUMES, volume("clone", **referring)))
        assert said == 'datasources.cdi.kubevirt.io "none" not found'
        source = {"kind": "DataSource", "metadata": {"name": "empty", "namespace": "default"}}
        await client.create(
            DATA_SOURCES, {"apiVersion": "cdi.kubevirt.io/v1beta1", **source, "spec": {"source": {}}}
        )
        referring["sourceRef"]["name"] = "empty"
        said = await refused(client.create(DATA_VOLUMES, volume("clone", **referring)))
        assert said == " Empty source field in 'empty'. DataSource may not be ready yet"
        await client.create(DATA_VOLUMES, volume("v", **blank))
        change = {"spec": {"source": {"blank": None, "upload": {}}}}
        said = await refused(client.patch(DATA_VOLUMES, "v", "default", change, type="merge"))
        assert said == " Cannot update DataVolume Spec"
        await client.patch(DATA_VOLUMES, "v", "default", {"metadata": {"labels": {"a": "b"}}}, type="merge")


async def test_what_is_refused_of_sources_and_crons():
    """A DataSource does not point to itself; a DataImportCron keeps its schedule."""
    async with Cluster(only=["virt-operator", "cdi"], clock=ManualClock(), seed=1) as cluster:
        await cluster.settle()
        client = cluster.client()

        def of(kind, name, **spec):
            meta = {"name": name, "namespace": "default"}
            return {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": kind, "metadata": meta, "spec": spec}

        itself = {"dataSource": {"name": "self", "namespace": "default"}}
        said = await refused(client.create(DATA_SOURCES, of("DataSource", "self", source=itself)))
        assert said == " DataSource cannot point to itself"
        template = {"spec": {"source": {"registry": {"url": "docker://quay.io/fedora"}}, "storage": SMALL}}
        wanted = {"template": template, "schedule": "nonsense", "managedDataSource": "fedora"}
        said = await refused(client.create(DATA_IMPORT_CRONS, of("DataImportCron", "c", **wanted)))
        assert said == " Illegal cron schedule"
        await client.create(DATA_IMPORT_CRONS, of("DataImportCron", "c", **{**wanted, "schedule": ""}))
        change = {"spec": {"managedDataSource": "other"}}
        said = await refused(client.patch(DATA_IMPORT_CRONS, "c", "default", change, type="merge"))
        assert said == " Cannot update DataImportCron Spec"


@pytest.mark.parametrize(
    ("kind", "rules", "allowed"),
    [
        ("pvc", [], False),
        ("pvc", [("cdi.kubevirt.io", "datavolumes/source")], True),
        ("pvc", [("", "pods")], True),
        ("snapshot", [("", "pods")], False),
        ("snapshot", [("", "pods"), ("", "pvcs")], True),
        ("snapshot", [("cdi.kubevirt.io", "datavolumes/source")], True),
    ],
)
async def test_who_may_clone_from_elsewhere(kind, rules, allowed):
    """Users need rights in the namespace of the source."""
    async with Cluster(only=["virt-operator", "cdi"], clock=ManualClock(), seed=1, rbac=True) as cluster:
        await cluster.settle()
        admin = cluster.client()
        await admin.create(
            NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "golden"}}
        )
        own = [("cdi.kubevirt.io", "datavolumes")]
        for space, granted in (("default", own), ("golden", rules)):
            await grant(admin, space, granted)
        source = {kind: {"name": "image", "namespace": "golden"}}
        making = admin.as_user("jane").create(DATA_VOLUMES, volume("clone", source=source, storage=SMALL))
        if allowed:
            await making
            return
        text = " User jane has insufficient permissions in clone source namespace golden"
        assert await refused(making) == text


async def grant(client, space, granted):
    meta = {"name": "jane", "namespace": space}
    api = "rbac.authorization.k8s.io"
    rules = [{"apiGroups": [group], "resources": [one], "verbs": ["create"]} for group, one in granted]
    common = {"apiVersion": f"{api}/v1", "metadata": meta}
    await client.create(Resource(api, "v1", "roles", "Role"), {**common, "kind": "Role", "rules": rules})
    subject = {"kind": "User", "name": "jane", "apiGroup": api}
    reference = {"kind": "Role", "name": "jane", "apiGroup": api}
    binding = {**common, "kind": "RoleBinding", "subjects": [subject], "roleRef": reference}
    await client.create(Resource(api, "v1", "rolebindings", "RoleBinding"), binding)
