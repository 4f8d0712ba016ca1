"""Answers of Handlers that speak JSON: aggregated APIs and webhooks in this process."""

from typing import Any

import orjson

from fakekube.machinery.errors import ApiError
from fakekube.machinery.wire import Response


def json(body: Any, status: int = 200) -> Response:
    return Response(status, orjson.dumps(body))


def refusal(error: ApiError) -> Response:
    """A Status, as JSON."""
    return Response(error.code, orjson.dumps(error.status()), headers=list(error.headers))
