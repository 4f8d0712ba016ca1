"""ServiceAccount: every pod has an account, and unless it or the account says otherwise, a volume with a token of it.

The volume's name ends at random there, and the same for all pods of an account here: a name that differed would say nothing,
and keep them from being made of the same parts.
A namespace without the account `default` has nobody who keeps accounts, as on a server without controllers: pods there are
taken as they are.

Origin: k8s: plugin/pkg/admission/serviceaccount/admission.go
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from zlib import crc32

from fakekube.api.admission.attributes import CREATE, Attributes
from fakekube.api.admission.plugins.concerned import Concern
from fakekube.api.admission.plugins.following import Followed, refused
from fakekube.api.admission.plugins.pod_defaults import PODS
from fakekube.ids import Ids

DEFAULT = "default"
_MIRROR = "kubernetes.io/config.mirror"
_PREFIX, _PATH = "kube-api-access-", "/var/run/secrets/kubernetes.io/serviceaccount"
_SECONDS = 3607  # an hour, and a little that tells such tokens from others
_MODE = 0o644


class ServiceAccount(Concern):
    """See the module text."""

    concerns = PODS

    def __init__(self, accounts: Followed) -> None:
        self._accounts = accounts

    async def mutate(self, attributes: Attributes) -> None:
        if attributes.operation != CREATE or attributes.subresource or attributes.obj is None:
            return
        space, spec = attributes.namespace, attributes.obj["spec"]
        if self._accounts.named(DEFAULT, space) is None or _is_mirror(attributes):
            return
        own = spec.get("serviceAccountName") or DEFAULT
        account: Mapping[str, Any] | None = self._accounts.named(own, space)
        if account is None:
            why = f'error looking up service account {space}/{own}: serviceaccount "{own}" not found'
            raise refused(attributes, why)
        spec["serviceAccountName"] = spec["serviceAccount"] = own
        if _wants_token(spec, account):
            _mount(spec, account["metadata"]["uid"])
        if not spec.get("imagePullSecrets") and account.get("imagePullSecrets"):
            spec["imagePullSecrets"] = [dict(one) for one in account["imagePullSecrets"]]


def _mount(spec: dict[str, Any], uid: str) -> None:
    """In every container that has nothing else there, and in the pod if one has it. In place."""
    volumes = spec.get("volumes") or []
    present = next((one["name"] for one in volumes if one["name"].startswith(_PREFIX)), "")
    lacking = [one for one in _containers(spec) if not _is_taken(one)]
    if not lacking:
        return
    name = present or _name(uid)
    for one in lacking:
        mount = {"name": name, "readOnly": True, "mountPath": _PATH}
        one["volumeMounts"] = [*(one.get("volumeMounts") or ()), mount]
    if not present:
        spec["volumes"] = [*volumes, _volume(name)]


@lru_cache(maxsize=4096)
def _name(uid: str) -> str:
    return f"{_PREFIX}{Ids(crc32(uid.encode())).suffix()}"


def _is_mirror(attributes: Attributes) -> bool:
    return _MIRROR in ((attributes.obj or {})["metadata"].get("annotations") or {})


def _wants_token(spec: Mapping[str, Any], account: Mapping[str, Any]) -> bool:
    """What the pod says outranks what its account says."""
    for one in (spec, account):
        if (said := one.get("automountServiceAccountToken")) is not None:
            return bool(said)
    return True


def _containers(spec: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    return [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]


def _is_taken(container: Mapping[str, Any]) -> bool:
    return any(one.get("mountPath") == _PATH for one in container.get("volumeMounts") or ())


def _volume(name: str) -> dict[str, Any]:
    root = {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    field = {"apiVersion": "v1", "fieldPath": "metadata.namespace"}
    sources = [
        {"serviceAccountToken": {"expirationSeconds": _SECONDS, "path": "token"}},
        {"configMap": root},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": field}]}},
    ]
    return {"name": name, "projected": {"sources": sources, "defaultMode": _MODE}}
