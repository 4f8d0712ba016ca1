"""A certificate authority of one's own, for `--tls`: made once, kept in a state folder, trusted by our kubeconfigs only.

One file holds everything (the names it is for, key, certificate, CA), so processes that start together cannot mix
theirs. The CA's key is never written: nobody can sign anything else with it.
"""

import os
import ssl
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from fakekube.machinery.wire import User

_NAMES = ("localhost", "127.0.0.1", "::1", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
_BEGIN = b"-----BEGIN CERTIFICATE-----"


# What the `ssl` module says of a peer's certificate, as far as it matters here.
Certificate = Mapping[str, Any]


class TlsUnavailable(Exception):
    """TLS cannot be set up; the text is one sentence for people."""


class Identity(Struct, frozen=True):
    """What a server shows, and what its clients have to trust."""

    context: ssl.SSLContext
    ca_data: bytes


def trust(context: ssl.SSLContext, file: str) -> None:
    """Let clients of a server show certificates that the authorities in `file` have signed. Raises TlsUnavailable."""
    try:
        context.load_verify_locations(file)
    except (OSError, ssl.SSLError) as error:
        why = "there is no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror or error
        raise TlsUnavailable(f"cannot trust {file}: {why}") from error
    context.verify_mode = ssl.CERT_OPTIONAL


def user_of(certificate: Certificate) -> User | None:
    """Whom a certificate names: the common name is the user, the organisations are the groups."""
    parts = [pair for part in certificate.get("subject", ()) for pair in part]
    name = next((value for key, value in parts if key == "commonName"), "")
    if not name:
        return None
    groups = (value for key, value in parts if key == "organizationName")
    return User(name, (*groups, "system:authenticated"))


def state_folder() -> Path:
    """Where this project keeps what outlives a run: `$FAKEKUBE_STATE`, else below `$XDG_STATE_HOME`."""
    if os.environ.get("FAKEKUBE_STATE"):
        return Path(os.environ["FAKEKUBE_STATE"])
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "fakekube"


def identity(hosts: Iterable[str] = (), folder: Path | None = None) -> Identity:
    """A server's identity for the loopback and `hosts`, kept in `folder`. Raises TlsUnavailable."""
    names = sorted({*_NAMES, *hosts})
    file = (folder or state_folder()) / "tls.pem"
    try:
        kept = _load(file, names)
        if kept is None:
            _save(file, _make(names))
            kept = _load(file, names)
    except OSError as error:
        raise TlsUnavailable(f"cannot keep certificates in {file}: {error.strerror or error}") from error
    assert kept is not None, "what was just written can be read"
    return kept


def _load(file: Path, names: list[str]) -> Identity | None:
    """What the file holds, if it is whole and made for these names."""
    try:
        data = file.read_bytes()
        if not data.startswith(_title(names)):
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file)
        context.set_alpn_protocols(
            ["http/1.1"]
        )  # clients that would like HTTP/2 better learn it before they speak
    except (FileNotFoundError, ssl.SSLError):
        return None
    return Identity(context, _BEGIN + data.rpartition(_BEGIN)[2])


def _title(names: list[str]) -> bytes:
    return f"fakekube's identity for {' '.join(names)}\n".encode()


def _make(names: list[str]) -> bytes:
    try:
        import trustme  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise TlsUnavailable("--tls needs the extra 'tls': pip install 'fakekube[tls]'") from error
    authority = trustme.CA(organization_name="fakekube", organization_unit_name="on this machine only")
    server = authority.issue_cert(*names, common_name="fakekube", organization_name="fakekube")
    return _title(names) + server.private_key_and_cert_chain_pem.bytes() + authority.cert_pem.bytes()


def _save(file: Path, data: bytes) -> None:
    """Whole or not at all, readable by the owner only."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, name = tempfile.mkstemp(dir=file.parent)
    with os.fdopen(descriptor, "wb") as temporary:
        temporary.write(data)
    Path(name).replace(file)
