"""What the three metrics APIs have in common: addresses, queries, discovery documents, answers.

Upstream: k8s: staging/src/k8s.io/apiserver, which all three servers are made of
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from msgspec import Struct

from fakekube.machinery import field_selectors, quantities, selectors
from fakekube.machinery.answers import json
from fakekube.machinery.errors import BadRequest, MethodNotAllowed, NotFound
from fakekube.machinery.field_selectors import FieldTerm
from fakekube.machinery.selectors import Selector
from fakekube.machinery.wire import Object, Request, Response

Row = tuple[str, list[Any]]  # the object's name, the cells


class Asked(Struct, frozen=True):
    """A GET below a group version: the steps behind it, and its query."""

    steps: tuple[str, ...]
    query: Mapping[str, str]
    table: bool

    @property
    def labels(self) -> Selector:
        """Raises BadRequest."""
        return _selector(self.query.get("labelSelector", ""))

    @property
    def metric_labels(self) -> Selector:
        """Which series of a metric. Raises BadRequest."""
        return _selector(self.query.get("metricLabelSelector", ""))

    @property
    def fields(self) -> tuple[FieldTerm, ...]:
        """Raises BadRequest."""
        try:
            return field_selectors.parse(self.query.get("fieldSelector", ""))
        except selectors.SelectorError as error:
            raise BadRequest(str(error)) from None


def asked(request: Request, root: str) -> Asked:
    """What a request below `root` asks for. Raises MethodNotAllowed, for all is read only."""
    if request.method != "GET":
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    steps = _steps(request.path.removeprefix(root))
    query = dict(parse_qsl(request.query, keep_blank_values=True)) if request.query else {}
    if query.get("watch") in ("1", "true"):
        raise MethodNotAllowed("the server does not allow this method on the requested resource")
    return Asked(steps, query, "as=Table" in (request.headers.get("accept") or ""))


def any_name(kind: str) -> Sequence[Object]:
    """The resources of an API that answers to any name. Clients before 1.28 take a version that lists none for broken."""
    return [{"name": "metrics/any", "singularName": "", "namespaced": True, "kind": kind, "verbs": ["get"]}]


def resources(group_version: str, listed: Sequence[Object]) -> Response:
    """A discovery document."""
    return json(
        {
            "kind": "APIResourceList",
            "apiVersion": "v1",
            "groupVersion": group_version,
            "resources": list(listed),
        }
    )


def listing(api_version: str, kind: str, items: Sequence[Object]) -> Response:
    return json({"kind": kind, "apiVersion": api_version, "metadata": {}, "items": list(items)})


def table(columns: Sequence[Object], rows: Sequence[Row], namespace: str = "") -> Response:
    """What `kubectl get` shows."""
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    where = {"namespace": namespace} if namespace else {}
    shown = [
        {"cells": cells, "object": {**partial, "metadata": {"name": name, **where}}} for name, cells in rows
    ]
    return json(
        {
            "kind": "Table",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": {},
            "columnDefinitions": list(columns),
            "rows": shown,
        }
    )


def unknown_path() -> NotFound:
    return NotFound("the server could not find the requested resource", details={})


def decimal(billionths: int) -> str:
    return quantities.render(billionths, "decimal")


def binary(billionths: int) -> str:
    """Whole kibibytes, as kubelets measure memory."""
    kibi = 1024 * 10**9
    return f"{-(-billionths // kibi)}Ki" if billionths else "0"


@lru_cache(maxsize=1024)
def _steps(path: str) -> tuple[str, ...]:
    return tuple(unquote(step) for step in path.strip("/").split("/") if step)


@lru_cache(maxsize=4096)
def _selector(text: str) -> Selector:
    try:
        return selectors.parse(text)
    except selectors.SelectorError as error:
        raise BadRequest(str(error)) from None
