"""Settings: a flag wins over its environment variable, that over the default. Read by `__main__` only.

The model is the one list of settings; flags (`--reconcile-delay`) and variables (`VMPOOL_RECONCILE_DELAY`) follow from
it, so neither can be forgotten.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, NoReturn

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from fakekube.machinery import names

PREFIX = "VMPOOL_"


def _named(complaints: Callable[[str], list[str]]) -> AfterValidator:
    """What the API would refuse as a name, refused before it is asked; nothing stands for the default."""

    def check(value: str) -> str:
        if value and (found := complaints(value)):
            raise PydanticCustomError("name", "{said}", {"said": ", ".join(found)})
        return value

    return AfterValidator(check)


_Namespace = Annotated[str, _named(names.label)]
_Name = Annotated[str, Field(min_length=1), _named(names.subdomain)]


class Settings(BaseModel):
    """How the controller runs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kubeconfig: str = Field(
        "", description="kubeconfig file; default: $KUBECONFIG, ~/.kube/config, or the pod's own"
    )
    context: str = Field("", description="context of the kubeconfig; default: its current one")
    namespace: _Namespace = Field("", description="look after pools of this namespace only; default: all")
    workers: int = Field(3, ge=1, description="pools reconciled at the same time")
    reconcile_delay: float = Field(
        1.0, ge=0, allow_inf_nan=False, description="seconds between a change and the reconcile it causes"
    )
    burst: int = Field(250, ge=1, description="VMs created or deleted in one reconcile at most")
    leader_elect: bool = Field(
        default=False, description="work only while holding a Lease; for several replicas"
    )
    lease_namespace: _Namespace = Field(
        "", description="namespace of the Lease; default: the namespace of the credentials"
    )
    lease_name: _Name = Field("virtualmachinepool-controller", description="name of the Lease")
    metrics_host: str = Field("127.0.0.1", description="address of /metrics, /healthz and /readyz")
    metrics_port: int = Field(8080, ge=-1, le=65535, description="their port; -1: not served")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="debug, info, warning or error"
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="text for people, json for machines: an object a line"
    )


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence; --help has the rest."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """The settings from flags and environment. Exits with a message when they make no sense."""
    parser = _Parser(
        prog="vmpool-controller", description="Keeps VirtualMachinePools, on any cluster with KubeVirt."
    )
    for name, info in Settings.model_fields.items():
        flag = f"--{name.replace('_', '-')}"
        help_text = f"{info.description} [{PREFIX}{name.upper()}]"
        if info.annotation is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=help_text)
        else:
            parser.add_argument(flag, default=None, metavar=name.rpartition("_")[2].upper(), help=help_text)
    given = {name: value for name, value in vars(parser.parse_args(arguments)).items() if value is not None}
    inherited: dict[str, Any] = {
        name: environment[PREFIX + name.upper()]
        for name in Settings.model_fields
        if environment.get(PREFIX + name.upper())
    }
    try:
        return Settings.model_validate(inherited | given)
    except ValidationError as error:
        said = [_wrong(str(one["loc"][0]), one["input"], one["msg"], given) for one in error.errors()]
        parser.error("; ".join(said))


def _wrong(name: str, value: Any, message: str, flags: Mapping[str, Any]) -> str:
    """A complaint under the name the user wrote: the flag's, or the variable's."""
    where = f"--{name.replace('_', '-')}" if name in flags else PREFIX + name.upper()
    return f"{where} {value!r}: {message[:1].lower()}{message[1:]}"
