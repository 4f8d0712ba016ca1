"""Which fields a write to a resource or its `/status` cannot change, and so nobody gains or loses by it.

Origin: k8s: GetResetFields in pkg/registry/*/*/strategy.go
"""

from fakekube.api.patching import fieldset
from fakekube.api.patching.fieldset import FieldSet
from fakekube.api.patching.managed_fields import NO_FIELDS
from fakekube.api.registry.strategy import ServedResource

_STATUS = fieldset.from_names("status")
_SPEC = fieldset.from_names("spec")


def reset_fields(resource: ServedResource, subresource: str) -> FieldSet:
    """The other half, where main resource and status are separate."""
    if not resource.strategy.status_subresource:
        return NO_FIELDS
    return _SPEC if subresource == "status" else _STATUS
