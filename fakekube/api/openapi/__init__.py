"""OpenAPI: what explain, diff, apply and validation read about types and operations.

    schemas    definitions of built-in and custom kinds, in the words of v2 and of v3
    paths      operations of a resource, likewise
    foreign    what aggregated APIs say of themselves
    documents  /openapi/v2, /openapi/v3 and one document per group version, kept until the catalog changes
    gnostic    v2 as protobuf, the only form kubectl asks v2 in

Nothing is loaded before the first request.
"""

from fakekube.api.registry.catalog import Catalog
from fakekube.machinery.wire import Request, Response


async def handle(request: Request, catalog: Catalog) -> Response | None:
    """The answer to an OpenAPI request; None when there is no such document. Raises NotAcceptable."""
    from fakekube.api.openapi import documents  # noqa: PLC0415 - one request in thousands; start-up does without

    return documents.answer(request, catalog)
