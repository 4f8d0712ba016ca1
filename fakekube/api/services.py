"""Service references → Handlers: an in-process table first, then what the composition root hands in for the network.

Webhook configurations and APIServices name a Service; there are no real Services here, so the name is looked up.
"""

from collections.abc import Callable, Mapping

from fakekube.machinery.reviews import Reviewer
from fakekube.machinery.wire import Handler

# (url, CA bundle in base64, the name its certificate has to bear if not the URL's host) → a Handler that talks to it
Dial = Callable[[str, str, str], Handler]


class Services:
    """`table`: (namespace, name) → Handler, or the base URL of where it really listens."""

    def __init__(
        self, table: Mapping[tuple[str, str], Handler | str] | None = None, dial: Dial | None = None
    ) -> None:
        self._table: dict[tuple[str, str], Handler | str] = {}
        self._reviewers: dict[tuple[str, str], Reviewer] = {}
        self._dial = dial
        for (namespace, name), handler in (table or {}).items():
            self.set(namespace, name, handler)

    def set(self, namespace: str, name: str, handler: Handler | str) -> None:
        self._table[namespace, name] = handler
        self._reviewers.pop((namespace, name), None)
        if isinstance(handler, Reviewer):
            self._reviewers[namespace, name] = handler

    def find(self, namespace: str, name: str, ca_bundle: str = "") -> Handler | None:
        """The Handler behind a service reference, or None when nobody is there."""
        found = self._table.get((namespace, name))
        if isinstance(found, str):  # wherever it listens, it has to prove to be the service
            return self.url(found, ca_bundle, f"{name}.{namespace}.svc")
        return found

    def reviewer(self, namespace: str, name: str) -> Reviewer | None:
        """Who can be asked for admission without being sent anything, where the service is one of this process."""
        return self._reviewers.get((namespace, name))

    def url(self, url: str, ca_bundle: str = "", server_name: str = "") -> Handler | None:
        """A Handler that talks to a URL, if this server may reach the network."""
        return self._dial(url, ca_bundle, server_name) if self._dial else None
