"""Who a write is recorded for."""

import pytest

from fakekube.api.options import parse_query, write_options
from fakekube.machinery.errors import Invalid


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


def test_managers_of_128_bytes():
    """A given fieldManager is as long as its bytes are."""
    longest = "ä" * 64
    assert write_options("CreateOptions", parse_query(f"fieldManager={longest}"), "").manager == longest
    with pytest.raises(Invalid, match="may not be more than 128 bytes"):
        write_options("CreateOptions", parse_query(f"fieldManager={longest}x"), "")
