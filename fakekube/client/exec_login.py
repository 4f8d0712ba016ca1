"""Credentials from a program that the kubeconfig names under `exec`: how managed clusters let people in.

The program is asked when somebody first needs it, when what it gave has expired, and when the server has refused that.
It is never given a terminal: what it says on standard error is seen, what it would ask is not.
Origin: k8s: staging/src/k8s.io/client-go/plugin/pkg/client/auth/exec/exec.go, pkg/apis/clientauthentication/v1/types.go
"""

import asyncio
import json
import os
import shutil
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from fakekube.client.login import Credentials, LoginError
from fakekube.clock import RealClock, parse_rfc3339

_GROUP = "client.authentication.k8s.io"
_VERSIONS = (f"{_GROUP}/v1", f"{_GROUP}/v1beta1")
_EXTENSION = f"{_GROUP}/exec"
_TOLD_OF_CLUSTERS = (
    "server",
    "tls-server-name",
    "insecure-skip-tls-verify",
    "certificate-authority-data",
    "proxy-url",
    "disable-compression",
)

Now = Callable[[], datetime]


class Lasting(Credentials, frozen=True):
    """What one answer says, and until when."""

    expires: datetime | None = None


class ExecLogin:
    """See the module text. `credentials` asks the program at most once at a time, however many requests wait."""

    def __init__(
        self, command: list[str], environment: Mapping[str, str], question: Mapping[str, Any], *, now: Now
    ) -> None:
        self._command = command
        self._environment = environment
        self._question = question
        self._now = now
        self._known: Lasting | None = None
        self._asking = asyncio.Lock()

    async def credentials(self) -> Credentials:
        """What to appear as now. Raises LoginError."""
        async with self._asking:
            known = self._known
            if known is None or (known.expires is not None and self._now() >= known.expires):
                known = self._known = await self._ask()
            return known

    def refused(self, credentials: Credentials) -> None:
        """The server does not take them any more: the next request asks the program again."""
        if self._known is credentials:
            self._known = None

    async def _ask(self) -> Lasting:
        program = self._command[0]
        environment = {**os.environ, **self._environment, "KUBERNETES_EXEC_INFO": json.dumps(self._question)}
        try:
            child = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                env=environment,
            )
        except OSError as error:
            raise LoginError(f"{program} cannot be run: {error.strerror}") from error
        try:
            said, _ = await child.communicate()
        finally:
            if child.returncode is None:  # we were cancelled
                child.kill()
        if child.returncode:
            raise LoginError(f"{program} has failed with exit code {child.returncode}")
        return read_credentials(said, self._question["apiVersion"], program)


def of_user(user: Mapping[str, Any], cluster: Mapping[str, Any], *, now: Now | None = None) -> ExecLogin:
    """The login that a kubeconfig's user has under `exec`. Raises LoginError when it could never work."""
    try:
        return _of_config(user["exec"], cluster, now or RealClock().now)
    except (AttributeError, KeyError, TypeError) as error:
        raise LoginError(f"its exec is not written as it should be: {error}") from error


def _of_config(config: Mapping[str, Any], cluster: Mapping[str, Any], now: Now) -> ExecLogin:
    program, version = str(config.get("command") or ""), str(config.get("apiVersion") or "")
    if not program:
        raise LoginError("its exec has no command")
    if version not in _VERSIONS:
        raise LoginError(
            f"its exec has the apiVersion {version!r}; there are {' and '.join(map(repr, _VERSIONS))}"
        )
    if config.get("interactiveMode") == "Always":
        raise LoginError(f"{program} wants a terminal (interactiveMode: Always), and gets none here")
    if shutil.which(program) is None:
        hint = " ".join(str(config.get("installHint") or "").split())
        raise LoginError(f"the program {program} is not there" + (f" ({hint})" if hint else ""))
    spec: dict[str, Any] = {"interactive": False}
    if config.get("provideClusterInfo"):
        told = {key: cluster[key] for key in _TOLD_OF_CLUSTERS if cluster.get(key)}
        spec["cluster"] = told | _extension(cluster)
    return ExecLogin(
        [program, *(str(one) for one in config.get("args") or ())],
        {str(one["name"]): str(one.get("value") or "") for one in config.get("env") or ()},
        {"kind": "ExecCredential", "apiVersion": version, "spec": spec},
        now=now,
    )


def read_credentials(said: bytes, version: str, program: str) -> Lasting:
    """What the program's output says. Raises LoginError."""
    try:
        answer = json.loads(said)
        kind, spoken, status = answer.get("kind"), answer.get("apiVersion"), answer.get("status") or {}
        token, cert, key = (
            str(status.get(name) or "") for name in ("token", "clientCertificateData", "clientKeyData")
        )
        expires = parse_rfc3339(status["expirationTimestamp"]) if status.get("expirationTimestamp") else None
    except (ValueError, AttributeError, TypeError) as error:
        raise LoginError(f"{program} has printed no ExecCredential: {error}") from error
    if kind != "ExecCredential" or spoken != version:
        raise LoginError(f"{program} has printed {spoken} {kind}, and was asked for {version} ExecCredential")
    if bool(cert) != bool(key):
        raise LoginError(
            f"{program} gave {'a key, but no certificate' if key else 'a certificate, but no key'}"
        )
    if not token and not cert:
        raise LoginError(f"{program} gave neither a token nor a certificate")
    return Lasting(token, (cert.encode(), key.encode()) if cert else None, expires)


def _extension(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """What the kubeconfig keeps for the program beside the cluster."""
    for one in cluster.get("extensions") or ():
        if one.get("name") == _EXTENSION:
            return {"config": one.get("extension")}
    return {}
