"""Objects of every built-in type with any values in their fields: what the schema allows and no rule foresaw.

`test_fuzz` sends what is hardly an object; here all are, and only their values are improbable.
"""

import asyncio
import logging
import random
from collections.abc import Mapping
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fakekube.api.apiserver import ApiServer
from fakekube.api.registry.strategy import ServedResource
from fakekube.api.schema.model import reference
from fakekube.api.types import definitions
from fakekube.clock import ManualClock
from fakekube.ids import Ids
from fakekube.machinery.wire import Request, Response
from fakekube.store.memory import MemoryStore

TEXTS = [
    "", "a", "A b", "a/b", "1", "-1", "50%", "True", "Always", "ClusterIP", "None", "TCP", "10.96.0.5", "::1", "10.0.0.0/24",
    "2020-01-01T00:00:00Z", "kubernetes.io/tls", "apps/v1", "v1", "Pod", "Deployment", "In", "Exists", "NoSchedule",
    "RollingUpdate", "Never", "example.com/x", "self.x > 1", "a" * 70, "é", "0 0 * * *", "https://x.y/z", "*", "get",
]  # fmt: skip
NUMBERS = [0, 1, -1, 2, 80, 70_000, 2**31 - 1, -(2**31)]
KEYS = ["a", "cpu", "memory", "a b", "x/y", "storage", "pods", "kubernetes.io/metadata.name"]
SPECIAL: dict[str, list[Any]] = {
    "io.k8s.apimachinery.pkg.api.resource.Quantity": ["1", "-1", "10Gi", "500m", 2],
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": [1, 0, -1, "50%", "x", "150%"],
    "io.k8s.apimachinery.pkg.apis.meta.v1.Time": ["2020-01-01T00:00:00Z"],
    "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime": ["2020-01-01T00:00:00.000000Z"],
}
WRITES = [
    ("PUT", "", "application/json"),
    ("PATCH", "", "application/merge-patch+json"),
    ("PATCH", "/status", "application/merge-patch+json"),
    ("PATCH", "", "application/strategic-merge-patch+json"),
    ("PATCH", "", "application/apply-patch+yaml"),
]


class Guess:
    """Values of a schema's types, drawn from `chance`."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def object(self, name: str, depth: int) -> dict[str, Any]:
        raw = definitions().raw[name]
        needed, often = raw.get("required") or (), self.chance.choice([0.15, 0.3, 0.6])
        return {
            key: self.value(one, depth - 1)
            for key, one in (raw.get("properties") or {}).items()
            if (self.chance.random() < 0.93 if key in needed else depth > 0 and self.chance.random() < often)
        }

    def value(self, raw: Mapping[str, Any], depth: int) -> Any:
        name = reference(raw)
        if name in SPECIAL:
            return self.chance.choice(SPECIAL[name])
        if name is not None:
            below = definitions().raw[name]
            return (
                self.object(name, depth) if "properties" in below and depth > -3 else self.value(below, depth)
            )
        match raw.get("type"):
            case "string" if raw.get("format") == "byte":
                return self.chance.choice(["", "YQ=="])
            case "string":
                return self.chance.choice([*(raw.get("enum") or ()), *TEXTS])
            case "integer":
                return self.chance.choice(NUMBERS)
            case "boolean":
                return self.chance.random() < 0.5
            case "array" if depth > 0:
                return [self.value(raw["items"], depth - 1) for _ in range(self.chance.choice([0, 1, 2]))]
            case "array":
                return []
            case _ if isinstance(raw.get("additionalProperties"), dict) and depth > 0:
                return {self.chance.choice(KEYS): self.value(raw["additionalProperties"], depth - 1)}
        return {}


def _address(resource: ServedResource) -> str:
    root = f"/apis/{resource.group}" if resource.group else "/api"
    place = "/namespaces/default" if resource.namespaced else ""
    return f"{root}/{resource.version}{place}/{resource.plural}"


async def _play(api: ApiServer, chance: random.Random) -> list[Response]:
    """An object of some kind is made and written again in several ways, printed, and removed."""
    kinds = [one for one in api.catalog if one.schema_name in definitions() and "create" in one.verbs]
    resource, guess = chance.choice(kinds), Guess(chance)
    address = _address(resource)

    async def send(method: str, path: str, media: str, query: str = "") -> Response:
        obj = guess.object(resource.schema_name, chance.choice([3, 4, 6]))
        if chance.random() < 0.9:
            obj["metadata"] = {"name": "a"}
        obj |= {"kind": resource.kind, "apiVersion": resource.api_version}
        headers = {"content-type": media, "user-agent": "fuzz"}
        return await api(Request(method, path, query, headers, orjson.dumps(obj)))

    found = [await send("POST", address, "application/json")]
    for method, tail, media in WRITES:
        found.append(
            await send(
                method, f"{address}/a{tail}", media, "fieldManager=f&force=true" if "apply" in media else ""
            )
        )
    table = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    found.append(await api(Request("GET", address, "", table, b"")))
    found.append(await api(Request("DELETE", f"{address}/a", "gracePeriodSeconds=0", {}, b"")))
    return found


@pytest.fixture(scope="module")
def play():
    with asyncio.Runner() as runner:
        api = ApiServer(MemoryStore(), clock=ManualClock(), ids=Ids(1))
        runner.run(api.start())
        yield lambda chance: runner.run(_play(api, chance))
        api.close()


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chance=st.randoms(use_true_random=False))
def test_any_values(play, caplog: pytest.LogCaptureFixture, chance: random.Random) -> None:
    """Whatever the fields of an object say, the server answers and meets no error of its own."""
    caplog.clear()
    for response in play(chance):
        assert 200 <= response.status < 600
    assert [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR] == []
