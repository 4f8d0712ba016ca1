"""The kubeconfig that leads to a server of ours: a file of its own, or a context in the user's, taken out again at the end.

Writing is atomic (a temporary file, renamed) and private, and keeps to the lock that kubectl takes.
Origin: k8s: staging/src/k8s.io/client-go/tools/clientcmd/config.go
"""

import base64
import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from fakekube.client.kubeconfig import Config, KubeconfigError, default_files, read

NAME = "fakekube"  # of the context, the cluster and the user
_SECTIONS = ("clusters", "users", "contexts")
_OURS = "# Written by fakekube; replaced and removed without asking."


def write(
    path: str | os.PathLike[str], server: str, *, ca_data: bytes | None = None, token: str = ""
) -> None:
    """A file of our own: one context, named `fakekube`. Raises KubeconfigError before overwriting somebody else's."""
    path = Path(path)
    with _writing(path):
        there = path.exists()
        if there and not path.is_file():
            raise KubeconfigError(f"cannot write the kubeconfig {path}: there is something else than a file")
        if there and not _is_ours(path):
            raise KubeconfigError(
                f"{path} exists and was not written by fakekube; add --merge to keep what is in it"
            )
    cluster, user = _entries(server, ca_data, token)
    lines = [_OURS, "apiVersion: v1", "kind: Config", f"current-context: {NAME}", "preferences: {}"]
    lines += [
        "contexts:",
        f"- name: {NAME}",
        f"  context: {{cluster: {NAME}, user: {NAME}, namespace: default}}",
    ]
    for section, entry, content in (("clusters", "cluster", cluster), ("users", "user", user)):
        lines += [f"{section}:", f"- name: {NAME}", f"  {entry}: {json.dumps(content)}"]
    _replace(path, "\n".join(lines) + "\n")


def merge(path: str | os.PathLike[str], server: str, *, ca_data: bytes | None = None, token: str = "") -> str:
    """Add our context to a file and make it current; all else stays. The context that was current is returned."""
    cluster, user = _entries(server, ca_data, token)
    with _locked(Path(path)) as (config, save):
        config.setdefault("apiVersion", "v1")
        config.setdefault("kind", "Config")
        _put(config, "clusters", "cluster", cluster)
        _put(config, "users", "user", user)
        _put(config, "contexts", "context", {"cluster": NAME, "user": NAME, "namespace": "default"})
        before = str(config.get("current-context") or "")
        config["current-context"] = NAME
        save(config)
    return before if before != NAME else ""


def unmerge(path: str | os.PathLike[str], current: str, server: str) -> None:
    """Take our context out again, unless it leads to another server by now, and go back to `current`."""
    with _locked(Path(path)) as (config, save):
        ours: Config = next((one for one in config.get("clusters") or () if one.get("name") == NAME), {})
        if (ours.get("cluster") or {}).get("server") != server:
            return
        for section in _SECTIONS:
            config[section] = [one for one in config.get(section) or () if one.get("name") != NAME]
        if config.get("current-context") == NAME:
            config["current-context"] = current
        save(config)


def default_file() -> Path:
    """The file kubectl itself would change: the first of $KUBECONFIG, else ~/.kube/config."""
    return default_files()[0]


def _entries(server: str, ca_data: bytes | None, token: str) -> tuple[Config, Config]:
    cluster: Config = {"server": server}
    if ca_data:
        cluster["certificate-authority-data"] = base64.b64encode(ca_data).decode()
    if server.startswith("http:"):
        cluster["insecure-skip-tls-verify"] = (
            True  # there is no TLS to verify; JavaScript's client wants it said
        )
    return cluster, {"token": token} if token else {}


def _put(config: Config, section: str, entry: str, content: Config) -> None:
    others = [one for one in config.get(section) or () if one.get("name") != NAME]
    config[section] = [*others, {"name": NAME, entry: content}]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[tuple[Config, Callable[[Config], None]]]:
    """A file's raw content and the way to save it, under the lock kubectl itself uses (`<file>.lock`)."""
    import yaml  # noqa: PLC0415 - the server starts without it

    path = path.resolve()  # a linked file stays a link
    lock = path.with_name(path.name + ".lock")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            lock.touch(exist_ok=False)
        except FileExistsError as error:
            raise KubeconfigError(
                f"{path} is being changed by somebody else; if not, remove {lock}"
            ) from error
    try:
        if path.exists():
            read(path)  # refuses what cannot be understood, so that it is never overwritten
            config = yaml.safe_load(path.read_text()) or {}
        else:
            config = {}
        yield config, lambda content: _replace(path, yaml.safe_dump(content, sort_keys=False))
    finally:
        lock.unlink(missing_ok=True)


def _replace(path: Path, text: str) -> None:
    """Write in one step, readable by the owner only (or as the file was before)."""
    path = path.resolve()
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w") as file:
                file.write(text)
                if path.exists():  # somebody's file: what replaces it must be on the disk before it does
                    file.flush()
                    os.fsync(file.fileno())
            Path(name).chmod(mode)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KubeconfigError(f"cannot write the kubeconfig {path}: {error.strerror or error}") from error


def _is_ours(path: Path) -> bool:
    """Whether nothing would be lost with the file: it says so, or kubectl has changed it since and leads to us alone."""
    content = path.read_bytes()
    if not content or content.startswith(_OURS.encode()):
        return True
    try:
        config = read(path)
    except KubeconfigError:
        return False
    entries = [one for section in _SECTIONS for one in config.get(section) or ()]
    return bool(entries) and all(one.get("name") == NAME for one in entries)
