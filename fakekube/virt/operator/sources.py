"""Where KubeVirt's images come from, and with that which installation it is: what the KubeVirt object says, or else what
virt-operator itself runs from. Pure.

Origin: kubevirt: pkg/virt-operator/util/config.go
"""

import hashlib
import re
from dataclasses import dataclass

import orjson

from fakekube.machinery.objects import Obj, dig
from fakekube.virt.operator.components import REGISTRY

_IMAGE = re.compile(r"(?P<registry>.+)/(?P<prefix>[^/:@]*)virt-operator:(?P<version>[^/:@]+)")


@dataclass(frozen=True, slots=True)
class Source:
    """Registry, version and what stands before the names of images."""

    version: str
    registry: str = REGISTRY
    prefix: str = ""

    def image(self, component: str) -> str:
        return f"{self.registry}/{self.prefix}{component}:{self.version}"

    def identity(self, space: str) -> tuple[str, str]:
        """What an installation is made from, and the mark of all that is made from it."""
        parts = {"registry": self.registry, "kubeVirtVersion": self.version, "namespace": space}
        if self.prefix:
            parts["imagePrefix"] = self.prefix
        config = orjson.dumps(parts).decode()
        return config, hashlib.sha1(config.encode(), usedforsecurity=False).hexdigest()


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
    return Source(version, registry, operator.prefix)
