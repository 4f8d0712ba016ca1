"""Presets: which settings an instance gets, whose it carries the name of, and what presets may disagree about."""

import pytest

from fakekube.machinery.selectors import SelectorError
from fakekube.virt.api import presets, workloads

MARK = "virtualmachinepreset.kubevirt.io/"
UUIDS = ("11112222-3333-4444-5555-666677778888", "88887777-6666-5555-4444-333322221111")
DELAY, CATCHUP = ({"timer": {"hpet": {"tickPolicy": policy}}} for policy in ("delay", "catchup"))
SETTINGS = {
    "cpu": ({"cpu": {"cores": 4}}, {"cpu": {"cores": 6}}),
    "resources.requests": tuple({"resources": {"requests": {"memory": one}}} for one in ("64M", "128M")),
    "firmware": tuple({"firmware": {"uuid": one}} for one in UUIDS),
    "clock.timer": ({"clock": DELAY}, {"clock": CATCHUP}),
    "features": tuple({"features": {"acpi": {"enabled": on}}} for on in (True, False)),
    "devices.watchdog": tuple({"devices": {"watchdog": {"name": one}}} for one in ("testcase", "foo")),
    "ioThreadsPolicy": ({"ioThreadsPolicy": "auto"}, {"ioThreadsPolicy": "shared"}),
}


def preset(name, domain, **selector):
    return {"metadata": {"name": name}, "spec": {"domain": domain, "selector": selector}}


def instance(domain=None, *, labels=None, **annotations):
    meta = {"name": "x", "labels": labels or {}, "annotations": annotations}
    return {"metadata": meta, "spec": {"domain": domain or {}}}


def marks(vmi):
    return sorted(key.removeprefix(MARK) for key in vmi["metadata"]["annotations"] if key.startswith(MARK))


@pytest.mark.parametrize("setting", SETTINGS)
def test_settings(setting):
    """A setting is taken where there is none, agreed with where it is the same, and left alone where it is another."""
    wanted, other = SETTINGS[setting]
    one = preset("p", wanted)
    given = presets.applied(instance(), [one])
    assert (given["spec"]["domain"], given["metadata"]["annotations"]) == (
        wanted,
        {f"{MARK}p": "kubevirt.io/v1"},
    )
    for own, found in ((wanted, ["p"]), (other, [])):
        given = presets.applied(instance(own), [one])
        assert (given["spec"]["domain"], marks(given)) == (own, found)
    with pytest.raises(ValueError, match=rf"presets 'q' and 'p' conflict: spec\.{setting}") as caught:
        presets.applied(instance(), [one, preset("q", other)])
    assert "[" not in str(caught.value).split(":")[1]


def test_settings_are_taken_one_by_one():
    """What cannot be taken keeps nothing else from being taken; clocks get timers, amounts are compared by what they are."""
    both = preset(
        "p",
        {"cpu": {"cores": 4}, "clock": {"utc": {}, **DELAY}, "resources": {"requests": {"memory": "1024Mi"}}},
    )
    own = {"cpu": {"cores": 2}, "clock": {"utc": {}}}
    given = presets.applied(instance(own), [both])
    assert given["spec"]["domain"]["cpu"] == {"cores": 2}
    assert given["spec"]["domain"]["clock"] == {"utc": {}, **DELAY}
    assert own == {"cpu": {"cores": 2}, "clock": {"utc": {}}}
    same = instance({"resources": {"requests": {"memory": "1Gi"}}, "clock": {"utc": {}, **CATCHUP}})
    assert marks(presets.applied(same, [preset("p", {"resources": {"requests": {"memory": "1024Mi"}}})])) == [
        "p"
    ]
    assert marks(presets.applied(same, [preset("p", {"clock": {"utc": {}, **DELAY}})])) == []
    zone = preset("q", {"clock": {"timezone": "Europe/Prague"}})
    with pytest.raises(ValueError, match=r"spec\.clock\.clockoffset"):
        presets.applied(instance(), [both, zone])


def test_who_is_meant():
    """Labels decide, and instances may be excluded; selectors that cannot be read are not passed over."""
    flavor, os = {"kubevirt.io/flavor": "matching"}, {"kubevirt.io/os": "win7"}
    four = preset("four", {"cpu": {"cores": 4}}, matchLabels=flavor)
    terms = [{"key": "kubevirt.io/os", "operator": "In", "values": ["win10", "win7"]}]
    small = preset("small", {"resources": {"requests": {"memory": "64M"}}}, matchExpressions=terms)
    for labels, found in (
        ({}, []),
        (flavor, ["four"]),
        (os, ["small"]),
        ({**flavor, **os}, ["four", "small"]),
    ):
        assert marks(presets.applied(instance(labels=labels), [four, small])) == found
    excluded = {"virtualmachineinstancepresets.admission.kubevirt.io/exclude": "true"}
    assert marks(presets.applied(instance(labels=flavor, **excluded), [four])) == []
    with pytest.raises(SelectorError):
        presets.applied(instance(), [preset("p", {}, matchLabels={"kubevirt.io/flavor": "!"})])


def test_presets_without_a_domain_give_nothing():
    """One that was made while virt-api was not there to refuse it is in nobody's way."""
    bare, none = {**preset("bare", {}), "spec": {"selector": {}}}, preset("none", None)
    assert marks(presets.applied(instance(), [bare, none, preset("four", {"cpu": {"cores": 4}})])) == ["four"]


def test_disagreements_are_told_together():
    """One refusal tells of all presets that disagree, as Go joins errors."""
    domains = [
        {"cpu": {"cores": cores}, "ioThreadsPolicy": policy} for cores, policy in ((1, "auto"), (2, "shared"))
    ]
    named = [preset(name, domain) for name, domain in zip("pq", domains, strict=True)]
    text = (
        "VirtualMachinePresets cannot be applied due to conflicts: presets 'q' and 'p' conflict: "
        "[spec.cpu: {'cores': 2} != {'cores': 1}, spec.ioThreadsPolicy: shared != auto]"
    )
    with pytest.raises(ValueError) as caught:
        presets.applied(instance(), named)
    assert str(caught.value) == text
    with pytest.raises(ValueError, match=r"conflicts: \[presets 'q' and 'p' .*, presets 'r' and 'p' "):
        presets.applied(instance(), [*named, preset("r", domains[1])])


@pytest.mark.parametrize(
    ("domain", "fields"),
    [
        ({}, []),
        ({"devices": {"disks": [{"name": "d", "disk": {}, "cdrom": {}}]}}, ["disks[0]"]),
        ({"firmware": {"bootloader": {"efi": {}, "bios": {}}}}, ["bootloader"]),
        ({"firmware": {"bootloader": {"efi": {"secureBoot": True}}}}, []),
        ({"firmware": {"kernelBoot": {"kernelArgs": "quiet"}}}, ["kernelArgs"]),
        (None, ["domain"]),
    ],
)
def test_what_is_judged(domain, fields):
    """A preset has a domain, whose disks and firmware are judged by themselves."""
    spec = {"selector": {}} if domain is None else {"selector": {}, "domain": domain}
    found = workloads.preset({"spec": spec})
    assert [one.field.rpartition(".")[2] for one in found] == fields
