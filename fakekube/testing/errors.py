"""Errors the server logs while a test runs: they fail it, for whoever tests against a broken server tests nothing."""

import logging
from types import TracebackType
from typing import Self

_OURS = ("fakekube.api", "fakekube.cluster", "fakekube.server", "fakekube.store")


class ServerErrors(logging.Handler):
    """Collects what the server's own modules log as errors, between `__enter__` and `__exit__`."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(_OURS):
            self.found.append(self.format(record))

    def __enter__(self) -> Self:
        logging.getLogger("fakekube").addHandler(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        logging.getLogger("fakekube").removeHandler(self)
