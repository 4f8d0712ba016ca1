"""Tells in the status of ValidatingAdmissionPolicies where their expressions do not fit the types they are about.

Upstream: k8s: pkg/controller/validatingadmissionpolicystatus,
staging/src/k8s.io/apiserver/pkg/admission/plugin/policy/validating/typechecking.go
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import orjson

from fakekube.agents.identities import MASTERS, as_controller
from fakekube.client.client import Client
from fakekube.client.controller import Controller
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.ids import Ids
from fakekube.machinery.errors import ApiError, Conflict, NotFound
from fakekube.machinery.objects import dig
from fakekube.machinery.resources import Resource
from fakekube.machinery.wire import Object

POLICIES = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingadmissionpolicies",
    "ValidatingAdmissionPolicy",
    namespaced=False,
)
_MANAGER = "validatingadmissionpolicy-status"
_MOST = 10  # types one policy is checked against

_Kind = tuple[str, str, str]  # group, version, kind
_Schemas = Mapping[str, Object]
Check = Callable[
    [Object, Sequence[tuple[str, _Schemas, str]], tuple[_Schemas, str] | None], list[dict[str, str]]
]


class PolicyStatus:
    """An actor. `check` compiles the expressions: that is the API server's trade."""

    name = "validatingadmissionpolicy-status-controller"

    def __init__(self, client: Client, *, clock: Clock, ids: Ids, check: Check) -> None:
        del ids
        self._client = as_controller(client, self.name, MASTERS)
        self._check = check
        self._policies = Informer(self._client, POLICIES, clock=clock)
        self._controller = Controller(self.name, self._reconcile, clock=clock)
        self._controller.source(self._policies)

    @property
    def idle(self) -> bool:
        return self._controller.idle

    @property
    def informers(self) -> Sequence[Informer]:
        return self._controller.informers

    async def run(self) -> None:
        """Work until cancelled."""
        await self._controller.run()

    async def _reconcile(self, name: str) -> None:
        policy = self._policies.get(name)
        if policy is None:
            return
        generation = policy["metadata"].get("generation") or 0
        if generation <= dig(policy, "status", "observedGeneration", default=0):
            return
        warnings = await self._warnings(policy["spec"])
        checking = {"expressionWarnings": warnings} if warnings else {}
        applied = {
            "apiVersion": policy["apiVersion"],
            "kind": policy["kind"],
            "metadata": {"name": name},
            "status": {"observedGeneration": generation, "typeChecking": checking},
        }
        try:
            await self._client.patch(
                POLICIES,
                name,
                None,
                applied,
                type="apply",
                subresource="status",
                field_manager=_MANAGER,
                force=True,
            )
        except (Conflict, NotFound):
            return

    async def _warnings(self, spec: Object) -> list[dict[str, str]]:
        documents: dict[str, _Schemas] = {}
        about = []
        for kind in sorted(await self._kinds(spec)):
            found = await self._definition(kind, documents)
            if found is not None:
                about.append(("{}/{}, Kind={}".format(*kind), *found))
        params = None
        if wanted := spec.get("paramKind"):
            group, _, version = str(wanted.get("apiVersion") or "").rpartition("/")
            params = await self._definition((group, version, str(wanted.get("kind") or "")), documents)
        return self._check(spec, about, params)

    async def _kinds(self, spec: Object) -> set[_Kind]:
        """What the policy names; nobody looks for what a wildcard means."""
        found: set[_Kind] = set()
        for group, version, plurals in _named(spec):
            path = f"/apis/{group}/{version}" if group else f"/api/{version}"
            for one in (await self._document(path)).get("resources") or ():
                if one["name"] in plurals:
                    found.add((group, version, one["kind"]))
                    if len(found) == _MOST:
                        return found
        return found

    async def _definition(self, kind: _Kind, documents: dict[str, _Schemas]) -> tuple[_Schemas, str] | None:
        group, version, _ = kind
        path = f"/openapi/v3/apis/{group}/{version}" if group else f"/openapi/v3/api/{version}"
        if path not in documents:
            documents[path] = dig(await self._document(path), "components", "schemas", default={})
        wanted = {"group": group, "version": version, "kind": kind[2]}
        for name, schema in documents[path].items():
            if wanted in schema.get("x-kubernetes-group-version-kind", ()):
                return documents[path], name
        return None

    async def _document(self, path: str) -> Object:
        try:
            answer = await self._client.request("GET", path)
        except ApiError:
            return {}  # not served, or not any more
        document: Object = orjson.loads(answer.body)
        return document


def _named(spec: Object) -> Iterator[tuple[str, str, list[str]]]:
    for rule in dig(spec, "matchConstraints", "resourceRules", default=()):
        groups, versions = rule.get("apiGroups") or (), rule.get("apiVersions") or ()
        plurals = rule.get("resources") or ()
        if "*" in groups or "*" in versions or any("*" in one for one in plurals):
            continue
        named = [one for one in plurals if "/" not in one]
        for group in groups:
            for version in versions:
                yield group, version, named
