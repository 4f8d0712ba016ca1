"""What the aggregated API says of its operations, in OpenAPI 2: paths and parameters, without the kinds behind them.

Origin: kubevirt: pkg/virt-api/api.go (ConfigureOpenAPIService)
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fakekube.virt.api.subresources import discovery, profiling

_DEEPER = {"portforward": ("portforward/{port}", "portforward/{port}/{protocol}")}
_PLAIN = ("version", "guestfs", "healthz", *profiling.DEEDS)
_ANSWER = {"200": {"description": "OK"}, "401": {"description": "Unauthorized"}}


def document(operations: Mapping[str, Iterable[tuple[str, str]]]) -> dict[str, Any]:
    """`operations`: plural → (method, subresource) of everything that is served."""
    paths: dict[str, Any] = {}
    for version in discovery.VERSIONS:
        root = f"/apis/{discovery.GROUP}/{version}"
        for name in _PLAIN:
            paths[f"{root}/{name}"] = {"get": _operation(f"{version}{name.capitalize()}", "application/json")}
        space = f"{root}/namespaces/{{namespace}}"
        expand = _operation(f"{version}ExpandSpec", "application/json")
        paths[f"{space}/expand-vm-spec"] = {"put": expand, **_parameters("namespace")}
        for plural, served in operations.items():
            for method, subresource in served:
                for tail in _DEEPER.get(subresource, (subresource,)):
                    own = f"{space}/{plural}/{{name}}/{tail}"
                    names = [one[1:-1] for one in own.split("/") if one.startswith("{")]
                    identity = f"{version}{plural}-{tail.translate(str.maketrans('/', '-', '{}'))}"
                    item = paths.setdefault(own, _parameters(*names))
                    item[method.lower()] = _operation(identity, "*/*")
    return {
        "swagger": "2.0",
        "info": {"title": "KubeVirt API", "version": "1.0.0"},
        "paths": paths,
        "definitions": {},
    }


def _operation(identity: str, produces: str) -> dict[str, Any]:
    return {"operationId": identity, "consumes": ["*/*"], "produces": [produces], "responses": _ANSWER}


def _parameters(*names: str) -> dict[str, Any]:
    return {
        "parameters": [
            {"name": name, "in": "path", "required": True, "type": "string", "uniqueItems": True}
            for name in names
        ]
    }
