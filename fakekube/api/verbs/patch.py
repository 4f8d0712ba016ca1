"""PATCH: JSON patch, merge patch and strategic merge patch, all as "old → new"; `applying` has server-side apply.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/endpoints/handlers/patch.go
"""

from collections.abc import Callable, Sequence
from typing import Any

from fakekube.api import bodies
from fakekube.api.options import WriteOptions
from fakekube.api.patching import decoding as decoding_patches
from fakekube.api.patching import go_format, json_patch, merge_patch, strategic_merge
from fakekube.api.schema.duplicates import duplicate_fields
from fakekube.api.schema.model import ANYTHING
from fakekube.api.verbs import applying, decoding, go_text
from fakekube.api.verbs.call import Call
from fakekube.api.verbs.create import check_namespace
from fakekube.api.verbs.update import admission_of, admit, check_name, keep_other_half
from fakekube.machinery.copying import copy_of
from fakekube.machinery.errors import BadRequest, UnsupportedMediaType, invalid
from fakekube.machinery.field_errors import FieldError
from fakekube.machinery.wire import Object, Response

JSON, MERGE = "application/json-patch+json", "application/merge-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
_OPERATION = frozenset({"op", "path", "from", "value"})
_FOR_CUSTOM = f"{JSON}, {MERGE}, {APPLY}"


async def patch(call: Call) -> Response:
    """Apply the patch in the body to the stored object, on the main resource or on `/status`."""
    options = call.options("PatchOptions")
    media = bodies.media_type(call.request.headers.get("content-type") or "")
    if media == APPLY:
        return await applying.apply(call, options)
    change = read_patch(call, media)
    refuse_force(options)
    info = call.info
    attributes, context = admission_of(call, options, subresource=info.subresource, kind="PatchOptions")
    faults = strict_faults(call, options, media, change)

    async def transform(old: Object) -> Object:
        new = patched(call, media, old, change)
        check_patched(call, new, old, options, lambda: _shown(call, media, old, change), faults=faults)
        return await admit(call, attributes, context, keep_other_half(call, new, old), old)

    written = await call.registry.update(call.resource, info.namespace, info.name, transform, context)
    return call.written(written, dry_run=options.dry_run)


def refuse_force(options: WriteOptions) -> None:
    """Raises Invalid."""
    if options.force:
        cause = FieldError("FieldValueForbidden", "force", "may not be specified for non-apply patch")
        raise invalid("PatchOptions", "meta.k8s.io", "", [cause])


def read_patch(call: Call, media: str) -> Any:
    """The decoded patch. Raises UnsupportedMediaType, BadRequest."""
    if media == STRATEGIC and call.resource.custom:
        raise UnsupportedMediaType(
            f"the body of the request was in an unknown format - accepted media types include: {_FOR_CUSTOM}"
        )
    if media not in (JSON, MERGE, STRATEGIC):
        if call.resource.custom:
            raise UnsupportedMediaType(
                f"the body of the request was in an unknown format - accepted media types include: {_FOR_CUSTOM}"
            )
        raise UnsupportedMediaType("415: Unsupported Media Type", details={})
    if media == JSON:
        return decoding_patches.json_operations(call.request.body)
    if media == MERGE:
        return decoding_patches.merge_object(call.request.body)
    return decoding_patches.strategic_object(call.request.body)


def strict_faults(call: Call, options: WriteOptions, media: str, change: Any) -> list[str]:
    """What a strict reader says of the patch itself: members named twice, and those no operation has."""
    if options.validation == "Ignore" or call.request.sent is not None:
        return []
    found = [f'duplicate field "{path}"' for path in duplicate_fields(call.request.body, change)]
    if media != JSON:
        return found
    found += [
        f'unknown field "[{index}].{name}"'
        for index, operation in enumerate(change)
        for name in operation or ()
        if name not in _OPERATION
    ]
    return [f"json patch {one}" for one in found]


def patched(call: Call, media: str, old: Object, change: Any) -> Object:
    """The object after the patch. Its metadata is its own; the rest it may share with the old one, where it has not changed."""
    if not call.resource.strategy.shares_parts:
        old = copy_of(old)
    if media == JSON:
        new = json_patch.apply(old, change)
    elif media == MERGE:
        new = merge_patch.apply(old, change)
    else:
        new = strategic_merge.apply(old, change, call.resource.strategy.schema or ANYTHING)
    if isinstance(new.get("metadata"), dict):
        new["metadata"] = dict(new["metadata"])
    return new


def _shown(call: Call, media: str, old: Object, change: Any) -> str:
    """What error texts quote: a strategic merge patch itself, or what another made of the object.

    Made again, for few patches need it.
    """
    if media == STRATEGIC:
        return go_format.plain(change)
    return go_text.text(patched(call, media, old, change), old, structs=not call.resource.custom)


def check_patched(
    call: Call,
    new: Object,
    old: Object,
    options: WriteOptions,
    shown: Callable[[], str],
    *,
    faults: list[str],
) -> None:
    """What a patch made must still be an object of this name and type."""
    resource = call.resource
    if not resource.custom:  # Go's decoder is told what to expect
        new["kind"] = new.get("kind") or resource.kind
        new["apiVersion"] = new.get("apiVersion") or resource.api_version
    meta = new.get("metadata")
    if not isinstance(meta, dict):
        meta = new["metadata"] = {}
    if resource.custom and (
        new.get("kind") != resource.kind or new.get("apiVersion") != resource.api_version
    ):
        name = str(old["metadata"]["name"])
        if not new.get("kind") or not new.get("apiVersion"):
            raise BadRequest(f"Object 'Kind' is missing in '{shown()}'")
        causes = []
        if new["kind"] != resource.kind:
            causes.append(FieldError("FieldValueInvalid", "kind", f"must be {resource.kind}", new["kind"]))
        if new["apiVersion"] != resource.api_version:
            said = f"must be {resource.api_version}"
            causes.append(FieldError("FieldValueInvalid", "apiVersion", said, new["apiVersion"]))
        given = str(new["apiVersion"])  # the answer is about the kind the object claims to be
        raise invalid(str(new["kind"]), given.rpartition("/")[0], name, causes)
    unknown = _pruned(call, new, old, shown)
    if (unknown or faults) and options.validation != "Ignore":
        texts = [*faults, *(f'unknown field "{path}"' for path in unknown)]
        if options.validation == "Strict":
            detail = f"strict decoding error: {', '.join(texts)}"
            raise invalid("", "", "", [FieldError("FieldValueInvalid", "patch", detail, shown())])
        call.warnings += texts
    check_name(new, call.info.name)
    check_namespace(call, new)


def _pruned(call: Call, new: Object, old: Object, shown: Callable[[], str]) -> Sequence[str]:
    """Decode what the patch made into its type, dropping unknown fields. What cannot be decoded is the patch's fault."""
    resource = call.resource
    try:
        if new.get("kind") != resource.kind or new.get("apiVersion") != resource.api_version:
            given = str(new.get("apiVersion") or "")
            _as_another(call, new, given)
            raise BadRequest(
                f'{new.get("kind")} in version "{given.rpartition("/")[2]}" cannot be handled as a {resource.kind}: '
                f'no kind "{new.get("kind")}" is registered for version "{given}" in scheme '
                '"pkg/api/legacyscheme/scheme.go:30"'
            )
        return decoding.prune(call, new, old)
    except BadRequest as bad:
        if resource.custom:
            raise
        detail = bad.message.partition(" cannot be handled as a ")[2].partition(": ")[2] or bad.message
        raise invalid("", "", "", [FieldError("FieldValueInvalid", "patch", detail, shown())]) from None


def _as_another(call: Call, new: Object, api_version: str) -> None:
    """A patch made another kind of this: should there be such a kind, Go decodes it first, and may fail there already."""
    group, _, version = api_version.rpartition("/")
    other = call.catalog.by_kind(group, version, str(new.get("kind") or ""))
    if other is not None and not other.custom:
        other.strategy.prune(new)
