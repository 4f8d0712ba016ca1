"""Upstream's functional specs of exports: claims, machines and snapshots are offered, with a pod, a token, links, and for a time.

What is behind the links is fetched in `test_export_serving_specs` and `test_export_download_specs`.
Origin: kubevirt: tests/storage/export.go
"""

from base64 import b64encode
from typing import Any

import pytest

from tests.upstream import storage
from tests.upstream.conftest import MERGE_PATCH, Object, Suite
from tests.upstream.storage import CLAIMS, NS, VMIS, VOLUMES, Machine

EXPORTS = f"/apis/export.kubevirt.io/v1/namespaces/{NS}/virtualmachineexports"
SECRETS, PODS, SERVICES = (f"/api/v1/namespaces/{NS}/{one}" for one in ("secrets", "pods", "services"))
KUBEVIRT = "/apis/kubevirt.io/v1/namespaces/kubevirt/kubevirts/kubevirt"
SOURCES = {
    "PersistentVolumeClaim": "",
    "VirtualMachine": "kubevirt.io",
    "VirtualMachineSnapshot": "snapshot.kubevirt.io",
}
REGISTRY = {"source": {"registry": {"url": "docker://registry:5000/cirros", "pullMethod": "node"}}}


@pytest.fixture
async def suite(suite: Suite) -> Suite:
    await storage.set_up(suite)
    return suite


class Export:
    """One export, and what the specs look at."""

    name = "test-export"
    path, pod_path, service = (
        f"{EXPORTS}/{name}",
        f"{PODS}/virt-export-{name}",
        f"{SERVICES}/virt-export-{name}",
    )

    def __init__(self, suite: Suite) -> None:
        self.suite = suite

    @classmethod
    async def of(cls, suite: Suite, kind: str, source: str, *, token: bool = True, **spec: Any) -> "Export":
        """A token like its source, and the export."""
        if token:
            data = {"stringData": {"token": source}}
            await suite.create(SECRETS, {"metadata": {"name": f"export-token-{source}"}, **data})
            spec["tokenSecretRef"] = f"export-token-{source}"
        spec["source"] = storage.reference(source, kind, SOURCES[kind])
        body = storage.body_of("VirtualMachineExport", cls.name, "export.kubevirt.io", **spec)
        await suite.create(EXPORTS, {**body, "apiVersion": "export.kubevirt.io/v1"})
        return cls(suite)

    async def status(self) -> Object:
        return dict((await self.suite.get(self.path)).get("status", {}))

    async def ready(self) -> Object:
        """The status once its pod is ready; its token is the one that was asked for."""

        async def look() -> Object | None:
            found = await self.status()
            return found if storage.reasons({"status": found}).get("Ready") == ("True", "PodReady") else None

        status = dict(await self.suite.eventually(look, 180))
        asked = (await self.suite.get(self.path))["spec"].get("tokenSecretRef", status["tokenSecretRef"])
        assert status["tokenSecretRef"] == asked != ""
        assert status["phase"] == "Ready"
        return status

    async def says(self, kind: str, reason: str, message: str, phase: str = "Pending") -> None:
        """A condition that is false for a reason, and the phase."""

        async def look() -> bool:
            status = await self.status()
            told = [one for one in status.get("conditions", ()) if one["type"] == kind]
            wanted = ("False", reason, message, phase)
            return [(one["status"], one["reason"], one.get("message"), status["phase"]) for one in told] == [
                wanted
            ]

        await self.suite.eventually(look, 60)

    async def pod(self) -> Object:
        return await self.suite.get(self.pod_path)

    async def another(self, path: str, than: Object) -> Object:
        """The object made in place of one that has gone."""

        async def look() -> Object | None:
            status, found = await self.suite.call("GET", path)
            return found if status == 200 and found["metadata"]["uid"] != than["metadata"]["uid"] else None

        return dict(await self.suite.eventually(look, 30))


def links(*volumes: str, files: Object | None = None) -> list[Object]:
    """What is offered inside the cluster."""
    at = f"https://virt-export-{Export.name}.{NS}.svc/volumes"
    named = files or {"raw": "disk.img", "gzip": "disk.img.gz"}
    return [
        {"format": kind, "url": f"{at}/{volume}/{file}"} for volume in volumes for kind, file in named.items()
    ]


def offered(status: Object, side: str = "internal") -> list[Object]:
    assert status["links"][side]["cert"]
    return [one for volume in status["links"][side]["volumes"] for one in volume["formats"]]


def secret_of(pod: Object) -> str:
    (found,) = [
        one["secret"]["secretName"] for one in pod["spec"]["volumes"] if one["name"] == "certificates"
    ]
    return str(found)


async def filled(suite: Suite, name: str = "pvc", **spec: Any) -> str:
    """The claim of a DataVolume that has been imported."""
    made = storage.volume(name, **REGISTRY)
    await suite.create(VOLUMES, {**made, "spec": {**made["spec"], **spec}})
    await storage.succeeded(suite, name)
    return name


@pytest.mark.parametrize(
    ("spec", "files"),
    [
        ({}, None),
        (
            {"contentType": "archive", "source": {"http": {"url": "http://images/archive.tar"}}},
            {"dir": "dir", "tar.gz": "disk.tar.gz"},
        ),
        ({"storage": {"volumeMode": "Block", "resources": {"requests": {"storage": "1Gi"}}}}, None),
    ],
    ids=["raw", "archive", "block"],
)
async def test_a_claim(suite: Suite, spec: Object, files: Object | None) -> None:
    """It is offered in the formats of what it holds, by a pod of default requests and limits."""
    pvc = await filled(suite, **spec)
    export = await Export.of(suite, "PersistentVolumeClaim", pvc)
    assert offered(await export.ready()) == links(pvc, files=files)
    (container,) = (await export.pod())["spec"]["containers"]
    assert container["resources"] == {
        "requests": {"cpu": "100m", "memory": "200Mi"},
        "limits": {"cpu": "1", "memory": "1Gi"},
    }


async def test_what_goes_comes_back(suite: Suite) -> None:
    """A pod that failed, finished or was deleted is made anew, with another secret; so is the service."""
    export = await Export.of(suite, "PersistentVolumeClaim", await filled(suite))
    await export.ready()
    for phase in ("Failed", "Succeeded", ""):
        pod = await export.pod()
        secret = secret_of(pod)
        await suite.get(f"{SECRETS}/{secret}")
        if phase:
            change = {"status": {"phase": phase}}
            await suite.patch(f"{export.pod_path}/status", change, MERGE_PATCH)
        else:
            await suite.delete(export.pod_path)
        fresh = await export.another(export.pod_path, pod)
        assert secret_of(fresh) != secret
        await export.ready()
    service = await suite.get(export.service)
    await suite.delete(export.service)
    await export.another(export.service, service)


async def test_other_certificates(suite: Suite) -> None:
    """When KubeVirt is told how long certificates last, the pod is made anew, and says so."""
    export = await Export.of(suite, "PersistentVolumeClaim", await filled(suite))
    await export.ready()
    pod, mark = await export.pod(), "kubevirt.io/export.certParameters"
    durations = {
        "ca": {"duration": "24h0m0s", "renewBefore": "3h0m0s"},
        "server": {"duration": "2h0m0s", "renewBefore": "1h0m0s"},
    }
    change = [{"op": "add", "path": "/spec/certificateRotateStrategy/selfSigned", "value": durations}]
    await suite.patch(KUBEVIRT, change)
    fresh = await export.another(export.pod_path, pod)
    assert "" != pod["metadata"]["annotations"][mark] != fresh["metadata"]["annotations"][mark] != ""
    text = "Exporter TLS certificate parameters updated"
    await storage.has_event(suite, export.name, "Warning", "CertificateParametersChanged", text)


async def test_a_claim_that_comes_later(suite: Suite) -> None:
    """A missing claim is told, then found, once it is filled."""
    export = await Export.of(suite, "PersistentVolumeClaim", "late")
    await export.says("PVCReady", "PVCNotFound", f"PersistentVolumeClaim {NS}/late not found")
    await filled(suite, "late")
    assert offered(await export.ready()) == links("late")


async def test_a_token_of_its_own(suite: Suite) -> None:
    """Without a token one is made, and named in the status."""
    export = await Export.of(suite, "PersistentVolumeClaim", await filled(suite), token=False)
    status = await export.ready()
    token = await suite.get(f"{SECRETS}/{status['tokenSecretRef']}")
    assert token["data"]["token"]


async def test_a_time_to_live(suite: Suite) -> None:
    """It stays for as long as it was told to, then it is deleted, and all that belongs to it."""
    export = await Export.of(
        suite, "PersistentVolumeClaim", await filled(suite), token=False, ttlDuration="2m0s"
    )
    await export.ready()

    async def there() -> bool:
        return (await suite.call("GET", export.path))[0] == 200

    async def gone() -> bool:
        return not await there() and (await suite.call("GET", export.pod_path))[0] == 404

    await suite.consistently(there, 110)
    await suite.eventually(gone, 15)


async def test_an_ingress(suite: Suite) -> None:
    """An ingress to the proxy gives external links, with its certificate."""
    host, certificate = (
        "vmexport-proxy.test.net-blah",
        "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----",
    )
    data = {
        one: b64encode(text.encode()).decode() for one, text in (("tls.crt", certificate), ("tls.key", "k"))
    }
    await suite.create(
        "/api/v1/namespaces/kubevirt/secrets", {"metadata": {"name": "test-tls"}, "data": data}
    )
    backend = {"service": {"name": "virt-exportproxy", "port": {"number": 443}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    spec = {
        "ingressClassName": "ingress-class-name",
        "defaultBackend": backend,
        "tls": [{"hosts": [host], "secretName": "test-tls"}],
        "rules": [{"host": host, "http": {"paths": paths}}],
    }
    path = "/apis/networking.k8s.io/v1/namespaces/kubevirt/ingresses"
    await suite.create(path, {"metadata": {"name": "export-proxy-ingress"}, "spec": spec})
    status = await (await Export.of(suite, "PersistentVolumeClaim", await filled(suite))).ready()
    assert status["links"]["external"]["cert"] == certificate
    assert host in offered(status, "external")[0]["url"]


async def test_a_route(suite: Suite) -> None:
    """A route to the proxy does so, too, once its router has given it a host; whom to trust is what all are to trust there."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "routes", "singular": "route", "kind": "Route"}
    spec = {"group": "route.openshift.io", "names": names, "scope": "Namespaced", "versions": [version]}
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    await suite.create(crds, {"metadata": {"name": "routes.route.openshift.io"}, "spec": spec})
    routes = "/apis/route.openshift.io/v1/namespaces/kubevirt/routes"
    kind = {"apiVersion": "route.openshift.io/v1", "kind": "Route"}

    async def served() -> bool:
        return (await suite.call("GET", routes))[0] == 200

    await suite.eventually(served, 30)
    for own, to in (("other", "web"), ("new", "virt-exportproxy"), ("export", "virt-exportproxy")):
        status = {"status": {"ingress": [{"host": f"{own}.test.net"}]}} if own != "new" else {}
        await suite.create(
            routes, {**kind, "metadata": {"name": own}, "spec": {"to": {"name": to}}, **status}
        )
    maps = "/api/v1/namespaces/kubevirt/configmaps"
    await suite.create(maps, {"metadata": {"name": "kube-root-ca.crt"}, "data": {"ca.crt": "trusted\n"}})
    status = await (await Export.of(suite, "PersistentVolumeClaim", await filled(suite))).ready()
    assert status["links"]["external"]["cert"] == "trusted"
    assert offered(status, "external")[0]["url"].startswith(
        "https://export.test.net/api/export.kubevirt.io/v1/"
    )


@pytest.mark.parametrize("disks", [1, 2])
async def test_a_snapshot(suite: Suite, disks: int) -> None:
    """Its volumes are restored to claims of the export's own; the machine it is of is named, and its manifests are offered."""
    names = ["dv", "blank"][:disks]
    templates = [storage.volume(one, **({} if one == "blank" else REGISTRY)) for one in names]
    body = storage.machine(disks={one: {"dataVolume": {"name": one}} for one in names}, templates=templates)
    vm = await Machine.of(suite, body)
    snapshot = await storage.ready(suite, await storage.take(suite, vm))
    export = await Export.of(suite, "VirtualMachineSnapshot", snapshot["metadata"]["name"])
    status = await export.ready()
    assert status["virtualMachineName"] == vm.name
    assert offered(status) == links(*(f"{export.name}-{one}" for one in names))
    assert manifests(status) == expected_manifests()
    for one in names:
        restored = await suite.get(f"{CLAIMS}/{export.name}-{one}")
        assert restored["spec"]["dataSource"]["kind"] == "VolumeSnapshot"


def manifests(status: Object) -> dict[str, str]:
    return {one["type"]: one["url"] for one in status["links"]["internal"]["manifests"]}


def expected_manifests() -> dict[str, str]:
    at = f"https://virt-export-{Export.name}.{NS}.svc/internal/manifests"
    return {"all": f"{at}/all", "auth-header-secret": f"{at}/secret"}


async def test_nothing_to_export(suite: Suite) -> None:
    """Snapshots and machines without volumes are skipped; a machine that gets one is exported after all."""
    vm = await Machine.of(suite, storage.machine())
    snapshot = await storage.ready(suite, await storage.take(suite, vm))
    export = await Export.of(suite, "VirtualMachineSnapshot", snapshot["metadata"]["name"])

    async def skipped() -> bool:
        return bool((await export.status()).get("phase") == "Skipped")

    await suite.eventually(skipped, 30)
    await suite.gone(export.path)
    export = await Export.of(suite, "VirtualMachine", vm.name)
    await suite.eventually(skipped, 30)
    await suite.create(VOLUMES, storage.volume("blank"))
    found = await vm.get()
    template = found["spec"]["template"]["spec"]
    template["domain"]["devices"]["disks"].append({"name": "blank", "disk": {"bus": "virtio"}})
    template["volumes"].append({"name": "blank", "dataVolume": {"name": "blank"}})
    assert (await suite.call("PUT", vm.path, found))[0] == 200
    await storage.succeeded(suite, "blank")
    assert offered(await export.ready()) == links("blank")


async def test_a_machine_that_runs(suite: Suite) -> None:
    """It is exported once it has stopped, and no more when it starts again."""
    vm = await Machine.of(suite, storage.on_template(strategy="Always"))
    export = await Export.of(suite, "VirtualMachine", vm.name)
    running = ("Ready", "InUse", f"Virtual Machine {NS}/{vm.name} is running")
    await export.says(*running)
    assert (await export.status())["virtualMachineName"] == vm.name
    await vm.stop()
    assert offered(await export.ready()) == links("dv")
    await vm.start()
    await export.says(*running)
    assert not (await export.status()).get("links")
    assert (await suite.call("GET", export.pod_path))[0] == 404
    text = f"Virtual Machine {NS}/vm is running"
    await storage.has_event(suite, export.name, "Warning", "ExportPaused", text)


async def test_a_machine_of_an_instance_type(suite: Suite) -> None:
    """Volumes that come apart from the machine are offered, too, beside the manifests of all."""
    kind = "VirtualMachineClusterInstancetype"
    spec = {"cpu": {"guest": 4}, "memory": {"guest": "128Mi"}}
    made = {
        "apiVersion": "instancetype.kubevirt.io/v1beta1",
        "kind": kind,
        "metadata": {"name": "four"},
        "spec": spec,
    }
    await suite.create("/apis/instancetype.kubevirt.io/v1beta1/virtualmachineclusterinstancetypes", made)
    await filled(suite, "data")
    await suite.create(VOLUMES, storage.volume("blank"))
    await storage.succeeded(suite, "blank")
    disks = {"disk0": {"dataVolume": {"name": "data"}}, "init": {"cloudInitNoCloud": {"userData": "#!"}}}
    body = storage.machine(strategy="Always", disks={**disks, "blank": {"dataVolume": {"name": "blank"}}})
    del body["spec"]["template"]["spec"]["domain"]["resources"]
    body["spec"]["instancetype"] = {"name": "four"}
    vm = await Machine.of(suite, body)
    await vm.stop()
    status = await (await Export.of(suite, "VirtualMachine", vm.name)).ready()
    assert offered(status) == links("data", "blank")
    assert manifests(status) == expected_manifests()


async def test_a_claim_in_use(suite: Suite) -> None:
    """While an instance uses it there is no pod; the pod has the resources KubeVirt is told, and fits into the limit range."""
    resources = {"cpu": "500m", "memory": "1240Mi"}
    chosen = {"type": "vmexport", "resources": {"requests": resources, "limits": resources}}
    change = {"spec": {"configuration": {"supportContainerResources": [chosen]}}}
    await suite.patch(KUBEVIRT, change, MERGE_PATCH)
    pvc = await filled(suite)
    body = storage.machine(disks={"disk0": {"dataVolume": {"name": pvc}}})
    spec = {**body["spec"]["template"]["spec"]}
    vmi = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "metadata": {"name": "vmi"},
        "spec": spec,
    }
    made = await suite.create(VMIS, vmi)

    async def runs() -> bool:
        return bool((await suite.get(f"{VMIS}/vmi")).get("status", {}).get("phase") == "Running")

    await suite.eventually(runs, 180)
    limits = {
        "type": "Container",
        "maxLimitRequestRatio": {"memory": "1", "cpu": "1"},
        "max": {"memory": "2Gi", "cpu": "2"},
        "min": {"memory": "1Mi", "cpu": "1m"},
    }
    ranges = f"/api/v1/namespaces/{NS}/limitranges"
    await suite.create(ranges, {"metadata": {"name": "lr"}, "spec": {"limits": [limits]}})
    export = await Export.of(suite, "PersistentVolumeClaim", pvc)
    in_use = ("Ready", "InUse", f"PersistentVolumeClaim {NS}/{pvc} is in use")
    await export.says(*in_use)
    await suite.delete(f"{VMIS}/vmi")
    assert offered(await export.ready()) == links(pvc)
    (container,) = (await export.pod())["spec"]["containers"]
    assert container["resources"] == {"requests": resources, "limits": resources}
    await suite.delete(f"{ranges}/lr")
    await suite.create(VMIS, {**vmi, "metadata": {"name": made["metadata"]["name"]}})
    await export.says(*in_use)
