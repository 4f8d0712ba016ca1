"""Logging in through a program of the kubeconfig: real programs, a real server."""

import json
import sys
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fakekube import tls
from fakekube.client import exec_login, kubeconfig
from fakekube.client.exec_login import Lasting
from fakekube.client.http import HttpTransport
from fakekube.client.kubeconfig import KubeconfigError
from fakekube.client.login import LoginError, Token
from fakekube.machinery.errors import ApiError
from fakekube.machinery.wire import Request, Response
from fakekube.server import Server

V1 = "client.authentication.k8s.io/v1"


def program(folder: Path, *, code: int = 0, kind: str = "ExecCredential", version: str = V1) -> Path:
    """A program that notes what it was asked, and prints the content of `status`."""
    path = folder / "login"
    path.write_text(
        f"#!{sys.executable}\n"
        "import os, pathlib, sys\n"
        f"folder = pathlib.Path({str(folder)!r})\n"
        "with open(folder / 'asked', 'a') as asked:\n"
        "    print(os.environ['KUBERNETES_EXEC_INFO'], os.environ.get('REGION'), *sys.argv[1:], file=asked)\n"
        f'print(\'{{"kind": "{kind}", "apiVersion": "{version}", "status": %s}}\' % (folder / "status").read_text())\n'
        f"sys.exit({code})\n"
    )
    path.chmod(0o755)
    return path


def status(folder: Path, **members: Any) -> None:
    (folder / "status").write_text(json.dumps(members))


def asked(folder: Path) -> list[str]:
    return (folder / "asked").read_text().splitlines()


def user(**plugin: Any) -> dict[str, Any]:
    return {"exec": {"apiVersion": V1, "command": "./login"} | plugin}


def config(folder: Path, server: str, of: dict[str, Any], **cluster: Any) -> Path:
    path = folder / "kubeconfig"
    content = {
        "current-context": "a",
        "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        "clusters": [{"name": "a", "cluster": {"server": server} | cluster}],
        "users": [{"name": "a", "user": of}],
    }
    path.write_text(json.dumps(content))
    return path


async def test_a_token_is_asked_for_once_and_again_when_it_is_refused(tmp_path: Path) -> None:
    """The program lies beside the kubeconfig, hears of its arguments and environment, and speaks again after a 401 only."""
    valid = "one"

    async def guarded(request: Request) -> Response:
        return Response(200 if request.headers.get("authorization") == f"Bearer {valid}" else 401)

    program(tmp_path)
    status(tmp_path, token="one")
    of = user(args=["--cluster", "x"], env=[{"name": "REGION", "value": "south"}])
    async with Server(guarded) as server:
        access = kubeconfig.load(config(tmp_path, server.url, of))
        assert not (tmp_path / "asked").exists()
        async with HttpTransport.to(access) as transport:
            answers = [(await transport(Request("GET", "/"))).status for _ in range(2)]
            question = {"kind": "ExecCredential", "apiVersion": V1, "spec": {"interactive": False}}
            assert (answers, asked(tmp_path)) == (
                [200, 200],
                [f"{json.dumps(question)} south --cluster x"],
            )
            valid = "two"
            status(tmp_path, token="two")
            answers = [(await transport(Request("GET", "/"))).status for _ in range(3)]
            assert (answers, len(asked(tmp_path))) == ([401, 200, 200], 2)


async def test_what_has_expired_is_asked_for_again(tmp_path: Path) -> None:
    """Until its moment the answer is kept; from it on the program is asked."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    of = user(command=str(program(tmp_path)))
    login = exec_login.of_user(of, {}, now=lambda: moment)
    status(tmp_path, token="a", expirationTimestamp="2026-01-01T01:00:00Z")
    assert await login.credentials() == Lasting("a", None, moment + timedelta(hours=1))
    status(tmp_path, token="b")
    moment += timedelta(minutes=59, seconds=59)
    assert (await login.credentials()).token == "a"
    moment += timedelta(seconds=1)
    assert await login.credentials() == Lasting("b")
    assert len(asked(tmp_path)) == 2


async def test_the_program_hears_of_the_cluster_where_it_wants_to(tmp_path: Path) -> None:
    """`provideClusterInfo` tells what there is to know of the cluster, and what the kubeconfig keeps for the program."""
    status(tmp_path, token="a")
    of = user(command=str(program(tmp_path)), provideClusterInfo=True)
    extensions = [
        {"name": "other", "extension": 1},
        {"name": "client.authentication.k8s.io/exec", "extension": {"a": 1}},
    ]
    cluster = {
        "server": "https://a",
        "certificate-authority": "file",
        "tls-server-name": "b",
        "extensions": extensions,
    }
    await exec_login.of_user(of, cluster).credentials()
    told = json.loads(asked(tmp_path)[0].rpartition(" ")[0])
    assert told["spec"]["cluster"] == {"server": "https://a", "tls-server-name": "b", "config": {"a": 1}}


async def test_a_certificate_of_the_program_is_shown(tmp_path: Path) -> None:
    """Its certificate takes the place of the kubeconfig's, and a new one after a refusal that of the old one."""
    trustme = pytest.importorskip("trustme")
    mine, authority = tls.identity(folder=tmp_path / "server"), trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "clients.pem")
    tls.trust(mine.context, str(tmp_path / "clients.pem"))

    def issue(name: str) -> None:
        issued = authority.issue_cert("a.example", common_name=name)
        cert, key = issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()
        status(tmp_path, clientCertificateData=cert.decode(), clientKeyData=key.decode())

    async def only_new(request: Request) -> Response:
        return Response(200 if request.user and request.user.name == "new" else 401)

    program(tmp_path)
    issue("old")
    async with Server(only_new, ssl_context=mine.context, certified=tls.user_of) as server:
        trusted = {"certificate-authority-data": b64encode(mine.ca_data).decode()}
        access = kubeconfig.load(config(tmp_path, server.url, user(), **trusted))
        async with HttpTransport.to(access) as transport:
            assert (await transport(Request("GET", "/"))).status == 401
            issue("new")
            assert (await transport(Request("GET", "/"))).status == 200


@pytest.mark.parametrize(
    ("printed", "wrong", "message"),
    [
        ({"token": "a"}, {"code": 3}, r"/login has failed with exit code 3"),
        ({"token": "a"}, {"kind": "Pod"}, f"has printed {V1} Pod, and was asked for {V1} ExecCredential"),
        ({"token": "a"}, {"version": "v2"}, "has printed v2 ExecCredential"),
        ({"clientCertificateData": "a"}, {}, "gave a certificate, but no key"),
        ({"clientKeyData": "a"}, {}, "gave a key, but no certificate"),
        ({}, {}, "gave neither a token nor a certificate"),
        ({"token": "a", "expirationTimestamp": "soon"}, {}, "has printed no ExecCredential"),
        ([], {"kind": '"'}, "has printed no ExecCredential"),
    ],
)
async def test_answers_that_cannot_be_used(
    tmp_path: Path, printed: Any, wrong: dict[str, Any], message: str
) -> None:
    """Each is a refusal of the code of servers that are not reached, so that who tries again tries again."""
    path = program(tmp_path, **wrong)
    (tmp_path / "status").write_text(json.dumps(printed))
    async with HttpTransport.to(
        kubeconfig.load(config(tmp_path, "http://127.0.0.1:9", user(command=str(path))))
    ) as transport:
        with pytest.raises(LoginError, match=message) as refused:
            await transport(Request("GET", "/"))
    assert isinstance(refused.value, ApiError)
    assert refused.value.code == 503


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        ({"command": ""}, "its exec has no command"),
        (
            {"apiVersion": "client.authentication.k8s.io/v1alpha1"},
            "its exec has the apiVersion 'client.*v1alpha1'; there are",
        ),
        ({"interactiveMode": "Always"}, "wants a terminal"),
        (
            {"command": "not-there", "installHint": "get it\nthere"},
            r"the program not-there is not there \(get it there\)$",
        ),
        ({"env": [{"value": "a"}]}, "its exec is not written as it should be: 'name'"),
        ({"args": 3}, "its exec is not written as it should be"),
    ],
)
def test_programs_that_can_never_be_asked(tmp_path: Path, plugin: dict[str, Any], message: str) -> None:
    """The kubeconfig is refused in a sentence, before anything is asked."""
    program(tmp_path)
    with pytest.raises(KubeconfigError, match=f"^the user of context 'a' cannot log in: .*{message}"):
        kubeconfig.load(config(tmp_path, "http://127.0.0.1:9", user(**plugin)))


def test_an_exec_that_is_a_text(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="its exec is not written as it should be"):
        kubeconfig.load(config(tmp_path, "http://127.0.0.1:9", {"exec": "login"}))


def test_a_token_that_is_there_needs_no_program(tmp_path: Path) -> None:
    """As client-go: what the kubeconfig says itself wins."""
    access = kubeconfig.load(
        config(tmp_path, "http://127.0.0.1:9", user(command="not-there") | {"token": "a"})
    )
    assert access.login == Token("a")
