"""Where KubeVirt's images come from, and with that which installation it is: what the KubeVirt object says, or else what
virt-operator itself runs from. Pure.

Origin: kubevirt: pkg/virt-operator/util/config.go
"""

import hashlib
import re
from collections.abc import Iterator

import orjson
from msgspec import Struct

from fakekube.machinery.objects import Obj, dig
from fakekube.virt.operator.components import REGISTRY

_SAID = (
    *("ImagePullPolicy", "MonitorAccount", "MonitorNamespace", "ProductComponent", "ProductName"),
    *("ProductVersion", "ServiceMonitorNamespace", "UninstallStrategy"),
)
_USUAL = {
    **dict.fromkeys(_SAID, ""),
    "ImagePullPolicy": "IfNotPresent",
    "ImagePullSecrets": "null",
    "HypervisorName": "kvm",
}
_IMAGE = re.compile(r"(?P<registry>.+)/(?P<prefix>[^/:@]*)virt-operator:(?P<version>[^/:@]+)")


class Source(Struct, frozen=True):
    """Registry, version and what stands before the names of images."""

    version: str
    registry: str = REGISTRY
    prefix: str = ""
    properties: tuple[
        tuple[str, str], ...
    ] = ()  # what else another installation follows from, where it is unusual

    def image(self, component: str) -> str:
        return f"{self.registry}/{self.prefix}{component}:{self.version}"

    def identity(self, space: str) -> tuple[str, str]:
        """What an installation is made from, and the mark of all that is made from it."""
        parts = {
            "namespace": space,
            "registry": self.registry,
            **({"imagePrefix": self.prefix} if self.prefix else {}),
            "kubeVirtVersion": self.version,
            "virtOperatorImage": self.image("virt-operator"),
            "additionalProperties": dict(sorted((_USUAL | dict(self.properties)).items())),
        }
        identifier = hashlib.sha1(orjson.dumps(parts), usedforsecurity=False).hexdigest()
        return orjson.dumps({"id": identifier, **parts}).decode(), identifier


def of_operator(deployment: Obj | None, release: str) -> Source:
    """What virt-operator's Deployment runs from; the release where that cannot be told."""
    image = dig(deployment, "spec", "template", "spec", "containers", 0, "image", default="")
    found = _IMAGE.fullmatch(image)
    return Source(found["version"], found["registry"], found["prefix"]) if found else Source(release)


def wanted(kubevirt: Obj, operator: Source) -> Source:
    """What a KubeVirt object is to be installed from."""
    given = kubevirt["spec"]
    version, registry = (
        given.get("imageTag") or operator.version,
        given.get("imageRegistry") or operator.registry,
    )
    unusual = tuple((key, value) for key, value in _properties(given) if _USUAL.get(key) != value)
    return Source(version, registry, operator.prefix, unusual)


def _properties(spec: Obj) -> Iterator[tuple[str, str]]:
    for key in _SAID:
        yield key, str(spec.get(f"{key[0].lower()}{key[1:]}") or _USUAL[key])
    secrets = spec.get("imagePullSecrets")
    yield "ImagePullSecrets", orjson.dumps(secrets).decode() if secrets else "null"
    configuration = spec.get("configuration") or {}
    if network := dig(configuration, "migrations", "network"):
        yield "MigrationNetwork", network
    listed = dig(configuration, "developerConfiguration", "featureGates", default=())
    if "PersistentReservation" in listed:
        yield "PersistentReservationEnabled", ""
    if "Template" in listed and dig(configuration, "virtTemplateDeployment", "enabled") is not False:
        yield "VirtTemplateDeploymentEnabled", ""
    if "ExternalNetResourceInjection" in listed:
        yield "ExternalNetResourceInjection", ""
    if "OptOutRoleAggregation" in listed and configuration.get("roleAggregationStrategy") == "Manual":
        yield "OptOutRoleAggregation", ""
