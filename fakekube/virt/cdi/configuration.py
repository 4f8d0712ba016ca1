"""CDI's configuration: what the CDI object says of it, and what follows from that, from storage classes and from ingresses.
One that somebody creates is deployed at once.

    CDI spec.config ──► CDIConfig spec ──► CDIConfig status, which importers, virt-controller and virtctl read

Left out: routes and the proxy of a whole cluster, which OpenShift has.
Origin: cdi: pkg/controller/config-controller.go, pkg/operator/controller
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fakekube.client.client import Client
from fakekube.client.controller import Controller
from fakekube.client.informer import Informer
from fakekube.clock import Clock, rfc3339
from fakekube.machinery.errors import Conflict, NotFound
from fakekube.machinery.objects import Obj, annotations, dig, labels, name
from fakekube.machinery.resources import CDI_CONFIGS, CDIS, Resource
from fakekube.machinery.wire import Object
from fakekube.virt import deployed_cdi
from fakekube.virt.cdi import marks

NAME = "config"
_INGRESSES = Resource("networking.k8s.io", "v1", "ingresses", "Ingress")
_CDI, _PROXY = "cdi", "cdi-uploadproxy"  # a namespace, and a Service in it
_DECIDES = "cdi.kubevirt.io/configAuthority"  # on the CDI object: that it says what the CDIConfig is
_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_OVERHEAD = "0.06"
_PERCENT = re.compile(r"0(?:\.\d{1,3})?|1")
_RESOURCES = {"limits": {"cpu": "750m", "memory": "600M"}, "requests": {"cpu": "100m", "memory": "60M"}}
_NO_PROXY = {"HTTPProxy": "", "HTTPSProxy": "", "noProxy": "", "trustedCAProxy": ""}


class Configuration:
    """An actor, see the module text. `classes`: a cache somebody else has, too. `cdis`: one others may look into."""

    def __init__(self, client: Client, *, clock: Clock, classes: Informer) -> None:
        self._client = client
        self._clock = clock
        self._classes = classes
        self.cdis = Informer(client, CDIS, clock=clock)
        self._configs = Informer(client, CDI_CONFIGS, clock=clock)
        self._ingresses = Informer(client, _INGRESSES, clock=clock, namespace=_CDI)
        self.controller = Controller("config-controller", self._reconcile, clock=clock)
        for informer in (self.cdis, self._configs, self._ingresses, classes):
            self.controller.source(informer, lambda _old, _new: (NAME,))

    def has(self, gate: str, *, default: bool = False) -> bool:
        """Whether a feature gate of CDI is open; `default`: where CDI is not installed."""
        config = self._configs.get(NAME)
        return default if config is None else gate in dig(config, "spec", "featureGates", default=())

    @property
    def renders(self) -> bool:
        """Whether claims whose label asks for it are rendered by the API server."""
        return bool(dig(self._configs.get(NAME), "spec", "webhookPvcRendering") != "Disabled")

    @property
    def cdi(self) -> Object | None:
        """The CDI object."""
        return next(iter(self.cdis.objects()), None)

    @property
    def marks(self) -> dict[str, str]:
        """Labels of what is made now: CDI's own, and the product it is part of."""
        return marks.of(self.cdi)

    @property
    def preallocates(self) -> bool:
        """Whether the storage of what is imported is allocated before, where nobody says so."""
        return bool(dig(self._configs.get(NAME), "status", "preallocation"))

    async def _reconcile(self, own: str) -> None:
        cdi, present = self.cdi, self._configs.get(own)
        if cdi is None:
            return
        wanted = configured(present or _empty(), cdi, self._classes.objects(), self._ingresses.objects())
        try:
            if not dig(cdi, "status", "phase"):
                await self._client.update(CDIS, installed(cdi, present, rfc3339(self._clock.now())))
            elif present is None:
                await self._client.create_if_absent(CDI_CONFIGS, wanted)
            elif wanted != present:
                await self._client.update(CDI_CONFIGS, wanted)
        except (Conflict, NotFound):
            return  # the cache will show why


def _empty() -> Object:
    kind = {"apiVersion": CDI_CONFIGS.api_version, "kind": CDI_CONFIGS.kind}
    return {**kind, "metadata": {"name": NAME}, "spec": {}}


def installed(cdi: Object, config: Obj | None, now: str) -> Object:
    """A CDI object somebody has just created, once it is deployed: it takes over the configuration there is."""
    notes = {**annotations(cdi), _DECIDES: ""}
    spec = {**({"config": config["spec"]} if config is not None else {}), **(cdi.get("spec") or {})}
    meta = {**cdi["metadata"], "annotations": notes}
    return {**cdi, "metadata": meta, "spec": spec, "status": deployed_cdi.status(now)}


def configured(config: Object, cdi: Obj, classes: Iterable[Obj], ingresses: Iterable[Obj]) -> Object:
    """The configuration as all of these want it."""
    spec: Mapping[str, Any] = config.get("spec") or {}
    if _DECIDES in annotations(cdi):
        spec = dig(cdi, "spec", "config", default={})
    known = sorted(classes, key=name)
    url = spec.get("uploadProxyURLOverride") or next(filter(None, map(_host, ingresses)), None)
    status: Object = {
        "defaultPodResourceRequirements": {
            kind: {**default, **(dig(spec, "podResourceRequirements", kind) or {})}
            for kind, default in _RESOURCES.items()
        },
        "filesystemOverhead": _overhead(spec.get("filesystemOverhead") or {}, known),
        "importProxy": spec.get("importProxy") or _NO_PROXY,
        "preallocation": bool(spec.get("preallocation")),
    }
    if scratch := _scratch(spec.get("scratchSpaceStorageClass"), known):
        status["scratchSpaceStorageClass"] = scratch
    if url:
        status["uploadProxyURL"] = url
    if spec.get("imagePullSecrets"):
        status["imagePullSecrets"] = spec["imagePullSecrets"]
    kept = {
        member: value for member, value in (config.get("status") or {}).items() if member == "uploadProxyCA"
    }
    meta = {**config["metadata"], "labels": {**labels(config), **marks.of(cdi)}}
    return {**config, "metadata": meta, "spec": dict(spec), "status": {**kept, **status}}


def _overhead(said: Mapping[str, Any], classes: Iterable[Obj]) -> Object:
    """For each class what is said of it, else what is said of all."""
    common = said.get("global") or ""
    common = common if _PERCENT.fullmatch(common) else _OVERHEAD
    single = said.get("storageClass") or {}
    return {"global": common, "storageClass": {name(one): single.get(name(one), common) for one in classes}}


def _scratch(chosen: str | None, classes: Iterable[Obj]) -> str:
    """The class of scratch space: the one that is said, if there is such a one, else the cluster's default."""
    known = list(classes)
    if chosen and any(name(one) == chosen for one in known):
        return chosen
    return next((name(one) for one in known if annotations(one).get(_DEFAULT) == "true"), "")


def _host(ingress: Obj) -> str:
    """Under what name an ingress offers the proxy that takes uploads; empty if it does not."""
    rules = dig(ingress, "spec", "rules", default=())
    if (service := dig(ingress, "spec", "defaultBackend", "service")) is not None:
        first = rules[0].get("host", "") if rules else ""
        return str(first) if service.get("name") == _PROXY else ""
    for rule in rules:
        for path in dig(rule, "http", "paths", default=()):
            if dig(path, "backend", "service", "name") == _PROXY and rule.get("host"):
                return str(rule["host"])
    return ""
