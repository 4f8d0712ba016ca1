"""CDI's functional specs of images imported by schedule, and of the sources machines are cloned from.

Left out: the jobs that ask a registry for digests, as nobody asks here; the annotation stands for what they find. So are labels
that come from the environment of images; the cron has them.
Origin: cdi: tests/{dataimportcron,datasource}_test.go
"""

import pytest

from fakekube.machinery.objects import annotations, labels, uid
from tests.upstream.conftest import MERGE_PATCH, Make, Object, Suite, conditions
from tests.upstream.storage import (
    CLAIMS,
    CLASS,
    NS,
    TAKEN,
    VOLUMES,
    claim,
    reasons,
    set_up,
    succeeded,
    volume,
)

CDI = "/apis/cdi.kubevirt.io/v1beta1"
CRONS, SOURCES = (f"{CDI}/namespaces/{NS}/{one}" for one in ("dataimportcrons", "datasources"))
PROFILE = f"{CDI}/storageprofiles/{CLASS}"
EVERY_MINUTE, ONCE_A_YEAR = "* * * * *", "0 0 1 1 *"
CRON = "cdi.kubevirt.io/dataImportCron"
LAST_USE = "cdi.kubevirt.io/storage.import.lastUseTime"
DIGEST = "cdi.kubevirt.io/storage.import.sourceDesiredDigest"
ERROR_DIGEST = "sha256:1234567890123456789012345678901234567890123456789012345678901234"
LABEL = {"instancetype.kubevirt.io/default-preference": "testvalue"}


def body(kind: str, own: str, group: str = "cdi.kubevirt.io/v1beta1", **spec: object) -> Object:
    return {"apiVersion": group, "kind": kind, "metadata": {"name": own}, "spec": spec}


def snapshot(own: str, **meta: object) -> Object:
    made = body(
        "VolumeSnapshot", own, "snapshot.storage.k8s.io/v1", source={"persistentVolumeClaimName": own}
    )
    return {**made, "metadata": {"name": own, **meta}}


@pytest.fixture
async def suite(suite_of: Make) -> Suite:
    suite = await suite_of(pace="realistic")
    await set_up(suite)
    return suite


class Cron:
    """One cron, and what the specs look at. `kept_as`: pvc or snapshot."""

    def __init__(self, suite: Suite, kept_as: str) -> None:
        self.suite, self.kept_as = suite, kept_as
        self.path = f"{CRONS}/cron-test"
        self.sources = {"pvc": CLAIMS, "snapshot": TAKEN}[kept_as]

    @classmethod
    async def of(
        cls,
        suite: Suite,
        kept_as: str,
        schedule: str = EVERY_MINUTE,
        *,
        source: Object | None = None,
        **spec: object,
    ) -> "Cron":
        made = cls(suite, kept_as)
        await made.keep_as(kept_as)
        registry = {"url": "docker://registry:5000/tinycore", "pullMethod": "node"}
        wanted = volume("ignored", source=source or {"registry": registry})["spec"]
        spec = {"schedule": schedule, "managedDataSource": "datasource-test", "importsToKeep": 1, **spec}
        cron = body("DataImportCron", "cron-test", template={"spec": wanted}, **spec)
        cron["metadata"]["labels"] = LABEL
        await suite.create(CRONS, cron)
        return made

    async def keep_as(self, kept_as: str) -> None:
        """Have the profile of the class say so."""
        self.kept_as, self.sources = kept_as, {"pvc": CLAIMS, "snapshot": TAKEN}[kept_as]
        change = {"spec": {"dataImportCronSourceFormat": kept_as}}
        await self.suite.patch(PROFILE, change, MERGE_PATCH)

    async def get(self) -> Object:
        return await self.suite.get(self.path)

    async def digest(self, digest: str) -> None:
        await self.suite.patch(self.path, {"metadata": {"annotations": {DIGEST: digest}}}, MERGE_PATCH)

    async def up_to_date(self) -> str:
        """The name of its import, once it is up to date."""

        async def look() -> str:
            found = await self.get()
            told = conditions(found)
            done = (told.get("Progressing"), told.get("UpToDate")) == ("False", "True")
            return found["status"]["currentImports"][0]["DataVolumeName"] if done else ""

        return str(await self.suite.eventually(look, 240))

    async def source(self, own: str, unlike: str = "") -> Object:
        """The claim or snapshot of an import, once it is ready."""

        async def look() -> Object | None:
            status, found = await self.suite.call("GET", f"{self.sources}/{own}")
            if status != 200 or uid(found) == unlike or "deletionTimestamp" in found["metadata"]:
                return None
            if self.kept_as == "snapshot":
                gone = (await self.suite.call("GET", f"{CLAIMS}/{own}"))[0] == 404
                return found if found["status"].get("readyToUse") and gone else None
            return found if found["status"]["phase"] == "Bound" else None

        found = dict(await self.suite.eventually(look, 240))
        if self.kept_as == "pvc":
            await succeeded(self.suite, own)
        return found

    async def delete_source(self, own: str) -> None:
        if self.kept_as == "pvc":
            await self.suite.gone(f"{VOLUMES}/{own}")
            await self.suite.gone(f"{CLAIMS}/{own}")
        else:
            await self.suite.delete(f"{TAKEN}/{own}")

    async def followed(self, own: str) -> Object:
        """Its DataSource, once that is ready and stands for the import."""

        async def look() -> Object | None:
            status, found = await self.suite.call("GET", f"{SOURCES}/datasource-test")
            if status != 200 or conditions(found).get("Ready") != "True":
                return None
            stands_for = found["spec"]["source"] == {self.kept_as: {"namespace": NS, "name": own}}
            return found if stands_for else None

        return dict(await self.suite.eventually(look, 240))


FORMATS = pytest.mark.parametrize("kept_as", ["pvc", "snapshot"])


@FORMATS
@pytest.mark.parametrize("policy", ["All", "None"])
async def test_imports(suite: Suite, kept_as: str, policy: str) -> None:
    """[7403] [7414] [10031] [10032] Imported, followed, made again when lost or when the digest comes anew; it stays, or goes
    with its cron."""
    cron = await Cron.of(suite, kept_as, garbageCollect="Never", retentionPolicy=policy)
    own = ""
    for _ in range(2):
        if own:
            await cron.digest("")
            await cron.delete_source(own)
        own = await cron.up_to_date()
        found = await cron.source(own)
        source = await cron.followed(own)
        assert source["metadata"]["labels"].items() >= LABEL.items()
        assert (await cron.get())["status"]["lastImportedPVC"]["name"] == own
        if kept_as == "snapshot":
            assert labels(found).items() >= LABEL.items()
        change = {"spec": {"source": {kept_as: {"name": "dummy"}}}}
        await suite.patch(f"{SOURCES}/datasource-test", change, MERGE_PATCH)
        await cron.followed(own)
        await suite.delete(f"{SOURCES}/datasource-test")
        assert uid(await cron.followed(own)) != uid(source)
        await cron.delete_source(own)
        assert uid(await cron.source(own, unlike=uid(found))) != uid(found)
    await suite.delete(cron.path)

    async def gone() -> bool:
        left = [*await suite.items(CLAIMS), *await suite.items(TAKEN), *await suite.items(SOURCES)]
        return not left

    if policy == "None":
        await suite.eventually(gone, 240)
    else:
        await cron.followed(own)
        assert "deletionTimestamp" not in (await cron.source(own))["metadata"]


async def test_errors(suite: Suite) -> None:
    """[8266] An import that fails is deleted when another image is wanted."""
    cron = await Cron.of(suite, "pvc", ONCE_A_YEAR, retentionPolicy="None")
    first = await cron.up_to_date()
    original = annotations(await cron.get())[DIGEST]
    await cron.digest(ERROR_DIGEST)

    async def another() -> str:
        own = (await cron.get())["status"]["currentImports"][0]["DataVolumeName"]
        return own if own != first else ""

    bad = await suite.eventually(another, 240)
    await suite.patch(
        f"{VOLUMES}/{bad}", {"metadata": {"annotations": {"fakekube.io/fate": "error"}}}, MERGE_PATCH
    )

    async def fails() -> bool:
        return reasons(await suite.get(f"{VOLUMES}/{bad}"))["Running"][1] == "Error"

    await suite.eventually(fails, 60)
    await cron.digest(original)
    assert await cron.up_to_date() == first
    assert (await suite.call("GET", f"{VOLUMES}/{bad}"))[0] == 404


@FORMATS
async def test_claims(suite: Suite, kept_as: str) -> None:
    """A claim is imported, and another one of its name by the next time to look."""
    await suite.create(VOLUMES, volume("gold"))
    await succeeded(suite, "gold")
    cron = await Cron.of(suite, kept_as, source={"pvc": {"namespace": NS, "name": "gold"}})
    seen = []
    for _ in range(2):
        own = await cron.up_to_date()
        first = uid(await suite.get(f"{CLAIMS}/gold"))
        assert annotations(await cron.get())[DIGEST] == f"uid:{first}"
        assert own == f"datasource-test-{first[:12]}"
        await cron.source(own)
        await cron.followed(own)
        seen.append(own)
        await suite.gone(f"{VOLUMES}/gold")
        await suite.gone(f"{CLAIMS}/gold")
        await suite.create(VOLUMES, volume("gold"))

        async def another() -> bool:
            return (await cron.get())["status"]["currentImports"][0]["DataVolumeName"] not in seen

        await suite.eventually(another, 240)


async def test_claims_of_others(suite_of: Make) -> None:
    """A claim of another namespace is imported once the account of the cron may clone it."""
    suite = await suite_of(pace="realistic", rbac=True)
    await set_up(suite)
    await suite.create("/api/v1/namespaces", {"metadata": {"name": "gold"}})
    await suite.create(VOLUMES.replace(NS, "gold"), volume("gold"))
    cron = await Cron.of(
        suite, "pvc", source={"pvc": {"namespace": "gold", "name": "gold"}}, serviceAccountName="importer"
    )

    async def denied() -> bool:
        return reasons(await cron.get()).get("Progressing") == ("False", "NotAuthorized")

    await suite.eventually(denied, 120)
    assert "currentImports" not in (await cron.get())["status"]
    group = "rbac.authorization.k8s.io"
    roles = f"/apis/{group}/v1/namespaces/gold"
    rule = {"apiGroups": ["cdi.kubevirt.io"], "resources": ["datavolumes/source"], "verbs": ["create"]}
    await suite.create(f"{roles}/roles", {"metadata": {"name": "cloner"}, "rules": [rule]})
    binding: Object = {
        "metadata": {"name": "cloner"},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "cloner"},
        "subjects": [{"kind": "ServiceAccount", "name": "importer", "namespace": NS}],
    }
    await suite.create(f"{roles}/rolebindings", binding)
    await cron.followed(await cron.up_to_date())


async def test_no_schedule(suite: Suite) -> None:
    """[10360] Without a schedule somebody else says what is to be imported."""
    cron = await Cron.of(suite, "pvc", "", retentionPolicy="None")
    await suite.cluster.advance(120)
    assert reasons(await cron.get())["UpToDate"] == ("False", "NoDigest")
    await cron.digest(ERROR_DIGEST)
    own = await cron.up_to_date()
    assert own == "datasource-test-123456789012"
    await cron.source(own)


@FORMATS
async def test_old_imports(suite: Suite, kept_as: str) -> None:
    """[7406] [10033] As many are kept as it says: others of it go, and DataVolumes whose claims are nobody's."""
    notes = {LAST_USE: "2026-01-01T00:00:00Z"}
    for number in range(3):
        own = f"src-garbage-{number}"
        made = claim(own)
        made["metadata"] |= {"annotations": notes, "labels": {CRON: "cron-test"}}
        await suite.create(CLAIMS, made)
        if kept_as == "snapshot":
            await suite.create(TAKEN, snapshot(own, annotations=notes, labels={CRON: "cron-test"}))
            await suite.cluster.settle()
            await suite.delete(f"{CLAIMS}/{own}")
    if kept_as == "pvc":
        old = volume("old-version-dv")
        old["metadata"]["labels"] = {CRON: "cron-test"}
        await suite.create(VOLUMES, old)
        await succeeded(suite, "old-version-dv")
        assert labels(await suite.get(f"{CLAIMS}/old-version-dv"))[CRON] == "cron-test"
        await suite.patch(f"{CLAIMS}/old-version-dv", {"metadata": {"labels": {CRON: ""}}}, MERGE_PATCH)
    cron = await Cron.of(suite, kept_as, retentionPolicy="None")
    own = await cron.up_to_date()
    found = await cron.source(own)

    async def one() -> bool:
        return len(await suite.items(cron.sources)) == 1

    await suite.eventually(one, 240)
    assert LAST_USE in annotations(await suite.get(f"{cron.sources}/{own}"))
    assert uid(await suite.get(f"{cron.sources}/{own}")) == uid(found)
    assert (await suite.call("GET", f"{VOLUMES}/old-version-dv"))[0] == 404


async def test_back_and_forth(suite: Suite) -> None:
    """[10034] An import is kept as its class says: a claim becomes a snapshot, which becomes a claim again."""
    cron = await Cron.of(suite, "pvc", ONCE_A_YEAR, retentionPolicy="None")
    own = await cron.up_to_date()
    await cron.source(own)
    assert await suite.items(TAKEN) == []
    await suite.create(VOLUMES, volume("from-pvc", source={"pvc": {"namespace": NS, "name": own}}))
    await succeeded(suite, "from-pvc")
    await cron.keep_as("snapshot")
    await cron.source(own)
    await cron.followed(own)
    reference = {"kind": "DataSource", "name": "datasource-test"}
    await suite.create(VOLUMES, volume("from-snapshot", sourceRef=reference))
    await succeeded(suite, "from-snapshot")
    await cron.keep_as("pvc")
    await cron.source(own)
    await cron.followed(own)
    assert await suite.items(TAKEN) == []


async def test_data_sources(suite: Suite) -> None:
    """[8041] [8067] A source tells whether its claim is there, filled, and gone; several may stand for the same."""

    async def told(own: str, *wanted: str) -> None:
        async def look() -> bool:
            return reasons(await suite.get(f"{SOURCES}/{own}"))["Ready"] == wanted

        await suite.eventually(look, 60)

    async def stand_for(own: str, of: object) -> None:
        await suite.patch(f"{SOURCES}/{own}", {"spec": {"source": {"pvc": of}}}, MERGE_PATCH)

    for own in ("ds1", "ds2"):
        await suite.create(SOURCES, body("DataSource", own, source={}))
        await told(own, "False", "NoSource")
        await stand_for(own, {"namespace": NS, "name": "pvc1"})
        await told(own, "False", "NotFound")
    await suite.create(VOLUMES, volume("pvc1"))
    for own in ("ds1", "ds2"):
        await told(own, "True", "Ready")
    await suite.delete(f"{VOLUMES}/pvc1")
    bad = volume("pvc2", source={"http": {"url": "http://localhost/bad"}})
    await suite.create(VOLUMES, bad)
    for own in ("ds1", "ds2"):
        await told(own, "False", "NotFound")
        await stand_for(own, {"namespace": "", "name": "pvc2"})
        await told(own, "False", "ImportInProgress")
    await suite.delete(f"{VOLUMES}/pvc2")
    for own in ("ds1", "ds2"):
        await told(own, "False", "NotFound")
        await stand_for(own, None)
        await told(own, "False", "NoSource")


@pytest.mark.parametrize("kind", ["DataVolume", "PersistentVolumeClaim", "VolumeSnapshot"])
async def test_labels_of_sources(suite: Suite, kind: str) -> None:
    """A source says of guests what it stands for says of them, once it is ready; what it said before is overwritten."""
    told = {"instancetype.kubevirt.io/default-preference": "p", "test.kubevirt.io/existing": "new", "x": "y"}
    of = {"snapshot" if kind == "VolumeSnapshot" else "pvc": {"namespace": NS, "name": "source"}}
    source = body("DataSource", "ds", source=of)
    source["metadata"]["labels"] = {"test.kubevirt.io/existing": "existing"}
    await suite.create(SOURCES, source)
    made = volume("source") if kind == "DataVolume" else claim("source")
    if kind != "VolumeSnapshot":
        made["metadata"]["labels"] = told
    await suite.create(VOLUMES if kind == "DataVolume" else CLAIMS, made)
    if kind == "VolumeSnapshot":
        await suite.create(TAKEN, snapshot("source", labels=told))

    async def ready() -> Object | None:
        found = await suite.get(f"{SOURCES}/ds")
        return found if conditions(found).get("Ready") == "True" else None

    found = labels(await suite.eventually(ready, 60))
    assert found == {key: value for key, value in told.items() if key != "x"}
