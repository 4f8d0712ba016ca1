"""Specs that have been found in order: a machine is judged at every write, the machines of a pool are alike but for their
identity, and to judge takes fifty times as long as to see that it has been done. What is wrong is not remembered.
"""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from fakekube.virt.api import disks
from fakekube.virt.causes import Cause
from fakekube.virt.config import ClusterConfig

_REMEMBERED = 512
# Of a guest's firmware; nothing but the serial's spelling is judged.
_IDENTITY = frozenset(("uuid", "serial"))

Spec = Mapping[str, Any]


class InOrder:
    """See the module text. Of one configuration; another one begins anew."""

    def __init__(self) -> None:
        self._config: ClusterConfig | None = None
        self._known: dict[bytes, None] = {}  # oldest first

    def causes(
        self, config: ClusterConfig, path: str, spec: Spec, seen: object, judge: Callable[[], list[Cause]]
    ) -> list[Cause]:
        """What `judge` finds wrong. It may look at the configuration, at the instance's `spec`, which lies at `path`, and at
        what is in `seen`, which is JSON."""
        if config is not self._config:
            self._config = config
            self._known.clear()
        key = orjson.dumps((path, _without_identity(spec), seen))
        if key in self._known and not any(disks.serial_number(path, spec)):
            return []
        found = judge()
        if not found:
            self._known[key] = None
            if len(self._known) > _REMEMBERED:
                del self._known[next(iter(self._known))]
        return found


def _without_identity(spec: Spec) -> Spec:
    domain = spec.get("domain") or {}
    firmware = domain.get("firmware")
    if not firmware:
        return spec
    rest = {name: value for name, value in firmware.items() if name not in _IDENTITY}
    return {**spec, "domain": {**domain, "firmware": rest}}
