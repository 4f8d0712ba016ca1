"""As whom a client appears: a token that stays, one in a file that is rotated, or what a program says (`exec_login`)."""

from pathlib import Path
from typing import Protocol

from msgspec import Struct

from fakekube.machinery.errors import ApiError


class LoginError(ApiError):
    """There is nothing to appear as. Of the code of a server that is not reached, as whoever tries again then shall try
    again now."""

    code, reason = 503, "ServiceUnavailable"


class Credentials(Struct, frozen=True):
    """A token, a certificate with its key (PEM) in place of the kubeconfig's, both, or nothing: anonymous."""

    token: str = ""
    cert: tuple[bytes, bytes] | None = None


class Login(Protocol):
    """Who is asked before every request."""

    async def credentials(self) -> Credentials:
        """What to appear as now. Raises LoginError."""
        ...

    def refused(self, credentials: Credentials) -> None:
        """The server does not take them any more."""
        ...


class Token(Struct, frozen=True):
    """A token that stays."""

    token: str

    async def credentials(self) -> Credentials:
        return Credentials(self.token)

    def refused(self, credentials: Credentials) -> None:
        """Nothing better is known."""


ANONYMOUS = Token("")


class TokenFile:
    """A token in a file that is rotated, read again only when the file has changed, or the server has refused what it said.

    While there is no token in it, the one before is as good as any, or `first`.
    """

    def __init__(self, path: Path, first: str = "") -> None:
        self._path = path
        self._changed = -1
        self._known = Credentials(first)

    async def credentials(self) -> Credentials:
        return self.read()

    def refused(self, credentials: Credentials) -> None:
        """Two files can be of the same moment, as far as the clock of their file system tells."""
        if credentials is self._known:
            self._changed = -1

    def read(self) -> Credentials:
        """What is in it now. Raises LoginError when there never was anything."""
        try:
            changed = self._path.stat().st_mtime_ns
            if changed != self._changed and (token := self._path.read_text().strip()):
                self._changed, self._known = changed, Credentials(token)
        except (OSError, UnicodeDecodeError) as error:
            if not self._known.token:
                why = error.strerror if isinstance(error, OSError) else "it is no text"
                raise LoginError(f"cannot read the token in {self._path}: {why}") from error
        if not self._known.token:
            raise LoginError(f"there is no token in {self._path}: the file is empty")
        return self._known
