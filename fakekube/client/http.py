"""A Handler that asks a server over HTTP: the client's transport to any cluster. One of the two doors to aiohttp.

Connections are kept alive and shared. Answers come back whole, except watches and followed logs, which stream. When
the server cannot be reached, or a connection breaks, `Unreachable` is raised: an ApiError of code 503, so whoever
retries refusals of the server (informers, controllers) retries this as well.
"""

import contextlib
import os
import ssl
import tempfile
from collections.abc import AsyncGenerator
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from fakekube.client.kubeconfig import Access, KubeconfigError
from fakekube.client.login import ANONYMOUS, Login, LoginError
from fakekube.machinery.errors import ApiError
from fakekube.machinery.wire import Request, Response

_STREAMING = frozenset({"watch=true", "watch=1", "watch=True", "follow=true", "follow=1"})
_QUIET_STREAM = 5
_CONNECT_SECONDS = 30.0
_WHOLE_BYTES = 1024 * 1024  # of a body sent at once; more goes in pieces, and lets others run
# What belongs to one connection, and is not passed on with the answer.
_HOP_HEADERS = frozenset(
    {"connection", "content-encoding", "content-length", "content-type", "transfer-encoding"}
)


class Unreachable(ApiError):
    """The server did not answer: refused, timed out, or gone in the middle."""

    code, reason = 503, "ServiceUnavailable"


class HttpTransport:
    """See the module text."""

    def __init__(
        self,
        base_url: str,
        *,
        login: Login = ANONYMOUS,
        ca_data: bytes | None = None,
        client_cert: tuple[bytes, bytes] | None = None,
        verify: bool = True,
        server_name: str = "",
        patience: float | None = None,
    ) -> None:
        """`patience` is for how many seconds a server may be silent before an answer; without, for ever.

        A watch or log may be silent `_QUIET_STREAM` times as long: a server sends bookmarks once a minute.
        """
        self.base_url = base_url.rstrip("/")
        self._login = login
        self._server_name = server_name or None
        self._ssl: ssl.SSLContext | bool = (
            tls_context(ca_data, client_cert, verify=verify) if base_url.startswith("https:") else True
        )
        self._access: Access | None = None  # where the certificates come from, if they may be renewed
        self._shown: tuple[bytes, bytes] | None = None  # the certificate a login gave
        self._timeout, self._stream_timeout = (
            aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=seconds)
            for seconds in (patience, patience and patience * _QUIET_STREAM)
        )
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def to(cls, access: Access, *, patience: float | None = None) -> Self:
        """The transport a kubeconfig describes. Raises KubeconfigError when its certificates are none."""
        try:
            transport = cls(
                access.server,
                login=access.login,
                ca_data=access.ca_data,
                client_cert=access.client_cert,
                verify=access.verify,
                server_name=access.server_name,
                patience=patience,
            )
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise KubeconfigError(f"the certificates for {access.server} cannot be used: {error}") from error
        transport._access = access
        return transport

    async def __call__(self, request: Request) -> Response:
        session = self._session
        if session is None or session.closed:
            session = self._session = self._open()
        headers = dict(request.headers)
        target = (
            f"{self.base_url}{request.path}?{request.query}"
            if request.query
            else self.base_url + request.path
        )
        try:
            shown = await self._login.credentials()
            if shown.cert != self._shown:
                self._show(shown.cert)
            if shown.token:
                if not shown.token.isprintable():
                    raise LoginError(
                        "what should be a token is none: there are line breaks in it, or no text"
                    )
                headers["authorization"] = f"Bearer {shown.token}"
            answer = await session.request(
                request.method,
                URL(target, encoded=True),
                data=BytesIO(request.body) if len(request.body) > _WHOLE_BYTES else request.body or None,
                headers=headers,
                skip_auto_headers=("Content-Type",),
                allow_redirects=False,
                ssl=self._ssl,
                server_hostname=self._server_name,
                timeout=self._stream_timeout if _streams(request) else self._timeout,
            )
            if answer.status < 300 and _streams(request):
                body, stream = b"", _chunks(answer)
            else:
                async with answer:
                    body, stream = await answer.read(), None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(error, aiohttp.ClientSSLError):
                self._renew_certificates()
            raise _unreachable(self.base_url, error) from error
        if answer.status == 401:
            self._renew_certificates()
            self._login.refused(shown)
        return Response(
            answer.status,
            body,
            answer.headers.get("Content-Type", ""),
            [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP_HEADERS],
            stream,
        )

    async def close(self) -> None:
        """Let go of all connections. Using the transport again opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def _show(self, cert: tuple[bytes, bytes] | None) -> None:
        """Appear by the certificate that the login gave."""
        if self._access is not None and isinstance(self._ssl, ssl.SSLContext):
            self._ssl = tls_context(self._access.ca_data, cert, verify=self._access.verify)
            self._shown = cert

    def _renew_certificates(self) -> None:
        """Those we know do not do: where they were renewed meanwhile, the next request goes by the new ones. Whom we speak
        to never changes."""
        old = self._access
        if old is None or old.again is None or not isinstance(self._ssl, ssl.SSLContext):
            return
        with contextlib.suppress(KubeconfigError, OSError, ssl.SSLError, UnicodeDecodeError):
            new = old.again()
            if new.server == old.server and (new.ca_data, new.client_cert) != (old.ca_data, old.client_cert):
                self._ssl = tls_context(new.ca_data, self._shown or new.client_cert, verify=old.verify)
                self._access = new

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
        )


async def _chunks(answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """The body as it arrives. A break is an error, not an end."""
    try:
        async for chunk in answer.content.iter_any():
            yield chunk
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise _unreachable(str(answer.url.origin()), error) from error
    finally:
        answer.close()


def _streams(request: Request) -> bool:
    return request.method == "GET" and not _STREAMING.isdisjoint(request.query.split("&"))


def _unreachable(url: str, error: Exception) -> Unreachable:
    cause = getattr(error, "os_error", None)  # aiohttp's own text is about its parameters
    number = 0 if cause is None or isinstance(cause, ssl.SSLError) else cause.errno or 0
    why = os.strerror(number) if number > 0 else str(error) or type(error).__name__
    return Unreachable(f"cannot reach {url}: {why}")


def tls_context(
    ca_data: bytes | None, client_cert: tuple[bytes, bytes] | None = None, *, verify: bool = True
) -> ssl.SSLContext:
    """What to trust, and whom to appear as (certificate, key), all in PEM."""
    context = ssl.create_default_context(cadata=ca_data.decode() if ca_data else None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if client_cert is not None:
        with tempfile.TemporaryDirectory() as folder:  # the ssl module reads certificates from files only
            cert, key = Path(folder, "cert"), Path(folder, "key")  # the folder is the owner's alone
            cert.write_bytes(client_cert[0])
            key.write_bytes(client_cert[1])
            context.load_cert_chain(cert, key)
    return context
