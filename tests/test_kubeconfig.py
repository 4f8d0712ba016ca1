"""Kubeconfig files: read as kubectl reads them, written without losing anything."""

import base64
import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from fakekube.client import kubeconfig, own_kubeconfig
from fakekube.client.kubeconfig import KubeconfigError, load
from fakekube.client.login import Token, TokenFile

B64 = base64.b64encode


def config(name: str, **cluster: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": f"https://{name}:6443"} | cluster}],
        "users": [{"name": name, "user": {"token": f"token-of-{name}"}}],
        "contexts": [
            {"name": name, "context": {"cluster": name, "user": name, "namespace": f"space-of-{name}"}}
        ],
    }


def save(path: Path, content: Any) -> Path:
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return path


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for every test."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_current_context(home: Path) -> None:
    """The current context leads to server, namespace and token."""
    access = load(save(home / "c", config("one")))
    assert (access.server, access.namespace, access.login) == (
        "https://one:6443",
        "space-of-one",
        Token("token-of-one"),
    )


def test_files_of_the_variable_are_merged(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$KUBECONFIG lists files: missing ones are skipped, the first mention of a name wins, any context can be asked for."""
    first, second = save(home / "a", config("one")), save(home / "b", config("two"))
    other = config("one")
    other["clusters"][0]["cluster"]["server"] = "https://shadowed"
    third = save(home / "c", other)
    monkeypatch.setenv("KUBECONFIG", f"{home / 'missing'}:{first}:{second}:{third}")
    assert load().server == "https://one:6443"
    assert load(context="two").server == "https://two:6443"


def test_default_file(home: Path) -> None:
    """Without a variable it is ~/.kube/config."""
    (home / ".kube").mkdir()
    save(home / ".kube" / "config", config("home"))
    assert load().server == "https://home:6443"


def test_certificates(home: Path) -> None:
    """Certificates may be inline or in files named relative to the kubeconfig; inline data wins."""
    content = config(
        "one",
        **{"certificate-authority": "ca.crt", "tls-server-name": "api", "insecure-skip-tls-verify": True},
    )
    content["users"][0]["user"] = {
        "client-certificate-data": B64(b"cert").decode(),
        "client-certificate": "not-there",
        "client-key": "key.pem",
    }
    (home / "ca.crt").write_bytes(b"ca")
    (home / "key.pem").write_bytes(b"key")
    access = load(save(home / "c", content))
    assert (access.ca_data, access.client_cert) == (b"ca", (b"cert", b"key"))
    assert (access.server_name, access.verify) == ("api", False)


def as_user(**user: Any) -> Any:
    return config("one") | {"users": [{"name": "one", "user": user}]}


def token_file(home: Path, text: str) -> TokenFile:
    (home / "token").write_text(text)
    login = load(save(home / "c", as_user(tokenFile="token"))).login
    assert isinstance(login, TokenFile)
    return login


def test_token_file(home: Path) -> None:
    """A token file is read again after it was rotated."""
    login = token_file(home, "first\n")
    assert login.read().token == "first"
    (home / "next").write_text("second\n")
    (home / "next").replace(home / "token")
    assert login.read().token == "second"


def test_token_and_token_file(home: Path) -> None:
    """Of both the file is asked first; as long as there is nothing in it, the token beside it will do."""
    login = load(save(home / "c", as_user(token="beside", tokenFile="token"))).login
    assert isinstance(login, TokenFile)
    assert login.read().token == "beside"
    (home / "token").write_text("rotated\n")
    assert login.read().token == "rotated"


def test_a_token_file_of_the_same_moment(home: Path) -> None:
    """Where the clock of the file system did not tell that it was rotated, the server's refusal does."""
    login = token_file(home, "first")
    moment = (home / "token").stat().st_mtime_ns
    (home / "token").write_text("second")
    os.utime(home / "token", ns=(moment, moment))
    assert login.read().token == "first"
    login.refused(login.read())
    assert login.read().token == "second"


def test_a_token_file_that_is_being_replaced(home: Path) -> None:
    """While the file is missing or empty, the token of before goes on."""
    login = token_file(home, "first")
    (home / "token").unlink()
    assert login.read().token == "first"
    (home / "token").write_text("")
    assert login.read().token == "first"
    (home / "token").write_text("second")
    assert login.read().token == "second"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot read the token in .*/token: No such file"),
        (b"", "there is no token in .*/token: the file is empty"),
        (b"\xff", "cannot read the token in .*/token: it is no text"),
    ],
)
def test_a_token_file_without_a_token(home: Path, content: bytes | None, why: str) -> None:
    """Without a first token there is nothing to go on with: that is told at once."""
    if content is not None:
        (home / "token").write_bytes(content)
    with pytest.raises(KubeconfigError, match=f"^the user of context 'one' cannot log in: {why}"):
        load(save(home / "c", as_user(tokenFile="token")))


def test_in_cluster(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod uses its service account."""
    for name, text in (("token", "t"), ("ca.crt", "ca"), ("namespace", "mine")):
        (home / name).write_text(text)
    with pytest.raises(KubeconfigError, match="not a pod"):
        kubeconfig.in_cluster(home)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    access = kubeconfig.in_cluster(home)
    assert (access.server, access.namespace, access.ca_data) == ("https://[fd00::1]:443", "mine", b"ca")
    assert isinstance(access.login, TokenFile)
    assert access.login.read().token == "t"


def test_in_cluster_without_a_token(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service account without a token is no account."""
    (home / "token").write_text("")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    with pytest.raises(KubeconfigError, match=r"account cannot be used: there is no token in .*/token"):
        kubeconfig.in_cluster(home)


def test_in_cluster_without_an_authority(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service account that is mounted in part is told of in a sentence."""
    (home / "token").write_text("t")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    with pytest.raises(KubeconfigError, match=r"cannot read the authority .*: No such file .*/ca\.crt"):
        kubeconfig.in_cluster(home)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: [", "not valid YAML"),
        ("clusters: one", "no list of named clusters"),
        ("users: {a: b}", "no list of named users"),
        ("contexts: [{name: a, context: b}]", "no list of named contexts"),
        ("- a", "not a mapping"),
        ({"clusters": []}, "no current-context"),
        (config("one") | {"current-context": "two"}, "no context named 'two'; it has one"),
        (config("one") | {"clusters": []}, "no cluster named 'one'; it has none at all"),
        (config("one", server=""), "has no server"),
        (config("one", server="ftp://a"), "no address that begins with"),
        (config("one", **{"certificate-authority-data": "%"}), "cannot read certificate-authority"),
        (config("one", server="https://"), "names no host, or no port there is: 'https://'"),
        (config("one", server="https://a:many"), "names no host, or no port there is"),
        (config("one", server="https://a:99999"), "names no host, or no port there is"),
        (config("one", server="https://a b"), "names no host, or no port there is"),
        (config("one", server="https://[::1"), "names no host, or no port there is"),
        (
            config("one", **{"certificate-authority": 5}),
            "cannot read certificate-authority of context 'one': No such file .*/5",
        ),
        (config("one", **{"certificate-authority-data": 12}), "cannot read certificate-authority"),
        (config("one", **{"certificate-authority-data": "ä"}), "cannot read certificate-authority"),
        (as_user(exec={"command": "x"}), "cannot log in: its exec has the apiVersion ''"),
        (as_user(**{"auth-provider": {"name": "x"}}), "cannot log in: an auth-provider is not supported"),
        (as_user(username="a", password="b"), "password"),
        (
            as_user(**{"client-certificate": "gone"}),
            "cannot read client-certificate of context 'one': No such file .*/gone$",
        ),
        (as_user(**{"client-certificate-data": "YQ=="}), "has a certificate, but no key"),
        (as_user(**{"client-key-data": "YQ=="}), "has a key, but no certificate"),
    ],
)
def test_bad_files(home: Path, content: Any, message: str) -> None:
    """Each way a file can be unusable has its own sentence."""
    with pytest.raises(KubeconfigError, match=message):
        load(save(home / "c", content))


def test_no_file(home: Path) -> None:
    """A named file must exist, and without any the places looked at are told."""
    with pytest.raises(KubeconfigError, match="cannot read the kubeconfig"):
        load(home / "missing")
    with pytest.raises(KubeconfigError, match=r"looked at .*/\.kube/config"):
        load()


def test_a_pod_without_its_account(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there should have been a service account, its place is told, too."""
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    with pytest.raises(
        KubeconfigError, match=r"account is not mounted at /var/run/secrets/kubernetes\.io/serviceaccount"
    ):
        kubeconfig.load()


def test_write(home: Path) -> None:
    """What is written is private, can be read back, and may be replaced by ourselves."""
    path = home / "new" / "config"
    own_kubeconfig.write(path, "http://127.0.0.1:1", token="t")
    own_kubeconfig.write(path, "https://127.0.0.1:2", ca_data=b"ca", token="t")
    access = load(path, "fakekube")
    assert (access.server, access.login, access.ca_data) == ("https://127.0.0.1:2", Token("t"), b"ca")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["config"]


def test_write_spares_other_files(home: Path) -> None:
    """A file that somebody else wrote is never overwritten."""
    path = save(home / "c", config("mine"))
    before = path.read_bytes()
    with pytest.raises(KubeconfigError, match="add --merge"):
        own_kubeconfig.write(path, "http://127.0.0.1:1")
    assert path.read_bytes() == before


def test_write_to_impossible_place(home: Path) -> None:
    """A place that cannot be written is said in a sentence."""
    (home / "file").touch()
    with pytest.raises(KubeconfigError, match="cannot write"):
        own_kubeconfig.write(home / "file" / "config", "http://127.0.0.1:1")


def test_merge_and_unmerge(home: Path) -> None:
    """Merging adds a context and makes it current; everything else stays, links and modes too; and all of it can be undone."""
    mine = config("mine", **{"certificate-authority": "relative.crt"}) | {"extensions": [{"name": "x"}]}
    real = save(home / "real", mine)
    real.chmod(0o640)
    link = home / "link"
    link.symlink_to(real)
    before = own_kubeconfig.merge(link, "http://127.0.0.1:1", token="t")
    assert before == "mine"
    assert load(link).server == "http://127.0.0.1:1"
    own_kubeconfig.merge(link, "http://127.0.0.1:2", token="t")
    merged = yaml.safe_load(real.read_text())
    assert merged["clusters"][0] == mine["clusters"][0]
    assert [one["name"] for one in merged["contexts"]] == ["mine", "fakekube"]
    assert link.is_symlink()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    own_kubeconfig.unmerge(link, before, "http://127.0.0.1:1")
    assert load(link).server == "http://127.0.0.1:2"
    own_kubeconfig.unmerge(link, before, "http://127.0.0.1:2")
    assert yaml.safe_load(real.read_text()) == mine


def test_merge_into_nothing(home: Path) -> None:
    """A missing file is made, in a missing folder."""
    path = home / ".kube" / "config"
    assert own_kubeconfig.default_file() == path
    assert own_kubeconfig.merge(path, "http://127.0.0.1:1") == ""
    assert load().server == "http://127.0.0.1:1"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_merge_never_overwrites_what_it_cannot_read(home: Path) -> None:
    """An unreadable file, or one locked by kubectl, stays as it is."""
    path = save(home / "c", "a: [")
    with pytest.raises(KubeconfigError, match="not valid YAML"):
        own_kubeconfig.merge(path, "http://127.0.0.1:1")
    assert path.read_text() == "a: ["
    (home / "c.lock").touch()
    with pytest.raises(KubeconfigError, match="being changed by somebody else"):
        own_kubeconfig.merge(path, "http://127.0.0.1:1")
    assert (home / "c.lock").exists()


def test_our_file_stays_ours_when_kubectl_has_changed_it(home: Path) -> None:
    """kubectl drops comments: a file that leads to us alone is replaced all the same, one with another way is not."""
    file = home / "ours"
    own_kubeconfig.write(file, "http://127.0.0.1:1")
    changed = yaml.safe_load(file.read_text())
    changed["contexts"][0]["context"]["namespace"] = "demo"
    own_kubeconfig.write(save(file, changed), "http://127.0.0.1:2")
    assert load(file).server == "http://127.0.0.1:2"
    changed["users"].append({"name": "mine", "user": {"token": "precious"}})
    for theirs in (changed, {"apiVersion": "v1"}, "text", {"clusters": "x"}):
        with pytest.raises(KubeconfigError, match="was not written by fakekube"):
            own_kubeconfig.write(save(file, theirs), "http://127.0.0.1:3")
