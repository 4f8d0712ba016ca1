"""GET of one object."""

from fakekube.api.options import first, parse_version
from fakekube.api.verbs.call import Call
from fakekube.machinery.errors import ApiError, Timeout
from fakekube.machinery.wire import Response


async def get(call: Call) -> Response:
    """The object, as new as the asked-for resourceVersion or newer. Raises NotFound."""
    if call.request.query:
        check_version(call, first(call.query, "resourceVersion"))
    entry = await call.registry.get(call.resource, call.info.namespace, call.info.name)
    return call.respond(entry)


def check_version(call: Call, text: str) -> None:
    """Refuse a version that cannot be read (as a 500, like the real server) or that lies in the future."""
    if not text:
        return
    try:
        version = parse_version(text)
    except ValueError as error:
        raise ApiError(f'resourceVersion: Invalid value: "{text}": {error}') from None
    if version > call.registry.store.revision:
        raise too_large(version, call.registry.store.revision)


def too_large(version: int, current: int) -> Timeout:
    """The answer to a version that has not happened yet."""
    return Timeout(
        f"Timeout: Too large resource version: {version}, current: {current}",
        details={
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        },
        headers=[("Retry-After", "1")],
    )
