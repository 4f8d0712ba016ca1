"""When certificates are renewed, and whom bundles trust meanwhile."""

import math
from base64 import b64decode
from datetime import UTC, datetime, timedelta

import pytest

from fakekube.virt.operator import certificates, issuing, rotation
from fakekube.virt.operator.rotation import Terms

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def authority(number, first=NOW, lasts=24 * HOUR, name="kubevirt-ca.kubevirt.io@"):
    return issuing.issued(f"{name}{number}", [], first, first + lasts, number=2**130 + number)


def secret(identity, **annotations):
    data = certificates.encoded(identity.key, identity.certificate)
    return {"metadata": {"name": "s", "annotations": annotations}, "data": data}


def kubevirt(**strategy):
    return {"spec": {"certificateRotateStrategy": {"selfSigned": strategy}}}


def test_terms():
    """Upstream's where nothing is said; older members count first; without a strategy there are none."""
    assert rotation.terms_of({"spec": {"certificateRotateStrategy": {}}}) is None
    given = rotation.terms_of(kubevirt())
    assert (given["kubevirt-ca"].written, given[""].written) == ("168h0m0s", "24h0m0s")
    assert given["kubevirt-ca"].renewed == pytest.approx(0.2 * 7 * 86_400)
    given = rotation.terms_of(
        kubevirt(caRotateInterval="90m", caOverlapInterval="1h", server={"duration": "90s"})
    )
    assert (given["kubevirt-ca"].written, given["kubevirt-ca"].renewed) == ("1h30m0s", 3600)
    assert given[""].written == "1m30s"
    assert given["kubevirt-export-ca"] == given["kubevirt-backup-ca"] == Terms(5400, pytest.approx(18))


def test_what_is_left():
    """Until it has to be renewed: never without terms, at once where another duration is written or another has signed."""
    signer = authority(1)
    own = issuing.issued("x", [], NOW, NOW + 12 * HOUR, number=7**50, signer=signer)
    terms = Terms(12 * 3600, 10 * 3600)
    marked = secret(own, **{rotation.DURATION: "12h0m0s"})
    assert rotation.left(marked, own, terms, signer, NOW) == 2 * 3600
    assert rotation.left(marked, own, terms, signer, NOW + 3 * HOUR) == 0
    assert rotation.left(marked, own, Terms(3600, 60), signer, NOW) == 0
    assert rotation.left(marked, own, terms, authority(2), NOW) == 0
    assert rotation.left(secret(own), own, None, signer, NOW) == math.inf
    assert rotation.left(secret(own), own, None, signer, NOW + 13 * HOUR) == 0


def test_what_cannot_be_read():
    """Nothing, empty, or somebody's nonsense is no identity."""
    assert rotation.identity_of(secret(authority(1))) == authority(1)
    for found in (
        None,
        {},
        {"data": {"tls.crt": "", "tls.key": ""}},
        {"data": {"tls.crt": "eA==", "tls.key": "?"}},
    ):
        assert rotation.identity_of(found) is None


def test_bundles():
    """The newest in front; those before it as long as they overlap; others' stay while they are in force."""
    old, new = authority(1, NOW - 10 * HOUR).certificate, authority(2).certificate
    foreign = authority(3, name="other").certificate
    gone = authority(4, NOW - 30 * HOUR, name="other").certificate
    text, wait = rotation.merged(new, old + foreign, gone, NOW, 4 * HOUR)
    assert (text, wait) == (new + old + foreign, 4 * 3600)
    text, wait = rotation.merged(new, text, foreign, NOW + 5 * HOUR, 4 * HOUR)
    assert (text, wait) == (new + foreign, math.inf)


def test_packaged_ones_are_fine():
    """What is installed at first is read, lasts, and is signed by whom it should be."""
    known = {
        one["metadata"]["name"]: one for one in certificates.objects("kubevirt") if one["kind"] == "Secret"
    }
    for name, one in known.items():
        own, signer = rotation.identity_of(one), known.get(certificates.authority(name))
        assert (
            rotation.left(one, own, None, rotation.identity_of(signer) if signer else None, NOW) == math.inf
        )
        assert b64decode(one["data"]["tls.crt"]).decode() == own.certificate
