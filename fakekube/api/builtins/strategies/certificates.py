"""CertificateSigningRequests: asked for once, approved or denied once, signed once.

Origin: k8s: pkg/apis/certificates/validation/validation.go, pkg/registry/certificates/certificates/strategy.go
"""

import base64
from typing import Any

from fakekube.api.builtins.strategies import checks
from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.clock import Clock, RealClock, rfc3339
from fakekube.machinery import field_checks
from fakekube.machinery.field_errors import duplicate, invalid, not_supported, required
from fakekube.machinery.wire import Object

_USAGES = frozenset(
    {
        "signing", "digital signature", "content commitment", "key encipherment", "key agreement", "data encipherment",
        "cert sign", "crl sign", "encipher only", "decipher only", "any", "server auth", "client auth",
        "code signing", "email protection", "s/mime", "ipsec end system", "ipsec tunnel", "ipsec user",
        "timestamping", "ocsp signing", "microsoft sgc", "netscape sgc",
    }
)  # fmt: skip
_LEGACY = "kubernetes.io/legacy-unknown"
_STATUSES = ("False", "True", "Unknown")
_ALWAYS_TRUE = ("Approved", "Denied", "Failed")
_SHORTEST = 600


class SigningRequestStrategy(BuiltinStrategy):
    """The spec is the requester's and fixed; conditions come with times: hence the clock."""

    clock: Clock = RealClock()

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = {}

    def prepare_update(self, new: Object, old: Object) -> None:
        # `/approval` changes conditions and nothing else; the main resource changes metadata and nothing else.
        new["spec"] = old["spec"]

    def prepare_status_update(self, new: Object, old: Object) -> None:
        self.stamp_conditions(new, old)

    def stamp_conditions(self, new: Object, old: Object) -> None:
        """Times of conditions that are new or have changed, in place."""
        now = rfc3339(self.clock.now())
        before = {one.get("type"): one for one in (old.get("status") or {}).get("conditions") or ()}
        for one in (new.get("status") or {}).get("conditions") or ():
            one.setdefault("lastUpdateTime", now)
            known = before.get(one.get("type")) or {}
            if "lastTransitionTime" not in one:
                unchanged = known.get("status") == one.get("status")
                one["lastTransitionTime"] = (known.get("lastTransitionTime") if unchanged else None) or now

    def validate_create(self, obj: Object) -> Causes:
        spec = obj["spec"]
        found: Causes = []
        if not spec.get("usages"):
            found.append(required("spec.usages", "usages must be provided"))
        for index, usage in enumerate(spec.get("usages") or ()):
            at = f"spec.usages[{index}]"
            if usage not in _USAGES:
                found.append(not_supported(at, usage, sorted(_USAGES)))
            elif usage in spec["usages"][:index]:
                found.append(duplicate(at, usage))
        if b"-----BEGIN CERTIFICATE REQUEST-----" not in base64.b64decode(spec.get("request") or ""):
            said = "PEM block type must be CERTIFICATE REQUEST"
            found.append(invalid("spec.request", spec.get("request"), said))
        found += _signer(spec.get("signerName") or "")
        seconds = spec.get("expirationSeconds")
        if seconds is not None and seconds < _SHORTEST:
            said = f"may not specify a duration less than {_SHORTEST} seconds (10 minutes)"
            found.append(invalid("spec.expirationSeconds", seconds, said))
        return found

    def validate_update(self, new: Object, old: Object) -> Causes:
        return []

    def validate_status_update(self, new: Object, old: Object) -> Causes:
        found: Causes = []
        seen: set[Any] = set()
        for index, one in enumerate((new.get("status") or {}).get("conditions") or ()):
            at, kind = f"status.conditions[{index}]", one.get("type")
            if not kind:
                found.append(required(f"{at}.type"))
            allowed = ("True",) if kind in _ALWAYS_TRUE else _STATUSES
            found += field_checks.one_of(one.get("status"), f"{at}.status", allowed)
            if kind in seen:
                found.append(duplicate(f"{at}.type", kind))
            seen.add(kind)
        if {"Approved", "Denied"} <= seen:
            said = "Approved and Denied conditions are mutually exclusive"
            found.append(invalid("status.conditions", "Denied", said))
        was, now = (one.get("status", {}).get("certificate") for one in (old, new))
        return found + (checks.immutable(now, was, "status.certificate") if was else [])


def _signer(name: str) -> Causes:
    at = "spec.signerName"
    if not name:
        return [required(at)]
    if name == _LEGACY:
        return [invalid(at, name, "the legacy signerName is not allowed via this API version")]
    domain, slash, path = name.partition("/")
    if not slash or not path or domain.count(".") < 1:
        said = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [invalid(at, name, said)]
    return field_checks.dns_subdomain(domain, at)
