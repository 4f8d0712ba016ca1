"""DataImportCrons: the first import at once, another when the image is another one, and the DataSource that follows."""

import pytest

from fakekube.clock import parse_rfc3339
from fakekube.machinery.errors import NotFound
from fakekube.machinery.objects import labels, name
from fakekube.machinery.resources import DATA_IMPORT_CRONS, DATA_SOURCES, DATA_VOLUMES
from fakekube.virt.cdi import import_crons

NS = "default"
URL = "docker://quay.io/containerdisks/fedora:latest"
NOW = parse_rfc3339("2026-01-01T00:00:30Z")


def cron(url=URL, schedule="0 * * * *", own="gold", **spec):
    storage = {"resources": {"requests": {"storage": "1Gi"}}}
    template = {"metadata": {}, "spec": {"source": {"registry": {"url": url}}, "storage": storage}}
    spec = {"template": template, "schedule": schedule, "managedDataSource": "fedora", **spec}
    marks = {"instancetype.kubevirt.io/default-preference": "fedora"}
    meta = {"name": own, "namespace": NS, "labels": marks}
    body = {"apiVersion": "cdi.kubevirt.io/v1beta1", "kind": "DataImportCron"}
    return {**body, "metadata": meta, "spec": spec}


def told(obj):
    return {
        one["type"]: (one["status"], one["reason"], one["message"]) for one in obj["status"]["conditions"]
    }


def test_the_first_import():
    """The image is looked at once; its import is named by source and digest, and asks for just that image."""
    made = import_crons.plan(cron(), None, NOW, is_due=True)
    digest = made.cron["status"]["currentImports"][0]["Digest"]
    assert name(made.volume) == f"fedora-{digest.removeprefix('sha256:')[:12]}"
    wanted = f"docker://quay.io/containerdisks/fedora@{digest}"
    assert made.volume["spec"]["source"]["registry"]["url"] == wanted
    assert labels(made.volume)["instancetype.kubevirt.io/default-preference"] == "fedora"
    assert made.source["spec"] == {"source": {}}
    assert told(made.cron)["UpToDate"][1] == "Outdated"


@pytest.mark.parametrize(
    ("schedule", "last", "wanted"),
    [
        ("0 * * * *", None, "2026-01-01T00:00:30Z"),
        ("0 * * * *", "2026-01-01T00:00:30Z", "2026-01-01T01:00:00Z"),
        ("", None, None),
        ("nonsense", "2026-01-01T00:00:30Z", None),
    ],
)
def test_when_it_is_due(schedule, last, wanted):
    """At once, then as scheduled; without a schedule never."""
    given = cron(schedule=schedule)
    if last:
        given["metadata"]["annotations"] = {"cdi.kubevirt.io/storage.import.lastCronTime": last}
    found = import_crons.next_time(given, NOW)
    assert found == (parse_rfc3339(wanted) if wanted else None)


def test_an_image_nobody_can_reach():
    """It has no digest, and there is no import."""
    made = import_crons.plan(cron("docker://localhost/fedora"), None, NOW, is_due=True)
    assert made.volume is None
    assert told(made.cron) == {
        "Progressing": ("False", "NoImport", "No current import"),
        "UpToDate": ("False", "NoDigest", "No source digest"),
    }


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
