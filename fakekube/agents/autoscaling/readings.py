"""Asks the three metrics APIs for what an autoscaler's metrics name.

Upstream: k8s: pkg/controller/podautoscaler/metrics/client.go
"""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from fakekube.agents.autoscaling import counting
from fakekube.agents.autoscaling.counting import Sample
from fakekube.agents.autoscaling.metric_specs import (
    CONTAINER,
    OBJECT,
    PODS,
    RESOURCE,
    Reading,
    Unreadable,
    source_of,
)
from fakekube.client.client import Client
from fakekube.client.discovery import discover
from fakekube.clock import parse_rfc3339
from fakekube.machinery import objects, selectors
from fakekube.machinery.durations import seconds_of
from fakekube.machinery.errors import ApiError
from fakekube.machinery.objects import Obj
from fakekube.machinery.resources import split_api_version
from fakekube.machinery.wire import Object

_RESOURCE = "/apis/metrics.k8s.io/v1beta1"
_CUSTOM = "/apis/custom.metrics.k8s.io/v1beta2"
_EXTERNAL = "/apis/external.metrics.k8s.io/v1beta1"


class Readings:
    """See the module text."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def read(self, metrics: Sequence[Obj], namespace: str, selector: str) -> list[Reading]:
        """One reading per metric; `selector` is of the target's pods. The same list of pods is asked for once."""
        asked: dict[str, Sequence[Object] | Unreadable] = {}
        return [await self._one(metric, namespace, selector, asked) for metric in metrics]

    async def _one(
        self, metric: Obj, namespace: str, selector: str, asked: dict[str, Sequence[Object] | Unreadable]
    ) -> Reading:
        kind, source = metric["type"], source_of(metric)
        if kind in (RESOURCE, CONTAINER):
            path = f"{_RESOURCE}/namespaces/{quote(namespace)}/pods"
            if path not in asked:
                asked[path] = await self._items(path, "resource", labelSelector=selector)
            found = asked[path]
            if isinstance(found, Unreadable):
                return found
            if not found:
                return Unreadable("no metrics returned from resource metrics API")
            return _of_resource(found, source["name"], source.get("container", ""))
        name = source["metric"]["name"]
        try:
            series = _selector(source["metric"].get("selector"))
        except selectors.SelectorError as error:
            return Unreadable(str(error))
        if kind == PODS:
            path = f"{_CUSTOM}/namespaces/{quote(namespace)}/pods/{quote('*')}/{quote(name)}"
            found = await self._items(path, "custom", labelSelector=selector, metricLabelSelector=series)
            return found if isinstance(found, Unreadable) else _of_pods(found)
        if kind == OBJECT:
            return await self._of_object(source["describedObject"], namespace, name, series)
        path = f"{_EXTERNAL}/namespaces/{quote(namespace)}/{quote(name)}"
        return _sum(await self._items(path, "external", labelSelector=series))

    async def _of_object(self, described: Obj, namespace: str, metric: str, series: str) -> Reading:
        group, _ = split_api_version(described.get("apiVersion") or "")
        kind, name = described["kind"], quote(described["name"])
        if (group, kind) == ("", "Namespace"):
            path = f"{_CUSTOM}/namespaces/{name}/metrics/{quote(metric)}"
        else:
            try:
                served = (await discover(self._client)).served
            except ApiError as error:
                return Unreadable(f"unable to fetch metrics from custom metrics API: {error.message}")
            known = [
                one.resource for one in served if (one.resource.group, one.resource.kind) == (group, kind)
            ]
            if not known:
                said = f'no matches for kind "{kind}" in group "{group}"'
                return Unreadable(f"unable to fetch metrics from custom metrics API: {said}")
            inside = f"namespaces/{quote(namespace)}/" if known[0].namespaced else ""
            path = f"{_CUSTOM}/{inside}{known[0].qualified}/{name}/{quote(metric)}"
        found = await self._items(path, "custom", metricLabelSelector=series)
        if isinstance(found, Unreadable):
            return found
        return counting.milli(found[0]["value"]) if found else Unreadable(_none("custom"))

    async def _items(self, path: str, api: str, **query: str) -> Sequence[Object] | Unreadable:
        text = urlencode({name: value for name, value in query.items() if value}, quote_via=quote)
        try:
            answer = await self._client.request("GET", path, query=text)
        except ApiError as error:
            said = error.message
            if "404 page" in said:
                said = "the server could not find the requested resource"
            return Unreadable(f"unable to fetch metrics from {api} metrics API: {said}")
        items: Sequence[Object] = orjson.loads(answer.body).get("items") or ()
        return items


def _of_resource(items: Sequence[Object], resource: str, container: str) -> Reading:
    found: dict[str, Sample] = {}
    for item in items:
        used = {one["name"]: (one.get("usage") or {}).get(resource) for one in item.get("containers") or ()}
        if container:
            if container not in used:
                where = f"{objects.namespace(item)}/{objects.name(item)}"
                return Unreadable(f"container {container} not present in metrics for pod {where}")
            used = {container: used[container]}
        amounts = [counting.milli(one) for one in used.values() if one is not None]
        if used and len(amounts) == len(used):
            at, window = parse_rfc3339(item["timestamp"]), seconds_of(item["window"])
            found[objects.name(item)] = Sample(sum(amounts), at, window)
    return found


def _of_pods(items: Sequence[Object]) -> Reading:
    if not items:
        return Unreadable(_none("custom"))
    found = {}
    for item in items:
        at, window = parse_rfc3339(item["timestamp"]), float(item.get("windowSeconds") or 60)
        found[item["describedObject"]["name"]] = Sample(counting.milli(item["value"]), at, window)
    return found


def _sum(items: Sequence[Object] | Unreadable) -> Reading:
    if isinstance(items, Unreadable):
        return items
    if not items:
        return Unreadable(_none("external"))
    return sum(counting.milli(item["value"]) for item in items)


def _none(api: str) -> str:
    return f"no metrics returned from {api} metrics API"


def _selector(selector: Mapping[str, Any] | None) -> str:
    """Null selects everything here. Raises SelectorError."""
    return "" if selector is None else str(selectors.from_object(selector))
