"""`dataclass`, as the standard library's with the same options, but made in a quarter of the time.

A server starts with 250 of them. For each that is frozen the standard library compiles six functions, which had been a
fifth of the whole start. Here only `__init__` is compiled; comparing, hashing and showing are closures over the names
of fields. What fields are, their defaults, slots and `replace` are the standard library's.

It has no options but those named here: whoever wants an order or keywords only, and whoever is below this layer, takes
the standard library's.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass  # the same to whoever checks types
else:
    import dataclasses as standard
    from dataclasses import MISSING, Field, FrozenInstanceError

    def dataclass(*, frozen: bool = False, slots: bool = False, eq: bool = True) -> Callable[[type], type]:
        """A class of the fields it names; see the module text."""
        return lambda cls: _made(cls, frozen, slots, eq)

    def _made(cls: type, frozen: bool, slots: bool, eq: bool) -> type:
        cls.__doc__ = cls.__doc__ or cls.__name__  # else its signature is worked out, to be the text
        own = {
            name for name, value in vars(cls).items() if value is not None
        }  # a __hash__ of None comes with __eq__
        cls = standard.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
        fields = standard.fields(cls)
        methods = {"__init__": _init(cls, fields, frozen, slots), "__repr__": _repr(fields)}
        if eq:
            methods |= _comparing([one.name for one in fields if one.compare])
            if not frozen:
                methods["__hash__"] = None
        if frozen:
            methods |= {"__setattr__": _refuse("assign to"), "__delattr__": _refuse("delete")}
            if slots:
                methods |= _copying([one.name for one in fields])
        for name, method in methods.items():
            if name not in own:
                setattr(cls, name, method)
        return cls

    def _init(cls: type, fields: "Sequence[Field[Any]]", frozen: bool, slots: bool) -> Callable[..., None]:
        """The only function that is compiled. Frozen classes refuse `self.a = a`, so their slots are set by themselves."""
        given, body, known = [], [], {"missing": MISSING, "put": object.__setattr__}
        for one in fields:
            name, value = one.name, one.name
            if one.default_factory is not MISSING:
                known[f"make_{name}"] = one.default_factory
                value = f"make_{name}() if {name} is missing else {name}" if one.init else f"make_{name}()"
            elif one.default is not MISSING:
                known[f"default_{name}"] = one.default
                value = name if one.init else f"default_{name}"
            elif not one.init:
                continue  # __post_init__ says what it is
            if one.init:
                given.append(_parameter(one))
            if frozen and slots:
                known[f"put_{name}"] = getattr(cls, name).__set__
                body.append(f"put_{name}(self, {value})")
            elif frozen:
                body.append(f"put(self, '{name}', {value})")
            else:
                body.append(f"self.{name} = {value}")
        if hasattr(cls, "__post_init__"):
            body.append("self.__post_init__()")
        text = f"def __init__({', '.join(['self', *given])}):\n  " + "\n  ".join(body or ["pass"])
        exec(text, known)  # noqa: S102 - names of fields, as in the standard library
        made = known["__init__"]
        made.__module__, made.__qualname__ = cls.__module__, f"{cls.__qualname__}.__init__"
        return made

    def _parameter(one: "Field[Any]") -> str:
        if one.default_factory is not MISSING:
            return f"{one.name}=missing"
        return one.name if one.default is MISSING else f"{one.name}=default_{one.name}"

    def _repr(fields: "Sequence[Field[Any]]") -> Callable[[Any], str]:
        shown = [one.name for one in fields if one.repr]

        @recursive_repr()
        def __repr__(self: Any) -> str:  # noqa: N807
            return f"{type(self).__qualname__}({', '.join(f'{one}={getattr(self, one)!r}' for one in shown)})"

        return __repr__

    def _comparing(names: Sequence[str]) -> dict[str, Callable[..., Any]]:
        values = attrgetter(*names) if names else lambda _: ()

        def __eq__(self: Any, other: Any) -> Any:  # noqa: N807
            return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

        def __hash__(self: Any) -> int:  # noqa: N807
            return hash(values(self))

        return {"__eq__": __eq__, "__hash__": __hash__}

    def _refuse(what: str) -> Callable[..., None]:
        def refuse(_self: Any, name: str, _value: Any = None) -> None:
            raise FrozenInstanceError(f"cannot {what} field {name!r}")

        return refuse

    def _copying(names: Sequence[str]) -> dict[str, Callable[..., Any]]:
        """What `copy` and `pickle` ask for where nothing can be set."""

        def __getstate__(self: Any) -> list[Any]:  # noqa: N807
            return [getattr(self, one) for one in names]

        def __setstate__(self: Any, state: list[Any]) -> None:  # noqa: N807
            for name, value in zip(names, state, strict=True):
                object.__setattr__(self, name, value)

        return {"__getstate__": __getstate__, "__setstate__": __setstate__}
