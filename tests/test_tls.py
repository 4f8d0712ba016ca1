"""TLS with an authority of our own."""

import asyncio
import contextlib
import json
import ssl
import stat
import sys
from base64 import b64encode
from pathlib import Path

import pytest

from fakekube import tls
from fakekube.client import kubeconfig, own_kubeconfig
from fakekube.client.http import HttpTransport, Unreachable
from fakekube.machinery.wire import Request, Response
from fakekube.server import Server


async def ok(request: Request) -> Response:
    return Response(body=b"{}")


async def test_https(tmp_path: Path) -> None:
    """Clients that trust the authority are served; others refuse to talk."""
    mine = tls.identity(folder=tmp_path)
    async with Server(ok, ssl_context=mine.context) as server:
        assert server.url.startswith("https://127.0.0.1:")
        async with HttpTransport(server.url, ca_data=mine.ca_data) as transport:
            assert (await transport(Request("GET", "/"))).status == 200
        async with HttpTransport(server.url, verify=False) as transport:
            assert (await transport(Request("GET", "/"))).status == 200
        async with HttpTransport(server.url) as transport:
            with pytest.raises(Unreachable, match="certificate"):
                await transport(Request("GET", "/"))


async def test_protocols(tmp_path: Path) -> None:
    """A client that offers HTTP/2 first is told to speak HTTP/1.1."""
    mine = tls.identity(folder=tmp_path)
    offer = ssl.create_default_context(cadata=mine.ca_data.decode())
    offer.set_alpn_protocols(["h2", "http/1.1"])
    async with Server(ok, ssl_context=mine.context) as server:
        _, writer = await asyncio.open_connection(server.host, server.port, ssl=offer)
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        writer.close()


async def test_plain_http_on_a_tls_port(tmp_path: Path) -> None:
    """Somebody who speaks plain HTTP to a TLS port is turned away and the server lives on."""
    mine = tls.identity(folder=tmp_path)
    async with Server(ok, ssl_context=mine.context) as server:
        reader, writer = await asyncio.open_connection(server.host, server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            await asyncio.wait_for(reader.read(), 30)
        writer.close()
        async with HttpTransport(server.url, ca_data=mine.ca_data) as transport:
            assert (await transport(Request("GET", "/"))).status == 200


def test_kept(tmp_path: Path) -> None:
    """The identity is made once, for its owner's eyes only, and made anew for other names or when it is broken."""
    first = tls.identity(folder=tmp_path)
    assert tls.identity(folder=tmp_path).ca_data == first.ca_data
    [file] = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    other = tls.identity(["kube.example"], tmp_path)
    assert other.ca_data != first.ca_data
    file.write_bytes(file.read_bytes()[:400])
    assert tls.identity(["kube.example"], tmp_path).ca_data != other.ca_data


def test_client_sees_only_the_authority(tmp_path: Path) -> None:
    """What a kubeconfig embeds is one certificate that can sign, and no key."""
    data = tls.identity(folder=tmp_path).ca_data
    assert data.count(b"BEGIN") == 1
    context = ssl.create_default_context(cadata=data.decode())
    assert context.cert_store_stats()["x509_ca"] >= 1


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without trustme the user is told what to install."""
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(tls.TlsUnavailable, match=r"pip install 'fakekube\[tls\]'"):
        tls.identity(folder=tmp_path)


def test_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """State lies where the user says, and a place that cannot be written is said in a sentence."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("FAKEKUBE_STATE", str(tmp_path / "file"))
    assert tls.state_folder() == tmp_path / "file"
    with pytest.raises(tls.TlsUnavailable, match="cannot keep certificates"):
        tls.identity()
    monkeypatch.delenv("FAKEKUBE_STATE")
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    assert tls.state_folder() == Path("/x/fakekube")


@pytest.mark.filterwarnings(  # on a slow network asyncio's server still holds what a refused handshake leaves
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
async def test_certificates_that_are_renewed(tmp_path: Path) -> None:
    """A client that lives long reads its kubeconfig anew when the server's certificate does not do any more, and takes
    the authority from there; never another server."""
    before, after = (tls.identity(folder=tmp_path / name) for name in ("before", "after"))
    path = tmp_path / "kubeconfig"
    async with Server(ok, ssl_context=before.context) as server:
        own_kubeconfig.write(path, server.url, ca_data=before.ca_data)
        transport = HttpTransport.to(kubeconfig.load(path))
        assert (await transport(Request("GET", "/"))).status == 200
    async with Server(ok, port=server.port, ssl_context=after.context) as server, transport:
        for _ in range(2):
            with pytest.raises(Unreachable, match="certificate"):
                await transport(Request("GET", "/"))
        own_kubeconfig.write(path, "https://elsewhere", ca_data=after.ca_data)
        for _ in range(2):
            with pytest.raises(Unreachable, match="certificate"):
                await transport(Request("GET", "/"))
        own_kubeconfig.write(path, server.url, ca_data=after.ca_data)
        with pytest.raises(Unreachable, match="certificate"):
            await transport(Request("GET", "/"))
        assert (await transport(Request("GET", "/"))).status == 200


async def test_client_certificates_that_are_renewed(tmp_path: Path) -> None:
    """Who is not known any more by the certificate it shows shows the present one next."""
    trustme = pytest.importorskip("trustme")
    mine, authority = tls.identity(folder=tmp_path / "server"), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "clients.pem")
    tls.trust(mine.context, str(tmp_path / "clients.pem"))
    content = {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "clusters": [
            {"name": "a", "cluster": {"certificate-authority-data": b64encode(mine.ca_data).decode()}}
        ],
        "users": [{"name": "a", "user": {"client-certificate": "cert", "client-key": "key"}}],
    }

    def issue(name: str) -> None:
        issued = authority.issue_cert("a.example", common_name=name)
        issued.cert_chain_pems[0].write_to_path(tmp_path / "cert")
        issued.private_key_pem.write_to_path(tmp_path / "key")

    async def only_new(request: Request) -> Response:
        return Response(200 if request.user and request.user.name == "new" else 401)

    issue("old")
    async with Server(only_new, ssl_context=mine.context, certified=tls.user_of) as server:
        content["clusters"][0]["cluster"]["server"] = server.url  # type: ignore[index]
        (tmp_path / "kubeconfig").write_text(json.dumps(content))
        async with HttpTransport.to(kubeconfig.load(tmp_path / "kubeconfig")) as transport:
            assert (await transport(Request("GET", "/"))).status == 401
            issue("new")
            assert (await transport(Request("GET", "/"))).status == 401
            assert (await transport(Request("GET", "/"))).status == 200
