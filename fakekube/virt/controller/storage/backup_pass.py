"""One pass over one backup: what was seen, and the status it is to have."""

from fakekube.machinery.wire import Object
from fakekube.virt.controller.storage import backup_status


class Work:
    """See the module text. `gone`: there is no backup any more whose status could be written."""

    def __init__(self, obj: Object, now: str) -> None:
        self.obj, self.now = obj, now
        self.status: Object = dict(obj.get("status") or {})
        self.tracker: Object | None = None
        self.gone = False

    @property
    def changes(self) -> Object:
        """What is to be written of the status."""
        old = self.obj.get("status") or {}
        return {member: value for member, value in self.status.items() if old.get(member) != value}

    def initializing(self, why: str) -> None:
        self.progressing("Initializing", why)

    def progressing(self, reason: str, message: str) -> None:
        self.status = backup_status.progressing(self.status, reason, message, self.now)
