"""expand-spec: a machine with its instancetype and preference written out.

Origin: kubevirt: pkg/virt-api/rest/expand.go, pkg/instancetype/{expand,conflict}, pkg/defaults
"""

from collections.abc import Callable

import orjson

from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import ApiError, BadRequest, NotFound
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object
from fakekube.virt.api.encoding import encode_machine
from fakekube.virt.api.instance_defaults import add_default_network, add_missing_disks, set_spec_defaults
from fakekube.virt.api.lookups import Lookups
from fakekube.virt.api.subresources.replies import internal
from fakekube.virt.config import ClusterConfig
from fakekube.virt.instancetypes import applying, checking

Refuse = Callable[[str], ApiError]


async def expanded(vm: Object, lookups: Lookups, config: ClusterConfig, refuse: Refuse = internal) -> Object:
    """What the machine would be without its matchers, defaults written out as well. The stored one stays as it is.

    Disks and the network that go without saying come first: a preference decides about them, too.

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
    template = vm["spec"]["template"]
    spec = template["spec"]
    spec.setdefault("domain", {})
    add_missing_disks(spec)
    add_default_network(spec, config)
    clashing = checking.conflicts("spec.template.spec", template, size)
    if clashing:
        raise refuse(f"VM field(s) {', '.join(clashing)} conflicts with selected instance type")
    applying.expand(template, size, preference)
    set_spec_defaults(spec, config)
    for member in ("instancetype", "preference"):
        vm["spec"].pop(member, None)
    encode_machine(vm["spec"])
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
