"""The issuer's documents for those who check service account tokens themselves.

Origin: k8s: pkg/serviceaccount/openidmetadata.go
"""

import orjson

from fakekube.api import negotiation
from fakekube.api.access import tokens
from fakekube.machinery.wire import Request, Response

ISSUER = "https://kubernetes.default.svc.cluster.local"
_JWKS = "application/jwk-set+json"
_CONFIGURATION, _KEYS = "/.well-known/openid-configuration", "/openid/v1/jwks"


def answer(request: Request) -> Response | None:
    """The answer to a request for one of them; None when it is none. Raises NotAcceptable."""
    accept = request.headers.get("accept") or ""
    if request.path == _CONFIGURATION:
        negotiation.accepts(accept, "application/json")
        host = request.headers.get("host") or "127.0.0.1:6443"
        scheme = "https" if request.secure else "http"
        document = {
            "issuer": ISSUER,
            "jwks_uri": f"{scheme}://{host}{_KEYS}",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [tokens.ALGORITHM],
        }
        return Response(200, orjson.dumps(document))
    if request.path == _KEYS:
        negotiation.accepts(accept, _JWKS)
        return Response(200, orjson.dumps(tokens.public_keys()), _JWKS)
    return None
