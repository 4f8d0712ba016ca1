"""Our `dataclass` beside the standard library's: the same classes, seen from outside."""

import copy
import dataclasses
import pickle
from dataclasses import FrozenInstanceError, field, replace
from types import SimpleNamespace

import pytest

from fakekube.machinery import values

OPTIONS = [
    {"frozen": True, "slots": True},
    {"slots": True},
    {"slots": True, "eq": False},
    {"frozen": True},
    {"frozen": True, "slots": True, "eq": False},
    {},
]


def classes(dataclass, options):
    """The same few classes, made by either."""

    @dataclass(**options)
    class Plain:
        a: int
        b: str = "b"
        c: list[int] = field(default_factory=list)

    @dataclass(**options)
    class Odd:
        """Has a text."""

        shown: int
        hidden: int = field(default=1, repr=False)
        beside: int = field(default=2, compare=False)
        told: int = field(default=3, init=False)

    @dataclass(**options)
    class Heir(Plain):
        d: int = 7

    @dataclass(**options)
    class Empty:
        pass

    @dataclass(**options)
    class Own:  # noqa: PLW1641 - that is the question
        a: int

        def __eq__(self, other: object) -> bool:
            return True

        def __repr__(self) -> str:
            return "mine"

    @dataclass(**options)
    class Counted:
        a: int

        def __post_init__(self) -> None:
            if self.a < 0:
                raise ValueError("below nothing")

    return SimpleNamespace(Plain=Plain, Odd=Odd, Heir=Heir, Empty=Empty, Own=Own, Counted=Counted)


def outcome(act):
    try:
        return act()
    except (TypeError, ValueError, AttributeError) as error:
        return type(error), str(error)


def looks(made):
    """What can be seen of the classes, by name."""
    plain, odd = made.Plain(1), made.Odd(1, beside=5)
    several = [
        plain,
        made.Plain(1, "b", []),
        made.Plain(2),
        made.Heir(1),
        odd,
        made.Odd(1),
        made.Own(1),
        made.Empty(),
    ]
    yield "repr", [repr(one) for one in several]
    yield "fields", [[one.name for one in dataclasses.fields(one)] for one in several]
    yield "match", [one.__match_args__ for one in several]
    yield "slots", [getattr(type(one), "__slots__", None) for one in several]
    yield "equal", [[one == other for other in several] for one in several]
    yield "hash", [type(one).__hash__ is None for one in several]
    yield "same hash", outcome(lambda: hash(odd) == hash(made.Odd(1)))
    yield "empty hash", outcome(lambda: hash(made.Empty()) == hash(made.Empty()))
    yield "default", made.Plain(1).c is not made.Plain(1).c
    yield "given", made.Plain(a=1, c=[3]).c
    yield "replaced", repr(replace(plain, b="x"))
    yield "missing", outcome(made.Plain)[0]
    yield "unknown", outcome(lambda: made.Plain(1, z=2))[0]
    yield "set", outcome(lambda: setattr(plain, "a", 2))
    yield "deleted", outcome(lambda: delattr(made.Plain(1), "a"))
    yield "checked", outcome(lambda: made.Counted(-1))
    yield "copy", [repr(copy.copy(one)) for one in several]
    yield "deep", [repr(copy.deepcopy(one)) for one in several]
    yield "text", made.Odd.__doc__


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_classes_are_the_standard_librarys(options):
    """Whatever is asked of a class has the same answer, whichever of the two made it."""
    made, expected = classes(values.dataclass, options), classes(dataclasses.dataclass, options)
    assert dict(looks(made)) == dict(looks(expected))


@values.dataclass(frozen=True, slots=True)
class Kept:
    a: int
    b: tuple[int, ...] = ()


def test_frozen_values_can_be_pickled():
    """What cannot be changed can be written down and read."""
    assert pickle.loads(pickle.dumps(Kept(1, (2,)))) == Kept(1, (2,))


def test_nobody_changes_a_frozen_value():
    """Setting and deleting are refused, of fields and of anything else."""
    with pytest.raises(FrozenInstanceError, match="cannot assign to field 'a'"):
        Kept(1).a = 2
    with pytest.raises(FrozenInstanceError, match="cannot delete field 'b'"):
        del Kept(1).b


def test_a_field_without_a_default_does_not_follow_one_with():
    """The mistake is told where the class is made."""
    with pytest.raises((TypeError, SyntaxError)):

        @values.dataclass(frozen=True, slots=True)
        class _Wrong:
            a: int = 1
            b: int
