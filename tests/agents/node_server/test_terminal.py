"""A shell at a terminal: what is typed, and what is shown."""

from fakekube.agents.node_server import terminal as terminals
from fakekube.agents.node_server.place import Container

AT = Container("p")


def test_a_terminal():
    """A terminal echoes, knows backspace and ^C, and ends by exit or ^D."""
    terminal, shown = terminals.fed(terminals.Terminal(AT), b"echo ab\x7fc\r")
    assert shown == "echo ab\b \bc\r\nac\r\n/ # "
    terminal, shown = terminals.fed(terminal, b"x\x03")
    assert (shown, terminal.code) == ("x^C\r\n/ # ", 130)
    assert terminals.fed(terminal, b"\x04")[0].ended
    ended, _ = terminals.fed(terminal, b"exit 7\r")
    assert (ended.ended, ended.code) == (True, 7)
