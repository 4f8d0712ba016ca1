"""GET /metrics: how many objects of each kind there are, and how far the store has come, in Prometheus' text format.

Requests are not counted here: who wants to know reads /fakekube/requests.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/storage/etcd3/metrics/metrics.go (names and help)
"""

from fakekube.api.registry.catalog import Catalog
from fakekube.machinery.wire import Response
from fakekube.store.interface import Store

_TYPE = "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"


async def answer(catalog: Catalog, store: Store) -> Response:
    """All metrics."""
    lines = [
        "# HELP apiserver_resource_objects Number of stored objects at the time of last check split by kind.",
        "# TYPE apiserver_resource_objects gauge",
    ]
    for one in catalog.stored():
        page = await store.list(one.prefix, limit=1)
        count = len(page.entries) + page.remaining
        lines.append(f'apiserver_resource_objects{{group="{one.group}",resource="{one.plural}"}} {count}')
    for name, about, value in (
        ("revision", "Newest revision of the store.", store.revision),
        ("oldest_revision", "Oldest revision that can still be watched from.", store.oldest),
    ):
        full = f"fakekube_store_{name}"
        lines += [f"# HELP {full} {about}", f"# TYPE {full} gauge", f"{full} {value}"]
    return Response(200, ("\n".join(lines) + "\n").encode(), _TYPE)
