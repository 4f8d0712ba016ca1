"""What single built-in kinds do differently: defaults, allocation, validation. Each is a subclass of BuiltinStrategy.

`STRATEGIES` is the only place they are looked up in; a kind without an entry gets the general strategy.
"""

from fakekube.api.builtins.strategies.crds import CrdStrategy
from fakekube.api.builtins.strategies.namespaces import NamespaceStrategy
from fakekube.api.builtins.strategies.pods import PodStrategy
from fakekube.api.builtins.strategy import BuiltinStrategy

STRATEGIES: dict[tuple[str, str], type[BuiltinStrategy]] = {
    ("", "Namespace"): NamespaceStrategy,
    ("", "Pod"): PodStrategy,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): CrdStrategy,
}
