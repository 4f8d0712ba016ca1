"""The small pure parts: quantities, patches, reviews, instancetypes, configuration."""

import base64

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakekube.machinery.copying import copy_of
from fakekube.machinery.reviews import Question, read, written
from fakekube.machinery.wire import Request
from fakekube.virt import quantities
from fakekube.virt.causes import Cause, status
from fakekube.virt.config import ClusterConfig, from_object
from fakekube.virt.instancetypes import applying
from fakekube.virt.json_patch import applied, changes
from fakekube.virt.review import Hooks, changed, refused

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab/~", max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("1Gi", 2**30), ("1G", 10**9), ("1500m", 2), ("0.5Ki", 512), (3, 3), (None, 0), ("1e3", 1000)],
)
def test_quantities(text, amount):
    """Quantities are exact; whole amounts are rounded up."""
    assert quantities.whole(text) == amount


def test_what_is_no_quantity():
    """Words are refused."""
    with pytest.raises(ValueError, match="lots"):
        quantities.exact("lots")


@given(JSON, JSON)
def test_a_patch_leads_from_old_to_new(old, new):
    """Whatever the documents, applying the difference gives the new one."""
    assert applied({"o": old}, changes({"o": old}, {"o": new})) == {"o": new}


def test_what_is_not_there_can_be_replaced():
    """`replace` adds an absent member, beside one that is there; the object itself stays as it was."""
    vm = {"spec": {}}
    assert applied(vm, [{"op": "replace", "path": "/spec/a", "value": 1}]) == {"spec": {"a": 1}}
    assert vm == {"spec": {}}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/a/b", "value": 1},
        {"op": "replace", "path": "/list/1", "value": 1},
        {"op": "replace", "path": "/a"},
        {"op": "remove", "path": "/a"},
        {"op": "test", "path": "/list", "value": []},
        {"op": "add", "path": "a", "value": 1},
        {"op": "no", "path": "/a"},
        7,
    ],
)
def test_patches_that_do_not_fit(operation):
    """A missing parent or place, a failed test, and what is no operation, are told as ValueError."""
    with pytest.raises(ValueError, match=r"\w"):
        applied({"list": [1]}, [operation])


async def _sent(wanted):
    """What a webhook that wants this object answers to a review of {"a": 1}."""

    async def hook(_):
        return changed(wanted)

    body = orjson.dumps({"request": {"uid": "u", "operation": "CREATE", "object": {"a": 1}}})
    response = await Hooks({"/hook": hook})(Request("POST", "/hook", body=body))
    return orjson.loads(response.body)["response"]


async def test_nothing_changed_nothing_patched():
    """An unchanged object needs no patch."""
    assert await _sent({"a": 1}) == {"uid": "u", "allowed": True}


async def test_patch_travels_in_base64():
    """A changed object travels as a JSON patch."""
    response = await _sent({"a": 2})
    assert response["patchType"] == "JSONPatch"
    assert orjson.loads(base64.b64decode(response["patch"])) == [{"op": "replace", "path": "/a", "value": 2}]


def test_reviews_are_answered_by_uid():
    """The answer carries the question's uid."""
    uid, asked = read(orjson.dumps({"request": {"uid": "u", "operation": "CREATE", "object": {"a": 1}}}))
    assert asked.creates
    response = orjson.loads(written(uid, refused("no")))["response"]
    assert response == {
        "uid": "u",
        "allowed": False,
        "status": {"metadata": {}, "message": "no", "code": 400},
    }


async def test_what_is_no_review(cluster):
    """A body that is no AdmissionReview is a bad request."""
    assert (await cluster.api(Request("POST", "/virtualmachines-mutate", body=b"{"))).status == 400
    assert (await cluster.api(Request("POST", "/elsewhere", body=b"{}"))).status == 404


def test_v038_ten_causes():
    """V-038: the message lists ten causes and counts the rest."""
    said = status([Cause(str(number)) for number in range(12)])
    assert said["message"] == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, and 2 more validation errors"
    assert (said["code"], said["reason"], len(said["details"]["causes"])) == (422, "Invalid", 10)


def test_feature_gates():
    """GA gates are always open, beta gates unless closed, alpha gates only when opened."""
    config = ClusterConfig(
        "amd64",
        {
            "developerConfiguration": {
                "featureGates": ["HostDisk"],
                "disabledFeatureGates": ["Snapshot", "NUMA"],
            }
        },
    )
    assert config.gate("NUMA")
    assert config.gate("HostDisk")
    assert config.gate("ImageVolume")
    assert not config.gate("Snapshot")
    assert not config.gate("VSOCK")
    assert not config.gate("Unknown")


def test_configuration_counts_with_a_phase():
    """A KubeVirt object nobody has installed yet configures nothing."""
    obj = {"spec": {"configuration": {"evictionStrategy": "LiveMigrate"}}}
    assert from_object(obj).eviction_strategy == "None"
    obj["status"] = {"phase": "Deployed", "defaultArchitecture": "arm64"}
    assert from_object(obj).eviction_strategy == "LiveMigrate"
    assert from_object(obj).machine_type("arm64") == "virt"


@pytest.mark.parametrize(
    ("preference", "topology"),
    [
        ({}, (4, 1, 1)),
        ({"preferredCPUTopology": "preferCores"}, (1, 4, 1)),
        ({"preferredCPUTopology": "threads"}, (1, 1, 4)),
        ({"preferredCPUTopology": "spread"}, (2, 2, 1)),
        ({"preferredCPUTopology": "spread", "spreadOptions": {"across": "CoresThreads"}}, (1, 2, 2)),
    ],
)
def test_v231_cpus_of_an_instancetype(preference, topology):
    """V-231: CPUs are shown as sockets, unless the preference says otherwise."""
    spec = {"domain": {}}
    applying.apply(spec, {"cpu": {"guest": 4}, "memory": {"guest": "2Gi"}}, {"cpu": preference})
    cpu = spec["domain"]["cpu"]
    assert (cpu["sockets"], cpu["cores"], cpu["threads"]) == topology
    assert spec["domain"]["memory"] == {"guest": "2Gi"}


@pytest.mark.parametrize("across", ["SocketsCores", "CoresThreads", "SocketsCoresThreads"])
def test_one_cpu(across):
    """A single CPU is spread over nothing."""
    spec = {}
    preference = {"cpu": {"preferredCPUTopology": "spread", "spreadOptions": {"across": across}}}
    applying.apply(spec, {"cpu": {"guest": 1}, "memory": {"guest": "2Gi"}}, preference)
    assert spec["domain"]["cpu"] == {"sockets": 1, "cores": 1, "threads": 1}


def test_preferences_fill_gaps_only():
    """A preference says nothing where the machine has spoken."""
    disks = [{"name": "a"}, {"name": "b", "disk": {"bus": "sata"}}, {"name": "c", "cdrom": {}}]
    spec = {"domain": {"devices": {"disks": disks, "autoattachGraphicsDevice": True}}}
    preference = {
        "devices": {
            "preferredDiskBus": "virtio",
            "preferredCdromBus": "scsi",
            "preferredAutoattachGraphicsDevice": False,
            "preferredAutoattachMemBalloon": False,
        },
        "firmware": {"preferredUseEfi": True, "preferredUseSecureBoot": False},
        "features": {"preferredSmm": {}},
        "preferredTerminationGracePeriodSeconds": 9,
    }
    applying.apply(spec, None, preference)
    devices = spec["domain"]["devices"]
    assert [disk.get("disk", disk.get("cdrom"))["bus"] for disk in devices["disks"]] == [
        "virtio",
        "sata",
        "scsi",
    ]
    assert (devices["autoattachGraphicsDevice"], devices["autoattachMemBalloon"]) == (True, False)
    assert spec["domain"]["firmware"] == {"bootloader": {"efi": {"secureBoot": False}}}
    assert spec["domain"]["features"] == {"smm": {}}
    assert spec["terminationGracePeriodSeconds"] == 9


def test_overcommitted_memory():
    """An overcommitting size requests less than it shows."""
    spec = {"domain": {}}
    applying.apply(spec, {"cpu": {"guest": 1}, "memory": {"guest": "1000", "overcommitPercent": 15}}, None)
    assert spec["domain"]["resources"] == {"requests": {"memory": "850"}}


async def test_asked_directly_it_answers_as_if_sent_a_review(cluster):
    """A question of the same process gets the answer an AdmissionReview gets."""
    vm = {"metadata": {"name": "x", "namespace": "d"}, "spec": {"template": {"spec": {"domain": {}}}}}
    asked = Question("CREATE", "d", "x", "user", copy_of(vm), None, dry_run=False)
    body = {"uid": "u", "operation": "CREATE", "namespace": "d", "name": "x", "object": vm}
    sent = Request(
        "POST", "/virtualmachines-validate", body=orjson.dumps({"request": {**body, "oldObject": None}})
    )
    answer = await cluster.api.review("/virtualmachines-validate", asked)
    assert not answer.allowed
    response = orjson.loads((await cluster.api(sent)).body)["response"]
    assert response == orjson.loads(written("u", answer))["response"]
    assert asked.obj == vm
    assert await cluster.api.review("/elsewhere", asked) is None
