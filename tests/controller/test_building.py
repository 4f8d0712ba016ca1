import pytest

from controller import building
from controller.spec import SpecError


def volumes(vm):
    return vm["spec"]["template"]["spec"]["volumes"]


def with_volumes(world, *given, **spec):
    template = world.template()
    template["spec"]["template"]["spec"]["volumes"] = list(given)
    template["spec"]["dataVolumeTemplates"] = [{"metadata": {"name": "d"}, "spec": {}}]
    return world.pool(template=template, **spec)


def test_a_new_vm_is_the_pools(world):
    """P-032, P-033: exactly one owner, the pool, and the pool's finalizer."""
    meta = building.virtual_machine(world.pool(), "p-1", 0)["metadata"]
    assert meta["ownerReferences"] == [
        {
            "apiVersion": "pool.kubevirt.io/v1beta1",
            "kind": "VirtualMachinePool",
            "name": "p",
            "uid": "pool-p",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]
    assert meta["finalizers"] == ["pool.kubevirt.io/finalizer"]
    assert (meta["namespace"], meta["name"]) == ("ns", "p-0")


def test_labels_and_annotations_come_from_the_template(world):
    """P-051, P-052: labels with the revision, on the VM and in its VMI template; annotations as they are."""
    template = world.template()
    template["metadata"]["annotations"] = {"note": "x"}
    vm = building.virtual_machine(world.pool(template=template), "p-1", 0)
    revision = {"kubevirt.io/vm-pool-revision-name": "p-1"}
    assert vm["metadata"]["labels"] == {"app": "p", **revision}
    assert vm["metadata"]["annotations"] == {"note": "x"}
    assert vm["spec"]["template"]["metadata"]["labels"] == {"vmi": "p", **revision}


def test_other_template_metadata_has_no_effect(world):
    """P-054: name, generateName, namespace, finalizers and owners of the template are ignored."""
    template = world.template()
    template["metadata"] |= {
        "name": "x",
        "generateName": "x-",
        "namespace": "x",
        "finalizers": ["x"],
        "ownerReferences": [{"uid": "x"}],
    }
    plain = building.virtual_machine(world.pool(), "p-1", 0)
    assert building.virtual_machine(world.pool(template=template), "p-1", 0) == plain


def test_the_rest_of_the_spec_is_the_templates(world):
    """P-065: everything else is copied, and the pool's own template stays as it was."""
    pool = world.pool()
    before = world.template()
    vm = building.virtual_machine(pool, "p-1", 0)
    vm["spec"]["template"]["spec"]["domain"]["memory"]["guest"] = "2Gi"
    assert pool["spec"]["virtualMachineTemplate"] == before
    assert vm["spec"]["runStrategy"] == "Always"


def test_missing_and_null_parts_of_a_template(world):
    """A template without metadata, or with null members, still becomes a labelled VM."""
    template = {
        "metadata": None,
        "spec": {"dataVolumeTemplates": [None], "template": {"metadata": None, "spec": {"volumes": None}}},
    }
    vm = building.virtual_machine(world.pool(template=template), "p-1", 2)
    assert vm["spec"]["template"]["metadata"]["labels"] == {"kubevirt.io/vm-pool-revision-name": "p-1"}
    assert vm["spec"]["dataVolumeTemplates"] == [None]


def test_own_storage_gets_the_ordinal(world):
    """P-055, P-056, P-057: DataVolume templates, and volumes naming them, end in the ordinal."""
    pool = with_volumes(
        world,
        {"name": "a", "dataVolume": {"name": "d"}},
        {"name": "b", "persistentVolumeClaim": {"claimName": "d"}},
    )
    vm = building.virtual_machine(pool, "p-1", 7)
    assert vm["spec"]["dataVolumeTemplates"][0]["metadata"]["name"] == "d-7"
    assert volumes(vm)[0]["dataVolume"]["name"] == "d-7"
    assert volumes(vm)[1]["persistentVolumeClaim"]["claimName"] == "d-7"


def test_shared_storage_keeps_its_name(world):
    """P-058: volumes naming anything else are left alone."""
    given = (
        {"name": "a", "dataVolume": {"name": "x"}},
        {"name": "b", "persistentVolumeClaim": {"claimName": "d-0"}},
    )
    assert volumes(building.virtual_machine(with_volumes(world, *given), "p-1", 0)) == list(given)


REFERENCES = (
    {"name": "a", "configMap": {"name": "c"}},
    {"name": "b", "secret": {"secretName": "s"}},
    {"name": "c", "cloudInitNoCloud": {"secretRef": {"name": "u"}, "networkDataSecretRef": {"name": "n"}}},
    {
        "name": "d",
        "cloudInitConfigDrive": {"secretRef": {"name": "u"}, "networkDataSecretRef": {"name": "n"}},
    },
    {"name": "e", "cloudInitNoCloud": {"userData": "#cloud-config"}},
    {"name": "f", "sysprep": {"secret": {"name": "s"}}},
    {"name": "g", "serviceAccount": {"serviceAccountName": "s"}},
    {"name": "h", "downwardAPI": {}},
)


def names_of(vm):
    one = volumes(vm)
    return (
        one[0]["configMap"]["name"],
        one[1]["secret"]["secretName"],
        *(one[2]["cloudInitNoCloud"][ref]["name"] for ref in ("secretRef", "networkDataSecretRef")),
        *(one[3]["cloudInitConfigDrive"][ref]["name"] for ref in ("secretRef", "networkDataSecretRef")),
    )


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (None, ("c", "s", "u", "n", "u", "n")),
        ({"appendIndexToConfigMapRefs": False}, ("c", "s", "u", "n", "u", "n")),
        ({"appendIndexToConfigMapRefs": True}, ("c-4", "s", "u", "n", "u", "n")),
        ({"appendIndexToSecretRefs": True}, ("c", "s-4", "u-4", "n-4", "u-4", "n-4")),
    ],
)
def test_references_get_the_ordinal_when_asked(world, flags, expected):
    """P-059…P-063: ConfigMaps and secrets, those of cloud-init included, each by its own flag."""
    more = {} if flags is None else {"nameGeneration": flags}
    vm = building.virtual_machine(with_volumes(world, *REFERENCES, **more), "p-1", 4)
    assert names_of(vm) == expected


def test_other_references_are_never_renamed(world):
    """P-064: inline data, sysprep, service accounts and the rest stay."""
    flags = {"appendIndexToConfigMapRefs": True, "appendIndexToSecretRefs": True}
    vm = building.virtual_machine(with_volumes(world, *REFERENCES, nameGeneration=flags), "p-1", 4)
    assert volumes(vm)[4:] == list(REFERENCES[4:])


def test_an_update_keeps_what_identifies_the_vm(world):
    """P-129: uid, owners, finalizers, status and ordinal names stay; labels, annotations and spec are the template's."""
    old = world.vm(with_volumes(world), 3)
    old["metadata"]["finalizers"].append("kubevirt.io/virtualMachineControllerFinalize")
    new = building.updated(with_volumes(world, generation=2), "p-2", old)
    for member in ("uid", "name", "ownerReferences", "finalizers", "resourceVersion"):
        assert new["metadata"][member] == old["metadata"][member]
    assert new["status"] == old["status"]
    assert new["spec"]["dataVolumeTemplates"][0]["metadata"]["name"] == "d-3"
    assert new["metadata"]["labels"]["kubevirt.io/vm-pool-revision-name"] == "p-2"


def test_an_update_replaces_what_was_set_by_hand(world):
    """P-132, P-133: labels, annotations and spec changes made by hand vanish."""
    old = world.vm(world.pool(), 0)
    old["metadata"]["labels"]["mine"] = "x"
    old["metadata"]["annotations"] = {"mine": "x"}
    old["spec"]["runStrategy"] = "Halted"
    new = building.updated(world.pool(), "p-1", old)
    assert "mine" not in new["metadata"]["labels"]
    assert "annotations" not in new["metadata"]
    assert new["spec"]["runStrategy"] == "Always"


@pytest.mark.parametrize("section", [None, {"bootloader": {"efi": {}}}, {"uuid": "template's"}])
def test_an_update_keeps_the_firmware_identity(world, section):
    """P-130: uuid and serial survive, whatever the template says about firmware."""
    old = world.vm(world.pool(), 0)
    old["spec"]["template"]["spec"]["domain"]["firmware"] = {"uuid": "u", "serial": "s", "kernelBoot": {}}
    template = world.template()
    if section:
        template["spec"]["template"]["spec"]["domain"]["firmware"] = section
    new = building.updated(world.pool(template=template), "p-1", old)
    assert new["spec"]["template"]["spec"]["domain"]["firmware"] == {
        **(section or {}),
        "uuid": "u",
        "serial": "s",
    }


def test_a_vm_without_an_ordinal_cannot_be_updated(world):
    """An owned VM whose name does not end in an integer is a mistake the pool cannot mend."""
    vm = world.vm(world.pool(), 0)
    vm["metadata"]["name"] = "web"
    with pytest.raises(SpecError, match="ns/web"):
        building.updated(world.pool(), "p-1", vm)
