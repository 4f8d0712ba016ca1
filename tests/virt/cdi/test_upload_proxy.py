"""Uploads as they reach the one who receives them."""

import asyncio
import gzip

import orjson

from fakekube.machinery.objects import annotations
from fakekube.machinery.resources import PERSISTENT_VOLUME_CLAIMS
from fakekube.machinery.wire import Request
from fakekube.virt.cdi.sources import READY
from fakekube.virt.cdi.uploads import TARGET
from tests.virt.conftest import NS


async def test_two_at_once(world):
    """While one is received another one is turned away; what fails makes room for the next."""
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    meta = {"name": "target", "namespace": NS, "annotations": {TARGET: ""}}
    kind = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"}
    await world.client.create(PERSISTENT_VOLUME_CLAIMS, {**kind, "metadata": meta, "spec": spec})
    found = world.informer(PERSISTENT_VOLUME_CLAIMS)
    following = asyncio.create_task(found.run())
    await world.until(lambda: annotations(found.get(f"{NS}/target")).get(READY) == "true")
    following.cancel()
    asked = orjson.dumps({"spec": {"pvcName": "target"}})
    path = f"/apis/upload.cdi.kubevirt.io/v1beta1/namespaces/{NS}/uploadtokenrequests"
    token = orjson.loads((await world.cdi.api(Request("POST", path, body=asked))).body)["status"]["token"]

    async def sent(body):
        headers = {"authorization": f"Bearer {token}"}
        answer = await world.cdi.proxy(Request("POST", "/v1beta1/upload", headers=headers, body=body))
        return answer.status, answer.body

    whole = gzip.compress(bytes(range(256)) * 4096)
    spoilt = whole[:-9]
    assert await asyncio.gather(sent(spoilt), sent(whole)) == [(500, b""), (503, b"")]
    assert await asyncio.gather(sent(whole), sent(whole)) == [(200, b""), (503, b"")]
    again = b"rejecting Upload Request for PVC target that already finished uploading"
    assert await sent(whole) == (503, again)
