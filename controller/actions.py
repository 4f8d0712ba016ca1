"""What a plan consists of: action values and the stages they come in. Performing them is `performing`'s.

An action names what is to be reached for one object. Its object is the state the plan was made from; whoever performs
it checks again where that state may have become stale.
"""

from msgspec import Struct

from fakekube.machinery.wire import Object


class AddPoolFinalizer(Struct, frozen=True):
    """Make sure that the pool does not go before its VMs are let go."""


class RemovePoolFinalizer(Struct, frozen=True):
    """Let the pool go."""


class CreateRevision(Struct, frozen=True):
    name: str


class DeleteRevision(Struct, frozen=True):
    revision: Object


class CreateVM(Struct, frozen=True):
    revision: str
    ordinal: int


class UpdateVM(Struct, frozen=True):
    """Give the VM the current template."""

    vm: Object
    revision: str


class DeleteVM(Struct, frozen=True):
    """Delete the VM and let it go at once; with `preserve`, its storage stays behind."""

    vm: Object
    preserve: bool = False


class ReleaseVM(Struct, frozen=True):
    """Let a terminating or detached VM go: take the pool's finalizer off; with `preserve`, its storage stays behind."""

    vm: Object
    preserve: bool = False


class DisownVM(Struct, frozen=True):
    """Give up a VM that the selector does not match any more: it loses the pool as owner, and the pool's finalizer."""

    vm: Object


class RestartVMI(Struct, frozen=True):
    """Delete the VMI, so that it comes up again from its VM's new template."""

    vm: Object
    vmi: Object


class RelabelVMI(Struct, frozen=True):
    """The VMI is what the new template wants already: only the revision it names changes."""

    vm: Object
    vmi: Object
    revision: str


class ReplaceVM(Struct, frozen=True):
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


class Failure(Struct, frozen=True):
    """How a stage that failed is reported in the pool's status."""

    reason: str
    prefix: str

    def message(self, error: Exception) -> str:
        return f"{self.prefix}: {error}"


class Stage(Struct, frozen=True):
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


class Plan(Struct, frozen=True):
    """What to do now, in order; `revisit`, seconds until another look even if nothing happens."""

    stages: tuple[Stage, ...] = ()
    revisit: float | None = None
