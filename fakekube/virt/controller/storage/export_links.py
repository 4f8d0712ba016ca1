"""Where what is exported is to be had: the links an export offers, inside the cluster and outside. Pure.

Origin: kubevirt: pkg/storage/export/export/links.go
"""

from collections.abc import Iterable, Mapping

from fakekube.agents.node_server import volume_images
from fakekube.machinery.objects import Obj, dig, name, namespace
from fakekube.machinery.wire import Object
from fakekube.virt.controller.storage.export_source import Offer

_PROXY_SERVICE = "virt-exportproxy"
_PROXY = "/api/export.kubevirt.io/v1/namespaces/{}/virtualmachineexports/{}"


def named(export: Obj) -> str:
    """The name of the service and of the pod."""
    return f"virt-export-{name(export)}"


def at_proxy(export: Obj) -> str:
    """Where the proxy of exports has it."""
    return _PROXY.format(namespace(export), name(export))


def external_host(ingresses: Iterable[Obj]) -> tuple[str, str]:
    """The host that leads to the proxy of exports, and the secret of its certificate; empty if there is none."""
    for one in ingresses:
        spec = one.get("spec") or {}
        backends = [spec.get("defaultBackend")]
        for rule in spec.get("rules") or ():
            backends += [path.get("backend") for path in dig(rule, "http", "paths", default=())]
        if not any(dig(backend, "service", "name") == _PROXY_SERVICE for backend in backends):
            continue
        hosts = [rule["host"] for rule in spec.get("rules") or () if rule.get("host")]
        if hosts:
            return hosts[0], next((tls.get("secretName", "") for tls in spec.get("tls") or ()), "")
    return "", ""


def routed_host(routes: Iterable[Obj]) -> str:
    """The host of the route that leads there, once its router has said so."""
    hosts = (
        str(dig(one, "status", "ingress", 0, "host", default=""))
        for one in routes
        if dig(one, "spec", "to", "name") == _PROXY_SERVICE
    )
    return next(filter(None, hosts), "")


def links(export: Obj, offer: Offer, authority: str, host: str = "", external_authority: str = "") -> Object:
    """`status.links`."""
    inside = f"https://{named(export)}.{namespace(export)}.svc"
    made = {"internal": _links(export, offer, inside, "internal", authority)}
    if host:
        outside = f"https://{host}{at_proxy(export)}"
        made["external"] = _links(export, offer, outside, "external", external_authority)
    return made


def _links(export: Obj, offer: Offer, base: str, side: str, authority: str) -> Object:
    if offer.backup is not None:
        return {"cert": authority, "backups": _backups(offer.backup, base)}
    volumes = []
    of_snapshot = dig(export, "spec", "source", "kind") == "VirtualMachineSnapshot"
    for claim in offer.claims:
        where = base + at(claim)
        formats = [{"format": kind, "url": f"{where}/{file}"} for kind, file in files(claim).items()]
        shown = name(claim).removeprefix(f"{name(export)}-") if of_snapshot else name(claim)
        volumes.append({"name": shown, "formats": formats})
    made: Object = {"cert": authority, "volumes": volumes}
    if dig(export, "spec", "source", "kind") != "PersistentVolumeClaim":
        manifests = f"{base}/{side}/manifests"
        urls = {"all": f"{manifests}/all", "auth-header-secret": f"{manifests}/secret"}
        made["manifests"] = [{"type": kind, "url": url} for kind, url in urls.items()]
    return made


def _backups(backup: Obj, base: str) -> list[Object]:
    return [
        {
            "name": one,
            "endpoints": [{"endpoint": kind, "url": f"{base}{end(one, kind)}"} for kind in ("data", "map")],
        }
        for one in included(backup)
    ]


def included(backup: Obj) -> list[str]:
    """The volumes of a backup."""
    return [one["volumeName"] for one in dig(backup, "status", "includedVolumes", default=())]


def end(volume: str, kind: str) -> str:
    """Where its exporter has what a backup has of a volume."""
    return f"/exports/{volume}/{kind}"


def at(claim: Obj) -> str:
    """Where its exporter has a volume."""
    return f"/volumes/{name(claim)}"


def files(claim: Obj) -> Mapping[str, str]:
    """In which formats, and under which names there."""
    if volume_images.is_disk(claim):
        return {"raw": "disk.img", "gzip": "disk.img.gz"}
    return {"dir": "dir", "tar.gz": "disk.tar.gz"}
