"""Unknown and duplicate fields of a body: dropped, warned about, or refused, as `fieldValidation` says.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/endpoints/handlers/{create,rest}.go
"""

from fakekube.api import bodies
from fakekube.api.options import WriteOptions
from fakekube.api.schema.duplicates import duplicate_fields
from fakekube.api.verbs.call import Call
from fakekube.machinery.errors import BadRequest
from fakekube.machinery.wire import Object


def check_fields(call: Call, obj: Object, body: bytes, options: WriteOptions) -> None:
    """Prune `obj` in place and tell the client what was dropped. Raises BadRequest under Strict."""
    asked = options.validation != "Ignore"
    json = asked and bodies.media_type(call.request.headers.get("content-type") or "") == bodies.JSON
    found = [f'duplicate field "{path}"' for path in duplicate_fields(body, obj)] if json else []
    complaints = call.resource.strategy.prune(obj)
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
