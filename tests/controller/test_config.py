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
    "flags", [["--workers=0"], ["--workers=x"], ["--log-level=loud"], ["--no-such-flag"]]
)
def test_settings_that_make_no_sense(flags, capsys):
    """A wrong value ends the program with one line that names it."""
    with pytest.raises(SystemExit):
        settings(flags, {})
    assert flags[0].split("=")[0].lstrip("-").replace("-", "_") in capsys.readouterr().err.replace("-", "_")


def test_every_setting_is_documented(capsys):
    """--help names each flag and its variable."""
    with pytest.raises(SystemExit):
        settings(["--help"], {})
    text = "".join(capsys.readouterr().out.split())
    for name in Settings.model_fields:
        assert f"--{name.replace('_', '-')}" in text
        assert f"[VMPOOL_{name.upper()}]" in text
