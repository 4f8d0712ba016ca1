"""What virt-operator refuses in KubeVirt objects: a second one, some changes, and the deletion while there are workloads.

`causes_of` is pure; where components may run, and what there is, the API server is asked.
Origin: kubevirt: pkg/virt-operator/webhooks/{kubevirt-create-admitter,kubevirt-update-admitter,webhook}.go,
pkg/virt-operator/resource/apply/certificates.go
"""

import json
from collections.abc import Iterator
from typing import Any

from fakekube.client.client import Client
from fakekube.machinery.durations import given as seconds
from fakekube.machinery.errors import ApiError
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import (
    DAEMON_SETS,
    DEPLOYMENTS,
    KUBEVIRTS,
    VIRTUAL_MACHINE_INSTANCES,
    VIRTUAL_MACHINES,
    VMI_REPLICA_SETS,
)
from fakekube.machinery.reviews import Answer, Question
from fakekube.machinery.wire import Object, Request, Response
from fakekube.virt import review
from fakekube.virt.causes import INVALID, NOT_SUPPORTED, Cause, status
from fakekube.virt.operator import gates

CREATED, CHANGED, DELETED = (f"/kubevirt-validate-{verb}" for verb in ("create", "update", "delete"))

_WORKLOADS = (
    (VIRTUAL_MACHINE_INSTANCES, "Virtual Machine Instances"),
    (VIRTUAL_MACHINES, "Virtual Machines"),
    (VMI_REPLICA_SETS, "Virtual Machine Instance Replica Sets"),
)
_STILL_THERE = (
    "Rejecting the uninstall request, since there are still {} present. Either delete all KubeVirt related "
    "workloads or change the uninstall strategy before uninstalling KubeVirt."
)
_WEEK, _DAY = 7 * 86_400.0, 86_400.0
_RENEWED = 0.2  # the part of a certificate's time in which it is renewed
_SIGNED = "spec.certificateRotationStrategy.selfSigned"
_TOLERATION_WORDS = {
    "effect": ("NoExecute", "NoSchedule", "PreferNoSchedule"),
    "operator": ("Equal", "Exists", "Gt", "Lt"),
}
_MARK = {"kubevirt.io/choose-me": ""}
_AES = ("AES_128_CBC_SHA", "AES_256_CBC_SHA", "AES_128_GCM_SHA256", "AES_256_GCM_SHA384")
_CIPHERS = frozenset(  # those Go's library thinks well of
    {
        *("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"),
        *(
            f"TLS_ECDHE_{key}_WITH_{one}"
            for key in ("ECDSA", "RSA")
            for one in (*_AES, "CHACHA20_POLY1305_SHA256")
        ),
    }
)


class Validator:
    """virt-operator's webhooks: a Handler, and a Reviewer for questions from this process."""

    def __init__(self, client: Client) -> None:
        self._client = client
        hooks = {CREATED: self._created, CHANGED: self._changed, DELETED: self._deleted}
        self._hooks = review.Hooks(hooks)

    async def __call__(self, request: Request) -> Response:
        answered = await self._hooks(request)
        return answered or Response(404, b"404 page not found\n", "text/plain; charset=utf-8")

    async def review(self, path: str, question: Question) -> Answer | None:
        """The answer; None when this is another path."""
        return await self._hooks.review(path, question)

    async def _created(self, _asked: Question) -> Answer:
        there = await self._client.metadata_only().list(KUBEVIRTS)
        return review.refused("Kubevirt is already created") if there.items else review.allowed()

    async def _deleted(self, asked: Question) -> Answer:
        old = asked.old or {}
        blocks = dig(old, "spec", "uninstallStrategy") not in (None, "", "RemoveWorkloads")
        if not blocks or dig(old, "status", "phase") != "Deployed":
            return review.allowed()
        for resource, words in _WORKLOADS:
            if (await self._client.metadata_only().list(resource)).items:
                return review.refused(_STILL_THERE.format(words))
        return review.allowed()

    async def _changed(self, asked: Question) -> Answer:
        old, new = (asked.old or {}).get("spec") or {}, asked.obj.get("spec") or {}
        if unknown := list(unknown_words(new)):
            return review.judged(unknown)
        causes = list(causes_of(old, new))
        for member, resource in (("infra", DEPLOYMENTS), ("workloads", DAEMON_SETS)):
            placement = dig(new, member, "nodePlacement")
            if placement is not None and new[member] != old.get(member):
                probe = _probe(resource.kind, asked.namespace, placement)
                try:
                    path = resource.path(asked.namespace)
                    body = json.dumps(probe).encode()
                    await self._client.request("POST", path, query="dryRun=All", body=body)
                except ApiError as error:
                    causes.append(Cause(error.message))
        warnings = list(_warnings(old, new))
        refusal = status(causes) if causes else None
        return Answer(allowed=refusal is None, warnings=warnings, status=refusal)


def unknown_words(spec: Object) -> Iterator[Cause]:
    """Words of tolerations that are none, which is found before anything else: the definition of a KubeVirt object leaves them
    open, the description virt-operator compares it with does not. It does not say which toleration."""
    for member in ("infra", "workloads"):
        for toleration in dig(spec, member, "nodePlacement", "tolerations", default=()):
            for part, words in _TOLERATION_WORDS.items():
                if part in toleration and toleration[part] not in words:
                    where = f"spec.{member}.nodePlacement.tolerations.{part}"
                    yield Cause(f"{where} in body should be one of [{' '.join(words)}]", "", "")


def causes_of(old: Object, new: Object) -> Iterator[Cause]:
    """What is wrong with a changed spec, as far as nobody has to be asked."""
    for patch in dig(new, "customizeComponents", "patches", default=()):
        try:
            json.loads(patch.get("patch") or "")
        except ValueError:
            yield Cause(f"patch {json.dumps(patch.get('patch'))} is not valid JSON", "", NOT_SUPPORTED)
    yield from _certificates(dig(new, "certificateRotateStrategy", "selfSigned"))
    yield from _headroom(dig(new, "configuration", "additionalGuestMemoryOverheadRatio"))
    for part, check in (("tlsConfiguration", _tls), ("seccompConfiguration", _seccomp)):
        given = dig(new, "configuration", part)
        if given is not None and given != dig(old, "configuration", part):
            yield from check(given)
    if dig(new, "infra", "replicas") == 0:
        yield Cause("infra replica count can't be 0")


def _certificates(given: Object | None) -> Iterator[Cause]:
    if given is None:
        return
    older = [given.get(one) for one in ("caRotateInterval", "certRotateInterval", "caOverlapInterval")]
    if any(one is not None for one in older) and (given.get("ca") or given.get("server")):
        yield Cause(
            "caRotateInterval, certRotateInterval and caOverlapInterval are deprecated and conflict with CertConfig "
            "defined rotation parameters",
            "",
            NOT_SUPPORTED,
        )
    ca = seconds(dig(given, "ca", "duration") or older[0], _WEEK)
    ca_renewal = seconds(dig(given, "ca", "renewBefore") or older[2], ca * _RENEWED)
    own = seconds(dig(given, "server", "duration") or older[1], _DAY)
    own_renewal = seconds(dig(given, "server", "renewBefore"), own * _RENEWED)
    if ca < ca_renewal:
        yield Cause(
            f"CA RenewBefore cannot exceed Duration ({_SIGNED}.ca.duration < {_SIGNED}.ca.renewBefore)"
        )
    if own < own_renewal:
        yield Cause(
            f"Cert RenewBefore cannot exceed Duration ({_SIGNED}.server.duration < {_SIGNED}.server.renewBefore)"
        )
    if own > ca:
        yield Cause(
            f"Certificate duration cannot exceed CA ({_SIGNED}.server.duration > {_SIGNED}.ca.duration)"
        )


def _headroom(text: str | None) -> Iterator[Cause]:
    if text is None:
        return
    try:
        if float(text) < 1.0:
            yield Cause(f"ratio provided, {text}, cannot be smaller than 1.0", "", NOT_SUPPORTED)
    except ValueError:
        said = f'strconv.ParseFloat: parsing "{text}": invalid syntax'
        yield Cause(f"ratio provided, {text}, cannot be parsed into float: {said}", "", NOT_SUPPORTED)


def _tls(given: Object) -> Iterator[Cause]:
    if given.get("ciphers") and given.get("minTLSVersion") in (None, "", "VersionTLS13"):
        where = "spec.configuration.tlsConfiguration"
        said = f"You cannot specify ciphers when {where}.minTLSVersion is empty or VersionTLS13"
        yield Cause(said, f"{where}.ciphers", NOT_SUPPORTED)
        return
    for at, cipher in enumerate(given.get("ciphers") or ()):
        if cipher not in _CIPHERS:
            where = f"spec.configuration.tlsConfiguration.ciphers#{at}"
            yield Cause(f"{cipher} is not a valid cipher", where, NOT_SUPPORTED)


def _seccomp(given: Object) -> Iterator[Cause]:
    profile = given.get("virtualMachineInstanceProfile")
    if profile is None:
        return
    where = "spec.configuration.seccompConfiguration.virtualMachineInstanceProfile.customProfile"
    custom = profile.get("customProfile")
    if custom is None:
        yield Cause(f"{where} needs to be set", where)
    elif custom.get("localhostProfile") is not None and custom.get("runtimeDefaultProfile"):
        local, default = f"{where}.localhostProfile", f"{where}.runtimeDefaultProfile"
        yield Cause(f"{local} cannot be set when {default} is set", local, INVALID)
        yield Cause(f"{default} cannot be set when {local} is set", default, INVALID)


def _warnings(old: Object, spec: Object) -> Iterator[str]:
    before, now = (dig(one, "configuration", "developerConfiguration", "featureGates") for one in (old, spec))
    if (now or []) != (before or []):
        yield from gates.warnings(now or ())
    devices = dig(spec, "configuration", "mediatedDevicesConfiguration") or {}
    where = "spec.configuration.mediatedDevicesConfiguration"
    if devices.get("mediatedDevicesTypes") is not None:
        yield f"{where}.mediatedDevicesTypes is deprecated, use mediatedDeviceTypes"
    for at, one in enumerate(devices.get("nodeMediatedDeviceTypes") or ()):
        if one.get("mediatedDevicesTypes") is not None:
            inner = f"{where}.nodeMediatedDeviceTypes[{at}].mediatedDevicesTypes"
            yield f"{inner} is deprecated, use mediatedDeviceTypes"


def _probe(kind: str, namespace: str, placement: Object) -> Object:
    """A workload that runs where it is told to: whoever would refuse it refuses the placement."""
    placed: dict[str, Any] = {
        part: placement[part]
        for part in ("nodeSelector", "affinity", "tolerations")
        if placement.get(part) is not None
    }
    name = "placement-verification-pod"
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "placement-validation-webhook", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": _MARK},
            "template": {
                "metadata": {"labels": _MARK},
                "spec": {"containers": [{"name": name, "image": "test.only:latest"}], **placed},
            },
        },
    }
