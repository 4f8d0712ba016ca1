"""Admission webhooks: who is asked about a write, what the answer changes, and what a silence means.

Configurations are followed by `WebhookConfigs.update`, called after each write to them; asking is a Handler call, to an in-process
service or over the network.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook
"""

import asyncio
import base64
import logging
from dataclasses import dataclass
from typing import Any

import orjson

from fakekube.api.admission.attributes import Attributes
from fakekube.api.admission.rules import matches
from fakekube.api.patching import json_patch
from fakekube.api.services import Services
from fakekube.ids import Ids
from fakekube.machinery.errors import ApiError, InternalError
from fakekube.machinery.wire import Handler, Object, Request, User

_log = logging.getLogger(__name__)
_API_SERVER = User("system:apiserver", ("system:masters",))


@dataclass(frozen=True, slots=True)
class Hook:
    """One webhook of one configuration."""

    configuration: str
    mutating: bool
    raw: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.raw["name"])

    @property
    def fails_open(self) -> bool:
        return self.raw.get("failurePolicy") == "Ignore"


class WebhookConfigs:
    """All webhooks, in the order they are asked: configurations by name, hooks as listed."""

    def __init__(self) -> None:
        self._configurations: dict[tuple[bool, str], Object] = {}
        self.mutating: tuple[Hook, ...] = ()
        self.validating: tuple[Hook, ...] = ()

    def update(self, configuration: Object, *, deleted: bool) -> None:
        """Follow one Mutating- or ValidatingWebhookConfiguration."""
        mutating = configuration["kind"] == "MutatingWebhookConfiguration"
        key = (mutating, configuration["metadata"]["name"])
        if deleted:
            self._configurations.pop(key, None)
        else:
            self._configurations[key] = configuration
        hooks = tuple(
            Hook(name, kind, raw)
            for (kind, name), one in sorted(self._configurations.items())
            if kind == mutating
            for raw in one.get("webhooks") or ()
        )
        if mutating:
            self.mutating = hooks
        else:
            self.validating = hooks


class Webhooks:
    """The admission plugin that asks them."""

    def __init__(self, configs: WebhookConfigs, services: Services, ids: Ids, namespace_labels: Any) -> None:
        self._configs = configs
        self._services = services
        self._ids = ids
        self._namespace_labels = namespace_labels

    async def mutate(self, attributes: Attributes) -> None:
        """Each mutating webhook in turn sees what the one before has made of the object."""
        hooks = self._configs.mutating
        if not hooks:
            return
        changed_after: dict[str, bool] = {}
        asked: list[Hook] = []
        for hook in hooks:
            if not await self._concerns(hook, attributes):
                continue
            asked.append(hook)
            changed_after[hook.name] = False
            if await self._mutate_one(hook, attributes):
                for earlier in asked[:-1]:
                    changed_after[earlier.name] = True
        for hook in asked:
            if hook.raw.get("reinvocationPolicy") == "IfNeeded" and changed_after[hook.name]:
                await self._mutate_one(hook, attributes)

    async def validate(self, attributes: Attributes) -> None:
        """All validating webhooks at once; the first refusal in order counts."""
        hooks = [hook for hook in self._configs.validating if await self._concerns(hook, attributes)]
        if not hooks:
            return
        if len(hooks) == 1:
            await self._ask(hooks[0], attributes)
            return
        results = await asyncio.gather(
            *(self._ask(hook, attributes) for hook in hooks), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _concerns(self, hook: Hook, attributes: Attributes) -> bool:
        if attributes.resource.group == "admissionregistration.k8s.io":
            return False
        return bool(await matches(hook.raw, attributes, self._namespace_labels))

    async def _mutate_one(self, hook: Hook, attributes: Attributes) -> bool:
        response = await self._ask(hook, attributes)
        patch = response.get("patch")
        if not patch or attributes.obj is None:
            return False
        try:
            operations = orjson.loads(base64.b64decode(patch))
        except ValueError as error:
            raise InternalError(
                f'Internal error occurred: failed calling webhook "{hook.name}": {error}'
            ) from None
        if not operations:
            return False
        attributes.obj = json_patch.apply(attributes.obj, operations)
        attributes.resource.strategy.prune(attributes.obj)
        attributes.resource.strategy.default(attributes.obj)
        return True

    async def _ask(self, hook: Hook, attributes: Attributes) -> dict[str, Any]:
        try:
            response = await self._call(hook, attributes)
        except _CallFailed as failed:
            if hook.fails_open:
                _log.warning('failed calling webhook "%s", failing open: %s', hook.name, failed)
                return {}
            raise InternalError(
                f'Internal error occurred: failed calling webhook "{hook.name}": {failed}',
                details={"causes": [{"message": f'failed calling webhook "{hook.name}": {failed}'}]},
            ) from None
        attributes.warnings += [str(text) for text in response.get("warnings") or ()]
        if not response.get("allowed"):
            raise _denied(hook, response)
        return response

    async def _call(self, hook: Hook, attributes: Attributes) -> dict[str, Any]:
        if attributes.dry_run and hook.raw.get("sideEffects") not in ("None", "NoneOnDryRun"):
            raise ApiError(
                f'admission webhook "{hook.name}" does not support dry run', code=400, reason="BadRequest"
            )
        handler, path = self._target(hook)
        uid = self._ids.uid()
        body = orjson.dumps(review(uid, attributes))
        request = Request(
            "POST",
            path,
            "timeout=10s",
            {"content-type": "application/json", "accept": "application/json"},
            body,
            _API_SERVER,
        )
        try:
            async with asyncio.timeout(float(hook.raw.get("timeoutSeconds") or 10)):
                answer = await handler(request)
        except TimeoutError:
            raise _CallFailed("context deadline exceeded") from None
        except ApiError as error:
            raise _CallFailed(error.message) from None
        if answer.status != 200:
            raise _CallFailed(f"the server answered {answer.status}")
        try:
            response = orjson.loads(answer.body)["response"]
            if response["uid"] != uid:
                raise _CallFailed(f"expected response.uid {uid}, got {response['uid']}")
        except (ValueError, KeyError, TypeError):
            raise _CallFailed("the answer is no AdmissionReview") from None
        return dict(response)

    def _target(self, hook: Hook) -> tuple[Handler, str]:
        config: dict[str, Any] = hook.raw.get("clientConfig") or {}
        bundle = str(config.get("caBundle") or "")
        service = config.get("service")
        if service:
            handler = self._services.find(str(service["namespace"]), str(service["name"]), bundle)
            if handler is None:
                raise _CallFailed(
                    f'Post "https://{service["name"]}.{service["namespace"]}.svc:{service.get("port", 443)}'
                    f'{service.get("path") or "/"}?timeout=10s": service "{service["name"]}" not found'
                )
            return handler, str(service.get("path") or "/")
        base, slash, rest = str(config.get("url") or "").removeprefix("https://").partition("/")
        found = self._services.url(f"https://{base}", bundle)
        if found is None:
            raise _CallFailed(f"{config.get('url')} cannot be reached from this server")
        return found, f"{slash or '/'}{rest}"


class _CallFailed(Exception):
    """Nobody answered, or nothing sensible."""


def _denied(hook: Hook, response: dict[str, Any]) -> ApiError:
    status: dict[str, Any] = response.get("status") or {}
    message = status.get("message") or status.get("reason") or ""
    said = f'admission webhook "{hook.name}" denied the request'
    said = f"{said}: {message}" if message else f"{said} without explanation"
    code = int(status.get("code") or 0)
    if not 400 <= code < 600:
        code = 400 if not status.get("code") else 403
    return ApiError(said, code=code, reason=str(status.get("reason") or ""), details=status.get("details"))


def review(uid: str, attributes: Attributes) -> Object:
    """The AdmissionReview that describes a write."""
    resource = attributes.resource
    group, version, kind = attributes.kind or (resource.group, resource.version, resource.kind)
    named = {"group": resource.group, "version": resource.version, "resource": resource.plural}
    kinds = {"group": group, "version": version, "kind": kind}
    user: dict[str, Any] = {"username": attributes.user.name, "groups": list(attributes.user.groups)}
    if attributes.user.uid:
        user["uid"] = attributes.user.uid
    request: dict[str, Any] = {
        "uid": uid,
        "kind": kinds,
        "resource": named,
        "requestKind": kinds,
        "requestResource": named,
        "operation": attributes.operation,
        "userInfo": user,
        "object": attributes.obj if attributes.operation != "DELETE" else None,
        "oldObject": attributes.old,
        "dryRun": attributes.dry_run,
        "options": attributes.options,
    }
    if attributes.name:
        request["name"] = attributes.name
    if attributes.namespace:
        request["namespace"] = attributes.namespace
    if attributes.subresource:
        request["subResource"] = request["requestSubResource"] = attributes.subresource
    return {"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": request}
