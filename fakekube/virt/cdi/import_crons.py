"""DataImportCrons: images imported when they change, and the DataSource that follows the newest import.

No registry is asked: an image is what its URL says and never changes, so there is one import, at once; who wants another sets the
annotation with the digest, as CDI's own poller does. An image nobody can reach has none. Imports of before are kept.
Origin: cdi: pkg/controller/dataimportcron-controller.go, cmd/cdi-source-update-poller
"""

import asyncio
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from fakekube.client.client import Client
from fakekube.client.controller import Controller, Result
from fakekube.client.informer import Informer
from fakekube.client.recorder import WARNING, Recorder
from fakekube.clock import Clock, parse_rfc3339, rfc3339
from fakekube.ids import Ids
from fakekube.machinery import cron as schedules
from fakekube.machinery.errors import Conflict, NotFound
from fakekube.machinery.objects import (
    Obj,
    annotations,
    dig,
    is_terminating,
    labels,
    name,
    namespace,
    split_key,
)
from fakekube.machinery.resources import DATA_IMPORT_CRONS, DATA_SOURCES, DATA_VOLUMES
from fakekube.machinery.wire import Object
from fakekube.virt.cdi.data_sources import conditions
from fakekube.virt.cdi.profiles import LABELS
from fakekube.virt.cdi.sources import unreachable

CRON = "cdi.kubevirt.io/dataImportCron"  # a label: whose import, or source, it is
_GOES_WITH_IT = f"{CRON}.cleanup"
_DIGEST = "cdi.kubevirt.io/storage.import.sourceDesiredDigest"
_LAST_TIME = "cdi.kubevirt.io/storage.import.lastCronTime"
_BIND_NOW = "cdi.kubevirt.io/storage.bind.immediate.requested"
_DEFAULTS = "instancetype.kubevirt.io/default-"
_PHASES = {
    "ImportScheduled": ("False", "ImportScheduled", "Import is scheduled"),
    "ImportInProgress": ("True", "ImportProgressing", "Import is progressing"),
}
_NO_IMPORT = ("False", "NoImport", "No current import")


class ImportCrons:
    """An actor, see the module text. `volumes`, `sources`: caches somebody else has, too."""

    def __init__(
        self, client: Client, *, clock: Clock, ids: Ids, volumes: Informer, sources: Informer
    ) -> None:
        self._client = client
        self._clock = clock
        self._volumes, self._sources = volumes, sources
        self._crons = Informer(client, DATA_IMPORT_CRONS, clock=clock)
        self._recorder = Recorder(client, "dataimportcron-controller", clock=clock, ids=ids)
        self.controller = Controller("dataimportcron-controller", self._reconcile, clock=clock)
        self.controller.source(self._crons)
        for informer in (volumes, sources):
            self.controller.source(informer, _cron_of)

    @property
    def idle(self) -> bool:
        """Nothing is queued or being worked on, and every event has been sent."""
        return self.controller.idle and self._recorder.idle

    async def run(self) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._recorder.run())
            tasks.create_task(self.controller.run())

    async def _reconcile(self, own: str) -> Result | None:
        cron = self._crons.get(own)
        if cron is None or is_terminating(cron):
            await self._clean_up(own)
            return None
        source = self._sources.get(f"{namespace(cron)}/{cron['spec']['managedDataSource']}")
        if source is not None and (owner := self._other_of(cron, source)):
            text = f"DataSource {name(source)} is already managed by DataImportCron {owner}"
            self._recorder.event(cron, WARNING, "ErrDataSourceAlreadyManaged", text)
            return None
        now = self._clock.now()
        due = next_time(cron, now)
        made = plan(cron, await self._import_of(cron), now, is_due=due is not None and due <= now)
        try:
            await self._follow(made, source)
            if made.volume is not None:
                await self._client.create_if_absent(DATA_VOLUMES, made.volume)
            if made.cron != cron:
                cron = await self._client.update(DATA_IMPORT_CRONS, made.cron)
        except (Conflict, NotFound):
            return None  # the caches will show why
        due = next_time(cron, now)
        return Result(requeue_after=max(1.0, (due - now).total_seconds())) if due is not None else None

    def _other_of(self, cron: Object, source: Object) -> str:
        """The other one its DataSource follows already; or empty."""
        owner = labels(source).get(CRON)
        other = self._crons.get(f"{namespace(cron)}/{owner}") if owner and owner != name(cron) else None
        same = other is not None and other["spec"]["managedDataSource"] == name(source)
        return str(owner) if same else ""

    async def _import_of(self, cron: Object) -> Object | None:
        """The DataVolume of its current import; asked for where the cache does not show it yet."""
        own = _current(cron).get("DataVolumeName")
        if own is None:
            return None
        if (known := self._volumes.get(f"{namespace(cron)}/{own}")) is not None:
            return known
        return await self._client.find(DATA_VOLUMES, own, namespace(cron))

    async def _follow(self, made: "Plan", present: Object | None) -> None:
        if present is None:
            await self._client.create_if_absent(DATA_SOURCES, made.source)
            return
        if not labels(present).get(CRON):
            return  # somebody keeps it for himself
        spec = made.source["spec"] if made.source["spec"]["source"] else present["spec"]
        wanted = {**labels(present), **labels(made.source)}
        if spec != present["spec"] or wanted != labels(present):
            meta = {**present["metadata"], "labels": wanted}
            await self._client.update(DATA_SOURCES, {**present, "metadata": meta, "spec": spec})

    async def _clean_up(self, own: str) -> None:
        space, cron = split_key(own)
        for resource, known in ((DATA_SOURCES, self._sources), (DATA_VOLUMES, self._volumes)):
            for one in known.objects():
                if namespace(one) == space and labels(one).get(CRON) == cron and _GOES_WITH_IT in labels(one):
                    await self._client.delete_if_present(resource, name(one), space)


def _cron_of(old: Object | None, new: Object | None) -> Iterable[str]:
    changed = new or old
    own = labels(changed).get(CRON) if changed is not None else None
    return (f"{namespace(changed)}/{own}",) if changed is not None and own else ()


# Deciding.


@dataclass(frozen=True, slots=True)
class Plan:
    """What a cron is to be like, the DataSource that follows it, and an import that begins."""

    cron: Object
    source: Object
    volume: Object | None


def next_time(cron: Obj, now: datetime) -> datetime | None:
    """When its image is looked at next, or was to be; None if never: without a schedule or a URL."""
    schedule = dig(cron, "spec", "schedule", default="")
    if not schedule or not dig(cron, "spec", "template", "spec", "source", "registry", "url"):
        return None
    last = annotations(cron).get(_LAST_TIME)
    if last is None:
        return now
    try:
        return schedules.parse(schedule).next_after(parse_rfc3339(last))
    except schedules.Refused:
        return None


def plan(cron: Obj, volume: Obj | None, now: datetime, *, is_due: bool) -> Plan:
    """What is to happen. `volume`: the current import; `is_due`: the image is looked at now."""
    notes = dict(annotations(cron))
    if is_due:
        notes[_LAST_TIME] = rfc3339(now)
        if digest := _digest(cron):
            notes.setdefault(_DIGEST, digest)
    status: Object = dict(cron.get("status") or {})
    current, digest = _current(cron), notes.get(_DIGEST, "")
    phase = dig(volume, "status", "phase", default="") if volume is not None else ""
    succeeded, begins = phase == "Succeeded", None
    if succeeded:
        imported = {"namespace": namespace(cron), "name": current["DataVolumeName"]}
        if status.get("lastImportedPVC") != imported:
            status |= {"lastImportedPVC": imported, "lastImportTimestamp": rfc3339(now)}
    elif volume is None and current:
        status.pop("currentImports", None)
    if volume is None or succeeded:
        progressing = _NO_IMPORT
    else:
        progressing = _PHASES.get(phase, ("False", phase, f"Import DataVolume phase {phase}"))
    if digest and digest != current.get("Digest"):
        up_to_date = ("False", "Outdated", "Source digest updated since last import")
        if succeeded or not current:
            begins = _import(cron, digest)
            status["currentImports"] = [{"DataVolumeName": name(begins), "Digest": digest}]
    elif succeeded:
        status["sourceFormat"] = "pvc"
        up_to_date = ("True", "UpToDate", "Latest import is up to date")
    elif current:
        up_to_date = ("False", "ImportProgressing", "Import is progressing")
    else:
        up_to_date = ("False", "NoDigest", "No source digest")
    if _LAST_TIME in notes:
        status["lastExecutionTimestamp"] = notes[_LAST_TIME]
    said = {"Progressing": progressing, "UpToDate": up_to_date}
    status["conditions"] = conditions(status.get("conditions") or (), said, rfc3339(now))
    meta = {**cron["metadata"], **({"annotations": notes} if notes else {})}
    return Plan({**cron, "metadata": meta, "status": status}, _source(cron, status), begins)


def _current(cron: Obj) -> dict[str, str]:
    return next(iter(dig(cron, "status", "currentImports", default=())), {})


def _digest(cron: Obj) -> str:
    """The digest of its image; empty if nobody can reach it."""
    template = dig(cron, "spec", "template", default={})
    url = dig(template, "spec", "source", "registry", "url", default="")
    return "" if unreachable(template) else f"sha256:{hashlib.sha256(url.encode()).hexdigest()}"


def _labels(cron: Obj) -> dict[str, str]:
    passed = {key: value for key, value in labels(cron).items() if key.startswith(_DEFAULTS)}
    goes = {_GOES_WITH_IT: "true"} if dig(cron, "spec", "retentionPolicy") == "None" else {}
    recommended = {key: value for key, value in LABELS.items() if key.startswith("app.")}
    return {**passed, **recommended, CRON: name(cron), **goes}


def _import(cron: Obj, digest: str) -> Object:
    """The DataVolume that imports the image as it is now."""
    template = cron["spec"]["template"]
    spec, meta = template["spec"], template.get("metadata") or {}
    registry = dict(dig(spec, "source", "registry", default={}))
    if url := registry.get("url"):
        path, _, last = url.rpartition("/")
        registry["url"] = f"{path}/{last.partition(':')[0]}@{digest}"
    number = digest.removeprefix("sha256:")[:12]
    return {
        "apiVersion": DATA_VOLUMES.api_version,
        "kind": DATA_VOLUMES.kind,
        "metadata": {
            "name": f"{cron['spec']['managedDataSource']}-{number}",
            "namespace": namespace(cron),
            "labels": {**(meta.get("labels") or {}), **_labels(cron)},
            "annotations": {**(meta.get("annotations") or {}), _BIND_NOW: "true"},
        },
        "spec": {**spec, "source": {"registry": registry}},
    }


def _source(cron: Obj, status: Obj) -> Object:
    """Its DataSource; of no source until there is an import."""
    imported = status.get("lastImportedPVC")
    return {
        "apiVersion": DATA_SOURCES.api_version,
        "kind": DATA_SOURCES.kind,
        "metadata": {
            "name": cron["spec"]["managedDataSource"],
            "namespace": namespace(cron),
            "labels": _labels(cron),
        },
        "spec": {"source": {"pvc": imported} if imported else {}},
    }
