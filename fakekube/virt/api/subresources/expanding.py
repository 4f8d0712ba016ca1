"""expand-spec: a machine with its instancetype and preference written out.

Origin: kubevirt: pkg/virt-api/rest/expand.go, pkg/instancetype/{expand,conflict}
"""

from collections.abc import Callable

import orjson

from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import ApiError, BadRequest, NotFound
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object
from fakekube.virt.api.lookups import Lookups
from fakekube.virt.api.subresources.replies import internal
from fakekube.virt.instancetypes import applying

Refuse = Callable[[str], ApiError]


async def expanded(vm: Object, lookups: Lookups, refuse: Refuse = internal) -> Object:
    """What the machine would be without its matchers. The stored one stays as it is.

    What is wrong with a stored machine is the server's error, with a given one (`refuse` is BadRequest) the client's.
    """
    try:
        size = await lookups.matched(vm, "instancetype")
        preference = await lookups.matched(vm, "preference")
    except NotFound as error:
        raise refuse(error.message) from None
    if size is None and preference is None:
        return vm
    vm = copy_of(vm)
    spec = vm["spec"]["template"]["spec"]
    clashing = applying.conflicts("spec.template.spec", spec, size)
    if clashing:
        raise refuse(f"VM field(s) {', '.join(clashing)} conflicts with selected instance type")
    applying.apply(spec, size, preference)
    for member in ("instancetype", "preference"):
        vm["spec"].pop(member, None)
    return vm


def given_machine(body: bytes, namespace: str) -> Object:
    """The machine in a request's body."""
    if not body.strip():
        raise BadRequest("empty request body")
    try:
        vm = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"Can not unmarshal Request body to struct, error: {error}") from None
    if (
        not isinstance(vm, dict)
        or vm.get("kind") != "VirtualMachine"
        or not dig(vm, "spec", "template", "spec")
    ):
        raise BadRequest("Object is not a valid VirtualMachine")
    own = dig(vm, "metadata", "namespace")
    if own and own != namespace:
        raise BadRequest(f"VM namespace must be empty or {namespace}")
    vm.setdefault("metadata", {})["namespace"] = namespace
    found: Object = vm
    return found
