"""CustomResourceDefinitions: the rules of `extend/crds` on top of what every built-in kind has."""

from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.api.extend.crds import CrdRules


class CrdStrategy(CrdRules, BuiltinStrategy):
    """The strategy of kind CustomResourceDefinition."""

    status_subresource = True
    has_generation = True
