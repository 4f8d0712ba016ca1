"""Expressions have the value that another implementation, Google's in C++, finds, or both find none.

Where C++ and Go are known to differ nothing is generated: what times and durations look like as text, milliseconds of a
duration, an empty separator, a part that ends where its text ends. Here Go is right.
"""

import math
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fakekube.api.schema import cel
from fakekube.api.schema.cel import types
from fakekube.api.schema.cel.values import UInt

other = pytest.importorskip(
    "cel_expr_python.cel", reason="cel-expr-python has wheels for Linux on x86-64 only"
)

VALUES: dict[str, Any] = {
    "n": 7,
    "z": 0,
    "d": 2.5,
    "s": "hello",
    "t": True,
    "numbers": [3, 1, 2],
    "words": ["b", "a", "ab"],
    "labels": {"app": "web", "a": "1"},
    "counts": {"x": 1, "y": -2},
    "x": {"deep": [{"v": 1}, {"v": 2}], "a": 1},
}
STRINGS, INTS = types.list_of(types.STRING), types.list_of(types.INT)
TYPES: dict[str, types.Type] = {
    "n": types.INT,
    "z": types.INT,
    "d": types.DOUBLE,
    "s": types.STRING,
    "t": types.BOOL,
    "numbers": INTS,
    "words": STRINGS,
    "labels": types.map_of(types.STRING, types.STRING),
    "counts": types.map_of(types.STRING, types.INT),
    "x": types.DYN,
}
_SAME = {
    types.INT: "INT",
    types.DOUBLE: "DOUBLE",
    types.STRING: "STRING",
    types.BOOL: "BOOL",
    types.DYN: "DYN",
}


def _theirs(type_: types.Type) -> Any:
    if type_.name == "list":
        return other.Type.List(_theirs(type_.params[0]))
    if type_.name == "map":
        return other.Type.Map(*map(_theirs, type_.params))
    return getattr(other.Type, _SAME[type_])


@pytest.fixture(scope="module", name="env")
def _env() -> Any:
    from cel_expr_python.ext import ext_strings

    variables = {name: _theirs(type_) for name, type_ in TYPES.items()}
    return other.NewEnv(variables=variables, extensions=[ext_strings.ExtStrings()])


_SPELT = {"nan": "NaN", "-nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}
FAILED = object()


def ours(source: str) -> Any:
    try:
        return cel.compile(source, TYPES)(VALUES)
    except (cel.CelError, cel.CompileError):
        return FAILED


def of(env: Any, source: str) -> Any:
    try:
        value = env.compile(source).eval(data=VALUES)
    except RuntimeError:
        return FAILED
    if value.type() == other.Type.ERROR:
        return FAILED
    if value.type() == other.Type.UINT:
        return UInt(value.plain_value())
    found = value.plain_value()
    return _SPELT.get(found, found) if isinstance(found, str) else found


def same(one: Any, another: Any) -> bool:
    """Equal, and of one type: 1 is not 1.0."""
    if one is FAILED or another is FAILED:
        return one is another
    if isinstance(one, list):
        return isinstance(another, list) and len(one) == len(another) and all(map(same, one, another))
    if isinstance(one, dict):
        return (
            isinstance(another, dict)
            and one.keys() == another.keys()
            and all(same(one[k], another[k]) for k in one)
        )
    if isinstance(one, bytes):
        return bytes(another) == one
    if isinstance(one, float) and math.isnan(one):
        return isinstance(another, float) and math.isnan(another)
    if isinstance(one, (datetime, timedelta)):
        return bool(one == another)
    if isinstance(one, UInt) or isinstance(another, UInt):
        return isinstance(one, UInt) and isinstance(another, UInt) and one == another
    return type(one) is type(another) and bool(one == another)


INT_ATOMS = [
    "n",
    "z",
    "0",
    "1",
    "-3",
    "9223372036854775807",
    "counts.x",
    "numbers[0]",
    "size(s)",
    "x.deep[1].v",
]
BIG = [*INT_ATOMS, "int('12')", "int(3.9)", "int(-2.7)", "numbers.size()", "x.a"]
TEXT = st.text("abcxyz ,é", max_size=5).map(repr)


@cache
def bools(depth: int) -> st.SearchStrategy[str]:
    if depth == 0:
        return st.sampled_from(
            ["t", "true", "false", "has(labels.app)", "has(x.none)", "'app' in labels", "n in numbers"]
        )
    low, number, text, real = bools(depth - 1), ints(depth - 1), texts(depth - 1), doubles(depth - 1)
    order = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    tests = st.sampled_from(["startsWith", "endsWith", "contains"])
    macros = st.sampled_from(["all", "exists", "exists_one"])
    return st.one_of(
        st.builds("({} {} {})".format, low, st.sampled_from(["&&", "||", "==", "!="]), low),
        st.builds("({} {} {})".format, number, order, number),
        st.builds("({} {} {})".format, text, order, text),
        st.builds("({} {} {})".format, real, order, real),
        st.builds("(dyn({}) == {})".format, number, real),
        st.builds("!({})".format, low),
        st.builds("({} ? {} : {})".format, low, low, low),
        st.builds("{}.{}({})".format, text, tests, text),
        st.builds("{}.{}(i, i {} {})".format, numbers(depth - 1), macros, order, number),
        st.builds("{}.{}(w, w.{}({}))".format, words(depth - 1), macros, tests, text),
        st.builds("labels.{}(k, labels[k] == {})".format, macros, text),
        st.builds("({} in {})".format, number, numbers(depth - 1)),
        st.builds("({} == {})".format, numbers(depth - 1), numbers(depth - 1)),
        st.builds("{}.matches('^[a-z]+$')".format, text),
    )


@cache
def ints(depth: int) -> st.SearchStrategy[str]:
    if depth == 0:
        return st.sampled_from(BIG)
    low, text = ints(depth - 1), texts(depth - 1)
    return st.one_of(
        st.builds("({} {} {})".format, low, st.sampled_from("+-*/%"), low),
        st.builds("-({})".format, low),
        st.builds("({} ? {} : {})".format, bools(depth - 1), low, low),
        st.builds("size({})".format, st.one_of(text, numbers(depth - 1), words(depth - 1))),
        st.builds("{}.{}({})".format, text, st.sampled_from(["indexOf", "lastIndexOf"]), text),
        st.builds("{}[{}]".format, numbers(depth - 1), low),
        st.builds("int({})".format, st.one_of(text, doubles(depth - 1))),
    )


@cache
def doubles(depth: int) -> st.SearchStrategy[str]:
    if depth == 0:
        return st.sampled_from(["d", "0.0", "1.5", "-2.25", "1e3", "double(n)", "double('1.25')"])
    low = doubles(depth - 1)
    return st.one_of(
        st.builds("({} {} {})".format, low, st.sampled_from("+-*/"), low),
        st.builds("double({})".format, st.one_of(ints(depth - 1), texts(depth - 1))),
        st.builds("({} ? {} : {})".format, bools(depth - 1), low, low),
    )


@cache
def texts(depth: int) -> st.SearchStrategy[str]:
    if depth == 0:
        return st.one_of(st.sampled_from(["s", "labels.app", "words[0]", "'12'", "'1.5'", "'true'"]), TEXT)
    low, number = texts(depth - 1), ints(depth - 1)
    return st.one_of(
        st.builds("({} + {})".format, low, low),
        st.builds("({} ? {} : {})".format, bools(depth - 1), low, low),
        st.builds("string({})".format, st.one_of(number, bools(depth - 1), low)),
        st.builds("{}.{}()".format, low, st.sampled_from(["lowerAscii", "upperAscii", "trim"])),
        st.builds("{}.charAt({})".format, low, number),
        st.builds("{}.replace({}, {})".format, low, low, low),
        st.builds("{}.substring({})".format, low, number),
        st.builds("{}.join({})".format, words(depth - 1), low),
        st.builds("{}[{}]".format, words(depth - 1), number),
        st.builds("labels[{}]".format, low),
    )


@cache
def numbers(depth: int) -> st.SearchStrategy[str]:
    if depth == 0:
        return st.sampled_from(["numbers", "[1, 2]", "[z]"])
    low, number = numbers(depth - 1), ints(depth - 1)
    return st.one_of(
        st.builds("({} + {})".format, low, low),
        st.lists(number, min_size=1, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.builds("{}.map(i, i + {})".format, low, number),
        st.builds("{}.map(i, i > {}, i * 2)".format, low, number),
        st.builds("{}.filter(i, i != {})".format, low, number),
    )


@cache
def words(depth: int) -> st.SearchStrategy[str]:
    if depth == 0:
        return st.sampled_from(["words", "['x', 'y']"])
    low, text = words(depth - 1), texts(depth - 1)
    return st.one_of(
        st.builds("({} + {})".format, low, low),
        st.lists(text, min_size=1, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
        st.builds("{}.map(w, w + {})".format, low, text),
        st.builds("{}.filter(w, w.size() > 1)".format, low),
        st.builds("{}.split(',')".format, text),
    )


@cache
def uints(depth: int) -> st.SearchStrategy[str]:
    if depth == 0:
        return st.sampled_from(["5u", "0u", "18446744073709551615u", "uint(n)", "uint('12')"])
    low = uints(depth - 1)
    return st.one_of(
        st.builds("({} {} {})".format, low, st.sampled_from("+-*/%"), low),
        st.builds("uint({})".format, st.one_of(ints(depth - 1), doubles(depth - 1))),
    )


@cache
def spans(depth: int) -> st.SearchStrategy[str]:
    if depth == 0:
        return st.sampled_from(["duration('1h30m')", "duration('-2.5s')", "duration('90ms')"])
    low = spans(depth - 1)
    return st.one_of(
        st.builds("({} {} {})".format, low, st.sampled_from("+-"), low),
        st.builds("({} - {})".format, moments(depth - 1), moments(depth - 1)),
    )


@cache
def moments(depth: int) -> st.SearchStrategy[str]:
    if depth == 0:
        return st.sampled_from(
            ["timestamp('2020-02-29T23:59:59.5Z')", "timestamp('1999-01-01T00:00:00+02:00')"]
        )
    return st.builds("({} {} {})".format, moments(depth - 1), st.sampled_from("+-"), spans(depth - 1))


@cache
def parts(depth: int) -> st.SearchStrategy[str]:
    """What is read out of times, and what they compare to."""
    moment, span = moments(depth - 1), spans(depth - 1)
    read = [
        "FullYear",
        "Month",
        "Date",
        "DayOfMonth",
        "DayOfWeek",
        "DayOfYear",
        "Hours",
        "Minutes",
        "Seconds",
    ]
    getter = st.sampled_from([*read, "Milliseconds"])
    zone = st.sampled_from(["", "'+02:00'", "'-09:30'", "'UTC'"])
    order = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    return st.one_of(
        st.builds("{}.get{}({})".format, moment, getter, zone),
        st.builds("{}.get{}()".format, span, st.sampled_from(["Hours", "Minutes", "Seconds"])),
        st.builds("({} {} {})".format, moment, order, moment),
        st.builds("({} {} {})".format, span, order, span),
        st.builds("string({})".format, st.one_of(uints(depth - 1), doubles(depth - 1))),
        st.builds("int({})".format, st.one_of(moment, uints(depth - 1))),
        st.builds(
            "(dyn({}) {} {})".format, uints(depth - 1), order, st.one_of(ints(depth - 1), doubles(depth - 1))
        ),
        st.builds("bytes({}).size()".format, texts(depth - 1)),
    )


KINDS = (bools, ints, doubles, texts, numbers, words, uints, spans, moments, parts)
EXPRESSIONS = st.integers(1, 3).flatmap(lambda depth: st.one_of(*(kind(depth) for kind in KINDS)))


@given(source=EXPRESSIONS)
@settings(max_examples=300, deadline=None, derandomize=True)
def test_generated_expressions(env: Any, source: str):
    """Arithmetic, texts, lists, maps and macros, nested three deep."""
    mine, theirs = ours(source), of(env, source)
    assert same(mine, theirs), f"{source}: {mine!r} here, {theirs!r} there"
