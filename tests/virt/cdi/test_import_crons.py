"""DataImportCrons: the first import at once, another when the image is another one, and the DataSource that follows."""

import pytest

from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import labels
from fakekube.machinery.resources import DATA_IMPORT_CRONS, DATA_SOURCES, DATA_VOLUMES
from fakekube.virt.cdi import import_crons
from tests.virt.cdi.crons import NS, cron, told


async def elapse(world, seconds):
    for _ in range(seconds):
        await world.elapse(1)
    return await world.client.get(DATA_IMPORT_CRONS, "gold", NS)


async def test_imports_and_follows(world):
    """The DataSource stands for the newest import, once that has succeeded; another digest makes another import."""
    await world.client.create(DATA_IMPORT_CRONS, cron())
    await world.settle()
    source = await world.client.get(DATA_SOURCES, "fedora", NS)
    assert (source["spec"]["source"], labels(source)[import_crons.CRON]) == ({}, "gold")
    first = await elapse(world, 60)
    status = first["status"]
    assert told(first) == {
        "Progressing": ("False", "NoImport", "No current import"),
        "UpToDate": ("True", "UpToDate", "Latest import is up to date"),
    }
    imported = status["currentImports"][0]["DataVolumeName"]
    assert status["lastImportedPVC"] == {"namespace": NS, "name": imported}
    assert status["sourceFormat"] == "pvc"
    source = await world.client.get(DATA_SOURCES, "fedora", NS)
    assert source["spec"]["source"] == {"pvc": {"namespace": NS, "name": imported}}
    assert source["status"]["conditions"][0]["status"] == "True"

    newer = {"cdi.kubevirt.io/storage.import.sourceDesiredDigest": f"sha256:{'ab' * 32}"}
    change = {"metadata": {"annotations": newer}}
    await world.client.patch(DATA_IMPORT_CRONS, "gold", NS, change, type="merge")
    second = await elapse(world, 60)
    assert second["status"]["lastImportedPVC"]["name"] == "fedora-abababababab"
    assert len((await world.client.list(DATA_VOLUMES, NS)).items) == 2


async def test_a_source_has_one_cron(world):
    """A second one for the same source does nothing but tell."""
    await world.client.create(DATA_IMPORT_CRONS, cron())
    await world.settle()
    await world.client.create(DATA_IMPORT_CRONS, cron(own="other"))
    await world.settle()
    assert "status" not in await world.client.get(DATA_IMPORT_CRONS, "other", NS)
    text = "DataSource fedora is already managed by DataImportCron gold"
    said = [one[:3] for one in world.events("other", "DataImportCron")]
    assert said == [("Warning", "ErrDataSourceAlreadyManaged", text)]


@pytest.mark.parametrize("policy", ["All", "None"])
async def test_what_goes_with_it(world, policy):
    """What it made stays when it goes, unless it retains nothing."""
    await world.client.create(DATA_IMPORT_CRONS, cron(retentionPolicy=policy))
    await elapse(world, 60)
    await world.client.delete(DATA_IMPORT_CRONS, "gold", NS)
    for _ in range(5):
        await world.elapse(1)
    left = len((await world.client.list(DATA_VOLUMES, NS)).items)
    assert left == (1 if policy == "All" else 0)
    if policy == "None":
        with pytest.raises(NotFound):
            await world.client.get(DATA_SOURCES, "fedora", NS)
