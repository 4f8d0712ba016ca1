"""Whatever is written and whatever it is given: an answer, or an error of ours."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fakekube.api.schema import cel
from fakekube.api.schema.cel.library import LIBRARY
from fakekube.api.schema.cel.types import DYN

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 99)
    | st.floats(-2, 2)
    | st.sampled_from(["", "a", "1h", "10.0.0.1", "1Gi"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(sorted(name for name in LIBRARY.functions if name[0].isalpha()))
ATOMS = st.sampled_from(
    [
        "x",
        "y",
        "1",
        "2.5",
        "'a'",
        "null",
        "true",
        "[]",
        "{}",
        "x.a",
        "x[0]",
        "x.?a",
        "int",
        "[x, y]",
        "{'a': y}",
    ]
)
OPERATORS = st.sampled_from(["+", "-", "*", "/", "%", "==", "!=", "<", ">=", "in", "&&", "||"])


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    macros = st.sampled_from(["all", "exists", "exists_one", "filter", "map"])
    return st.one_of(
        st.tuples(inner, OPERATORS, inner).map("({0[0]} {0[1]} {0[2]})".format),
        st.tuples(NAMES, st.lists(inner, max_size=2)).map(lambda call: f"{call[0]}({', '.join(call[1])})"),
        st.tuples(inner, NAMES, st.lists(inner, max_size=2)).map(
            lambda call: f"{call[0]}.{call[1]}({', '.join(call[2])})"
        ),
        st.tuples(inner, macros, inner).map("{0[0]}.{0[1]}(i, {0[2]})".format),
        st.tuples(inner, inner, inner).map("({0[0]} ? {0[1]} : {0[2]})".format),
        inner.map("has({}.a)".format),
        inner.map("dyn({})".format),
        inner.map("!{}".format),
        st.tuples(inner, inner).map("{0[0]}[{0[1]}]".format),
    )


@settings(max_examples=600, deadline=None)
@given(st.recursive(ATOMS, grown, max_leaves=5), JSON, JSON)
def test_only_our_errors(expression: str, x: Any, y: Any) -> None:
    """An expression compiles or is refused; a program answers or fails with CelError; nothing else escapes."""
    try:
        program = cel.compile(expression, {"x": DYN, "y": DYN})
        program({"x": x, "y": y})
    except (cel.CompileError, cel.CelError):
        pass


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="xy.()[]{}?:'\"\\!&|+-*/%<>=, 01ruab_\n`", max_size=20))
def test_any_text_parses_or_is_refused(text: str) -> None:
    """The parser either understands a text or says where it stopped."""
    try:
        cel.compile(text, {"x": DYN, "y": DYN})
    except cel.CompileError as refused:
        refusal = str(refused)
    else:
        refusal = ""
    assert not refusal or refusal.startswith("ERROR: <input>:")
