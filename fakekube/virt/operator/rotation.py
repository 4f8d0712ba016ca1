"""When certificates are renewed, and whom a bundle trusts meanwhile. Pure.

Certificates last unless the KubeVirt object's `certificateRotateStrategy.selfSigned` is there: then as long as it says, and
where it says nothing as long as upstream's. How long that is stands in an annotation of the secret, so that another length
renews it. What cannot be read, or was signed by another authority, is renewed in any case.
Origin: kubevirt: pkg/virt-operator/resource/apply/{certificates,core}.go, …/generate/components/secrets.go (MergeCABundle)
"""

import math
from datetime import datetime, timedelta

from msgspec import Struct

from fakekube.machinery.durations import given, spelled
from fakekube.machinery.objects import Obj, annotations, dig
from fakekube.virt.operator import authorities, certificates
from fakekube.virt.operator.issuing import Identity

DURATION = "kubevirt.io/duration"
_WEEK, _DAY, _SHARE = 7 * 86_400.0, 86_400.0, 0.2
_MOST = 10  # authorities in a bundle
_OURS = b"kubevirt.io"  # in the name of an authority of KubeVirt's own


class Terms(Struct, frozen=True):
    """How long certificates last, and how long before their end they are renewed, in seconds."""

    lasts: float
    renewed: float

    @property
    def written(self) -> str:
        return spelled(self.lasts)


def terms_of(kubevirt: Obj) -> dict[str, Terms] | None:
    """Those of each authority, and under "" of what they sign; None: for good."""
    strategy = dig(kubevirt, "spec", "certificateRotateStrategy", "selfSigned")
    if strategy is None:
        return None
    authority, own = _terms(strategy, "ca", _WEEK), _terms(strategy, "server", _DAY)
    trusted, *others = certificates.AUTHORITIES
    return {trusted: authority, **dict.fromkeys(others, Terms(authority.lasts, own.renewed)), "": own}


def _terms(strategy: Obj, member: str, default: float) -> Terms:
    older = {"ca": ("caRotateInterval", "caOverlapInterval"), "server": ("certRotateInterval", "")}[member]
    lasts = given(strategy.get(older[0]) or dig(strategy, member, "duration"), default)
    renewed = strategy.get(older[1]) or dig(strategy, member, "renewBefore")
    return Terms(lasts, given(renewed, lasts * _SHARE))


def overlap(terms: dict[str, Terms] | None) -> timedelta:
    """For how long an authority is trusted after the next has come."""
    return timedelta(seconds=terms[certificates.AUTHORITIES[0]].renewed if terms else _WEEK * _SHARE)


def identity_of(secret: Obj | None) -> Identity | None:
    """What is in a secret; None where that is nothing to work with."""
    try:
        key, certificate = certificates.pair(secret)
        authorities.check_key(key)
        authorities.subject_of(certificate)
    except ValueError:
        return None
    return Identity(key, certificate)


def left(
    secret: Obj, identity: Identity, terms: Terms | None, signer: Identity | None, now: datetime
) -> float:
    """In how many seconds a certificate has to be renewed; infinity: never."""
    wanted = terms.written if terms else None
    if annotations(secret).get(DURATION) != wanted:
        return 0.0
    last = authorities.validity(identity.certificate)[1]
    if signer is not None:
        if authorities.issuer_of(identity.certificate) != authorities.subject_of(signer.certificate):
            return 0.0
        last = min(last, authorities.validity(signer.certificate)[1])
    if terms is None:
        return math.inf if last > now else 0.0
    return max(0.0, (last - now).total_seconds() - terms.renewed)


def merged(current: str, bundle: str, others: str, now: datetime, kept: timedelta) -> tuple[str, float]:
    """A bundle with its own authority in front, those it has replaced as long as they are kept, and what others brought that is
    in force; and in how many seconds one of it has to go."""
    found = [one for one in authorities.certificates_in(bundle) if one != current]
    own = sorted(
        (one for one in found if _OURS in authorities.subject_of(one)),
        key=lambda one: authorities.validity(one)[0],
        reverse=True,
    )[:_MOST]
    trusted, wait = [current], math.inf
    for one in own:
        until = min(authorities.validity(trusted[-1])[0] + kept, authorities.validity(one)[1])
        if until <= now:
            break
        trusted.append(one)
        wait = min(wait, (until - now).total_seconds())
    text = authorities.joined("".join(trusted), "".join(one for one in found if one not in own), now)
    return authorities.joined(text, others, now), wait
