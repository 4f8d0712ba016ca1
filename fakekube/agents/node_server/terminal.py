"""A shell in a container at a terminal: bytes that are typed in, what is shown out. Pure."""

import re

from msgspec import Struct, field
from msgspec.structs import replace

from fakekube.agents.node_server import shell
from fakekube.agents.node_server.place import Container, Files, seen_from, text_of

_CTRL_C, _CTRL_D = 0x03, 0x04
_LONGEST_LINE = 4096  # bytes, as of terminals
_PIECE = re.compile(rb"[^\r\n]{0,%d}[\r\n]|[^\r\n]{1,%d}" % (_LONGEST_LINE, _LONGEST_LINE))


class Terminal(Struct, frozen=True):
    """Where a conversation at a terminal stands."""

    container: Container
    typed: bytes = b""
    code: int = 0
    ended: bool = False
    wrote: Files = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        at = self.container
        folder = seen_from(at.environment.get("HOME", ""), at.folder)
        return f"{folder} {'#' if at.user == 'root' else '$'} "


def pieces(data: bytes) -> list[bytes]:
    """What has been typed, in pieces between which others have their turn: a line at the most."""
    return _PIECE.findall(data)


def fed(terminal: Terminal, data: bytes, container: Container | None = None) -> tuple[Terminal, str]:
    """What the terminal shows of what was typed, and of what came of it. `container`: the place as it is now."""
    terminal = replace(terminal, container=container or terminal.container, wrote={})
    shown: list[str] = []
    for byte in data:
        if terminal.ended:
            break
        if byte in b"\r\n":
            done = shell.line(terminal.container, terminal.typed.decode(errors="replace"), terminal.code)
            container = terminal.container.after(done.wrote, done.variables)
            wrote = {**terminal.wrote, **done.wrote}
            terminal = Terminal(container, code=done.code, ended=done.left, wrote=wrote)
            shown.append("\r\n" + (done.out + done.err).replace("\n", "\r\n"))
            shown.append("" if done.left else terminal.prompt)
        elif byte == _CTRL_C:
            terminal = replace(terminal, typed=b"", code=130)
            shown.append("^C\r\n" + terminal.prompt)
        elif byte == _CTRL_D and not terminal.typed:
            terminal = replace(terminal, ended=True)
            shown.append("\r\n")
        elif byte in b"\x7f\x08":
            shown.append("\b \b" if terminal.typed else "")
            terminal = replace(terminal, typed=terminal.typed[:-1])
        elif (byte >= 0x20 or byte == 0x09) and len(terminal.typed) < _LONGEST_LINE:
            terminal = replace(terminal, typed=terminal.typed + bytes((byte,)))
            shown.append(text_of(bytes((byte,))))  # one of several of a letter
    return terminal, "".join(shown)
