"""Kubeconfig files: the user's way to a cluster. No connections are made here; ours are written by `own_kubeconfig`.

As with kubectl, `$KUBECONFIG` may list several files, the first mention of a name wins, `~/.kube/config` is the default,
and a pod without any reads its service account.
Origin: k8s: staging/src/k8s.io/client-go/tools/clientcmd/{loader,client_config}.go, rest/config.go: InClusterConfig
"""

import base64
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fakekube.client.login import ANONYMOUS, Login, LoginError, Token, TokenFile

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

Config = dict[str, Any]


class KubeconfigError(Exception):
    """A kubeconfig that cannot be used; the text is one sentence for people."""


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach a cluster, and as whom."""

    server: str
    namespace: str = "default"
    login: Login = ANONYMOUS
    ca_data: bytes | None = None
    client_cert: tuple[bytes, bytes] | None = None
    verify: bool = True
    server_name: str = ""
    again: "Callable[[], Access] | None" = field(
        default=None, compare=False
    )  # reads where this came from anew


def load(path: str | os.PathLike[str] | None = None, context: str | None = None) -> Access:
    """What `path`, else $KUBECONFIG, else ~/.kube/config, else the pod's service account says. Raises KubeconfigError."""
    files = [Path(path)] if path is not None else default_files()
    configs = [read(file) for file in files if path is not None or file.exists()]
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
    login = TokenFile(folder / "token")
    try:
        login.read()
    except LoginError as error:
        raise KubeconfigError(f"this pod's service account cannot be used: {error}") from error
    try:
        ca_data = (folder / "ca.crt").read_bytes()
    except OSError as error:
        raise KubeconfigError(
            f"cannot read the authority of this pod's service account: {error.strerror}: {folder / 'ca.crt'}"
        ) from error
    return Access(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=space.read_text().strip() if space.exists() else "default",
        login=login,
        ca_data=ca_data,
        again=lambda: in_cluster(folder),
    )


def default_files() -> list[Path]:
    listed = [Path(one) for one in os.environ.get("KUBECONFIG", "").split(os.pathsep) if one]
    return listed or [Path.home() / ".kube" / "config"]


def read(path: Path) -> Config:
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
                    one[entry][key] = str(path.parent / str(one[entry][key]))
            plugin = (one.get(entry) or {}).get("exec")
            if isinstance(plugin, dict) and os.sep in str(
                plugin.get("command") or ""
            ):  # others are looked for on the PATH
                plugin["command"] = str(path.parent / str(plugin["command"]))
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
    try:
        where = urlsplit(str(cluster["server"]))
        there = bool(where.hostname) and where.port != 0 and " " not in where.netloc
    except ValueError:  # what is no port, or no address in brackets
        there = False
    if not there:
        raise KubeconfigError(
            f"the server of context {context!r} names no host, or no port there is: {cluster['server']!r}"
        )
    cert, key = (_bytes(user, name, context) for name in ("client-certificate", "client-key"))
    if (cert is None) != (key is None):
        raise KubeconfigError(
            f"the user of context {context!r} has {'a key, but no certificate' if cert is None else 'a certificate, but no key'}"
        )
    try:
        login = _login(user, cluster, certified=cert is not None)
    except LoginError as error:
        raise KubeconfigError(f"the user of context {context!r} cannot log in: {error}") from error
    return Access(
        server=str(cluster["server"]),
        namespace=namespace,
        login=login,
        ca_data=_bytes(cluster, "certificate-authority", context),
        client_cert=(cert, key) if cert is not None and key is not None else None,
        verify=not cluster.get("insecure-skip-tls-verify"),
        server_name=str(cluster.get("tls-server-name") or ""),
    )


def _login(user: Mapping[str, Any], cluster: Mapping[str, Any], *, certified: bool) -> Login:
    """The first way that the user has, as kubectl ranks them; a certificate is enough without any."""
    token = str(user.get("token") or "")
    if user.get("tokenFile"):
        login = TokenFile(Path(user["tokenFile"]), token)
        login.read()
        return login
    if token:
        return Token(token)
    if certified:
        return ANONYMOUS
    if user.get("exec"):
        from fakekube.client import exec_login  # noqa: PLC0415 - the server starts without it

        return exec_login.of_user(user, cluster)
    if user.get("auth-provider"):
        raise LoginError("an auth-provider is not supported; use exec, a token or a certificate")
    if user.get("username"):
        raise LoginError("a password is not supported; use a token or a certificate")
    return ANONYMOUS


def _bytes(entry: Mapping[str, Any], key: str, context: str) -> bytes | None:
    """Inline data, which wins, or the content of the file named."""
    inline, path = entry.get(f"{key}-data"), entry.get(key)
    try:
        if inline:
            return base64.b64decode(str(inline), validate=True)
        return Path(path).read_bytes() if path else None
    except OSError as error:
        why = f"{error.strerror}: {path}"
    except ValueError as error:
        why = f"it is not base64: {error}" if inline else f"{error}: {path!r}"
    raise KubeconfigError(f"cannot read {key}{'-data' if inline else ''} of context {context!r}: {why}")
