"""ObjectTransfers: what they do to those they share an object with."""

import pytest

from fakekube.client.informer import Informer
from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import Conflict
from fakekube.machinery.objects import finalizers
from fakekube.machinery.resources import OBJECT_TRANSFERS, STORAGE_CLASSES
from fakekube.virt.cdi.configuration import Configuration
from fakekube.virt.cdi.in_use import Users
from fakekube.virt.cdi.transfers import Transfers


async def test_other_finalizers():
    """A transfer is let go, or held, by who knows all of its finalizers; one that is set meanwhile stays."""
    clock = ManualClock()
    async with Cluster(clock=clock, seed=1) as cluster:
        client = cluster.client()
        source = {"kind": "DataVolume", "namespace": "default", "name": "missing"}
        spec = {"source": source, "target": {"name": "other"}}
        made = {"apiVersion": OBJECT_TRANSFERS.api_version, "kind": "ObjectTransfer", "spec": spec}
        await client.create(OBJECT_TRANSFERS, {**made, "metadata": {"name": "ot"}})
        await cluster.settle()
        old = await client.get(OBJECT_TRANSFERS, "ot")
        (own,) = finalizers(old)
        change = {"metadata": {"finalizers": [own, "example.com/other"]}}
        await client.patch(OBJECT_TRANSFERS, "ot", None, change, type="merge")
        classes = Informer(client, STORAGE_CLASSES, clock=clock)
        configuration = Configuration(client, clock=clock, classes=classes)
        late = Transfers(client, clock=clock, users=Users(client, clock=clock), configuration=configuration)
        with pytest.raises(Conflict):
            await late._let_go(old)
        await client.delete(OBJECT_TRANSFERS, "ot")
        await cluster.advance(10)
        assert finalizers(await client.get(OBJECT_TRANSFERS, "ot")) == ["example.com/other"]
