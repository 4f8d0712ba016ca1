"""What configuration brings into a container: the files of volumes it mounts, and variables that are keys of something. It is read
when somebody asks, and not kept.

Left out: tokens that are projected, and amounts of the container's own resources.
Upstream: k8s: pkg/volume/{configmap,secret,downwardapi,projected}, pkg/kubelet/kubelet_pods.go (makeEnvironmentVariables)
"""

from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping

from fakekube.agents.claims_used import claim_of
from fakekube.agents.node_server import volume_images
from fakekube.agents.node_server.volume_images import Claimed
from fakekube.agents.volume_contents import volume_of
from fakekube.client.client import Client
from fakekube.machinery.objects import Obj, dig, namespace
from fakekube.machinery.resources import CONFIG_MAPS, PERSISTENT_VOLUME_CLAIMS, SECRETS

Wanted = tuple[str, str]  # kind, written as volumes do, and name
Found = Mapping[Wanted, Mapping[str, str]]  # what is under the keys of each that is there

_RESOURCES = {"configMap": CONFIG_MAPS, "secret": SECRETS}
_REFERENCES = (("configMapRef", "configMap"), ("secretRef", "secret"))
_KEYS = (("configMapKeyRef", "configMap"), ("secretKeyRef", "secret"))


async def configuration(client: Client, pod: Obj, container: Obj) -> tuple[dict[str, str], dict[str, str]]:
    """A container's variables, and the files it has mounted."""
    found = await read(client, namespace(pod), wanted(pod, container))
    return environment(pod, container, found), files(pod, container, found)


async def claims(client: Client, pod: Obj, container: Obj) -> dict[str, Claimed]:
    """The volumes a container has of claims, by their names in the pod."""
    mounts = {one["name"] for kind in ("volumeMounts", "volumeDevices") for one in container.get(kind) or ()}
    found = dict[str, Claimed]()
    for volume in dig(pod, "spec", "volumes", default=()):
        own = claim_of(pod, volume)
        if own and volume["name"] in mounts:
            claim = await client.find(PERSISTENT_VOLUME_CLAIMS, own, namespace(pod))
            if claim is not None:
                found[volume["name"]] = volume_images.claimed(claim, volume_of(claim))
    return found


async def read(client: Client, space: str, needed: Iterable[Wanted]) -> Found:
    found = {}
    for kind, own in sorted(set(needed)):
        obj = await client.find(_RESOURCES[kind], own, space)
        if obj is not None:
            found[kind, own] = texts(kind, obj)
    return found


def texts(kind: str, obj: Obj) -> dict[str, str]:
    """What is under each key."""
    data, encoded = obj.get("data") or {}, obj.get("binaryData") or {}
    if kind == "secret":
        data, encoded = {}, data
    return {**data, **{key: decoded(value) for key, value in encoded.items()}}


def decoded(text: str) -> str:
    """What base64 stands for, as far as it is text."""
    return b64decode(text).decode(errors="replace")


def wanted(pod: Obj, container: Obj) -> Iterator[Wanted]:
    """What has to be read for a container."""
    mounts = {one.get("name") for one in container.get("volumeMounts") or ()}
    for volume in dig(pod, "spec", "volumes", default=()):
        if volume.get("name") in mounts:
            yield from (named(source) for source in _sources(volume) if named(source)[1])
    for kind, one in _environments(container):
        yield kind, one.get("name", "")


def named(source: Obj) -> Wanted:
    """The object a volume, or a part of a projected one, takes its files from."""
    for kind in _RESOURCES:
        if (one := source.get(kind)) is not None:
            return kind, str(one.get("secretName") or one.get("name") or "")
    return "", ""


def files(pod: Obj, container: Obj, found: Found) -> dict[str, str]:
    """The files of volumes a container has mounted."""
    volumes = {one.get("name"): one for one in dig(pod, "spec", "volumes", default=())}
    made = {}
    for mount in container.get("volumeMounts") or ():
        volume, where = volumes.get(mount.get("name")), mount.get("mountPath", "").rstrip("/")
        below = mount.get("subPath", "").strip("/")
        for source in _sources(volume) if volume is not None else ():
            for path, text in _contents(pod, source, found).items():
                if not below:
                    made[f"{where}/{path}"] = text
                elif path == below or path.startswith(f"{below}/"):
                    made[where + path.removeprefix(below)] = text
    return made


def _sources(volume: Obj) -> Iterable[Obj]:
    return dig(volume, "projected", "sources", default=()) if "projected" in volume else (volume,)


def _contents(pod: Obj, source: Obj, found: Found) -> dict[str, str]:
    if "downwardAPI" in source:
        return fields(pod, dig(source, "downwardAPI", "items", default=()))
    kind, name = named(source)
    there = found.get((kind, name), {})
    items = dig(source, kind, "items", default=()) if kind else ()
    return {one["path"]: there[one["key"]] for one in items if one["key"] in there} if items else dict(there)


def fields(pod: Obj, items: Iterable[Obj]) -> dict[str, str]:
    """Fields of an object as files."""
    told = ((one.get("path", ""), field(pod, dig(one, "fieldRef", "fieldPath", default=""))) for one in items)
    return {path: text for path, text in told if text is not None}


def field(obj: Obj, path: str) -> str | None:
    """A field as text: of labels and annotations one, or all of them, a line each."""
    if path.startswith(("metadata.labels['", "metadata.annotations['")):
        member, _, key = path.removeprefix("metadata.").partition("['")
        return str(dig(obj, "metadata", member, key.removesuffix("']"), default=""))
    found = dig(obj, *path.split("."), default=None) if path else None
    if isinstance(found, Mapping):
        return "\n".join(f'{key}="{value}"' for key, value in sorted(found.items()))
    return None if found is None else str(found)


def environment(pod: Obj, container: Obj, found: Found) -> dict[str, str]:
    """The variables a container is given: of all keys of something, then its own."""
    made = dict[str, str]()
    for one in container.get("envFrom") or ():
        for reference, kind in _REFERENCES:
            if reference in one:
                there = found.get((kind, one[reference].get("name", "")), {})
                made |= {f"{one.get('prefix', '')}{key}": value for key, value in there.items()}
    for one in container.get("env") or ():
        value = _value(pod, one, found)
        if value is not None:
            made[one["name"]] = value
    return made


def _environments(container: Obj) -> Iterator[tuple[str, Obj]]:
    for one in container.get("envFrom") or ():
        yield from ((kind, one[reference]) for reference, kind in _REFERENCES if reference in one)
    for one in container.get("env") or ():
        source = one.get("valueFrom") or {}
        yield from ((kind, source[key]) for key, kind in _KEYS if key in source)


def _value(pod: Obj, variable: Obj, found: Found) -> str | None:
    source = variable.get("valueFrom")
    if source is None:
        return str(variable.get("value") or "")
    for key, kind in _KEYS:
        if (one := source.get(key)) is not None:
            return found.get((kind, one.get("name", "")), {}).get(one.get("key", ""))
    return field(pod, dig(source, "fieldRef", "fieldPath", default=""))
