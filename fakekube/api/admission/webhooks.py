"""Admission webhooks: who is asked about a write, what the answer changes, and what a silence means.

Mutating webhooks are asked one after the other, each about the object as the one before left it; validating ones all at once.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/admission/plugin/webhook/{mutating,validating}/dispatcher.go
"""

import asyncio
import logging
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import orjson
from msgspec import Struct

from fakekube.api import calling
from fakekube.api.access.authorizer import AlwaysAllow, Authorizer
from fakekube.api.admission import equivalents, patches, reviews
from fakekube.api.admission.attributes import Attributes, Invoked
from fakekube.api.admission.chain import Plugin
from fakekube.api.admission.hooks import Hook, WebhookConfigs
from fakekube.api.admission.patches import PatchFailed
from fakekube.api.admission.reviews import BadAnswer, UnsupportedPatch
from fakekube.api.admission.rules import NamespaceLabels, Targets
from fakekube.api.calling import CallFailed
from fakekube.api.registry.strategy import ServedResource
from fakekube.api.services import Services
from fakekube.ids import Ids
from fakekube.machinery import errors, objects
from fakekube.machinery.copying import copy_beside
from fakekube.machinery.errors import BadRequest
from fakekube.machinery.reviews import Answer
from fakekube.machinery.wire import Object

_log = logging.getLogger(__name__)


class _View(Struct, dict=True):
    """A write in one version of its resource, as hooks are shown it."""

    resource: ServedResource
    obj: Object | None
    old: Object | None
    attributes: Attributes

    @cached_property
    def request(self) -> Mapping[str, Any]:
        return reviews.request_of(self.attributes, self.resource)


class Webhooks(Plugin):
    """The admission plugin that asks them."""

    def __init__(
        self,
        configs: WebhookConfigs,
        services: Services,
        ids: Ids,
        namespace_labels: NamespaceLabels,
        authorizer: Authorizer | None = None,
    ) -> None:
        self._configs = configs
        self._services = services
        self._ids = ids
        self._namespace_labels = namespace_labels
        self._authorizer = authorizer or AlwaysAllow()

    async def mutate(self, attributes: Attributes) -> None:
        """Ask the mutating webhooks in turn. In a second round, those that want to see what changed since their first."""
        candidates = self._configs.mutating.find(attributes)
        if not candidates:
            return
        invoked = attributes.memory.setdefault(self, Invoked())
        if not attributes.second_round:
            invoked = attributes.memory[self] = Invoked()
        elif orjson.dumps(attributes.obj) != invoked.output:
            invoked.object_changed()
        for hook, targets in candidates:
            if attributes.second_round and hook not in invoked.again:
                continue
            view = await self._view(hook, targets, attributes, None)
            if view is None:
                continue
            if await self._mutate_one(hook, view, attributes):
                invoked.object_changed()
                attributes.ask_again()
            if hook.reinvoked:
                invoked.before.add(hook)
        if invoked.before or invoked.again:
            invoked.output = orjson.dumps(attributes.obj)

    async def validate(self, attributes: Attributes) -> None:
        """Ask all validating webhooks; the first refusal in order counts."""
        candidates = self._configs.validating.find(attributes)
        if not candidates:
            return
        views: dict[ServedResource, _View] = {}
        asked: list[tuple[Hook, _View]] = []
        for hook, targets in candidates:
            view = await self._view(hook, targets, attributes, views)
            if view is not None:
                asked.append((hook, view))
        if len(asked) == 1:
            await self._ask(*asked[0], attributes)
        elif asked:
            calls = (self._ask(hook, view, attributes) for hook, view in asked)
            for result in await asyncio.gather(*calls, return_exceptions=True):
                if isinstance(result, BaseException):
                    raise result

    async def _view(
        self, hook: Hook, targets: Targets, attributes: Attributes, known: dict[ServedResource, _View] | None
    ) -> _View | None:
        """What this hook is shown of the write, None when it is not to be asked. Raises Forbidden."""
        target = await hook.constraints.match(targets, attributes, self._namespace_labels)
        if target is None:
            return None
        view = (known or {}).get(target)
        if view is None:
            view = await _view(attributes, target)
            if known is not None:
                known[target] = view
        return view if hook.conditions is None or self._meant(hook, view, attributes) else None

    def _meant(self, hook: Hook, view: _View, attributes: Attributes) -> bool:
        from fakekube.api.admission import expressions  # noqa: PLC0415 - loaded with the hook's conditions

        assert hook.conditions is not None
        values = expressions.bindings(attributes, view.obj, view.old, view.request, self._authorizer)
        try:
            return hook.conditions.hold(values)
        except expressions.Failed as failed:
            if hook.fails_open:
                return False
            resource = attributes.resource
            raise errors.forbidden(resource.plural, resource.group, attributes.name, str(failed)) from None

    async def _mutate_one(self, hook: Hook, view: _View, attributes: Attributes) -> bool:
        """Ask, and apply the patch. Whether it changed anything."""
        try:
            said = await self._ask(hook, view, attributes)
        except (AttributeError, LookupError, TypeError, ValueError):
            _check(view)
            raise
        patched = None if said is None else _patched(hook, view, said)
        if patched is None:
            return False
        changed = patched != view.obj
        before = attributes.obj or {}
        attributes.obj = await equivalents.in_version(patched, view.resource, attributes.resource)
        if attributes.kind is None:
            strategy = attributes.resource.strategy
            try:
                strategy.prune_update(attributes.obj, before)
            except BadRequest as error:
                raise reviews.internal(error.message) from None
            strategy.default_update(attributes.obj, before)
        return changed

    async def _ask(self, hook: Hook, view: _View, attributes: Attributes) -> Answer | None:
        """The webhook's yes, None when it failed and may. Raises its no."""
        if attributes.dry_run and not hook.may_dry_run:
            raise BadRequest(f'admission webhook "{hook.name}" does not support dry run')
        try:
            question = reviews.question_of(attributes, view.obj, view.old)
            said = await calling.ask(self._services, hook.endpoint, question, seconds=hook.seconds)
            if said is None:
                said = await self._send(hook, view)
        except UnsupportedPatch as failed:
            _silence(hook, str(failed))
            return None
        except (CallFailed, BadAnswer) as failed:
            what = (
                "failed to call webhook"
                if isinstance(failed, CallFailed)
                else "received invalid webhook response"
            )
            _silence(hook, f"{what}: {failed}")
            return None
        attributes.warnings += said.warnings
        if not said.allowed:
            raise reviews.refusal(hook.name, said.status)
        return said

    async def _send(self, hook: Hook, view: _View) -> Answer:
        """The same by an AdmissionReview. Raises CallFailed, BadAnswer."""
        uid = self._ids.uid()
        review = reviews.review(uid, view.request, view.obj, view.old, hook.version)
        body = await calling.post(self._services, hook.endpoint, review, seconds=hook.seconds)
        return reviews.answer(body, uid, hook.version, mutating=hook.mutating)


def _check(view: _View) -> None:
    """Webhooks of this process are asked before an object is validated, and take it to be what its definition says: one that
    stumbles has met something else, or a fault of its own. Raises Invalid for the former."""
    if view.obj is not None and (causes := view.resource.strategy.validate_create(view.obj)):
        kind, group = view.resource.kind, view.resource.group
        raise errors.invalid(kind, group, objects.name(view.obj), causes)


def _patched(hook: Hook, view: _View, said: Answer) -> Object | None:
    """The object as an answer wants it; None where that is as it is."""
    if not said.operations and (said.wanted is None or said.wanted == (view.obj or {})):
        return None
    if view.obj is None:
        raise reviews.internal(
            f'admission webhook "{hook.name}" attempted to modify the object, which is not supported for this operation'
        )
    if said.wanted is not None:
        return copy_beside(said.wanted, view.obj)
    try:
        return patches.patched(view.obj, said.operations)
    except PatchFailed as failed:
        raise reviews.internal(str(failed)) from None


async def _view(attributes: Attributes, target: ServedResource) -> _View:
    resource, obj, old = attributes.resource, attributes.obj, attributes.old
    if attributes.operation == "DELETE":
        obj = None
    if attributes.kind is None and target is not resource:
        obj = None if obj is None else await equivalents.in_version(obj, resource, target)
        old = None if old is None else await equivalents.in_version(old, resource, target)
    return _View(target, obj, old, attributes)


def _silence(hook: Hook, why: str) -> None:
    """What a failed call means: nothing, or that the write fails."""
    text = f'failed calling webhook "{hook.name}": {why}'
    if not hook.fails_open:
        raise reviews.internal(text)
    _log.warning('failed calling webhook, failing open "%s": %s', hook.name, text)
