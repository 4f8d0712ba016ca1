"""What the server keeps of objects that are alike: one copy of what is equal, and to each object its own."""

from typing import Any

from fakekube.api.apiserver import ApiServer
from tests.api.conftest import Ask, json_of

PODS = "/api/v1/namespaces/default/pods"


def _pod(name: str) -> dict[str, Any]:
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": f"uid-of-{name}"}
    return {
        "metadata": {"name": name, "ownerReferences": [owner]},
        "spec": {"containers": [{"name": "c", "image": "registry/image:1"}]},
    }


async def test_alike_objects_share_what_is_equal(api: ApiServer, ask: Ask) -> None:
    """Two pods made alike are of the same containers and sets of fields; owners' uids, in those too, are each one's own."""
    kept = []
    for name in ("a", "b"):
        answer = json_of(await ask("POST", PODS, _pod(name)))
        assert list(
            answer["metadata"]["managedFields"][0]["fieldsV1"]["f:metadata"]["f:ownerReferences"]
        ) == [
            ".",
            f'k:{{"uid":"uid-of-{name}"}}',
        ]
        entry = await api.store.get(f"/registry/pods/default/{name}")
        assert entry is not None
        kept.append(entry.memo.written)  # type: ignore[attr-defined]
    one, other = kept
    mine, theirs = (pod["metadata"]["managedFields"][0]["fieldsV1"] for pod in kept)
    assert one["spec"]["containers"] is other["spec"]["containers"]
    assert mine["f:spec"] is theirs["f:spec"]
    assert mine["f:metadata"]["f:ownerReferences"] != theirs["f:metadata"]["f:ownerReferences"]
