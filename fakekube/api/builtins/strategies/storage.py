"""StorageClasses and what CSI drivers tell about themselves.

Origin: k8s: pkg/apis/storage/{v1/defaults.go,validation/validation.go}
"""

from collections.abc import Sequence

from fakekube.api.builtins.strategies import checks
from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.machinery import field_checks, names
from fakekube.machinery.field_errors import duplicate, forbidden, invalid, required, too_long
from fakekube.machinery.wire import Object

_RECLAIM = ("Delete", "Retain")
_BINDING = ("Immediate", "WaitForFirstConsumer")
_LIFE_CYCLES = ("Ephemeral", "Persistent")
_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
_MAX_PARAMETERS = 512


class StorageClassStrategy(BuiltinStrategy):
    """Everything about a class but its metadata and `allowVolumeExpansion` is fixed."""

    def default(self, obj: Object) -> None:
        super().default(obj)
        obj.setdefault("reclaimPolicy", "Delete")
        obj.setdefault("volumeBindingMode", "Immediate")

    def validate_create(self, obj: Object) -> Causes:
        provisioner = str(obj.get("provisioner") or "")
        found = [] if provisioner else [required("provisioner")]
        found += field_checks.texts("provisioner", provisioner, names.qualified_name(provisioner.lower()))
        parameters = obj.get("parameters") or {}
        if len(parameters) > _MAX_PARAMETERS:
            found.append(too_long("parameters", _MAX_PARAMETERS))
        found += [invalid("parameters", key, "field can not be empty.") for key in parameters if not key]
        found += field_checks.one_of(obj.get("reclaimPolicy"), "reclaimPolicy", _RECLAIM, missing=None)
        found += field_checks.one_of(obj.get("volumeBindingMode"), "volumeBindingMode", _BINDING)
        return found + _topologies(obj.get("allowedTopologies") or ())

    def validate_update(self, new: Object, old: Object) -> Causes:
        found: Causes = [
            forbidden(member, f"updates to {member} are forbidden.")
            for member in ("parameters", "provisioner")
            if (new.get(member) or None) != (old.get(member) or None)
        ]
        for member in ("reclaimPolicy", "volumeBindingMode"):
            found += checks.immutable(new.get(member), old.get(member), member)
        return found


def _topologies(terms: Sequence[Object]) -> Causes:
    found: Causes = []
    before: list[dict[str, set[str]]] = []
    for index, term in enumerate(terms):
        at, keys = f"allowedTopologies[{index}].matchLabelExpressions", dict[str, set[str]]()
        for place, one in enumerate(term.get("matchLabelExpressions") or ()):
            own, key, values = f"{at}[{place}]", one.get("key") or "", one.get("values") or []
            if not values:
                found.append(required(f"{own}.values"))
            found += [
                duplicate(f"{own}.values[{number}]", value)
                for number, value in enumerate(values)
                if value in values[:number]
            ]
            found += field_checks.qualified(key, f"{own}.key")
            if key in keys:
                found.append(duplicate(f"{own}.key", key))
            keys[key] = set(values)
        found += [duplicate(at, "") for other in before if other == keys and keys]
        before.append(keys)
    return found


class CsiDriverStrategy(BuiltinStrategy):
    """What Kubernetes should know of a driver."""

    def default(self, obj: Object) -> None:
        super().default(obj)
        spec = obj["spec"]
        for member, value in (
            ("attachRequired", True),
            ("podInfoOnMount", False),
            ("storageCapacity", False),
            ("fsGroupPolicy", "ReadWriteOnceWithFSType"),
            ("volumeLifecycleModes", ["Persistent"]),
            ("requiresRepublish", False),
            ("seLinuxMount", False),
        ):
            spec.setdefault(member, list(value) if isinstance(value, list) else value)

    def validate_create(self, obj: Object) -> Causes:
        spec = obj["spec"]
        found = field_checks.one_of(spec.get("fsGroupPolicy"), "spec.fsGroupPolicy", _GROUP_POLICIES)
        return found + [
            error
            for mode in spec.get("volumeLifecycleModes") or ()
            for error in field_checks.one_of(mode, "spec.volumeLifecycleModes", _LIFE_CYCLES)
        ]

    def validate_update(self, new: Object, old: Object) -> Causes:
        found = self.validate_create(new)
        for member in ("attachRequired", "volumeLifecycleModes"):
            found += checks.immutable(new["spec"].get(member), old["spec"].get(member), f"spec.{member}")
        return found


class CsiNodeStrategy(BuiltinStrategy):
    """The drivers of a node, each once."""

    def validate_create(self, obj: Object) -> Causes:
        found: Causes = []
        seen: set[str] = set()
        for index, driver in enumerate(obj["spec"].get("drivers") or ()):
            at, name = f"spec.drivers[{index}]", driver.get("name") or ""
            if not name:
                found.append(required(f"{at}.name"))
            elif name in seen:
                found.append(duplicate(f"{at}.name", name))
            seen.add(name)
            if not driver.get("nodeID"):
                found.append(required(f"{at}.nodeID"))
        return found

    def validate_update(self, new: Object, old: Object) -> Causes:
        return self.validate_create(new)


class VolumeAttachmentStrategy(BuiltinStrategy):
    """That a volume should be at a node; the spec never changes."""

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = {"attached": False}

    def validate_create(self, obj: Object) -> Causes:
        spec = obj["spec"]
        found = [required(f"spec.{member}") for member in ("attacher", "nodeName") if not spec.get(member)]
        source = spec.get("source") or {}
        if not source.get("persistentVolumeName") and not source.get("inlineVolumeSpec"):
            said = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
            found.append(required("spec.source", said))
        return found

    def validate_update(self, new: Object, old: Object) -> Causes:
        return checks.immutable(new["spec"], old["spec"], "spec")


class VolumeAttributesClassStrategy(BuiltinStrategy):
    """Mutable attributes of volumes; the class itself does not change."""

    def validate_create(self, obj: Object) -> Causes:
        found = [] if obj.get("driverName") else [required("driverName")]
        if not obj.get("parameters"):
            found.append(required("parameters", "must contain at least one key/value pair"))
        return found

    def validate_update(self, new: Object, old: Object) -> Causes:
        return [
            forbidden(member, f"updates to {member} are forbidden.")
            for member in ("driverName", "parameters")
            if new.get(member) != old.get(member)
        ]
