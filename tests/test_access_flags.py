"""--token, --tls-client-ca and --authorization: who gets in, and what they may do."""

import json
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
import yaml

from fakekube import tls

ROOT = Path(__file__).parents[1]
NAMESPACES = "/api/v1/namespaces"


@contextmanager
def up(*flags: str) -> Iterator[tuple[str, dict]]:
    """`fakekube up` with only the API: its address and its kubeconfig's user."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fakekube", "up", "--only", "api", *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().partition(" at ")[2].partition(";")[0]
        export = process.stdout.readline().strip()
        assert address, process.communicate()[1] if process.poll() else "no address"
        config = yaml.safe_load(Path(export.partition("=")[2]).read_text())
        yield address, config["users"][0]["user"]
    finally:
        process.terminate()
        process.communicate(timeout=30)


def ask(url: str, context: ssl.SSLContext | None = None, **headers: str) -> tuple[int, dict | str]:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.code, error.read()
    return status, json.loads(body) if body[:1] == b"{" else body.decode()


def test_a_token_keeps_strangers_out() -> None:
    """With --token everybody else is 401, the anonymous too, and our kubeconfig carries it."""
    with up("--token", "secret") as (address, user):
        assert user["token"] == "secret"
        assert ask(address + NAMESPACES, Authorization="Bearer secret")[0] == 200
        assert ask(address + NAMESPACES, Authorization="Bearer other")[0] == 401
        assert ask(address + NAMESPACES)[0] == 401


def test_rbac_is_enforced() -> None:
    """With --authorization rbac the anonymous see health only, and the admin may be anybody."""
    with up("--token", "secret", "--authorization", "rbac") as (address, _):
        assert ask(address + "/healthz") == (200, "ok")
        status, refusal = ask(address + NAMESPACES)
        assert (status, refusal["message"][:41]) == (403, 'namespaces is forbidden: User "system:ano')
        admin = {"Authorization": "Bearer secret"}
        assert ask(address + NAMESPACES, **admin)[0] == 200
        assert ask(address + NAMESPACES, **admin, **{"Impersonate-User": "alice"})[0] == 403


def test_certificates_name_their_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --tls-client-ca a certificate's common name is the user; strangers' certificates break the handshake."""
    monkeypatch.setenv("FAKEKUBE_STATE", str(tmp_path))
    authority, stranger = trustme.CA(), trustme.CA()
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    with up("--tls", "--tls-client-ca", str(file), "--authorization", "rbac") as (address, user):
        ours = tls.identity(["127.0.0.1"])

        def context(ca: trustme.CA | None) -> ssl.SSLContext:
            made = ssl.create_default_context(cadata=ours.ca_data.decode())
            if ca is not None:
                ca.issue_cert("a.example", common_name="alice", organization_name="devs").configure_cert(made)
            return made

        status, refusal = ask(address + NAMESPACES, context(authority))
        assert status == 403
        assert 'User "alice" cannot list' in refusal["message"]
        assert ask(address + NAMESPACES, context(None))[0] == 403
        assert ask(address + NAMESPACES, context(None), Authorization=f"Bearer {user['token']}")[0] == 200
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            ask(address + NAMESPACES, context(stranger))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--tls-client-ca", "x"], "--tls-client-ca needs --tls"),
        (["--tls", "--tls-client-ca", "/dev/null"], "cannot trust /dev/null: there is no certificate in it"),
        (["--tls", "--tls-client-ca", "/absent"], "cannot trust /absent: No such file or directory"),
    ],
)
def test_mistakes_are_one_sentence(flags: list[str], said: str) -> None:
    """What cannot work is told before anything starts, with exit code 2."""
    done = subprocess.run(
        [sys.executable, "-m", "fakekube", "up", *flags],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"fakekube: {said}")
