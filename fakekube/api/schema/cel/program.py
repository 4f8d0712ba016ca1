"""Compiled expressions: check once, evaluate often.

Variables are declared with their types (`DYN` for anything); bindings are plain JSON-like values.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from fakekube.api.schema.cel.library import PLAIN, Environment
from fakekube.api.schema.cel.parser import parse
from fakekube.api.schema.cel.syntax import size
from fakekube.api.schema.cel.translate import Closure, Translator
from fakekube.api.schema.cel.types import Type
from fakekube.api.schema.cel.values import CelError, CostExceeded

PER_CALL_LIMIT = 1_000_000  # k8s: staging/src/k8s.io/apiserver/pkg/apis/cel/config.go


class Program:
    """One expression. Call it with bindings for the variables; raises CelError."""

    def __init__(
        self, source: str, result: Type, run: Closure, slots: dict[str, int], *, frame: int, cost: int
    ) -> None:
        self.source = source
        self.result = result
        self.uses = frozenset(slots)
        self.spent = 0  # what the last evaluation cost
        self._run = run
        self._slots = slots
        self._frame = frame
        self._cost = cost

    def __call__(self, bindings: Mapping[str, Any], *, limit: int = PER_CALL_LIMIT) -> Any:
        """Raises CostExceeded beyond `limit`, which counts visited nodes of the expression."""
        frame: list[Any] = [None] * self._frame
        for name, slot in self._slots.items():
            if name not in bindings:
                raise CelError(f"no such attribute(s): {name}")
            frame[slot] = bindings[name]
        frame[0] = limit - self._cost
        if frame[0] < 0:
            raise CostExceeded("operation cancelled: actual cost limit exceeded")
        try:
            return self._run(frame)
        except RecursionError:
            raise CostExceeded("operation cancelled: actual cost limit exceeded") from None
        finally:
            self.spent = limit - frame[0]


def compile(  # noqa: A001 - it is what one does with it
    source: str, variables: Mapping[str, Type], environment: Environment = PLAIN
) -> Program:
    """Parse and check. Raises CompileError with cel-go's text, drawing included."""
    translator = Translator(source, variables, environment)
    tree = _parsed(source)
    result, run = translator.translate(tree)
    translator.raise_errors()
    slots = {name: translator.scope[name][0] for name in translator.used if name in translator.scope}
    return Program(source, result, run, slots, frame=translator.slots, cost=size(tree))


_parsed = lru_cache(maxsize=512)(parse)
