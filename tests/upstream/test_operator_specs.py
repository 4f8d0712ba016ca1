"""What virt-operator makes of changes of the KubeVirt object, and which it refuses.

Origin: kubevirt: tests/operator/{operator,operator_readonly,config,lifecycle}.go, tests/infrastructure/certificates.go
"""

import base64
from datetime import datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.upstream import guests, scrapes
from tests.upstream.conftest import MERGE_PATCH, Make, Object, Suite, conditions
from tests.upstream.guests import KUBEVIRT, configure

INSTALLED = "/api/v1/namespaces/kubevirt"
APPS = "/apis/apps/v1/namespaces/kubevirt"
SPACED = "/apis/rbac.authorization.k8s.io/v1/namespaces/kubevirt"
BUDGETS = "/apis/policy/v1/namespaces/kubevirt/poddisruptionbudgets"
CORE = ("virt-api", "virt-controller")
ROTATION = {
    "ca": {"duration": "24h0m0s", "renewBefore": "16h0m0s"},
    "server": {"duration": "12h0m0s", "renewBefore": "10h0m0s"},
}


async def change(suite: Suite, member: str, value: Any) -> Object:
    path = f"/spec/{member}"
    op = {"op": "remove", "path": path} if value is None else {"op": "add", "path": path, "value": value}
    made = await suite.patch(KUBEVIRT, [op])
    await suite.cluster.settle()
    return made


async def refused(suite: Suite, member: str, value: Any) -> str:
    op = {"op": "add", "path": f"/spec/{member}", "value": value}
    answer = await suite.refused("PATCH", KUBEVIRT, [op], content="application/json-patch+json")
    return str(answer["message"])


async def test_ready(suite: Suite) -> None:
    """[1746] Created and available; the version that is wanted is the one that is there."""
    found = await suite.get(KUBEVIRT)
    wanted = {"Available": "True", "Created": "True", "Progressing": "False", "Degraded": "False"}
    assert conditions(found).items() >= wanted.items()
    status = found["status"]
    assert status["observedKubeVirtVersion"] == status["targetKubeVirtVersion"] == status["operatorVersion"]
    assert status["observedDeploymentID"] == status["targetDeploymentID"]
    generations = {one["name"]: one["lastGeneration"] for one in status["generations"]}
    assert "virt-operator" not in generations
    for name in CORE:
        workload = await suite.get(f"{APPS}/deployments/{name}")
        assert generations[name] == workload["metadata"]["generation"]


async def test_component_pods(suite: Suite) -> None:
    """[8235] All of them run on Linux, and are found by the name of the product."""
    pods = await suite.items(f"{INSTALLED}/pods", "app.kubernetes.io/component=kubevirt")
    assert len(pods) >= 6
    assert {pod["spec"]["nodeSelector"]["kubernetes.io/os"] for pod in pods} == {"linux"}


@pytest.mark.parametrize("member", ["infra", "workloads"])
async def test_placement(suite: Suite, member: str) -> None:
    """[4927] [4928] A selector reaches the workloads, and goes with its setting; a wrong operator is refused."""
    placement = {"nodePlacement": {"nodeSelector": {"kubevirt-test": "test-label"}}}
    await change(suite, member, placement)
    found = CORE if member == "infra" else ("virt-handler",)
    kind = "deployments" if member == "infra" else "daemonsets"

    async def selectors() -> set[str]:
        listed = [await suite.get(f"{APPS}/{kind}/{name}") for name in found]
        return {one["spec"]["template"]["spec"]["nodeSelector"].get("kubevirt-test", "") for one in listed}

    assert await selectors() == {"test-label"}
    await change(suite, member, None)
    assert await selectors() == {""}
    wrong = {"nodePlacement": {"tolerations": [{"key": "k", "operator": "foo", "value": "v"}]}}
    told = f"spec.{member}.nodePlacement.tolerations.operator in body should be one of"
    assert told in await refused(suite, member, wrong)


async def test_replicas(suite: Suite) -> None:
    """Pods and budgets follow the number; with one there is no budget, and none is no number."""
    assert "infra replica count can't be 0" in await refused(suite, "infra", {"replicas": 0})
    for replicas in (3, 1, 2):
        await change(suite, "infra", {"replicas": replicas})
        for name in CORE:

            async def so_many(name: str = name, wanted: int = replicas) -> bool:
                return len(await suite.items(f"{INSTALLED}/pods", f"kubevirt.io={name}")) == wanted

            await suite.eventually(so_many, 120)
            status, budget = await suite.call("GET", f"{BUDGETS}/{name}-pdb")
            assert status == (404 if replicas == 1 else 200)
            if replicas > 1:
                assert budget["spec"]["minAvailable"] == replicas - 1


@pytest.mark.parametrize(
    ("part", "wrong"),
    [
        ({}, {"caOverlapInterval": "8h0m0s"}),
        ({"ca": {"duration": "14h0m0s", "renewBefore": "16h0m0s"}}, {}),
        ({"server": {"duration": "8h0m0s", "renewBefore": "10h0m0s"}}, {}),
        ({"server": {"duration": "48h0m0s", "renewBefore": "36h0m0s"}}, {}),
    ],
    ids=["both", "ca", "server", "longer"],
)
async def test_rotation(suite: Suite, part: Object, wrong: Object) -> None:
    """[6257]–[6261] What cannot be kept is refused; what can is taken."""
    given = {"selfSigned": {**ROTATION, **part, **wrong}}
    assert await refused(suite, "certificateRotateStrategy", given)
    taken = await change(suite, "certificateRotateStrategy", {"selfSigned": ROTATION})
    assert taken["spec"]["certificateRotateStrategy"] == {"selfSigned": ROTATION}


async def test_external_authority(suite: Suite) -> None:
    """There is a place for authorities of others, and a bundle of KubeVirt's own."""
    blank = await suite.get(f"{INSTALLED}/configmaps/kubevirt-external-ca")
    assert blank["data"] == {"ca-bundle": ""}
    own = await suite.get(f"{INSTALLED}/configmaps/kubevirt-ca")
    assert own["data"]["ca-bundle"].startswith("-----BEGIN CERTIFICATE-----")


async def test_one_installation(suite: Suite) -> None:
    """[2696] A second KubeVirt object is refused."""
    body = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "KubeVirt",
        "metadata": {"generateName": "test-kv"},
        "spec": {},
    }
    answer = await suite.refused("POST", KUBEVIRT.rpartition("/")[0], body)
    assert "Kubevirt is already created" in answer["message"]


async def test_customized_components(suite: Suite) -> None:
    """[6254] A patch reaches what it names, and goes with its setting; one that is not JSON is refused."""
    named = {"resourceName": "virt-controller", "resourceType": "Deployment"}
    marked = '{"spec":{"template":{"metadata":{"annotations":{"key":"value"}},"spec":{"containers":[{"name":"virt-controller","env":[{"name":"A","value":"b"}]}]}}}}'
    label = '[{"op":"add","path":"/metadata/labels/custom~1label","value":"x"}]'
    patches = [{**named, "type": "strategic", "patch": marked}, {**named, "type": "json", "patch": label}]
    broken = {"patches": [{**patches[0], "patch": "{"}]}
    assert "is not valid JSON" in await refused(suite, "customizeComponents", broken)

    async def deployment() -> Object:
        return await suite.get(f"{APPS}/deployments/virt-controller")

    before = await deployment()
    await change(suite, "customizeComponents", {"patches": patches})
    found = await deployment()
    template = found["spec"]["template"]
    assert (template["metadata"]["annotations"]["key"], found["metadata"]["labels"]["custom/label"]) == (
        "value",
        "x",
    )
    (container,) = template["spec"]["containers"]
    assert {"name": "A", "value": "b"} in container["env"]
    assert container["image"] == before["spec"]["template"]["spec"]["containers"][0]["image"]
    await change(suite, "customizeComponents", {})
    found = await deployment()
    assert found["spec"] == before["spec"]
    assert found["metadata"]["labels"] == before["metadata"]["labels"]


async def test_flags(suite: Suite) -> None:
    """Flags reach the command of the component they are for, and go with their setting."""

    async def command() -> Any:
        containers = (await suite.get(DEPLOYMENT))["spec"]["template"]["spec"]["containers"]
        return containers[0].get("command")

    await change(suite, "customizeComponents", {"flags": {"controller": {"V": "5", "flag-two": ""}}})
    assert await command() == ["virt-controller", "--v", "5", "--flag-two"]
    await change(suite, "customizeComponents", {})
    assert await command() == ["virt-controller"]


DEPLOYMENT, SET = f"{APPS}/deployments/virt-controller", f"{APPS}/daemonsets/virt-handler"
BUDGET, API = f"{BUDGETS}/virt-controller-pdb", f"{INSTALLED}/services/virt-api"
ENV = {"op": "add", "path": "/spec/template/spec/containers/0/env/-", "value": {"name": "USER_ADDED_ENV"}}
DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/virtualmachines.kubevirt.io"
SHORT_NAME = {"op": "add", "path": "/spec/names/shortNames/-", "value": "new"}
SELECTOR = {"op": "add", "path": "/spec/selector/matchLabels", "value": {"kubevirt.io": "dne"}}


def named(path: str) -> tuple[str, str]:
    kind, name = path.rsplit("/", 2)[1:]
    return kind, name


@pytest.mark.parametrize(
    ("path", "op"),
    [(DEPLOYMENT, ENV), (SET, ENV), (BUDGET, SELECTOR), (DEFINITION, SHORT_NAME)],
    ids=["deployment", "set", "budget", "definition"],
)
async def test_changes_are_undone(suite: Suite, path: str, op: Object) -> None:
    """[6254] [6255] [6256] [6308] What somebody changes comes back, and its generation is remembered and stays."""
    before = await suite.get(path)
    changed = await suite.patch(path, [op])
    assert changed["spec"] != before["spec"]

    async def undone() -> int:
        found = await suite.get(path)
        assert found["spec"] == before["spec"]
        return found["metadata"]["generation"]

    await suite.eventually(undone, 120, 5)

    async def remembered() -> bool:
        generations = (await suite.get(KUBEVIRT))["status"]["generations"]
        known = {(one["resource"], one["name"]): one["lastGeneration"] for one in generations}
        return known[named(path)] == await undone()

    await suite.eventually(remembered, 60, 5)
    await suite.consistently(remembered, 30, 5)


async def test_deleted_components_come_back(suite: Suite) -> None:
    """Nobody takes a workload or a budget away for good."""
    for path in (DEPLOYMENT, SET, BUDGET):
        await suite.delete(path, {})

        async def there(path: str = path) -> bool:
            status, found = await suite.call("GET", path)
            return status == 200 and "deletionTimestamp" not in found["metadata"]

        await suite.eventually(there, 60)


async def test_generation_of_the_object(suite: Suite) -> None:
    """[4744] Each workload says which generation of the KubeVirt object it follows, which following does not change."""
    patch = {"resourceName": "virt-controller", "resourceType": "Deployment", "type": "strategic"}
    patch["patch"] = '{"spec":{"template":{"metadata":{"annotations":{"applied-patch":"new"}}}}}'
    for value in ({"patches": [patch]}, None):
        wanted = (await change(suite, "customizeComponents", value))["metadata"]["generation"]

        async def followed(wanted: int = wanted) -> Object | None:
            found = await suite.get(DEPLOYMENT)
            marked = found["metadata"]["annotations"]["kubevirt.io/generation"] == str(wanted)
            return found if marked else None

        found = await suite.eventually(followed, 90, 5)
        given = found["spec"]["template"]["metadata"]["annotations"].get("applied-patch")
        assert given == ("new" if value else None)
        assert (await suite.get(KUBEVIRT))["metadata"]["generation"] == wanted


async def test_pull_secrets(suite: Suite) -> None:
    """Secrets to pull with reach all components; one more container of virt-handler holds the launcher's image."""
    secrets = [{"name": "testmyregistrykey"}]

    async def pulled_with() -> tuple[list[Any], int]:
        pods = [await suite.get(f"{APPS}/deployments/{name}") for name in CORE] + [await suite.get(SET)]
        specs = [one["spec"]["template"]["spec"] for one in pods]
        return [one.get("imagePullSecrets") for one in specs], len(specs[-1]["containers"])

    assert await pulled_with() == ([None] * 3, 1)
    await change(suite, "imagePullSecrets", secrets)
    assert await pulled_with() == ([secrets] * 3, 2)
    holder = (await suite.get(SET))["spec"]["template"]["spec"]["containers"][1]
    assert holder["name"] == "virt-launcher-image-holder"
    await change(suite, "imagePullSecrets", [])
    assert await pulled_with() == ([None] * 3, 1)


async def ready_pods(suite: Suite) -> bool:
    """All of KubeVirt's own pods run, and are of the deployment that is observed."""
    status = (await suite.get(KUBEVIRT)).get("status", {})
    assert status.get("phase") == "Deployed"
    pods = await suite.items(
        f"{INSTALLED}/pods",
        "kubevirt.io,app.kubernetes.io/managed-by in (virt-operator, kubevirt-operator)",
    )
    for pod in pods:
        assert pod["status"]["phase"] == "Running"
        assert all(one["ready"] for one in pod["status"]["containerStatuses"])
        mark = pod["metadata"]["annotations"]["kubevirt.io/install-strategy-identifier"]
        assert mark == status["observedDeploymentID"] == status["targetDeploymentID"]
    return bool(pods)


async def test_placement_that_no_node_has(suite: Suite) -> None:
    """[4927] Pods that fit nowhere wait, the others stay; without the setting all run again."""
    await change(suite, "infra", {"nodePlacement": {"nodeSelector": {"kubevirt-test": "test-label"}}})
    for name in CORE:

        async def waits(name: str = name) -> bool:
            query = {"labelSelector": f"kubevirt.io={name}", "fieldSelector": "status.phase=Pending"}
            return bool((await suite.get(f"{INSTALLED}/pods", **query))["items"])

        await suite.eventually(waits, 60)
    await change(suite, "infra", None)
    await suite.eventually(lambda: ready_pods(suite), 300)


@pytest.mark.parametrize("infra", [None, {"replicas": 1}], ids=["as before", "single"])
async def test_deleted_and_created_again(suite: Suite, infra: Object | None) -> None:
    """[3146] With the KubeVirt object its components go; with another they come, and it has a finalizer and is stable."""
    await suite.eventually(lambda: ready_pods(suite), 60)
    original = await suite.get(KUBEVIRT)
    await suite.delete(KUBEVIRT, {})

    async def gone() -> bool:
        paths = [KUBEVIRT, SET, *(f"{APPS}/deployments/{name}" for name in CORE)]
        pods = [await suite.items(f"{INSTALLED}/pods", f"kubevirt.io={name}") for name in CORE]
        return [(await suite.call("GET", path))[0] for path in paths] == [404] * 4 and not any(pods)

    await suite.eventually(gone, 120)
    meta = {"name": "kubevirt", "namespace": "kubevirt"}
    spec = {**original["spec"], **({"infra": infra} if infra else {})}
    body = {"apiVersion": "kubevirt.io/v1", "kind": "KubeVirt", "metadata": meta, "spec": spec}
    made = await suite.create(KUBEVIRT.rpartition("/")[0], body)
    await suite.eventually(lambda: ready_pods(suite), 300)
    found = await suite.get(KUBEVIRT)
    assert found["metadata"]["finalizers"]
    assert conditions(found)["Available"] == "True"

    async def stable() -> bool:
        return (await suite.get(KUBEVIRT))["metadata"]["generation"] == made["metadata"]["generation"]

    await suite.consistently(stable, 30, 2)
    counts = {name: len(await suite.items(f"{INSTALLED}/pods", f"kubevirt.io={name}")) for name in CORE}
    assert set(counts.values()) == {1 if infra else 2}


async def test_a_finalizer_of_older_releases(suite: Suite) -> None:
    """The finalizer KubeVirt objects had before gives way to the one of today, and keeps none of them."""
    former, own = "foregroundDeleteKubeVirt", "kubevirt.io/foregroundDeleteKubeVirt"
    for given, left in (([former], [own]), ([former, own], [own]), ([own, "a.b/c"], [own, "a.b/c"])):
        await suite.patch(KUBEVIRT, {"metadata": {"finalizers": given}}, MERGE_PATCH)
        await suite.cluster.settle()
        assert (await suite.get(KUBEVIRT))["metadata"]["finalizers"] == left
    await suite.patch(KUBEVIRT, {"metadata": {"finalizers": [own]}}, MERGE_PATCH)
    await suite.delete(KUBEVIRT, {})
    await suite.cluster.advance(60)
    assert (await suite.call("GET", KUBEVIRT))[0] == 404


async def test_workloads_block_the_end(suite: Suite) -> None:
    """[3683] With the strategy that says so, KubeVirt stays while there are instances."""
    await change(suite, "uninstallStrategy", "BlockUninstallIfWorkloadsExist")
    vmi = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {"name": "vmi"},
        "spec": {"domain": {"devices": {}, "memory": {"guest": "64Mi"}}},
    }
    await suite.create("/apis/kubevirt.io/v1/namespaces/default/virtualmachineinstances", vmi)
    answer = await suite.refused("DELETE", KUBEVIRT, {})
    assert "there are still Virtual Machine Instances present" in answer["message"]


async def test_port_of_a_service(suite: Suite) -> None:
    """[6309] Another port of virt-api's service is put back, and stays."""
    service = await suite.get(API)
    original = service["spec"]["ports"][0]["port"]
    service["spec"]["ports"][0]["port"] = 123
    _, changed = await suite.call("PUT", API, service)
    assert changed["spec"]["ports"][0]["port"] == 123

    async def original_again() -> bool:
        return (await suite.get(API))["spec"]["ports"][0]["port"] == original

    await suite.eventually(original_again, 120, 5)
    await suite.consistently(original_again, 20, 5)


@pytest.mark.parametrize(
    "path",
    [
        f"{INSTALLED}/secrets/kubevirt-virt-api-certs",
        "/apis/apiregistration.k8s.io/v1/apiservices/v1.subresources.kubevirt.io",
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/virt-api-validator",
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/virt-api-mutator",
        DEFINITION,
    ],
    ids=lambda path: path.rsplit("/", 2)[1],
)
async def test_labels_come_back(suite: Suite, path: str) -> None:
    """[4617] What has lost its labels is adopted again."""
    stripped = await suite.patch(path, [{"op": "replace", "path": "/metadata/labels", "value": {}}])
    assert "labels" not in stripped["metadata"]

    async def adopted() -> bool:
        labels = (await suite.get(path))["metadata"].get("labels", {})
        return labels.get("app.kubernetes.io/managed-by") == "virt-operator"

    await suite.eventually(adopted, 20)


def authority(name: str, first: datetime, last: datetime) -> str:
    """A certificate that has signed itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), 1, first, last)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


async def test_authorities_of_others(suite: Suite) -> None:
    """What is put into the external bundle joins KubeVirt's own and stays; nonsense and what is out of time does not."""
    now = suite.cluster.clock.now()
    hour = timedelta(hours=1)
    first, second = (authority(name, now - hour, now + hour) for name in ("first", "second"))
    expired = authority("expired", now - 2 * hour, now - hour)
    own = (await suite.get(f"{INSTALLED}/configmaps/kubevirt-ca"))["data"]["ca-bundle"]
    for given, trusted in (
        (first, [own, first]),
        ("invalid", [own, first]),
        (second, [own, first, second]),
        (expired, [own, first, second]),
    ):
        op = {"op": "replace", "path": "/data/ca-bundle", "value": given}
        patched = await suite.patch(f"{INSTALLED}/configmaps/kubevirt-external-ca", [op])
        assert patched["data"] == {"ca-bundle": given}
        await suite.cluster.settle()
        bundle = (await suite.get(f"{INSTALLED}/configmaps/kubevirt-ca"))["data"]["ca-bundle"]
        assert bundle == "".join(trusted)


INSTANCES = DEFINITION.replace("machines.", "machineinstances.")
VERSION = "kubevirt.io/install-strategy-version"


async def test_owners_of_definitions(suite: Suite) -> None:
    """[4612] [4613] They have none; one that somebody gives them goes when they have to be installed anew."""
    found = await suite.get(INSTANCES)
    assert "ownerReferences" not in found["metadata"]
    owner = await suite.get(f"{INSTALLED}/configmaps/kubevirt-ca")
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "kubevirt-ca", "controller": True}
    reference |= {"uid": owner["metadata"]["uid"], "blockOwnerDeletion": True}
    await suite.patch(INSTANCES, {"metadata": {"ownerReferences": [reference]}}, MERGE_PATCH)
    await suite.cluster.settle()
    owned = await suite.get(INSTANCES)
    assert owned["metadata"]["ownerReferences"]
    assert owned["metadata"]["annotations"][VERSION]
    await suite.patch(INSTANCES, {"metadata": {"annotations": {VERSION: "outdated"}}}, MERGE_PATCH)

    async def owned_no_more() -> bool:
        return "ownerReferences" not in (await suite.get(INSTANCES))["metadata"]

    await suite.eventually(owned_no_more, 20)
    assert (await suite.get(INSTANCES))["metadata"]["annotations"][VERSION] != "outdated"


SECRETS = ("operator", "virt-api", "controller", "virt-handler", "virt-handler-server")


async def destroyed(suite: Suite, name: str) -> Object:
    """A secret that has lost its certificate, once it has one again."""
    path = f"{INSTALLED}/secrets/{name}"
    secret = await suite.get(path)
    await suite.call("PUT", path, {**secret, "data": {"tls.crt": "", "tls.key": ""}})
    return await whole(suite, path)


async def whole(suite: Suite, path: str) -> Object:
    async def look() -> Object | None:
        status, found = await suite.call("GET", path)
        return found if status == 200 and found["data"]["tls.crt"] else None

    return dict(await suite.eventually(look, 10))


@pytest.mark.parametrize("name", [*(f"kubevirt-{one}-certs" for one in SECRETS), "kubevirt-ca"])
async def test_destroyed_certificates(suite: Suite, name: str) -> None:
    """[4099] [4101] [4103]–[4106] A secret that has lost its certificate, or is deleted, gets a new one, and keeps its marks."""
    path = f"{INSTALLED}/secrets/{name}"
    before = await suite.get(path)
    second = await destroyed(suite, name)
    await suite.delete(path)
    third = await whole(suite, path)
    assert len({one["data"]["tls.crt"] for one in (before, second, third)}) == 3
    assert third["metadata"]["labels"] == before["metadata"]["labels"]


async def trusted(suite: Suite) -> set[str]:
    """What webhooks and the aggregated API say whom they are signed by."""
    registered = "/apis/admissionregistration.k8s.io/v1"
    found = set()
    for path in (
        "validatingwebhookconfigurations/virt-api-validator",
        "mutatingwebhookconfigurations/virt-api-mutator",
    ):
        hooks = (await suite.get(f"{registered}/{path}"))["webhooks"]
        found |= {hook["clientConfig"]["caBundle"] for hook in hooks}
    service = await suite.get("/apis/apiregistration.k8s.io/v1/apiservices/v1.subresources.kubevirt.io")
    return found | {service["spec"]["caBundle"]}


async def test_whom_to_trust(suite: Suite) -> None:
    """[4099] A new authority is in the bundle in front of the old one, and where the API server is told whom it may send
    requests to; certificates are signed by it, and machines start."""
    old = (await suite.get(f"{INSTALLED}/secrets/kubevirt-ca"))["data"]["tls.crt"]
    assert await trusted(suite) == {old}
    new = (await destroyed(suite, "kubevirt-ca"))["data"]["tls.crt"]

    async def follow() -> bool:
        bundle = (await suite.get(f"{INSTALLED}/configmaps/kubevirt-ca"))["data"]["ca-bundle"]
        assert bundle.encode().startswith(base64.b64decode(new))
        return await trusted(suite) == {base64.b64encode(bundle.encode()).decode()}

    await suite.eventually(follow, 10)
    authority = x509.load_pem_x509_certificate(base64.b64decode(new))
    for name in (f"kubevirt-{one}-certs" for one in SECRETS):
        shown = (await suite.get(f"{INSTALLED}/secrets/{name}"))["data"]["tls.crt"]
        x509.load_pem_x509_certificate(base64.b64decode(shown)).verify_directly_issued_by(authority)
    await guests.instance(await guests.a_namespace(suite), guests.guest())


async def shown(suite: Suite, component: str, port: int) -> set[bytes]:
    """The certificates that a component's pods show whoever connects to a port of theirs."""
    pods = await suite.items(f"{INSTALLED}/pods", f"kubevirt.io={component}")
    return {await scrapes.certificate(suite, pod, port) for pod in pods}


async def test_valid_all_the_time(suite: Suite) -> None:
    """[4100] When the authority is deleted, virt-api and virt-handler show other certificates, all their pods the same."""
    parts = (("virt-api", 8443), ("virt-handler", 8186))
    before = [await shown(suite, *one) for one in parts]
    await suite.delete(f"{INSTALLED}/secrets/kubevirt-ca")
    await suite.cluster.settle()
    after = [await shown(suite, *one) for one in parts]
    for old, new in zip(before, after, strict=True):
        assert (len(old), len(new), old & new) == (1, 1, set())


async def test_rotated_in_time(suite: Suite) -> None:
    """[6257] Certificates last as long as the strategy says, and are renewed as long before their end; without it they last."""
    await change(suite, "certificateRotateStrategy", {"selfSigned": ROTATION})

    async def dates(name: str) -> tuple[str, timedelta, datetime]:
        secret = await suite.get(f"{INSTALLED}/secrets/{name}")
        found = x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))
        lasts = found.not_valid_after_utc - found.not_valid_before_utc
        return secret["metadata"]["annotations"]["kubevirt.io/duration"], lasts, found.not_valid_before_utc

    hour = timedelta(hours=1)
    written, lasts, ca = await dates("kubevirt-ca")
    assert (written, lasts) == ("24h0m0s", 24 * hour)
    written, lasts, own = await dates("kubevirt-virt-api-certs")
    assert (written, lasts) == ("12h0m0s", 12 * hour)
    await suite.cluster.advance("2h1m")
    assert (await dates("kubevirt-virt-api-certs"))[2] > own
    assert (await dates("kubevirt-ca"))[2] == ca
    await suite.cluster.advance("6h")
    assert (await dates("kubevirt-ca"))[2] > ca

    async def bundled() -> int:
        bundle = await suite.get(f"{INSTALLED}/configmaps/kubevirt-ca")
        return str(bundle["data"]["ca-bundle"]).count("BEGIN CERTIFICATE")

    assert await bundled() == 3  # those of before are trusted for 16 hours
    await change(suite, "certificateRotateStrategy", None)
    secret = await suite.get(f"{INSTALLED}/secrets/kubevirt-ca")
    assert "kubevirt.io/duration" not in secret["metadata"]["annotations"]
    await suite.cluster.advance("40h")
    assert await bundled() == 1


ADMIN = "/apis/rbac.authorization.k8s.io/v1/clusterroles/kubevirt.io:admin"


async def test_role_aggregation(suite: Suite) -> None:
    """Roles join Kubernetes' own, unless the configuration says that somebody does that by hand."""
    label = "rbac.authorization.k8s.io/aggregate-to-admin"

    async def joined() -> str:
        await suite.cluster.settle()
        return str((await suite.get(ADMIN))["metadata"]["labels"][label])

    assert await joined() == "true"
    developer = {"featureGates": ["OptOutRoleAggregation"]}
    await configure(suite, developerConfiguration=developer, roleAggregationStrategy="Manual")
    assert await joined() == "false"
    await configure(suite, roleAggregationStrategy="AggregateToDefault")
    assert await joined() == "true"


@pytest.mark.parametrize(
    "path",
    [
        *(API, ADMIN, INSTANCES, f"{INSTALLED}/serviceaccounts/kubevirt-controller"),
        *(f"{SPACED}/{one}/kubevirt-controller" for one in ("roles", "rolebindings")),
    ],
    ids=named,
)
async def test_deleted_objects_come_back(suite: Suite, path: str) -> None:
    """Services, roles, definitions, accounts: whatever is installed is there again, as it was."""
    before = await suite.get(path)
    await suite.delete(path, {})

    async def again() -> bool:
        status, found = await suite.call("GET", path)
        return status == 200 and found["metadata"]["uid"] != before["metadata"]["uid"]

    await suite.eventually(again, 60)
    found = await suite.get(path)
    assert found["metadata"]["labels"] == before["metadata"]["labels"]
    assert found.get("rules") == before.get("rules")


async def test_the_mark_of_the_namespace(suite: Suite) -> None:
    """OpenShift's Prometheus knows the namespace by a label, which comes back; others are the matter of whoever made it."""
    mark, other = "openshift.io/cluster-monitoring", "pod-security.kubernetes.io/enforce"
    for change in (None, "false"):
        await suite.patch(INSTALLED, {"metadata": {"labels": {mark: change, other: None}}}, MERGE_PATCH)
        await suite.cluster.settle()
        labels = (await suite.get(INSTALLED))["metadata"]["labels"]
        assert labels[mark] == "true"
        assert other not in labels


async def test_a_namespace_that_goes(suite: Suite) -> None:
    """KubeVirt's namespace is not made again by what is installed in it."""
    await suite.delete(INSTALLED)
    await suite.cluster.advance(60)
    status, left = await suite.call("GET", INSTALLED)
    assert status == 404 or left["status"]["phase"] == "Terminating"


async def test_resting(suite: Suite) -> None:
    """Scaled to nothing, virt-operator leaves changes alone; then it puts back what it finds."""
    operator = f"{APPS}/deployments/virt-operator/scale"
    await suite.patch(operator, {"spec": {"replicas": 0}}, MERGE_PATCH)
    await suite.cluster.settle()
    await suite.patch(DEFINITION, [SHORT_NAME])
    await suite.delete(ADMIN)
    await suite.patch(DEPLOYMENT, [ENV])
    await suite.cluster.settle()
    assert "new" in (await suite.get(DEFINITION))["spec"]["names"]["shortNames"]
    assert (await suite.call("GET", ADMIN))[0] == 404
    await suite.patch(operator, {"spec": {"replicas": 2}}, MERGE_PATCH)
    await suite.cluster.settle()
    assert "new" not in (await suite.get(DEFINITION))["spec"]["names"]["shortNames"]
    assert (await suite.get(ADMIN))["rules"]
    (container,) = (await suite.get(DEPLOYMENT))["spec"]["template"]["spec"]["containers"]
    assert ENV["value"] not in container["env"]


async def test_components_by_gate(suite: Suite) -> None:
    """The proxy of exports runs, and what synchronizes migrations between clusters does while its gate is open."""
    proxy, between = (
        f"{APPS}/deployments/virt-{name}" for name in ("exportproxy", "synchronization-controller")
    )
    assert (await suite.get(proxy))["status"]["availableReplicas"] > 0
    assert (await suite.get(between))["status"]["availableReplicas"] > 0
    await configure(suite, developerConfiguration={"disabledFeatureGates": ["DecentralizedLiveMigration"]})
    assert (await suite.call("GET", between))[0] == 404
    await configure(suite, developerConfiguration=None)
    await suite.eventually(lambda: ready_pods(suite), 60)
    assert (await suite.get(between))["status"]["availableReplicas"] > 0


async def test_another_name_and_tag(suite: Suite) -> None:
    """[3148] [3150] An object of another name installs as well: from the tag it names, then from the one it is changed to."""
    await suite.delete(KUBEVIRT, {})

    async def gone() -> bool:
        return [(await suite.call("GET", path))[0] for path in (KUBEVIRT, SET, DEPLOYMENT)] == [404] * 3

    await suite.eventually(gone, 120)
    kind = KUBEVIRT.rpartition("/")[0]
    meta = {"name": "kubevirt-alt-install", "namespace": "kubevirt"}
    body = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "KubeVirt",
        "metadata": meta,
        "spec": {"imageTag": "v1.8.9"},
    }
    await suite.create(kind, body)

    async def deployed(tag: str) -> bool:
        found = await suite.get(f"{kind}/kubevirt-alt-install")
        assert conditions(found)["Available"] == "True"
        assert conditions(found)["Progressing"] == "False"
        assert found["status"]["observedKubeVirtVersion"] == tag
        pods = await suite.items(f"{INSTALLED}/pods", "kubevirt.io=virt-handler")
        return {one["spec"]["containers"][0]["image"].rpartition(":")[2] for one in pods} == {tag}

    await suite.eventually(lambda: deployed("v1.8.9"), 300)
    await guests.instance(await guests.a_namespace(suite), guests.guest())
    await suite.patch(
        f"{kind}/kubevirt-alt-install", [{"op": "add", "path": "/spec/imageTag", "value": "v1.9.1"}]
    )
    await suite.eventually(lambda: deployed("v1.9.1"), 300)


def said(found: Object) -> set[tuple[str, str, str]]:
    listed = found["status"]["conditions"]
    return {(one["type"], one["status"], one["reason"]) for one in listed if one["type"] != "Created"}


DEPLOYING = {
    ("Available", "False", "DeploymentInProgress"),
    ("Progressing", "True", "DeploymentInProgress"),
    ("Degraded", "False", "DeploymentInProgress"),
}
READY = {
    ("Available", "True", "AllComponentsReady"),
    ("Progressing", "False", "AllComponentsReady"),
    ("Degraded", "False", "AllComponentsReady"),
}


async def test_no_place_for_handlers(suite: Suite) -> None:
    """[4928] KubeVirt is not available while virt-handler may run nowhere, and follows nothing; it stays deployed."""
    before = await suite.get(KUBEVIRT)
    assert said(before) == READY
    await change(suite, "workloads", {"nodePlacement": {"nodeSelector": {"kubevirt-test": "test-label"}}})
    await suite.cluster.settle()
    found = await suite.get(KUBEVIRT)
    assert (found["status"]["phase"], said(found)) == ("Deployed", DEPLOYING)
    assert found["status"]["observedGeneration"] == before["status"]["observedGeneration"]
    changed = await change(suite, "workloads", None)

    async def told() -> bool:
        found = await suite.get(KUBEVIRT)
        followed = found["status"]["observedGeneration"] == changed["metadata"]["generation"]
        return followed and said(found) == READY

    await suite.eventually(told, 60)


async def test_components_that_stop_working(suite: Suite) -> None:
    """Without a virt-api that works KubeVirt is not available; five seconds later everybody is told, and when it works again."""
    away = [{"op": "add", "path": "/spec/unschedulable", "value": True}]
    for node in ("node01", "node02"):
        await suite.patch(f"/api/v1/nodes/{node}", away)
    for pod in await suite.items(f"{INSTALLED}/pods", "kubevirt.io=virt-api"):
        await suite.delete(f"{INSTALLED}/pods/{pod['metadata']['name']}")
    await suite.cluster.settle()
    assert said(await suite.get(KUBEVIRT)) == READY
    await suite.cluster.advance("5s")
    found = await suite.get(KUBEVIRT)
    assert (found["status"]["phase"], said(found)) == ("Deployed", DEPLOYING)
    for node in ("node01", "node02"):
        await suite.patch(f"/api/v1/nodes/{node}", [{**away[0], "value": False}])

    async def told() -> bool:
        return said(await suite.get(KUBEVIRT)) == READY

    await suite.eventually(told, 60)


async def test_phases_of_a_new_installation(suite_of: Make) -> None:
    """An installation is being deployed until its components work, and then deployed."""
    suite = await suite_of(pace="realistic")
    await suite.cluster.advance("30s")
    original = await suite.get(KUBEVIRT)
    await suite.delete(KUBEVIRT, {})
    await suite.cluster.advance("60s")
    meta = {"name": "kubevirt", "namespace": "kubevirt"}
    body = {"apiVersion": "kubevirt.io/v1", "kind": "KubeVirt", "metadata": meta, "spec": original["spec"]}
    await suite.create(KUBEVIRT.rpartition("/")[0], body)
    await suite.cluster.settle()
    found = await suite.get(KUBEVIRT)
    assert (found["status"]["phase"], said(found)) == ("Deploying", DEPLOYING)

    async def deployed() -> bool:
        found = await suite.get(KUBEVIRT)
        return (found["status"]["phase"], said(found)) == ("Deployed", READY)

    await suite.eventually(deployed, 300)


async def test_conditions_keep_their_times(suite: Suite) -> None:
    """A change of the configuration that stops nothing changes no condition."""
    before = (await suite.get(KUBEVIRT))["status"]["conditions"]
    await suite.cluster.advance("1m")
    await configure(suite, cpuRequest="200m")
    found = (await suite.get(KUBEVIRT))["status"]
    assert found["conditions"] == before
    assert {one["type"]: one["lastTransitionTime"] for one in before}["Created"] is None


async def test_names_of_a_product(suite: Suite) -> None:
    """Everything tells the product KubeVirt is part of, as far as that can be a label; its pods always tell a version."""
    mark = "app.kubernetes.io/"

    async def named(path: str) -> dict[str, str]:
        labels = (await suite.get(path))["metadata"]["labels"]
        return {key.removeprefix(mark): value for key, value in labels.items() if key.startswith(mark)}

    ours = {"component": "kubevirt", "managed-by": "virt-operator"}
    version = (await suite.get(KUBEVIRT))["status"]["observedKubeVirtVersion"]
    assert await named(DEPLOYMENT) == {**ours, "name": "virt-controller", "version": version}
    assert await named(API) == ours
    given = {"productName": "cloud", "productVersion": "4.20", "productComponent": "compute"}
    await suite.patch(KUBEVIRT, {"spec": given}, MERGE_PATCH)
    await suite.eventually(lambda: ready_pods(suite), 60)
    product = {**ours, "part-of": "cloud", "version": "4.20", "component": "compute"}
    assert await named(API) == product
    assert await named(SET) == product
    for own in (DEFINITION, f"{INSTALLED}/secrets/kubevirt-ca", f"{INSTALLED}/configmaps/kubevirt-ca"):
        assert await named(own) == product
    for pod in await suite.items(f"{INSTALLED}/pods", f"{mark}component=compute"):
        assert await named(f"{INSTALLED}/pods/{pod['metadata']['name']}") == product
    await suite.patch(KUBEVIRT, {"spec": {"productName": "no label!"}}, MERGE_PATCH)
    await suite.cluster.settle()
    assert "part-of" not in await named(SET)


async def test_pull_policy_and_room(suite: Suite) -> None:
    """Components are pulled as the KubeVirt object says, and virt-handler is told how many guests its node takes."""

    async def container(path: str) -> Object:
        return dict((await suite.get(path))["spec"]["template"]["spec"]["containers"][0])

    assert (await container(SET))["imagePullPolicy"] == "IfNotPresent"
    await change(suite, "imagePullPolicy", "Always")
    assert (await container(DEPLOYMENT))["imagePullPolicy"] == "Always"
    await configure(suite, virtualMachineInstancesPerNode=10)
    assert (await container(SET))["command"] == ["virt-handler", "--max-devices", "10"]


async def test_a_patch_that_does_not_fit(suite: Suite) -> None:
    """Nothing is installed with it, and everybody is told, until it is gone."""
    before = await suite.get(DEPLOYMENT)
    patch = '[{"op":"remove","path":"/spec/nothing"}]'
    named = {"resourceName": "virt-controller", "resourceType": "Deployment", "type": "json", "patch": patch}
    await change(suite, "customizeComponents", {"patches": [named]})
    found = await suite.get(KUBEVIRT)
    assert conditions(found).items() >= {
        ("Available", "False"),
        ("Progressing", "False"),
        ("Degraded", "True"),
        ("Synchronized", "False"),
    }
    (told,) = {one["message"] for one in found["status"]["conditions"] if one["type"] != "Created"}
    assert told.startswith("An error occurred during deployment: ")
    assert (await suite.get(DEPLOYMENT))["spec"] == before["spec"]
    await change(suite, "customizeComponents", {})
    assert said(await suite.get(KUBEVIRT)) == READY


async def test_customized_services(suite: Suite) -> None:
    """Patches reach services and webhooks as well, whatever their name, and stay when somebody takes them off."""
    patch = {"type": "merge", "patch": '{"metadata":{"annotations":{"a":"b"}}}'}
    patches = [{"resourceName": "*", "resourceType": kind, **patch} for kind in ("Service", "*")]
    await change(suite, "customizeComponents", {"patches": patches})
    hooks = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/virt-api-validator"
    for path in (API, hooks):
        assert (await suite.get(path))["metadata"]["annotations"]["a"] == "b"
        await suite.patch(path, [{"op": "remove", "path": "/metadata/annotations/a"}])
        await suite.cluster.settle()
        assert (await suite.get(path))["metadata"]["annotations"]["a"] == "b"


KINDS = tuple(
    f"/apis/instancetype.kubevirt.io/v1beta1/virtualmachinecluster{one}s"
    for one in ("instancetype", "preference")
)


async def deployment(suite: Suite, enabled: bool | None) -> None:
    await configure(suite, commonInstancetypesDeployment=None if enabled is None else {"enabled": enabled})
    await suite.cluster.settle()


async def ours(suite: Suite) -> list[int]:
    chosen = "app.kubernetes.io/component=kubevirt,app.kubernetes.io/managed-by=virt-operator"
    return [len(await suite.items(kind, chosen)) for kind in KINDS]


async def test_common_instancetypes(suite: Suite) -> None:
    """They come when the KubeVirt object says so and go when it says no; where it says nothing any more they stay."""
    assert await ours(suite) == [0, 0]
    await deployment(suite, True)
    there = await ours(suite)
    assert there == [65, 54]
    await deployment(suite, None)
    assert await ours(suite) == there
    await deployment(suite, False)
    assert await ours(suite) == [0, 0]


async def test_common_instancetypes_are_kept(suite: Suite) -> None:
    """Those of the same names are adopted, others that bear our labels go, changes are undone; machines are made of them."""
    someone = {"app.kubernetes.io/component": "something", "app.kubernetes.io/managed-by": "someone"}
    named = tuple(zip(KINDS, ("u1.medium", "fedora"), ("Instancetype", "Preference"), strict=True))
    version = "instancetype.kubevirt.io/v1beta1"

    async def create(path: str, kind: str, meta: Object, spec: Object) -> Object:
        body = {"apiVersion": version, "kind": f"VirtualMachineCluster{kind}", "metadata": meta, "spec": spec}
        return await suite.create(path, body)

    for path, name, kind in named:
        own = {"cpu": {"guest": 3}, "memory": {"guest": "1Gi"}} if kind == "Instancetype" else {}
        await create(path, kind, {"name": name, "labels": someone}, own)
    await deployment(suite, True)
    for path, name, kind in named:
        before = await suite.get(f"{path}/{name}")
        labels = before["metadata"]["labels"]
        assert labels["app.kubernetes.io/managed-by"] == "virt-operator"
        made = await create(path, kind, {"generateName": "mine-", "labels": labels}, before["spec"])
        change = {"metadata": {"labels": {"test": "modified"}, "annotations": {"test": "modified"}}}
        await suite.patch(f"{path}/{name}", change, MERGE_PATCH)
        await suite.cluster.settle()
        assert (await suite.call("GET", f"{path}/{made['metadata']['name']}"))[0] == 404
        after = await suite.get(f"{path}/{name}")
        assert [after["metadata"][one] for one in ("labels", "annotations")] == [
            before["metadata"][one] for one in ("labels", "annotations")
        ]
    assert (await suite.get(f"{KINDS[0]}/u1.medium"))["spec"]["cpu"]["guest"] == 1
    await guests.a_namespace(suite)
    vm = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachine",
        "metadata": {"name": "vm"},
        "spec": {
            "runStrategy": "Always",
            "instancetype": {"name": "u1.medium"},
            "preference": {"name": "fedora"},
            "template": {"spec": {"domain": {"devices": {}}}},
        },
    }
    await suite.create(f"/apis/kubevirt.io/v1/namespaces/{guests.NS}/virtualmachines", vm)

    async def running() -> bool:
        vmi = await suite.get(f"{guests.VMIS}/vm")
        return vmi["status"]["phase"] == "Running" and vmi["spec"]["domain"]["memory"]["guest"] == "4Gi"

    await suite.eventually(running, 60)


async def test_settings_that_are_installed_anew(suite_of: Make) -> None:
    """Secrets to pull with make another installation: it is told of while pods are replaced, and is the same version."""
    suite = await suite_of(pace="realistic")
    await suite.cluster.advance("30s")
    before = (await suite.get(KUBEVIRT))["status"]
    await suite.patch(KUBEVIRT, [{"op": "add", "path": "/spec/imagePullSecrets", "value": [{"name": "key"}]}])
    await suite.cluster.settle()
    found = await suite.get(KUBEVIRT)
    assert {one[1:] for one in said(found)} == {("True", "UpdateInProgress")}
    assert "Created" not in conditions(found)
    assert found["status"]["phase"] == "Deployed"
    await suite.eventually(lambda: ready_pods(suite), 300)
    found = await suite.get(KUBEVIRT)
    assert said(found) == READY
    assert found["status"]["observedDeploymentID"] != before["observedDeploymentID"]
    assert found["status"]["observedKubeVirtVersion"] == before["observedKubeVirtVersion"]


async def test_where_synchronization_controllers_run(suite: Suite) -> None:
    """Their place is a matter of its own; the others stay where they are."""

    async def nodes(component: str) -> set[str]:
        pods = await suite.items(f"{INSTALLED}/pods", f"kubevirt.io={component}")
        return {one["spec"].get("nodeName", "") for one in pods if "deletionTimestamp" not in one["metadata"]}

    place = {"nodePlacement": {"nodeSelector": {"kubernetes.io/hostname": "node02"}}}
    await change(suite, "synchronizationPlacement", place)

    async def moved() -> bool:
        return await nodes("virt-synchronization-controller") == {"node02"}

    await suite.eventually(moved, 60)
    assert await nodes("virt-controller") == {"node01", "node02"}


async def test_handlers_are_replaced(suite_of: Make) -> None:
    """One virt-handler first; when it works, a tenth of them at a time; when all are new, one at a time again."""
    suite = await suite_of(pace="realistic", nodes=4)
    await suite.cluster.advance("30s")
    seen: list[Any] = []
    await change(suite, "imagePullSecrets", [{"name": "key"}])

    async def replaced() -> bool:
        found = await suite.get(SET)
        unavailable = found["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"]
        seen.extend([unavailable] if seen[-1:] != [unavailable] else [])
        return said(await suite.get(KUBEVIRT)) == READY

    await suite.eventually(replaced, 300)
    assert seen == [1, "10%", 1]
