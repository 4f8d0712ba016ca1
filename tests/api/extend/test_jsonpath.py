"""JSONPath of printer columns."""

from typing import Any

import pytest

from fakekube.api.extend.jsonpath import JsonPathError, finder

OBJ: dict[str, Any] = {
    "metadata": {"annotations": {"foo.bar/baz": "x"}},
    "list": [{"n": 1, "t": "a"}, {"n": 2, "t": "b"}, {"n": 3}],
}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (".list[0].n", [1]),
        (".list[-1].n", [3]),
        (".list[7].n", []),
        (".list[1:].n", [2, 3]),
        (".list[*].n", [1, 2, 3]),
        (".list[0,2].n", [1, 3]),
        (".list[?(@.t=='b')].n", [2]),
        ('.list[?(@.t=="b")].n', [2]),
        (".list[?(@.n>=2)].n", [2, 3]),
        (".list[?(@.t)].n", [1, 2]),
        (".list[?(@.t<5)].n", []),
        (r".metadata.annotations.foo\.bar/baz", ["x"]),
        (".metadata.annotations['foo.bar/baz']", ["x"]),
        ("..n", [1, 2, 3]),
        (".none.at.all", []),
    ],
)
def test_find(path: str, found: list[Any]) -> None:
    """A path leads to all it matches, and to nothing where the object lacks something."""
    assert finder(path)(OBJ) == found


@pytest.mark.parametrize(
    "path",
    [
        "spec",
        ".a[",
        ".a[?(@.x==y)]",
        ".a[b]",
        f".a[{'9' * 5000}]",
        f".a[1:{'9' * 5000}]",
        ".a[9223372036854775808]",
    ],
    ids=lambda path: path[:12],
)
def test_refused(path: str) -> None:
    """What is not a path is said so."""
    with pytest.raises(JsonPathError):
        finder(path)
