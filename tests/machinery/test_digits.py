"""Numbers that somebody else writes."""

import pytest

from fakekube.agents import fates
from fakekube.agents.node_server import forwarding
from fakekube.agents.workloads import counts, pods
from fakekube.api.builtins.strategies.pod_spec import spec
from fakekube.api.builtins.strategies.workloads import numbers
from fakekube.api.schema import formats
from fakekube.api.schema.cel import networks, quantities
from fakekube.api.schema.cel.basics import to_int, to_uint
from fakekube.api.schema.cel.values import CelError
from fakekube.machinery import cron, digits, selectors
from fakekube.virt.api import launch_security

LONG = "9" * 5000  # digits: more than Python's `int` reads
COST = "controller.kubernetes.io/pod-deletion-cost"


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0), ("007", 7), ("9" * 20, 10**20 - 1), ("", None), ("-1", None), ("²", None), ("٣", None), ("9" * 21, None)],
)  # fmt: skip
def test_numbers(text, number):
    """Only ASCII's digits are numbers, and not any number of them: Python's own `isdigit` knows more than `int` reads."""
    assert digits.number(text) == number


@pytest.mark.parametrize("text", ["²", "٣", "9" * 5000])
def test_whoever_reads_them(text):
    """What is none is refused, or changes nothing: a pod whose fate it was to be would never have started."""
    assert fates.read(f"exit={text}") == fates.NONE
    assert fates.read("exit=259").exit == 3
    with pytest.raises(CelError, match=r"strconv\.ParseUint"):
        to_uint(text)


@pytest.mark.parametrize(
    ("function", "text", "bits", "number"),
    [
        ("Atoi", "-7", 64, -7),
        ("ParseInt", "+007", 64, 7),
        ("ParseInt", "0" * 5000 + "7", 64, 7),
        ("ParseInt", str(-(2**63)), 64, -(2**63)),
        ("ParseInt", str(2**31 - 1), 32, 2**31 - 1),
        ("ParseUint", str(2**64 - 1), 64, 2**64 - 1),
        ("ParseUint", "65535", 16, 65535),
    ],
    ids=str,
)
def test_what_go_reads(function, text, bits, number):
    """Numbers are read as Go's `strconv` reads them: with a sign where the function takes one, and any zeros in front."""
    assert digits.parsed(function, text, bits) == number


@pytest.mark.parametrize(
    ("function", "text", "bits", "wrong"),
    [
        ("Atoi", "", 64, "invalid syntax"),
        ("Atoi", "-", 64, "invalid syntax"),
        ("Atoi", "1_0", 64, "invalid syntax"),
        ("ParseInt", "٣", 64, "invalid syntax"),
        ("ParseInt", " 3", 64, "invalid syntax"),
        ("ParseUint", "+3", 64, "invalid syntax"),
        ("ParseInt", str(2**63), 64, "value out of range"),
        ("ParseInt", str(2**31), 32, "value out of range"),
        ("ParseUint", str(2**64), 64, "value out of range"),
        ("ParseUint", "65536", 16, "value out of range"),
        ("Atoi", f"-{LONG}", 64, "value out of range"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_what_go_does_not_read(function, text, bits, wrong):
    """What it refuses is refused in its words, however long it is."""
    with pytest.raises(ValueError, match=rf"^strconv\.{function}: parsing \".*\": {wrong}$"):
        digits.parsed(function, text, bits)


@pytest.mark.parametrize(
    ("read", "wrong"),
    [
        (lambda: forwarding.named([LONG]), (forwarding.BadPorts, "ParseUint: .* value out of range")),
        (lambda: cron.parse(f"*/{LONG} * * * *"), (cron.Refused, "Atoi: .* value out of range")),
        (lambda: cron.parse(f"@every {LONG}h"), (cron.Refused, "time: invalid duration")),
        (lambda: to_int(LONG), (CelError, "ParseInt: .* value out of range")),
        (lambda: quantities.parse_semver(f"1.{LONG}.0"), (CelError, "semver parse error")),
        (lambda: quantities.parse_semver(f"1.0.0-{LONG}"), (CelError, "semver parse error")),
        (lambda: networks.parse_cidr(f"10.0.0.0/{LONG}"), (CelError, "not a CIDR")),
        (lambda: selectors.requirement("a", selectors.GT, (LONG,)), (selectors.SelectorError, "an integer")),
    ],
    ids=["ports", "schedules", "delays", "int()", "versions", "releases", "networks", "selectors"],
)
def test_long_ones_are_refused(read, wrong):
    """Thousands of digits are told as too many by whoever reads them: they had been an error of the server's."""
    with pytest.raises(wrong[0], match=wrong[1]):
        read()


def test_long_ones_in_objects():
    """They are as wrong in an object, or count as Go makes them count."""
    assert not formats.checker("cidr")(f"10.0.0.0/{LONG}")
    assert not launch_security._is_number(LONG)
    found = spec.annotations({COST: LONG}, {}, "metadata.annotations")
    assert [one.detail for one in found] == ["must be a 32bit integer"]
    assert pods.deletion_cost({"metadata": {"annotations": {COST: LONG}}}) == 0
    rolling = {"maxUnavailable": f"{LONG}%", "maxSurge": f"{LONG}%"}
    assert [one.detail for one in numbers.of_deployment(rolling, "")] == ["must not be greater than 100%"]
    assert counts.scaled(rolling["maxSurge"], 3, up=True) == 0


@pytest.mark.parametrize(
    ("cost", "right"), [("0", True), ("-01", True), ("01", False), ("+1", False), ("", False)]
)
def test_costs(cost, right):
    """What it costs to delete a pod begins with no plus and no zero, though a minus may stand before one."""
    assert (not spec.annotations({COST: cost}, {}, "")) is right


def test_labels_that_are_compared():
    """A label that Go reads no number of is neither greater nor less than one."""
    more = selectors.requirement("a", selectors.GT, ("10",))
    assert [more.matches({"a": text}) for text in ("11", "1_000", "9", LONG)] == [True, False, False, False]
