"""What cdi-apiserver refuses."""

import pytest

from fakekube.clock import ManualClock
from fakekube.cluster import Cluster
from fakekube.machinery.errors import ApiError
from fakekube.machinery.resources import CDIS, DATA_VOLUMES

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
