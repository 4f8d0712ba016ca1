"""Looking into an object: the part of jq that stage files need.

    .spec.nodeName                                              a member
    .metadata.annotations["example.com/delay"]                  a member whose name is no word
    .status.containerStatuses[0].ready                          an item
    .metadata.ownerReferences[].kind                            every item (kwok's `.[]` is read as well)
    .status.conditions[] | select(.type == "Ready") | .status   the items that pass a test
    .metadata.labels.tier // "none"                             or else
    [.spec.containers[] | select(.image | test("cirros"))] | length >= 1

Beside these: `,` `and` `or` `+` `-` `*` `/` `%`, comparisons, `?`, `if … then … else … end`, lists, and the functions of
`jq.functions`. Variables, definitions, `reduce` and objects are refused.

An expression gives the list of values it finds; what is absent or null is not found. Where jq would stop with an error,
nothing is found, as in kwok.
"""

from dataclasses import dataclass
from typing import Any

from fakekube.lifecycle.jq.functions import Filter, JqError
from fakekube.lifecycle.jq.parsing import Parser


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression."""

    text: str
    find: Filter
    path: tuple[str, ...] = ()  # where it is nothing but members: their names, which is quicker to follow

    def values(self, obj: Any) -> list[Any]:
        """Everything the expression finds in `obj`."""
        if self.path:
            for name in self.path:
                obj = obj.get(name) if isinstance(obj, dict) else None
                if obj is None:
                    return []
            return [obj]
        try:
            return [one for one in self.find(obj) if one is not None]
        except JqError:
            return []

    def first(self, obj: Any) -> Any:
        """The first value found, or None."""
        return next(iter(self.values(obj)), None)


def parse(text: str) -> Expression:
    """Read an expression. Raises ValueError, saying where it stops making sense."""
    parser = Parser(text)
    find = parser.pipe()
    parser.end()
    return Expression(text, find, tuple(parser.path or ()))
