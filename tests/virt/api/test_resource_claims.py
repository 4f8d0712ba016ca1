"""Devices and cards from resource claims, as upstream's admitters of DRA judge them."""

from typing import Any

import pytest

from fakekube.virt.api import instance_spec, resource_claims
from fakekube.virt.causes import NOT_FOUND, Cause, duplicate, required
from fakekube.virt.config import ClusterConfig

Object = dict[str, Any]

PLAIN = ClusterConfig("amd64")
NETWORKS = ClusterConfig("amd64", {"developerConfiguration": {"featureGates": ["NetworkDevicesWithDRA"]}})
SHUT = ClusterConfig(
    "amd64", {"developerConfiguration": {"disabledFeatureGates": ["GPUsWithDRA", "HostDevicesWithDRA"]}}
)
DEVICES = "spec.domain.devices"
ALL = (
    "vmi.spec.resourceClaims must specify all claims used in vmi.spec.domain.devices.gpus and "
    "vmi.spec.domain.devices.hostDevices"
)
KINDS = [("gpus", "GPU"), ("hostDevices", "HostDevice")]


def one(name: str = "a", claim: str | None = "claim", request: str | None = "request", **more: str) -> Object:
    asked = {
        key: value for key, value in (("claimName", claim), ("requestName", request)) if value is not None
    }
    return {"name": name, **asked, **more}


def judged(*claims: str, config: ClusterConfig = PLAIN, **listed: list[Object]) -> list[Cause]:
    spec = {"domain": {"devices": listed}, "resourceClaims": [{"name": own} for own in claims]}
    return list(resource_claims.devices("spec", spec, config))


@pytest.mark.parametrize(("kind", "word"), KINDS)
def test_right(kind: str, word: str) -> None:
    """A device is of a plugin, or of a request of a listed claim."""
    assert judged(**{kind: [one(claim=None, request=None, deviceName="plugin")]}) == [], word
    assert judged("claim", "other", **{kind: [one(), one("b", request="second"), one("c", "other")]}) == []
    assert judged("claim") == []


def test_claims_are_listed_once() -> None:
    """A claim's name is one claim's."""
    text = 'duplicate resourceClaims name "claim"'
    assert judged("claim", "other", "claim") == [duplicate(text, "spec.resourceClaims[2].name")]


@pytest.mark.parametrize(("kind", "word"), KINDS)
def test_from_somewhere(kind: str, word: str) -> None:
    """A device comes from somewhere, and not from two places."""
    at, called = f"{DEVICES}.{kind}", f"vmi.spec.domain.devices.{kind}"
    nowhere = (
        f"{called} contains {word}s without deviceName or claimRequest; each {word} must specify either a "
        "deviceName or a claimRequest"
    )
    both = f"{called} contains {word}s with both deviceName and claimRequest"
    listed = [one(claim=None, request=None), one("b", deviceName="plugin")]
    assert judged("claim", **{kind: listed}) == [required(nowhere, at), Cause(both, at)]


def test_mixed() -> None:
    """GPUs are all from claims, or none; other devices may be mixed."""
    at = f"{DEVICES}.gpus"
    text = "vmi.spec.domain.devices.gpus contains both DRA and non-DRA GPUs; each GPU must be either DRA or non-DRA"
    listed = [one("a", None, None, deviceName="plugin"), one("b", "gone")]
    assert judged("claim", gpus=listed) == [Cause(text, at)]
    assert judged("gone", hostDevices=listed) == []


@pytest.mark.parametrize(("kind", "word"), KINDS)
def test_gates(kind: str, word: str) -> None:
    """Each kind has a gate; while it is shut nothing else is said of claims."""
    at = f"{DEVICES}.{kind}"
    text = f"vmi.spec.domain.devices.{kind} contains DRA enabled {word}s but feature gate is not enabled"
    assert judged(config=SHUT, **{kind: [one(claim="gone"), one("b", None)]}) == [Cause(text, at)]


@pytest.mark.parametrize(("kind", "word"), KINDS)
def test_both_names(kind: str, word: str) -> None:
    """Claim and request are both named; one that is half told is not looked for."""
    at = f"{DEVICES}.{kind}"
    listed = [one("a", None), one("b", request=None), one("c", "", "")]
    assert judged("claim", **{kind: listed}) == [
        required(f"claimName is required for DRA {word}", f"{at}[0].claimName"),
        required(f"requestName is required for DRA {word}", f"{at}[1].requestName"),
        required(f"claimName is required for DRA {word}", f"{at}[2].claimName"),
        required(f"requestName is required for DRA {word}", f"{at}[2].requestName"),
    ]


@pytest.mark.parametrize(("kind", "word"), KINDS)
def test_a_request_is_one_devices(kind: str, word: str) -> None:
    """A request of a claim is one device's."""
    text = 'duplicate claimName/requestName pair "claim/request"'
    found = judged("claim", **{kind: [one(), one("b", request="second"), one("c")]})
    assert found == [duplicate(text, f"{DEVICES}.{kind}[2]")], word


def test_a_request_is_one_kinds() -> None:
    """It is no GPU and another device at once."""
    text = 'duplicate claimName/requestName pair "claim/request" between GPUs[1] and HostDevices[0]'
    found = judged("claim", gpus=[one(request="first"), one("b")], hostDevices=[one()])
    assert found == [duplicate(text, f"{DEVICES}.hostDevices[0]")]


@pytest.mark.parametrize(("kind", "word"), KINDS)
def test_claims_are_listed(kind: str, word: str) -> None:
    """The instance lists the claims its devices are of."""
    assert judged("other", **{kind: [one()]}) == [Cause(ALL, "spec.resourceClaims")], word


def network(*claimed: Object, config: ClusterConfig = NETWORKS, binding: Object | None = None) -> list[Cause]:
    """What is wrong with networks that are of these requests, and called a, b and so on."""
    names = "abcdefgh"[: len(claimed)]
    spec = {
        "domain": {"devices": {"interfaces": [{"name": own, **(binding or {"sriov": {}})} for own in names]}},
        "networks": [{"name": own, "resourceClaim": of} for own, of in zip(names, claimed, strict=True)],
        "resourceClaims": [{"name": "claim"}],
    }
    return list(resource_claims.networks("spec", spec, config))


ASKED = {"claimName": "claim", "requestName": "vf"}


def test_networks() -> None:
    """A card is of a request of a listed claim, once, and passed through or bound by a plugin."""
    assert network(ASKED) == network(ASKED, binding={"binding": {"name": "a"}}) == []
    gone = 'network references resourceClaim "gone" which is not defined in spec.resourceClaims'
    assert network(ASKED, {}, {"claimName": "gone", "requestName": "vf"}, ASKED) == [
        required("claimName is required for DRA network", "spec.networks[1].resourceClaim.claimName"),
        required("requestName is required for DRA network", "spec.networks[1].resourceClaim.requestName"),
        Cause(gone, "spec.networks[2].resourceClaim.claimName", NOT_FOUND),
        duplicate('duplicate claimName/requestName combination "claim/vf"', "spec.networks[3]"),
    ]
    text = 'DRA network "a" requires an SR-IOV or binding plugin interface'
    assert network(ASKED, binding={"bridge": {}}) == [Cause(text, f"{DEVICES}.interfaces")]


def test_networks_behind_a_gate() -> None:
    """Networks from claims have a gate of their own, which is shut."""
    text = "vmi.spec.networks contains DRA networks but NetworkDevicesWithDRA feature gate is not enabled"
    assert network({}, config=PLAIN) == [Cause(text, "spec.networks")]


def test_networks_of_both_kinds() -> None:
    """Multus' networks are not beside them; the cluster's may be."""
    text = "mixing Multus and DRA resourceClaim networks in the same VMI is not supported"
    for other, wrong in (
        ({"multus": {"networkName": "a"}}, [Cause(text, "spec.networks")]),
        ({"pod": {}}, []),
    ):
        spec = {
            "domain": {"devices": {"interfaces": [{"name": "a", "sriov": {}}]}},
            "networks": [{"name": "a", "resourceClaim": ASKED}, {"name": "b", **other}],
            "resourceClaims": [{"name": "claim"}],
        }
        assert list(resource_claims.networks("spec", spec, NETWORKS)) == wrong


def test_where_they_are_judged() -> None:
    """Networks first, then devices, both before the boot order; of templates, too."""
    spec = {
        "domain": {"devices": {"gpus": [one()], "disks": [{"name": "gone", "disk": {}}]}},
        "networks": [{"name": "a", "resourceClaim": {}}],
    }
    found = [cause.message.split()[0] for cause in instance_spec.validate("spec.template.spec", spec, PLAIN)]
    assert found[-3:] == [
        "vmi.spec.networks",
        "vmi.spec.resourceClaims",
        "spec.template.spec.domain.devices.disks[0].Name",
    ]
