"""Kubeconfig files: reading the user's way to a cluster, and writing ours. No connections are made here.

Reading follows kubectl: `$KUBECONFIG` may list several files, the first mention of a name wins, `~/.kube/config` is the
default, and a pod without any reads its service account. Writing is atomic (a temporary file, renamed) and private.
Origin: k8s: staging/src/k8s.io/client-go/tools/clientcmd/{loader,client_config}.go, rest/config.go: InClusterConfig
"""

import base64
import binascii
import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

NAME = "fakekube"  # of the context, the cluster and the user this project writes
_OURS = "# Written by fakekube; replaced and removed without asking."
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

Config = dict[str, Any]


class KubeconfigError(Exception):
    """A kubeconfig that cannot be used; the text is one sentence for people."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a cluster, and as whom."""

    server: str
    namespace: str = "default"
    token: str | Callable[[], str] = ""
    ca_data: bytes | None = None
    client_cert: tuple[bytes, bytes] | None = None
    verify: bool = True
    server_name: str = ""
    again: "Callable[[], Access] | None" = field(
        default=None, compare=False
    )  # reads where this came from anew


# --- reading ---------------------------------------------------------------------------------------------------


def load(path: str | os.PathLike[str] | None = None, context: str | None = None) -> Access:
    """What `path`, else $KUBECONFIG, else ~/.kube/config, else the pod's service account says. Raises KubeconfigError."""
    files = [Path(path)] if path is not None else _default_files()
    configs = [_read(file) for file in files if path is not None or file.exists()]
    if not configs:
        pod = bool(os.environ.get("KUBERNETES_SERVICE_HOST"))
        if pod and (_SERVICE_ACCOUNT / "token").exists():
            return in_cluster()
        lacking = f"; and this pod's service account is not mounted at {_SERVICE_ACCOUNT}" if pod else ""
        raise KubeconfigError(f"no kubeconfig found: looked at {', '.join(map(str, files))}{lacking}")
    name = context or next((str(one["current-context"]) for one in configs if one.get("current-context")), "")
    if not name:
        there = _names(configs, "contexts")
        choice = f"name one of {there}" if there else "nor any other context"
        raise KubeconfigError(f"the kubeconfig {files[0]} has no current-context; {choice}")
    chosen = _find(configs, "contexts", "context", name)
    access = _access(
        _find(configs, "clusters", "cluster", str(chosen.get("cluster") or "")),
        _find(configs, "users", "user", str(chosen["user"])) if chosen.get("user") else {},
        str(chosen.get("namespace") or "default"),
        name,
    )
    return replace(access, again=lambda: load(path, name))


def in_cluster(folder: Path = _SERVICE_ACCOUNT) -> Access:
    """The access of the pod this runs in. The token is read again whenever it was rotated."""
    host, port = (
        os.environ.get("KUBERNETES_SERVICE_HOST", ""),
        os.environ.get("KUBERNETES_SERVICE_PORT", "443"),
    )
    if not host or not (folder / "token").exists():
        raise KubeconfigError(
            "this is not a pod with a service account, so there is no in-cluster configuration"
        )
    space = folder / "namespace"
    return Access(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=space.read_text().strip() if space.exists() else "default",
        token=_rotated(folder / "token"),
        ca_data=(folder / "ca.crt").read_bytes(),
        again=lambda: in_cluster(folder),
    )


def _default_files() -> list[Path]:
    listed = [Path(one) for one in os.environ.get("KUBECONFIG", "").split(os.pathsep) if one]
    return listed or [Path.home() / ".kube" / "config"]


def _read(path: Path) -> Config:
    """A file's content, its relative paths made absolute."""
    import yaml  # noqa: PLC0415 - the server starts without it

    try:
        config = yaml.safe_load(path.read_text())
    except OSError as error:
        raise KubeconfigError(f"cannot read the kubeconfig {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise KubeconfigError(
            f"the kubeconfig {path} is not valid YAML: {' '.join(str(error).split())}"
        ) from error
    if not isinstance(config, dict | None):
        raise KubeconfigError(f"the kubeconfig {path} is not a mapping")
    config = config or {}
    for section, entry in (("clusters", "cluster"), ("users", "user"), ("contexts", "context")):
        entries = config.get(section) or ()
        if not isinstance(entries, list | tuple) or not all(_is_entry(one, entry) for one in entries):
            raise KubeconfigError(f"the kubeconfig {path} has {section} that are no list of named {section}")
        for one in entries:
            for key in ("certificate-authority", "client-certificate", "client-key", "tokenFile"):
                if (one.get(entry) or {}).get(key):
                    one[entry][key] = str(path.parent / one[entry][key])
    return config


def _is_entry(one: Any, entry: str) -> bool:
    return isinstance(one, dict) and isinstance(one.get(entry), dict | None)


def _find(configs: list[Config], section: str, entry: str, name: str) -> Mapping[str, Any]:
    for config in configs:
        for one in config.get(section) or ():
            if one.get("name") == name:
                return one.get(entry) or {}
    raise KubeconfigError(
        f"the kubeconfig has no {entry} named {name!r}; it has {_names(configs, section) or 'none at all'}"
    )


def _names(configs: list[Config], section: str) -> str:
    return ", ".join(
        sorted({str(one.get("name")) for config in configs for one in config.get(section) or ()})
    )


def _access(cluster: Mapping[str, Any], user: Mapping[str, Any], namespace: str, context: str) -> Access:
    if not cluster.get("server"):
        raise KubeconfigError(f"the cluster of context {context!r} has no server")
    if not str(cluster["server"]).startswith(("http://", "https://")):
        raise KubeconfigError(
            f"the server of context {context!r} is no address that begins with http:// or https://: {cluster['server']!r}"
        )
    cert, key = _bytes(user, "client-certificate"), _bytes(user, "client-key")
    token: str | Callable[[], str] = str(user.get("token") or "")
    if not token and user.get("tokenFile"):
        token = _rotated(Path(user["tokenFile"]))
    if not token and cert is None and (user.get("exec") or user.get("auth-provider")):
        raise KubeconfigError(
            f"the user of context {context!r} logs in through a plugin, which is not supported; use a token or a certificate"
        )
    return Access(
        server=str(cluster["server"]),
        namespace=namespace,
        token=token,
        ca_data=_bytes(cluster, "certificate-authority"),
        client_cert=(cert, key) if cert is not None and key is not None else None,
        verify=not cluster.get("insecure-skip-tls-verify"),
        server_name=str(cluster.get("tls-server-name") or ""),
    )


def _bytes(entry: Mapping[str, Any], key: str) -> bytes | None:
    """Inline data, which wins, or the content of the file named."""
    try:
        if entry.get(f"{key}-data"):
            return base64.b64decode(entry[f"{key}-data"], validate=True)
        return Path(entry[key]).read_bytes() if entry.get(key) else None
    except (OSError, binascii.Error) as error:
        raise KubeconfigError(f"cannot read {key}: {error}") from error


def _rotated(path: Path) -> Callable[[], str]:
    """A reader of a token file that reads again only when the file has changed. While there is no token in it, the one
    before is as good as any; OSError when there never was one."""
    seen: tuple[int, str] = (-1, "")

    def token() -> str:
        nonlocal seen
        try:
            changed = path.stat().st_mtime_ns
            if changed != seen[0] and (text := path.read_text().strip()):
                seen = (changed, text)
        except OSError:
            if not seen[1]:
                raise
        return seen[1]

    return token


# --- writing ---------------------------------------------------------------------------------------------------


def write(
    path: str | os.PathLike[str], server: str, *, ca_data: bytes | None = None, token: str = ""
) -> None:
    """A file of our own: one context, named `fakekube`. Raises KubeconfigError before overwriting somebody else's."""
    path = Path(path)
    if path.exists() and path.stat().st_size and not path.read_bytes().startswith(_OURS.encode()):
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
        for section in ("clusters", "users", "contexts"):
            config[section] = [one for one in config.get(section) or () if one.get("name") != NAME]
        if config.get("current-context") == NAME:
            config["current-context"] = current
        save(config)


def default_file() -> Path:
    """The file kubectl itself would change: the first of $KUBECONFIG, else ~/.kube/config."""
    return _default_files()[0]


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
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = path.with_name(path.name + ".lock")
    try:
        lock.touch(exist_ok=False)
    except FileExistsError as error:
        raise KubeconfigError(f"{path} is being changed by somebody else; if not, remove {lock}") from error
    except OSError as error:
        raise KubeconfigError(f"cannot write the kubeconfig {path}: {error.strerror}") from error
    try:
        if path.exists():
            _read(path)  # refuses what cannot be understood, so that it is never overwritten
            config = yaml.safe_load(path.read_text()) or {}
        else:
            config = {}
        yield config, lambda content: _replace(path, yaml.safe_dump(content, sort_keys=False))
    finally:
        lock.unlink(missing_ok=True)


def _replace(path: Path, text: str) -> None:
    """Write in one step, readable by the owner only (or as the file was before)."""
    path = path.resolve()
    try:
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
    except OSError as error:
        raise KubeconfigError(f"cannot write the kubeconfig {path}: {error.strerror or error}") from error
