"""StorageProfiles: one for each StorageClass, which says what its volumes can, and goes with it; what DataVolumes take from it.

What somebody says in `spec` counts; else what is known of the provisioner (`capabilities`). Snapshot classes play no part
here: clones are made without them.
Origin: cdi: pkg/controller/storageprofile-controller.go, pkg/controller/datavolume/util.go
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from fakekube.agents import volume_binding as binding
from fakekube.client.client import Client
from fakekube.client.controller import Controller
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery.errors import AlreadyExists, NotFound
from fakekube.machinery.objects import Obj, annotations, dig, is_terminating, name
from fakekube.machinery.resources import STORAGE_PROFILES, VOLUME_SNAPSHOT_CLASSES
from fakekube.machinery.wire import Object
from fakekube.virt.cdi import capabilities
from fakekube.virt.cdi.configuration import Configuration
from fakekube.virt.cdi.marks import OURS

_CLONING = "cdi.kubevirt.io/clone-strategy"  # on a class
_STRATEGIES = ("copy", "snapshot", "csi-clone")
_NO_CLASS = "PVC spec is missing accessMode and no storageClass to choose profile"
_NO_BLOCKS = "ContentType Archive cannot have block volumeMode"


class ClaimNotValid(Exception):
    """There is no claim to be made of it. `told`: what is told at once; the text is why."""

    def __init__(self, told: str, why: str) -> None:
        super().__init__(why)
        self.told = told


class Profiles:
    """An actor, see the module text. `classes` and `profiles` are its caches, which others have, too, or may look into."""

    def __init__(
        self, client: Client, *, clock: Clock, classes: Informer, configuration: Configuration
    ) -> None:
        self._client = client
        self._configuration = configuration
        self.classes = classes
        self.profiles = Informer(client, STORAGE_PROFILES, clock=clock)
        self.controller = Controller("storageprofile-controller", self._reconcile, clock=clock)
        self.controller.source(self.classes)
        self.controller.source(self.profiles)
        self.controller.reads(configuration.cdis)

    async def snapshot_classes(self, storage_class: Obj | None) -> list[str]:
        """Classes of snapshots of its driver, by name."""
        try:
            classes = (await self._client.list(VOLUME_SNAPSHOT_CLASSES)).items
        except NotFound:
            return []
        return [name(one) for one in classes if one.get("driver") == dig(storage_class, "provisioner")]

    async def _reconcile(self, own: str) -> None:
        storage_class, present = self.classes.get(own), self.profiles.get(own)
        try:
            if storage_class is None or is_terminating(storage_class):
                if present is not None:
                    await self._client.delete(STORAGE_PROFILES, own, None)
                return
            if present is None:
                present = await self._client.create(STORAGE_PROFILES, empty(own, self._configuration.marks))
            wanted = status(storage_class, present)
            if wanted != present.get("status"):
                await self._client.update(
                    STORAGE_PROFILES, {**present, "status": wanted}, subresource="status"
                )
        except (AlreadyExists, NotFound):
            return  # the caches will show it


def empty(own: str, marks: Mapping[str, str]) -> Object:
    """The profile of a class nothing has been found out about yet."""
    return {
        "apiVersion": STORAGE_PROFILES.api_version,
        "kind": STORAGE_PROFILES.kind,
        "metadata": {"name": own, "labels": {**OURS, **marks}},
        "spec": {},
    }


def status(storage_class: Obj, profile: Obj) -> Object:
    """What is known about a class, given what somebody says of it."""
    spec: Mapping[str, Any] = profile.get("spec") or {}
    asked = annotations(storage_class).get(_CLONING)
    sets = [{"accessModes": [access], "volumeMode": mode} for access, mode in capabilities.of(storage_class)]
    return {
        "storageClass": name(storage_class),
        "provisioner": storage_class.get("provisioner", ""),
        "cloneStrategy": spec.get("cloneStrategy")
        or (asked if asked in _STRATEGIES else capabilities.clone_strategy(storage_class)),
        "dataImportCronSourceFormat": spec.get("dataImportCronSourceFormat") or "pvc",
        **({"claimPropertySets": found} if (found := spec.get("claimPropertySets") or sets) else {}),
    }


def is_known(profile: Obj | None) -> bool:
    """Whether it tells what is known; one just made does not yet."""
    return dig(profile, "status", "storageClass") is not None


def as_archive(wanted: Obj) -> Obj:
    """What a DataVolume says of its storage, for files. Raises ClaimNotValid."""
    if wanted.get("volumeMode") == "Block":
        raise ClaimNotValid(_NO_BLOCKS, _NO_BLOCKS)
    return {**wanted, "volumeMode": "Filesystem"}


def as_spare(wanted: Obj, volumes: Iterable[Obj]) -> Obj:
    """What a DataVolume says of its storage, with the modes it leaves open: those of a volume of the class it names, where there
    is no such class."""
    mode, access = wanted.get("volumeMode"), set(wanted.get("accessModes") or ())
    for one in volumes:
        theirs = dig(one, "spec", "volumeMode") or "Filesystem"
        modes = dig(one, "spec", "accessModes", default=())
        if (
            binding.class_of(one) == wanted["storageClassName"]
            and not is_terminating(one)
            and mode in (None, theirs)
            and access.issubset(modes)
            and binding.size_of(one) >= binding.requested({"spec": wanted})
        ):
            return {**wanted, "volumeMode": theirs, "accessModes": wanted.get("accessModes") or modes}
    return wanted


def completed(wanted: Obj, profile: Obj | None) -> Object:
    """What a DataVolume says of its storage, with the modes it leaves open: those of the profile of its class, if it has a
    class. Raises ClaimNotValid."""
    access: Sequence[str] = wanted.get("accessModes") or ()
    mode = wanted.get("volumeMode")
    if access and (mode or profile is None):
        return dict(wanted)
    if profile is None:
        raise ClaimNotValid(_NO_CLASS, _NO_CLASS)
    sets = dig(profile, "status", "claimPropertySets", default=())
    fitting = [
        one
        for one in sets
        if (not mode or one["volumeMode"] == mode)
        and (not access or not set(access).isdisjoint(one["accessModes"]))
    ]
    if fitting:
        modes = {"accessModes": access or fitting[0]["accessModes"], "volumeMode": fitting[0]["volumeMode"]}
        return {**wanted, **modes}
    if access:
        return dict(wanted)
    own = name(profile)
    if mode:
        raise ClaimNotValid(
            f"Spec is missing accessMode and cannot get access mode from StorageProfile {own}",
            f"no matching accessMode specified in StorageProfile {own}",
        )
    raise ClaimNotValid(
        f"Spec is missing accessMode and volumeMode, cannot get access mode from StorageProfile {own}",
        f"no accessMode specified in StorageProfile {own}",
    )
