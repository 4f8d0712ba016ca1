"""Logs as they are asked for: read, followed, and looked on at. What a log says is `logs`', or what somebody else knows of the
container."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from typing import Any

from fakekube.agents.node_server import commands, logs, scripts
from fakekube.agents.node_server.channels import Run, Talk
from fakekube.client.client import Client
from fakekube.clock import Clock, parse_rfc3339
from fakekube.machinery import objects
from fakekube.machinery.resources import PODS
from fakekube.machinery.wire import Object, Response

Query = Mapping[str, list[str]]


def first(query: Query, name: str) -> str:
    return (query.get(name) or [""])[0]


def true(query: Query, name: str) -> bool:
    """Go's conversion: present and neither `false` nor `0`. Python's clients write `True`."""
    values = query.get(name)
    return values is not None and values[0].lower() not in ("false", "0")


def is_running(pod: Object, container: str) -> bool:
    return bool((logs.status_of(pod, container).get("state") or {}).get("running"))


class LogReading:
    """See the module text."""

    def __init__(self, client: Client, clock: Clock, inside: commands.Inside | None) -> None:
        self._client = client
        self._clock = clock
        self._inside = inside

    async def answer(self, pod: Object, container: str, query: Query) -> Response:
        """To a request for a log; `query`: PodLogOptions."""
        options = self._options(query)
        found = await self._lines(pod, container, previous=options.previous)
        body = logs.text_of(logs.chosen(found, options), options)
        if not true(query, "follow") or options.previous:
            return Response(200, body, "text/plain")
        stream = self._follow(pod, container, options, body, len(found))
        return Response(200, content_type="text/plain", stream=stream)

    def until_ended(self, pod: Object, container: str) -> Run:
        """Somebody looks on until the container ends."""

        async def run(talk: Talk) -> Object:
            said = len(await self._lines(pod, container))
            async for changed in self._changes(pod, container):
                found = await self._lines(changed, container)
                for line in found[said:]:
                    await talk.write(f"{line.text}\n".encode())
                said = max(said, len(found))
                if not is_running(changed, container):
                    ended = logs.run_of(changed, container)
                    return commands.verdict(ended[2] if ended else 0)
            return commands.verdict(0)

        return run

    async def _lines(self, pod: Object, container: str, *, previous: bool = False) -> list[logs.Line]:
        said = await self._inside.said(pod, container) if self._inside is not None and not previous else None
        if said is None:
            said = self._worked(pod, container, previous=previous)
        return logs.lines(pod, container, previous=previous, said=said)

    def _worked(self, pod: Object, container: str, *, previous: bool) -> list[logs.Line] | None:
        """What the work of a Job's pod, or of one on its own, has said when it was done, where that is known."""
        owner, run = objects.controller_of(pod), logs.run_of(pod, container, previous=previous)
        if run is None or len(pod["spec"]["containers"]) != 1:
            return None
        if (owner or {}).get("kind") != "Job" and not scripts.ends(pod):
            return None
        if logs.member_of(pod, container) != "containers":
            return None
        done = scripts.done(pod, run[1] or self._clock.now())
        if done is None:
            return None
        return [logs.Line(run[1], text) for text in (done.out + done.err).splitlines()] if run[1] else []

    def _options(self, query: Query) -> logs.Options:
        since = None
        if text := first(query, "sinceTime"):
            since = parse_rfc3339(text)
        elif text := first(query, "sinceSeconds"):
            since = self._clock.now() - timedelta(seconds=int(text))
        tail, limit = first(query, "tailLines"), first(query, "limitBytes")
        return logs.Options(
            tail=int(tail) if tail else None,
            limit=int(limit) if limit else None,
            since=since,
            timestamps=true(query, "timestamps"),
            previous=true(query, "previous"),
        )

    async def _follow(
        self, pod: Object, container: str, options: logs.Options, body: bytes, sent: int
    ) -> AsyncIterator[bytes]:
        """What there is, so many lines, then what comes until the container ends or the pod goes."""
        left = None if options.limit is None else options.limit - len(body)
        yield body
        if not is_running(pod, container):
            return
        async for changed in self._changes(pod, container):
            run = await self._lines(changed, container)
            fresh, sent = run[sent:], max(sent, len(run))
            data = logs.text_of(fresh, options)
            if left is not None:
                data, left = data[:left], left - len(data)
            if data:
                yield data
            if not is_running(changed, container) or (left is not None and left <= 0):
                return

    async def _changes(self, pod: Object, container: str) -> AsyncIterator[Object]:
        """The pod whenever it has changed or the container has written something, until it goes."""
        heard = self._more(pod, container)
        if heard is not None:
            yield pod  # it may have written while nobody waited
        name, space = objects.name(pod), objects.namespace(pod)
        watch = self._client.watch(
            PODS,
            space,
            resource_version=objects.resource_version(pod),
            field_selector=f"metadata.name={name}",
        )
        coming = asyncio.ensure_future(anext(watch, None))
        try:
            while True:
                await _either(coming, heard)
                heard = self._more(pod, container)
                if coming.done():
                    change = coming.result()
                    if change is None or change[0] == "DELETED":
                        return
                    coming = asyncio.ensure_future(anext(watch, None))
                    if change[0] == "BOOKMARK":
                        continue
                    pod = change[1]
                yield pod
        finally:
            coming.cancel()
            await asyncio.wait((coming,))
            await watch.aclose()

    def _more(self, pod: Object, container: str) -> asyncio.Event | None:
        return self._inside.more(pod, container) if self._inside is not None else None


async def _either(coming: asyncio.Future[Any], heard: asyncio.Event | None) -> None:
    """Wait for one of them."""
    if heard is None:
        await asyncio.wait((coming,))
        return
    more = asyncio.ensure_future(heard.wait())
    try:
        await asyncio.wait((coming, more), return_when=asyncio.FIRST_COMPLETED)
    finally:
        more.cancel()
