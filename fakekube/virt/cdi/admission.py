"""cdi-apiserver's webhooks: path → verdict. Rules are in the modules beside; here is what they need to know of the cluster.

Left out: the affinity of CDI's own pods, the token that clones carry.
Origin: cdi: pkg/apiserver/webhooks, pkg/operator/resources/namespaced/apiserver.go
"""

from collections.abc import Callable
from typing import NamedTuple

from fakekube.client.client import Client
from fakekube.machinery.errors import ApiError, NotFound
from fakekube.machinery.objects import annotations, dig, is_terminating, key, namespace
from fakekube.machinery.resources import (
    DATA_SOURCES,
    DATA_VOLUMES,
    NAMESPACES,
    PERSISTENT_VOLUME_CLAIMS,
    VOLUME_SNAPSHOTS,
)
from fakekube.machinery.reviews import Answer, Question
from fakekube.machinery.wire import Object, User
from fakekube.virt import clone_access, data_sources, review
from fakekube.virt.causes import Cause, not_supported
from fakekube.virt.cdi import claims, cron_rules, populator_rules, rendering, rules, transfer_rules
from fakekube.virt.cdi.configuration import Configuration
from fakekube.virt.cdi.profiles import ClaimNotValid

_STILL_THERE = (
    "Rejecting the uninstall request, since there are still DataVolumes present. Either delete all DataVolumes or "
    "change the uninstall strategy before uninstalling CDI."
)


class _Row(NamedTuple):
    kind: str
    configuration: str
    name: str
    operations: tuple[str, ...]
    resources: tuple[str, ...]
    group: str = "cdi.kubevirt.io"
    version: str = "v1beta1"
    label: str = ""  # that what is asked about has, with "true"


_CLONES = {
    "pvc": (PERSISTENT_VOLUME_CLAIMS, "PVC"),
    "snapshot": (VOLUME_SNAPSHOTS, "Snapshot"),
}
_NOT_FILLED = frozenset({claims.PRE_POPULATED, claims.STATIC})  # what a clone is of need not be there
_FILLING = {
    "VolumeImportSource": populator_rules.imported,
    "VolumeUploadSource": populator_rules.uploaded,
}
_BOTH = ("CREATE", "UPDATE")
_VALIDATES, _MUTATES = "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"
_ROWS = (
    _Row(_VALIDATES, "cdi-api-validate", "cdi-validate", ("DELETE",), ("cdis",)),
    _Row(_VALIDATES, "cdi-api-datavolume-validate", "datavolume-validate", _BOTH, ("datavolumes",)),
    _Row(
        _VALIDATES, "cdi-api-dataimportcron-validate", "dataimportcron-validate", _BOTH, ("dataimportcrons",)
    ),
    _Row(_VALIDATES, "cdi-api-datasource-validate", "datasource-validate", _BOTH, ("datasources",)),
    _Row(
        _VALIDATES,
        "cdi-api-populator-validate",
        "populator-validate",
        _BOTH,
        ("volumeimportsources", "volumeuploadsources"),
    ),
    _Row(_VALIDATES, "objecttransfer-api-validate", "objecttransfer-validate", _BOTH, ("objecttransfers",)),
    _Row(_MUTATES, "cdi-api-datavolume-mutate", "datavolume-mutate", _BOTH, ("datavolumes",)),
    _Row(
        _MUTATES,
        "cdi-api-pvc-mutate",
        "pvc-mutate",
        ("CREATE",),
        ("persistentvolumeclaims",),
        group="",
        version="v1",
        label=rendering.LABEL,
    ),
)


def configurations(cdi: str) -> list[Object]:
    """What makes the API server ask here."""
    return [_configuration(row, cdi) for row in _ROWS]


def _configuration(row: _Row, cdi: str) -> Object:
    rule = {
        "operations": list(row.operations),
        "apiGroups": [row.group],
        "apiVersions": [row.version],
        "resources": list(row.resources),
    }
    hook = {
        "name": f"{row.name}.cdi.kubevirt.io",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 30,
        "rules": [rule],
        **({"objectSelector": {"matchLabels": {row.label: "true"}}} if row.label else {}),
        "clientConfig": {"service": {"namespace": cdi, "name": "cdi-api", "path": f"/{row.name}"}},
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": row.kind,
        "metadata": {"name": row.configuration, "labels": {"cdi.kubevirt.io": "cdi-apiserver"}},
        "webhooks": [hook],
    }


class Admission(review.Hooks):
    """All webhooks of cdi-apiserver."""

    def __init__(
        self, client: Client, configuration: Configuration, *, transferring: Callable[[], None]
    ) -> None:
        """`transferring` is called when there is an ObjectTransfer."""
        self._client = client
        self._transferring = transferring
        self._configuration = configuration
        super().__init__(
            {
                "/cdi-validate": self._installation,
                "/datavolume-validate": self._volume,
                "/datavolume-mutate": self._may_clone,
                "/pvc-mutate": self._rendered,
                "/dataimportcron-validate": _cron,
                "/datasource-validate": _source,
                "/populator-validate": _filling,
                "/objecttransfer-validate": self._transfer,
            }
        )

    async def _installation(self, asked: Question) -> Answer:
        old = asked.old or {}
        blocks = dig(old, "spec", "uninstallStrategy") == "BlockUninstallIfWorkloadsExist"
        if asked.operation != "DELETE" or not blocks or dig(old, "status", "phase") in (None, "", "Error"):
            return review.allowed()
        there = await self._client.metadata_only().list(DATA_VOLUMES)
        return review.refused(_STILL_THERE) if there.items else review.allowed()

    async def _transfer(self, asked: Question) -> Answer:
        spec = asked.obj.get("spec") or {}
        old = None if asked.creates else (asked.old or {}).get("spec") or {}
        if (why := transfer_rules.transfer(spec, old)) or not asked.creates:
            return review.refused(why) if why else review.allowed()
        space, own = transfer_rules.target(spec)
        resource = DATA_VOLUMES if spec["source"]["kind"] == DATA_VOLUMES.kind else PERSISTENT_VOLUME_CLAIMS
        if await self._client.find(resource, own, space) is None:
            self._transferring()
            return review.allowed()
        return review.refused(f'ObjectTransfer target "{space}/{own}" already exists')

    async def _rendered(self, asked: Question) -> Answer:
        if not (asked.creates and rendering.is_asked(asked.obj) and self._configuration.renders):
            return review.allowed()
        claim = {**asked.obj, "metadata": {**asked.obj["metadata"], "namespace": asked.namespace}}
        try:
            spec = (await rendering.rendered(self._client, claim))["spec"]
        except ClaimNotValid as error:
            return review.refused(str(error))
        return review.changed({**asked.obj, "spec": spec})

    async def _may_clone(self, asked: Question) -> Answer:
        """Users clone what they may; the hook changes nothing."""
        if is_terminating(asked.obj):
            return review.allowed()
        spec = asked.obj.get("spec") or {}
        try:
            source = spec.get("source") or await self._referred(spec.get("sourceRef"), asked.namespace)
            clone = clone_access.cloned(source, asked.namespace)
            if clone is None:
                return review.allowed()
            await self._client.get(NAMESPACES, clone.space)
            user = User(asked.user, tuple(asked.groups))
            why = await clone_access.refusal(self._client, user, clone, asked.namespace)
        except ApiError as error:
            expected = isinstance(error, NotFound) and not _NOT_FILLED.isdisjoint(annotations(asked.obj))
            return review.allowed() if expected else review.refused(error.message)
        return _judged(Cause(why, "spec.source.PVC.namespace") if why else None)

    async def _referred(self, reference: Object | None, space: str) -> Object | None:
        if reference is None or reference.get("kind") != "DataSource":
            return None
        space = reference.get("namespace") or space
        found = await self._client.get(DATA_SOURCES, reference.get("name") or "", space)
        return await self._stands_for(found)

    async def _stands_for(self, source: Object) -> Object:
        """What a DataSource stands for; nothing, where that cannot be told."""
        own = data_sources.pointed(source)
        other = (
            await self._client.find(DATA_SOURCES, own.partition("/")[2], namespace(source)) if own else None
        )
        try:
            return data_sources.resolved(source, lambda _: other)
        except data_sources.UnresolvedError:
            return {}

    async def _volume(self, asked: Question) -> Answer:
        volume = asked.obj
        spec, old = volume.get("spec") or {}, (asked.old or {}).get("spec") or {}
        if not asked.creates and (found := rules.changed(spec, old)):
            return _judged(found)
        if asked.creates and asked.name:
            claim = await self._client.find(PERSISTENT_VOLUME_CLAIMS, asked.name, asked.namespace)
            gate = self._configuration.has(rules.ADOPTION)
            if claim is not None and (found := rules.destination(claim, volume, gate=gate)):
                return _judged(found)
        found = rules.named(asked.name) or rules.spec(spec)
        if found is None and asked.creates:
            found = await self._cloned(spec, asked.namespace)
        return _judged(found)

    async def _cloned(self, spec: Object, space: str) -> Cause | None:
        """What is wrong with the source of a clone, as far as it is there; it may come later."""
        source, field = spec.get("source"), "spec.source"
        if (reference := spec.get("sourceRef")) is not None:
            space, field = reference.get("namespace") or space, "spec.sourceRef"
            found = await self._client.find(DATA_SOURCES, reference["name"], space)
            source = await self._stands_for(found) if found is not None else None
            if wrong := rules.data_source(reference, source, space):
                return wrong
        clone = clone_access.cloned(source, space)
        if clone is None:
            return None
        resource, member = _CLONES[clone.kind]
        there = await self._client.find(resource, clone.name, clone.space)
        why = rules.clone(clone.kind, there, spec) if there is not None else ""
        return Cause(why, field if reference is not None else f"{field}.{member}") if why else None


async def _cron(asked: Question) -> Answer:
    return _judged(cron_rules.cron(asked.obj, None if asked.creates else asked.old or {}))


async def _filling(asked: Question) -> Answer:
    rule = _FILLING[asked.obj["kind"]]
    old = None if asked.creates else (asked.old or {}).get("spec") or {}
    return _judged(rule(asked.name, asked.obj.get("spec") or {}, old))


async def _source(asked: Question) -> Answer:
    own = data_sources.pointed(asked.obj)
    if not own or own != key({**asked.obj, "metadata": {"name": asked.name, "namespace": asked.namespace}}):
        return review.allowed()
    text = "DataSource cannot point to itself"
    return _judged(not_supported(text, "DataSource.Spec.Source.DataSource"))


def _judged(found: Cause | None) -> Answer:
    return review.allowed() if found is None else Answer(allowed=False, status=rules.status(found))
