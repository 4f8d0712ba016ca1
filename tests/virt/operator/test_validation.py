"""What virt-operator refuses in changed KubeVirt objects."""

import json

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import ApiError
from fakekube.machinery.resources import DAEMON_SETS, DEPLOYMENTS, KUBEVIRTS, VIRTUAL_MACHINES
from fakekube.machinery.wire import Request
from fakekube.virt.operator.validation import CHANGED as PATH
from fakekube.virt.operator.validation import Validator, causes_of

DENIED = 'admission webhook "kubevirt-update-validator.kubevirt.io" denied the request: '


@pytest.fixture
async def cluster():
    async with Cluster(
        only=["kubernetes", "virt-operator", "virt-api"], clock=ManualClock(), seed=1
    ) as cluster:
        await cluster.settle()
        yield cluster


async def changed(cluster, **spec):
    return await cluster.client().patch(KUBEVIRTS, "kubevirt", "kubevirt", {"spec": spec}, type="merge")


async def test_no_replicas_are_refused(cluster):
    """None of a component is none too few; three are carried out."""
    with pytest.raises(ApiError) as refused:
        await changed(cluster, infra={"replicas": 0})
    assert (refused.value.code, refused.value.message) == (422, f"{DENIED}infra replica count can't be 0")
    await changed(cluster, infra={"replicas": 3})
    await cluster.settle()
    assert (await cluster.client().get(DEPLOYMENTS, "virt-api", "kubevirt"))["spec"]["replicas"] == 3


@pytest.mark.parametrize(("member", "kind"), [("infra", "Deployment"), ("workloads", "DaemonSet")])
async def test_impossible_places_are_refused(cluster, member, kind):
    """Where components are to run is tried with a workload that is not kept, and refused as that is."""
    wrong = {"nodePlacement": {"tolerations": [{"key": "a/b/c", "operator": "Exists"}]}}
    with pytest.raises(ApiError) as refused:
        await changed(cluster, **{member: wrong})
    assert f'{kind}.apps "placement-validation-webhook" is invalid' in refused.value.message
    assert 'Invalid value: "a/b/c"' in refused.value.message
    odd = {"nodePlacement": {"tolerations": [{"key": "a", "operator": "foo", "effect": "bar", "value": "b"}]}}
    with pytest.raises(ApiError) as refused:
        await changed(cluster, **{member: odd})
    where = f"spec.{member}.nodePlacement.tolerations"
    assert refused.value.message == (
        f"{DENIED}{where}.effect in body should be one of [NoExecute NoSchedule PreferNoSchedule], "
        f"{where}.operator in body should be one of [Equal Exists Gt Lt]"
    )
    fine = {"nodePlacement": {"nodeSelector": {"a": "b"}}}
    await changed(cluster, **{member: fine})
    await cluster.settle()
    resource, name = {"infra": (DEPLOYMENTS, "virt-controller"), "workloads": (DAEMON_SETS, "virt-handler")}[
        member
    ]
    workload = await cluster.client().get(resource, name, "kubevirt")
    assert workload["spec"]["template"]["spec"]["nodeSelector"]["a"] == "b"


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"customizeComponents": {"patches": [{"patch": "{a"}]}}, 'patch "{a" is not valid JSON'),
        (
            {"certificateRotateStrategy": {"selfSigned": {"ca": {"duration": "1h", "renewBefore": "2h"}}}},
            "CA RenewBefore cannot exceed Duration",
        ),
        (
            {
                "certificateRotateStrategy": {
                    "selfSigned": {"server": {"duration": "1h", "renewBefore": "90m"}}
                }
            },
            "Cert RenewBefore cannot exceed Duration",
        ),
        (
            {"certificateRotateStrategy": {"selfSigned": {"server": {"duration": "200h"}}}},
            "Certificate duration cannot exceed CA",
        ),
        (
            {
                "certificateRotateStrategy": {
                    "selfSigned": {"caRotateInterval": "100h", "ca": {"duration": "90h"}}
                }
            },
            "are deprecated and conflict with CertConfig",
        ),
        ({"configuration": {"additionalGuestMemoryOverheadRatio": "0.5"}}, "cannot be smaller than 1.0"),
        ({"configuration": {"additionalGuestMemoryOverheadRatio": "x"}}, "cannot be parsed into float"),
        ({"configuration": {"tlsConfiguration": {"ciphers": ["a"]}}}, "You cannot specify ciphers when"),
        (
            {"configuration": {"tlsConfiguration": {"ciphers": ["a"], "minTLSVersion": "VersionTLS12"}}},
            "a is not a valid cipher",
        ),
        (
            {"configuration": {"seccompConfiguration": {"virtualMachineInstanceProfile": {}}}},
            "customProfile needs to be set",
        ),
        (
            {
                "configuration": {
                    "seccompConfiguration": {
                        "virtualMachineInstanceProfile": {
                            "customProfile": {"localhostProfile": "a", "runtimeDefaultProfile": True}
                        }
                    }
                }
            },
            "localhostProfile cannot be set when",
        ),
    ],
)
def test_what_cannot_be_configured(spec, told):
    """Each mistake is told in upstream's words; the same once it is there is not looked at again where upstream does not."""
    assert told in next(iter(causes_of({}, spec))).message
    assert not list(causes_of({}, {"certificateRotateStrategy": {"selfSigned": {}}, "configuration": {}}))


REDUNDANT = (
    "therefore it can be safely removed and is redundant. For more info, please look at: "
    "https://github.com/kubevirt/kubevirt/blob/main/docs/deprecation.md"
)


async def test_warnings_of_gates(cluster):
    """Whoever changes the gates is told how far each feature has come; who leaves them alone is told nothing."""
    listed = ["NUMA", "Snapshot", "Sidecar", "HotplugVolumes", "Passt", "Nobody's"]
    spec = {"configuration": {"developerConfiguration": {"featureGates": listed}}}
    validator = Validator(cluster.client())

    async def told(old, new):
        asked = {"request": {"uid": "u", "object": {"spec": new}, "oldObject": {"spec": old}}}
        answer = await validator(Request("POST", PATH, "", {}, json.dumps(asked).encode()))
        return json.loads(answer.body)["response"].get("warnings", [])

    assert await told({}, spec) == [
        f'feature gate NUMA is deprecated (feature state is "General Availability"), {REDUNDANT}',
        'feature gate Snapshot is active (feature state is "Beta")',
        'feature gate Sidecar is active (feature state is "Alpha")',
        "HotplugVolumes has been deprecated since v1.9.0 and has been replaced by DeclarativeHotplugVolumes",
        "Passt network binding is discontinued since v1.3. Please refer to Kubevirt user guide for alternatives.",
    ]
    assert await told(spec, spec) == []


async def test_reviews_over_http():
    """The webhook answers reviews sent to it, and refuses what is none."""
    asked = b'{"request": {"uid": "u", "object": {"spec": {"infra": {"replicas": 0}}}, "oldObject": {"spec": {}}}}'
    validator = Validator(None)
    answer = await validator(Request("POST", PATH, "", {}, asked))
    assert b"infra replica count can't be 0" in answer.body
    assert (await validator(Request("POST", PATH, "", {}, b"[]"))).status == 400
    assert (await validator(Request("POST", "/nope", "", {}, asked))).status == 404


OTHER = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "KubeVirt",
    "metadata": {"name": "other", "namespace": "kubevirt"},
    "spec": {},
}
BLOCK = {"uninstallStrategy": "BlockUninstallIfWorkloadsExist"}


async def test_there_is_one_kubevirt(cluster):
    """A second KubeVirt object is refused, wherever it is to be; one that is there may be changed."""
    with pytest.raises(ApiError) as refused:
        await cluster.client().create(KUBEVIRTS, OTHER)
    denied = 'admission webhook "kubevirt-create-validator.kubevirt.io" denied the request: '
    assert (refused.value.code, refused.value.message) == (400, f"{denied}Kubevirt is already created")
    await changed(cluster, **BLOCK)


async def test_workloads_block_the_deletion(cluster):
    """While there are machines KubeVirt cannot be deleted, if its strategy says so; without them, or the strategy, it can."""
    client = cluster.client()
    vm = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": "vm", "namespace": "default"},
        "spec": {"runStrategy": "Halted", "template": {"spec": {"domain": {"devices": {}}}}},
    }
    await client.create(VIRTUAL_MACHINES, vm)
    await changed(cluster, **BLOCK)
    await cluster.settle()
    with pytest.raises(ApiError) as refused:
        await client.delete(KUBEVIRTS, "kubevirt", "kubevirt")
    assert (refused.value.code, refused.value.message) == (
        400,
        (
            'admission webhook "kubevirt-validator.kubevirt.io" denied the request: Rejecting the uninstall request, since '
            "there are still Virtual Machines present. Either delete all KubeVirt related workloads or change the uninstall "
            "strategy before uninstalling KubeVirt."
        ),
    )
    await changed(cluster, uninstallStrategy="RemoveWorkloads")
    await client.delete(KUBEVIRTS, "kubevirt", "kubevirt")


async def test_a_strategy_without_workloads_blocks_nothing(cluster):
    """A KubeVirt that nobody uses may go."""
    await changed(cluster, **BLOCK)
    await cluster.settle()
    await cluster.client().delete(KUBEVIRTS, "kubevirt", "kubevirt")


async def test_a_half_installed_kubevirt_is_finished(cluster):
    """A virt-operator that begins anew makes no second object, which its own webhook would refuse."""
    client = cluster.client()
    found = await client.get(KUBEVIRTS, "kubevirt", "kubevirt")
    await client.update(KUBEVIRTS, {**found, "status": {"phase": "Deploying"}}, subresource="status")
    async with cluster.fork() as other:
        await other.settle()
        found = await other.client().get(KUBEVIRTS, "kubevirt", "kubevirt")
        assert found["status"]["phase"] == "Deployed"
