"""Unknown and duplicate fields of a body: dropped, warned about, or refused, as `fieldValidation` says.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/endpoints/handlers/{create,rest}.go
"""

from collections.abc import Sequence

import orjson

from fakekube.api import bodies
from fakekube.api.options import WriteOptions
from fakekube.api.schema.duplicates import duplicate_fields
from fakekube.api.verbs.call import Call
from fakekube.machinery.errors import BadRequest
from fakekube.machinery.wire import Object

_ALWAYS = frozenset({"apiVersion", "kind", "metadata"})


def prune(call: Call, obj: Object, old: Object | None) -> Sequence[str]:
    """Decode `obj` into its type, in place; the paths of unknown fields. Raises BadRequest.

    Members that are, to the byte, those of the stored object have been decoded before, and are shared where they may be.
    """
    resource = call.resource
    if old is None:
        return resource.strategy.prune(obj)
    changed: Object = {}
    for name, value in obj.items():
        before = None if name in _ALWAYS else old.get(name)
        # Equal is not enough: Python's 1 is True.
        if before is value and before is not None:
            continue
        if before is None or before != value or orjson.dumps(before) != orjson.dumps(value):
            changed[name] = value
        elif resource.strategy.shares_parts:
            obj[name] = before
    names = list(changed)
    complaints = resource.strategy.prune_update(changed, old)
    for name in names:
        if name in changed:
            obj[name] = changed[name]
        else:
            del obj[name]
    return complaints


def check_fields(
    call: Call, obj: Object, body: bytes, options: WriteOptions, old: Object | None = None
) -> None:
    """Prune `obj` in place and tell the client what was dropped. Raises BadRequest under Strict."""
    asked = options.validation != "Ignore"
    media = bodies.media_type(call.request.headers.get("content-type") or "") if asked else ""
    found: list[str] = []
    if media == bodies.JSON and call.request.sent is None:
        found += [f'duplicate field "{path}"' for path in duplicate_fields(body, obj)]
    if media == bodies.YAML:
        found += repeated_keys(body, options)
    complaints = prune(call, obj, old)
    if not asked:
        return
    found += [f'unknown field "{path}"' for path in complaints]
    if not found:
        return
    if options.validation == "Strict":
        kind, version = call.resource.kind, call.resource.version
        raise BadRequest(
            f'{kind} in version "{version}" cannot be handled as a {kind}: strict decoding error: {", ".join(found)}'
        )
    call.warnings += found


def repeated_keys(body: bytes, options: WriteOptions) -> list[str]:
    """What YAML names twice: one complaint, or a warning for each."""
    from fakekube.machinery import yaml_text  # noqa: PLC0415 - as in bodies

    said = "" if options.validation == "Ignore" else yaml_text.repeated_keys(body)
    if options.validation == "Strict":
        return [said] if said else []
    return [line.strip() for line in said.splitlines()[1:]]
