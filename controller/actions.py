"""What a plan consists of: action values and the stages they come in. Performing them is `performing`'s.

An action names what is to be reached for one object. Its object is the state the plan was made from; whoever performs
it checks again where that state may have become stale.
"""

from fakekube.machinery.values import dataclass
from fakekube.machinery.wire import Object


@dataclass(frozen=True, slots=True)
class AddPoolFinalizer:
    """Make sure that the pool does not go before its VMs are let go."""


@dataclass(frozen=True, slots=True)
class RemovePoolFinalizer:
    """Let the pool go."""


@dataclass(frozen=True, slots=True)
class CreateRevision:
    name: str


@dataclass(frozen=True, slots=True)
class DeleteRevision:
    revision: Object


@dataclass(frozen=True, slots=True)
class CreateVM:
    revision: str
    ordinal: int


@dataclass(frozen=True, slots=True)
class UpdateVM:
    """Give the VM the current template."""

    vm: Object
    revision: str


@dataclass(frozen=True, slots=True)
class DeleteVM:
    """Delete the VM and let it go at once; with `preserve`, its storage stays behind."""

    vm: Object
    preserve: bool = False


@dataclass(frozen=True, slots=True)
class ReleaseVM:
    """Let a terminating or detached VM go: take the pool's finalizer off; with `preserve`, its storage stays behind."""

    vm: Object
    preserve: bool = False


@dataclass(frozen=True, slots=True)
class DisownVM:
    """Give up a VM that the selector does not match any more: it loses the pool as owner, and the pool's finalizer."""

    vm: Object


@dataclass(frozen=True, slots=True)
class RestartVMI:
    """Delete the VMI, so that it comes up again from its VM's new template."""

    vm: Object
    vmi: Object


@dataclass(frozen=True, slots=True)
class RelabelVMI:
    """The VMI is what the new template wants already: only the revision it names changes."""

    vm: Object
    vmi: Object
    revision: str


@dataclass(frozen=True, slots=True)
class ReplaceVM:
    """Delete the VM with all it owns: another VM under the same name gets new storage."""

    vm: Object
    vmi: Object


Action = (
    AddPoolFinalizer
    | RemovePoolFinalizer
    | CreateRevision
    | DeleteRevision
    | CreateVM
    | UpdateVM
    | DeleteVM
    | ReleaseVM
    | DisownVM
    | RestartVMI
    | RelabelVMI
    | ReplaceVM
)


@dataclass(frozen=True, slots=True)
class Failure:
    """How a stage that failed is reported in the pool's status."""

    reason: str
    prefix: str

    def message(self, error: Exception) -> str:
        return f"{self.prefix}: {error}"


@dataclass(frozen=True, slots=True)
class Stage:
    """Actions that may run side by side.

    `failure` None: an error ends the reconcile and is retried, but never shown in the status.
    `sequential`: one after the other, and the first error ends the stage.
    `calm`: only when no stage before it failed.
    `mistake`: the stage could not be planned, because the spec is wrong.
    """

    actions: tuple[Action, ...] = ()
    failure: Failure | None = None
    sequential: bool = False
    calm: bool = False
    mistake: Exception | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, in order; `revisit`, seconds until another look even if nothing happens."""

    stages: tuple[Stage, ...] = ()
    revisit: float | None = None
