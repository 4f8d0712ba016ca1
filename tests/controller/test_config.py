import re
from pathlib import Path

import pytest

from controller.config import Settings, settings


def test_defaults_are_upstreams():
    """Without flags and variables: one second, three workers, bursts of 250."""
    chosen = settings([], {})
    assert (chosen.reconcile_delay, chosen.workers, chosen.burst) == (1.0, 3, 250)


def test_flags_win_over_the_environment():
    """A flag counts before its variable, the variable before the default."""
    environment = {"VMPOOL_WORKERS": "5", "VMPOOL_BURST": "10", "VMPOOL_LEADER_ELECT": "true"}
    chosen = settings(["--workers=7", "--reconcile-delay", "0.2"], environment)
    assert (chosen.workers, chosen.burst, chosen.reconcile_delay) == (7, 10, 0.2)
    assert chosen.leader_elect
    assert not settings(["--no-leader-elect"], environment).leader_elect


@pytest.mark.parametrize(
    "flags",
    [
        ["--workers=0"],
        ["--workers=x"],
        ["--reconcile-delay=inf"],
        ["--reconcile-delay=nan"],
        ["--log-level=loud"],
        ["--namespace=Bad Name"],
        ["--namespace=a.b"],
        ["--lease-namespace=a/b"],
        ["--lease-name=a/b"],
        ["--lease-name="],
        ["--log-format=xml"],
        ["--no-such-flag"],
    ],
)
def test_settings_that_make_no_sense(flags, capsys):
    """A wrong value ends the program, as bad usage, with one line that names the flag."""
    with pytest.raises(SystemExit) as ended:
        settings(flags, {})
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert said.count("\n") == 1
    flag, _, value = flags[0].partition("=")
    assert flag in said
    assert value in said


def test_a_name_that_is_none(capsys):
    """Which names there are, the API's own sentence tells."""
    with pytest.raises(SystemExit):
        settings(["--lease-name", "a/b"], {"VMPOOL_NAMESPACE": "A"})
    said = capsys.readouterr().err
    assert said.startswith(
        "vmpool-controller: VMPOOL_NAMESPACE 'A': a lowercase RFC 1123 label must consist of"
    )
    assert "; --lease-name 'a/b': a lowercase RFC 1123 subdomain must consist of" in said


def test_a_variable_that_makes_no_sense(capsys):
    """Who wrote a variable reads of the variable, not of a flag."""
    with pytest.raises(SystemExit):
        settings([], {"VMPOOL_METRICS_PORT": "99999"})
    said = "vmpool-controller: VMPOOL_METRICS_PORT '99999': input should be less than or equal to 65535\n"
    assert capsys.readouterr().err == said


def test_every_setting_is_documented(capsys):
    """--help names each flag and its variable."""
    with pytest.raises(SystemExit):
        settings(["--help"], {})
    text = "".join(capsys.readouterr().out.split())
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')}" in text
        assert f"[VMPOOL_{name.upper()}]" in text


def test_the_page_has_every_setting():
    """The table of the page names each flag and its variable, and nothing that is none."""
    page = (Path(__file__).parents[2] / "docs" / "controller.md").read_text()
    rows = re.findall(r"^\| `--([a-z-]+)` \| `(\w+)` \|", page, re.MULTILINE)
    assert rows == [(name.replace("_", "-"), f"VMPOOL_{name.upper()}") for name in Settings.model_fields]
