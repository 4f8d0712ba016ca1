"""Ways into a running pod, a service or a node: logs, exec, attach, port-forward, proxy.

Everything upstream's API server itself decides is decided here, in its words. Then it dials the kubelet: a Handler in the table
of services, which answers for all nodes (`agents/node_server`). Where there is none, logs are empty and every other connection
is refused.
Origin: k8s: pkg/registry/core/{pod,service,node}/rest, pkg/registry/core/pod/strategy.go (LogLocation, streamLocation)
"""

from collections.abc import AsyncGenerator
from typing import Any
from urllib.parse import quote

from msgspec.structs import replace

from fakekube.api.options import Query, boolean, first, integer
from fakekube.api.registry import codec
from fakekube.api.verbs.call import Call
from fakekube.machinery.errors import ApiError, BadRequest, InternalError, invalid
from fakekube.machinery.field_errors import FieldError, forbidden
from fakekube.machinery.field_errors import invalid as invalid_field
from fakekube.machinery.wire import Object, Request, Response

KUBELET = ("kube-system", "kubelet")  # the Service it answers under
_LISTS = (
    ("initContainers", "initContainerStatuses"),
    ("containers", "containerStatuses"),
    ("ephemeralContainers", "ephemeralContainerStatuses"),
)
_UNPULLED = {"ErrImagePull": "image can't be pulled", "ImagePullBackOff": "trying and failing to pull image"}
_NO_HOST = "pod {} does not have a host assigned"


async def log(call: Call) -> Response:
    """The log of a container, once it has begun to run: of its last run, if it waits for another."""
    _check_log_options(call.query, call.info.name)
    pod = await _object(call)
    name = _container(pod, first(call.query, "container"))
    if not pod["spec"].get("nodeName"):
        return call.finish(Response(204, b"", ""))
    state, ran = _state(pod, name), "terminated" in _state(pod, name, "lastState")
    if boolean(call.query, "previous"):
        if not ran:
            raise BadRequest(f'previous terminated container "{name}" in pod "{call.info.name}" not found')
    elif not ran and (not state or "waiting" in state):
        why = (state.get("waiting") or {}).get("reason") or "ContainerCreating"
        why = _UNPULLED.get(why, why)
        raise BadRequest(f'container "{name}" in pod "{call.info.name}" is waiting to start: {why}')
    kubelet = call.services.find(*KUBELET)
    if kubelet is None:
        return call.finish(Response(200, b"", "text/plain"))
    answer = await kubelet(_for_kubelet(call, "containerLogs", name))
    if answer.stream is None and (call.request.headers.get("upgrade") or "").lower() == "websocket":
        answer.stream = _at_once(answer.body)  # sent as one that is followed would be
    return call.finish(answer)


async def _at_once(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body


def _for_kubelet(call: Call, what: str, container: str = "") -> Request:
    """The request as it goes on to the node: streams and headers as they are, under the kubelet's own path."""
    parts = [what, call.info.namespace, call.info.name, *([container] if container else [])]
    path = "/" + "/".join(quote(part, safe="") for part in parts)
    return replace(call.request, path=path, user=None)


def _check_log_options(query: Query, name: str) -> None:
    found: list[FieldError] = []
    tail, limit, since = (integer(query, member) for member in ("tailLines", "limitBytes", "sinceSeconds"))
    if tail is not None and tail < 0:
        found.append(invalid_field("tailLines", tail, "must be greater than or equal to 0"))
    if limit is not None and limit < 1:
        found.append(invalid_field("limitBytes", limit, "must be greater than 0"))
    if since is not None and first(query, "sinceTime"):
        found.append(forbidden("[]", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    elif since is not None and since < 1:
        found.append(invalid_field("sinceSeconds", since, "must be greater than 0"))
    if found:
        raise invalid("PodLogOptions", "", name, found)


async def stream(call: Call) -> Response:
    """`exec`, `attach` and `portforward`: into a container, or to the pod's ports."""
    pod = await _object(call)
    container = ""
    if call.info.subresource != "portforward":
        container = _container(pod, first(call.query, "container"))
    if not pod["spec"].get("nodeName"):
        raise BadRequest(_NO_HOST.format(call.info.name))
    if not call.request.headers.get("upgrade"):
        raise BadRequest("Upgrade request required")
    kubelet = call.services.find(*KUBELET)
    if kubelet is not None:
        what = "portForward" if call.info.subresource == "portforward" else call.info.subresource
        return await kubelet(_for_kubelet(call, what, container))
    raise InternalError(
        f'Internal error occurred: error dialing backend: node "{pod["spec"]["nodeName"]}" has no kubelet'
    )


async def proxy(call: Call) -> Response:
    """To what listens behind a pod or a service: in this process, or in a pod, which the kubelet dials. Nothing does behind a
    node."""
    kind = call.resource.plural
    scheme, name, port = _target(call.info.name, "service" if kind == "services" else kind.removesuffix("s"))
    obj = await _object(call, name)
    pod = name
    if kind == "pods":
        if not (obj.get("status") or {}).get("podIP"):
            raise BadRequest("address not allowed")
        port = port or _first_port(obj)
    elif kind == "services":
        _check_port(obj, name, port)
        handler = call.services.find(call.info.namespace, name)
        if handler is not None:
            return await handler(replace(call.request, path=f"/{call.info.tail}"))
        pod, port = await _endpoint(call, obj, port)
    kubelet = call.services.find(*KUBELET)
    if kind == "nodes" or kubelet is None or not port:
        raise _unavailable(
            f"error trying to reach service: nothing listens behind {call.resource.kind.lower()} {name}"
        )
    parts = ("proxy", call.info.namespace, pod, f"{scheme or 'http'}:{port}")
    path = "/".join(quote(part, safe=":") for part in parts)
    answer = await kubelet(replace(call.request, path=f"/{path}/{call.info.tail}", user=None))
    if answer.status == 503 and not answer.body:
        refused = (
            f"dial tcp {(obj.get('status') or {}).get('podIP') or pod}:{port}: connect: connection refused"
        )
        raise _unavailable(f"error trying to reach service: {refused}")
    return answer


def _target(text: str, what: str) -> tuple[str, str, str]:
    """Scheme, name and port of `name`, `name:port` or `scheme:name:port`; empty where it is not said."""
    parts = text.split(":")
    if len(parts) > 3 or (len(parts) == 3 and parts[0] not in ("", "http", "https")):
        raise BadRequest(f'invalid {what} request "{text}"')
    scheme = parts.pop(0) if len(parts) == 3 else ""
    return scheme, parts[0], parts[1] if len(parts) > 1 else ""


def _first_port(pod: Object) -> str:
    """The one that is meant where none is named."""
    ports = (one for container in pod["spec"].get("containers") or () for one in container.get("ports") or ())
    return str(next((one["containerPort"] for one in ports), ""))


def _check_port(service: Object, name: str, port: str) -> None:
    ports = service["spec"].get("ports") or ()
    if port.isdigit() and not any(str(one.get("port")) == port for one in ports):
        raise _unavailable(f'no service port {port} found for service "{name}"')


async def _endpoint(call: Call, service: Object, port: str) -> tuple[str, str]:
    """A pod behind a service, and the port of it that is meant by a name or a number of the service's."""
    name = str(service["metadata"]["name"])
    resource = call.catalog.find("", "v1", "endpoints")
    entry = resource and await call.registry.store.get(resource.key(call.info.namespace, name))
    endpoints = codec.decode(resource, entry) if resource is not None and entry else {}
    subsets = [one for one in endpoints.get("subsets") or () if one.get("addresses")]
    if not subsets:
        raise _unavailable(f'no endpoints available for service "{name}"')
    named = next(
        (one.get("name", "") for one in service["spec"].get("ports") or () if str(one.get("port")) == port),
        port,
    )
    for subset in subsets:
        for one in subset.get("ports") or ():
            if one.get("name", "") == named:
                pods = [(address.get("targetRef") or {}).get("name", "") for address in subset["addresses"]]
                return pods[0], str(one["port"])
    raise _unavailable(f'no endpoints available for service "{name}"')


def _unavailable(message: str) -> ApiError:
    return ApiError(message, code=503, reason="ServiceUnavailable")


async def _object(call: Call, name: str = "") -> Object:
    entry = await call.registry.get(call.resource, call.info.namespace, name or call.info.name)
    return codec.decode(call.resource, entry)


def _container(pod: Object, asked: str) -> str:
    """The container that is meant: the one asked for, or the only one there is. Raises BadRequest."""
    name, spec = str(pod["metadata"]["name"]), pod["spec"]
    known: list[str] = [str(one.get("name")) for member, _ in _LISTS for one in spec.get(member) or ()]
    if asked:
        if asked not in known:
            raise BadRequest(f"container {asked} is not valid for pod {name}")
        return asked
    regular: list[Object] = spec.get("containers") or []
    if len(regular) == 1:
        return str(regular[0].get("name"))
    choice = f", choose one of: [{' '.join(known)}]" if regular else ""
    raise BadRequest(f"a container name must be specified for pod {name}{choice}")


def _state(pod: Object, container: str, member: str = "state") -> dict[str, Any]:
    status = pod.get("status") or {}
    for _, listed in _LISTS:
        for one in status.get(listed) or ():
            if one.get("name") == container:
                return one.get(member) or {}
    return {}
