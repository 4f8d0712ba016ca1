"""Who a write is recorded for."""

import pytest

from fakekube.api.options import integer, parse_query, parse_version, write_options
from fakekube.machinery.errors import BadRequest, Invalid


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("kubectl/v1.36.0 (linux/amd64)", "kubectl"),
        ("curl", "curl"),
        ("a\x07b/1", "ab"),
        ("\x07" * 128 + "a", "a"),
        ("ä" * 100, "ä" * 64),
        ("xä" * 50, "xä" * 42 + "x"),
        ("", "unknown"),
    ],
)
def test_manager_names_come_from_the_user_agent(agent, name):
    """Without a fieldManager the agent's product name counts: printable, as far as 128 bytes go."""
    for query in ("", "dryRun=All"):
        assert write_options("CreateOptions", parse_query(query), agent).manager == name


@pytest.mark.parametrize(
    ("limit", "why"),
    [
        ("x", "invalid syntax"),
        ("\u0661", "invalid syntax"),
        ("9223372036854775808", "value out of range"),
        ("9" * 5000, "value out of range"),
    ],
)
def test_numbers_that_are_none(limit, why):
    """Numbers have the digits Go knows, and 64 bits."""
    with pytest.raises(BadRequest, match=f'strconv.ParseInt: parsing "{limit}": {why}'):
        integer(parse_query(f"limit={limit}"), "limit")
    with pytest.raises(ValueError, match=f'strconv.ParseUint: parsing "{limit}0": {why}'):
        parse_version(f"{limit}0")


def test_managers_of_128_bytes():
    """A given fieldManager is as long as its bytes are."""
    longest = "ä" * 64
    assert write_options("CreateOptions", parse_query(f"fieldManager={longest}"), "").manager == longest
    with pytest.raises(Invalid, match="may not be more than 128 bytes"):
        write_options("CreateOptions", parse_query(f"fieldManager={longest}x"), "")
