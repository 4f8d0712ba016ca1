"""The body of a list: short ones whole, long ones in pieces that are made while they are sent.

What has been read does not change any more, so nothing is lost by waiting between the pieces: for the client to read,
and for others to get their turn. Both ways give the same bytes.

    {"kind":"PodList","apiVersion":"v1","metadata":{…},"items":[    {…},{…}  ,  {…},{…}     ]}
    the head                                                        pieces, and what joins them, and the tail

Origin: k8s: staging/src/k8s.io/apimachinery/pkg/runtime/serializer/json/collections.go (StreamingCollectionEncodingToJSON)
"""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from itertools import chain
from typing import Any

import orjson
from msgspec import Struct
from msgspec.structs import replace

from fakekube.api import negotiation
from fakekube.api.registry.turns import Turns
from fakekube.machinery.wire import Object, Response
from fakekube.store.interface import Entry

Slices = Iterator[Sequence[Entry]]
_INDENT = orjson.OPT_INDENT_2


class Slice(Struct, frozen=True):
    """How much of a list is done at once: about a millisecond of work."""

    entries: int
    size: int  # bytes, as they are stored

    def of(self, entries: Sequence[Entry]) -> Slices:
        """All of `entries`, cut."""
        start = size = 0
        for at, entry in enumerate(entries):
            size += len(entry.value)
            if size > self.size or at - start == self.entries:
                if at > start:
                    yield entries[start:at]
                start, size = at, len(entry.value)
        yield entries[start:]


PLAIN = Slice(1_000, 1 << 19)  # their bytes are copied,
DECODED = Slice(100, 1 << 16)  # or decoded and encoded again,
YAML = Slice(5, 1 << 11)  # or written by PyYAML, which takes its time


class Frame(Struct, frozen=True):
    """What stands around and between the members of a list."""

    head: bytes
    part: Callable[[Any], bytes]  # of some of its members
    joint: bytes
    tail: bytes


def frame(body: Object, member: str, media: str, *, pretty: bool) -> Frame:
    """Around the members of `body[member]`, which is its last one."""
    if media == "yaml":
        import yaml  # noqa: PLC0415 - few clients ask for it, all would pay for it at start

        def dumped(one: Object) -> bytes:
            return yaml.safe_dump(one, sort_keys=True, default_flow_style=False).encode()

        before = {key: value for key, value in body.items() if key < member}
        behind = {key: value for key, value in body.items() if key > member}
        start = b"%b:\n" % member.encode()
        return Frame(
            dumped(before) + start,
            lambda values: dumped({member: values})[len(start) :],
            b"",
            dumped(behind) if behind else b"",
        )
    empty = {**body, member: []}
    if pretty:
        start = b'{\n  "%b": [\n' % member.encode()
        end = b"\n  ]\n}"
        return Frame(
            orjson.dumps(empty, option=_INDENT).removesuffix(b"]\n}") + b"\n",
            lambda values: orjson.dumps({member: values}, option=_INDENT)[len(start) : -len(end)],
            b",\n",
            end,
        )
    return Frame(
        orjson.dumps(empty).removesuffix(b"]}"), lambda values: orjson.dumps(values)[1:-1], b",", b"]}\n"
    )


def plain(entries: Sequence[Entry], head: bytes, item: Callable[[Entry], bytes], turns: Turns) -> Response:
    """Items as they are stored."""

    def part(some: Sequence[Entry]) -> bytes:
        return b",".join([item(entry) for entry in some])

    slices = PLAIN.of(entries)
    first = next(slices)
    if len(first) == len(entries):
        return Response(200, b"%b%b]}\n" % (head, part(first)))
    return Response(200, pieces=_pieces(Frame(head, part, b",", b"]}\n"), chain([first], slices), turns))


def converted(
    entries: Sequence[Entry],
    decode: Callable[[Entry], Object],
    shown: Callable[[list[Object]], tuple[Object, str]],
    media: str,
    turns: Turns,
    *,
    pretty: bool,
) -> Response:
    """Items that are `shown` in another form: that gives a list with these objects, and the name of its last member."""
    slices = (YAML if media == "yaml" else DECODED).of(entries)
    first = next(slices)
    body, member = shown([decode(entry) for entry in first])
    if len(first) == len(entries):
        return negotiation.render(body, media, pretty=pretty)
    around = frame(body, member, media, pretty=pretty)

    def part(some: Sequence[Entry]) -> bytes:
        return around.part(shown([decode(entry) for entry in some])[0][member])

    pieces = _pieces(replace(around, part=part), chain([first], slices), turns)
    return Response(200, content_type=f"application/{media}", pieces=pieces)


async def _pieces(around: Frame, slices: Slices, turns: Turns) -> AsyncGenerator[bytes, None]:
    lead = around.head
    for some in slices:
        yield lead + around.part(some)
        lead = around.joint
        await turns.next()
    yield around.tail
