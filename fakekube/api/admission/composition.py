"""Variables of a policy: named expressions that later ones, and the policy's own, refer to as `variables.name`.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/plugin/cel/composition.go
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fakekube.api.admission.expressions import Bindings, Expression, Lazy, expression
from fakekube.api.schema.cel.library import PLAIN, Environment
from fakekube.api.schema.cel.types import Type, object_of
from fakekube.api.schema.cel.values import CelError


class Variables:
    """`spec.variables`: each may use those before it. `declared` is what expressions of the policy may name."""

    def __init__(
        self,
        raws: Iterable[Mapping[str, Any]],
        declared: Mapping[str, Type],
        environment: Environment = PLAIN,
    ) -> None:
        self.expressions: list[tuple[str, Expression]] = []
        fields: dict[str, Type] = {}
        for raw in raws:
            known = dict(declared) | {"variables": object_of(Lazy.cel_type, dict(fields))}
            one = expression(str(raw.get("expression") or ""), known, environment=environment)
            name = str(raw.get("name") or "")
            self.expressions.append((name, one))
            if one.program is not None:
                fields[name] = one.program.result
        self.declared = dict(declared) | {"variables": object_of(Lazy.cel_type, fields)}

    def bind(self, values: Bindings) -> Bindings:
        """The values with `variables`, which are computed when they are asked for."""
        makers = {}
        bound = dict(values)
        for name, one in self.expressions:
            makers[name] = lambda name=name, one=one: _variable(name, one, bound)
        bound["variables"] = Lazy(makers)
        return bound


def _variable(name: str, one: Expression, values: Bindings) -> Any:
    try:
        if one.program is None:
            raise CelError(one.error)
        return one.program(values)
    except CelError as error:
        raise CelError(f'composited variable "{name}" fails to evaluate: {error}') from None
