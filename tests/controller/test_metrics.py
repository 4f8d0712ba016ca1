import contextlib

import aiohttp

from controller.metrics import Metrics
from controller.serving import serving
from fakekube.clock import ManualClock
from fakekube.machinery.wire import Request, Response


def test_a_pass_is_counted():
    """Outcome, error and duration of a pass, under controller-runtime's names."""
    metrics = Metrics("virtualmachinepool", workers=3, clock=ManualClock())
    metrics.reconciled("success", 0.02)
    metrics.reconciled("error", 0.2)
    text = metrics.text()
    assert 'controller_runtime_reconcile_total{controller="virtualmachinepool",result="success"} 1' in text
    assert 'controller_runtime_reconcile_total{controller="virtualmachinepool",result="error"} 1' in text
    assert 'controller_runtime_reconcile_errors_total{controller="virtualmachinepool"} 1' in text
    assert 'controller_runtime_terminal_reconcile_errors_total{controller="virtualmachinepool"} 0' in text
    assert (
        'controller_runtime_reconcile_time_seconds_bucket{controller="virtualmachinepool",le="0.025"} 1'
        in text
    )
    assert (
        'controller_runtime_reconcile_time_seconds_bucket{controller="virtualmachinepool",le="+Inf"} 2'
        in text
    )
    assert 'controller_runtime_reconcile_time_seconds_count{controller="virtualmachinepool"} 2' in text
    assert 'controller_runtime_max_concurrent_reconciles{controller="virtualmachinepool"} 3' in text


def test_the_queue_is_measured():
    """Depth follows adds and takes; retries and durations are counted."""
    metrics = Metrics("pools", clock=ManualClock())
    for key in ("a", "b"):
        metrics.added(key)
    metrics.taken("a", 0.5)
    metrics.finished("a", 0.1)
    metrics.retried("a")
    text = metrics.text()
    labels = '{controller="pools",name="pools"}'
    assert f"workqueue_depth{labels} 1" in text
    assert f"workqueue_adds_total{labels} 2" in text
    assert f"workqueue_retries_total{labels} 1" in text
    assert f"workqueue_queue_duration_seconds_sum{labels} 0.5" in text
    assert f"workqueue_work_duration_seconds_count{labels} 1" in text


def test_a_worker_that_is_stuck_shows():
    """What is being worked on is told when asked: all of it together, and how long the longest has been at it."""
    clock = ManualClock()
    metrics = Metrics("pools", clock=clock)

    def told():
        gauges = ("unfinished_work", "longest_running_processor")
        lines = dict(line.rsplit(" ", 1) for line in metrics.text().splitlines())
        return [
            float(lines[f'workqueue_{gauge}_seconds{{controller="pools",name="pools"}}']) for gauge in gauges
        ]

    assert told() == [0, 0]
    metrics.taken("a", 0)
    clock.advance(40)
    metrics.taken("b", 0)
    clock.advance(2)
    assert told() == [44, 42]
    metrics.finished("a", 42)
    assert told() == [2, 2]
    metrics.finished("b", 2)
    assert told() == [0, 0]


def test_a_value_on_a_bucket_edge_belongs_to_the_bucket():
    """Buckets are upper bounds, inclusive."""
    metrics = Metrics("pools", clock=ManualClock())
    metrics.reconciled("success", 0.005)
    assert 'le="0.005"} 1' in metrics.text()


async def test_requests_are_counted():
    """Every request by method and status code, also one that got no answer."""
    metrics = Metrics("pools", clock=ManualClock())

    async def api(request):
        if request.method == "PUT":
            raise ConnectionError
        return Response(404)

    handler = metrics.counted(api, "https://api")
    await handler(Request("GET", "/"))
    with contextlib.suppress(ConnectionError):
        await handler(Request("PUT", "/"))
    assert 'rest_client_requests_total{code="404",host="https://api",method="GET"} 1' in metrics.text()
    assert 'rest_client_requests_total{code="<error>",host="https://api",method="PUT"} 1' in metrics.text()


def test_label_values_are_escaped():
    """Quotes, backslashes and line breaks cannot break the format."""
    metrics = Metrics("pools", clock=ManualClock())
    metrics.leads(leading=True, name='a"b\\c\n')
    assert r'leader_election_master_status{name="a\"b\\c\n"} 1' in metrics.text()


async def test_health_and_metrics_are_served():
    """/healthz while the process lives, /readyz once the caches are filled, /metrics for a scrape."""
    ready = False
    async with (
        serving("127.0.0.1", 0, metrics=lambda: "m 1\n", ready=lambda: ready) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http,
    ):

        async def ask(path):
            async with http.get(path) as answer:
                return answer.status, await answer.text(), answer.headers["Content-Type"]

        assert (await ask("/healthz"))[:2] == (200, "ok")
        assert (await ask("/readyz"))[0] == 503
        ready = True
        assert (await ask("/readyz"))[0] == 200
        assert await ask("/metrics") == (200, "m 1\n", "text/plain; version=0.0.4; charset=utf-8")
