"""Health endpoints: /healthz, /livez, /readyz, with their single checks, `?verbose` and `?exclude=`.

A server that answers is well, so every check passes; what is worth telling is which checks clients look for.
k8s: staging/src/k8s.io/apiserver/pkg/server/healthz/healthz.go
"""

from urllib.parse import parse_qs

from fakekube.machinery.wire import Response

_HOOKS = (
    "poststarthook/generic-apiserver-start-informers",
    "poststarthook/start-apiextensions-informers",
    "poststarthook/start-apiextensions-controllers",
    "poststarthook/crd-informer-synced",
    "poststarthook/start-system-namespaces-controller",
    "poststarthook/apiservice-registration-controller",
    "poststarthook/apiservice-discovery-controller",
    "poststarthook/apiservice-openapi-controller",
    "poststarthook/apiservice-openapiv3-controller",
)
_CHECKS = {
    "healthz": ("ping", "log", "etcd", *_HOOKS),
    "livez": ("ping", "log", "etcd", *_HOOKS),
    "readyz": ("ping", "log", "etcd", "etcd-readiness", "informer-sync", *_HOOKS, "shutdown"),
}
_TEXT = "text/plain; charset=utf-8"


def paths() -> list[str]:
    """Every path that answers."""
    return [
        path
        for name, checks in _CHECKS.items()
        for path in (f"/{name}", *(f"/{name}/{check}" for check in checks))
    ]


def answer(path: str, query: str) -> Response | None:
    """The answer to a health request; None when it is none."""
    name, _, check = path.strip("/").partition("/")
    checks = _CHECKS.get(name)
    if checks is None:
        return None
    if check:
        return _text("ok") if check in checks else Response(404, b"404 page not found\n", _TEXT)
    asked = parse_qs(query, keep_blank_values=True)
    if "verbose" not in asked:
        return _text("ok")
    excluded = asked.get("exclude", [])
    lines = [f"[+]{one} excluded: ok" if one in excluded else f"[+]{one} ok" for one in checks]
    unknown = sorted(set(excluded) - set(checks))
    if unknown:
        quoted = ", ".join(f'"{one}"' for one in unknown)
        lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}")
    return _text("\n".join([*lines, f"{name} check passed", ""]))


def _text(body: str) -> Response:
    return Response(200, body.encode(), _TEXT, [("X-Content-Type-Options", "nosniff")])
