"""CDI's functional specs of who may do what with it.

Origin: cdi: tests/rbac_test.go
"""

import pytest

from fakekube.client.client import Client
from fakekube.machinery.errors import Forbidden, NotFound
from fakekube.machinery.resources import CDI_CONFIGS, DATA_VOLUMES, Resource
from tests.upstream.conftest import Make, Object, Suite
from tests.upstream.storage import NS, VOLUMES, set_up, succeeded, volume

TOKENS = Resource("upload.cdi.kubevirt.io", "v1beta1", "uploadtokenrequests", "UploadTokenRequest")
RBAC = "rbac.authorization.k8s.io"


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    suite = await suite_of(rbac=True)
    await set_up(suite)
    return suite


async def account(suite: Suite, role: str) -> Client:
    """Somebody who has one of Kubernetes' own roles in the namespace."""
    binding: Object = {
        "metadata": {"name": role},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": role, "namespace": NS}],
    }
    await suite.create(f"/apis/{RBAC}/v1/namespaces/{NS}/rolebindings", binding)
    await suite.cluster.settle()
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{NS}", "system:authenticated")
    return suite.cluster.client().as_user(f"system:serviceaccount:{NS}:{role}", *groups)


def made(own: str) -> Object:
    body = volume(own)
    return {**body, "metadata": {**body["metadata"], "namespace": NS}}


async def reads_the_configuration(client: Client) -> None:
    """And does not change it."""
    [config] = (await client.list(CDI_CONFIGS)).items
    found = await client.get(CDI_CONFIGS, config["metadata"]["name"])
    with pytest.raises(Forbidden):
        await client.update(CDI_CONFIGS, {**found, "spec": {"scratchSpaceStorageClass": "foobar"}})


@pytest.mark.parametrize("role", ["admin", "edit"])
async def test_who_changes(suite: Suite, role: str) -> None:
    """[3945] [3946] [3948] [3949] DataVolumes are theirs, and tokens for uploads."""
    client = await account(suite, role)
    await client.create(DATA_VOLUMES, made("dv"))
    assert len((await client.list(DATA_VOLUMES, NS)).items) == 1
    await client.get(DATA_VOLUMES, "dv", NS)
    await client.delete(DATA_VOLUMES, "dv", NS)
    assert (await client.list(DATA_VOLUMES, NS)).items == []
    meta = {"name": "token", "namespace": NS}
    wanted = {"apiVersion": TOKENS.api_version, "kind": TOKENS.kind, "metadata": meta}
    answer = await client.create(TOKENS, {**wanted, "spec": {"pvcName": "dv"}})
    assert answer["status"]["token"]
    await reads_the_configuration(client)


async def test_who_looks(suite: Suite) -> None:
    """[3947] [3950] Viewers see DataVolumes."""
    client = await account(suite, "view")
    with pytest.raises(Forbidden):
        await client.create(DATA_VOLUMES, made("dv"))
    assert (await client.list(DATA_VOLUMES, NS)).items == []
    with pytest.raises(NotFound):
        await client.get(DATA_VOLUMES, "dv", NS)
    await suite.create(VOLUMES, volume("dv"))
    await succeeded(suite, "dv")
    await client.get(DATA_VOLUMES, "dv", NS)
    await reads_the_configuration(client)
