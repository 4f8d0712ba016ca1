"""Metrics in Prometheus' text format, under the names controller-runtime and client-go use: dashboards fit unchanged.

Only what is needed: counters, gauges and histograms with labels. Serving them is `serving`'s.
Upstream: controller-runtime pkg/internal/controller/metrics, pkg/metrics/{workqueue,client_go_adapter}.go;
what is being worked on: k8s.io/client-go/util/workqueue/metrics.go, there looked at twice a second, here when asked
"""

from bisect import bisect_left
from collections.abc import Mapping

from msgspec import Struct, field

from fakekube.clock import Clock
from fakekube.machinery.wire import Handler, Request, Response

Labels = tuple[tuple[str, str], ...]

_RECONCILE_BUCKETS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9),
    *(1.0, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60),
)
_QUEUE_BUCKETS = tuple(float(f"1e{power}") for power in range(-8, 4))


class Metric(Struct):
    """A counter or a gauge: one number for each set of labels."""

    name: str
    kind: str
    help: str
    values: dict[Labels, float] = field(default_factory=dict)

    def add(self, amount: float = 1.0, /, **labels: str) -> None:
        key = tuple(labels.items())
        self.values[key] = self.values.get(key, 0.0) + amount

    def set(self, value: float, /, **labels: str) -> None:
        self.values[tuple(labels.items())] = value

    def text(self) -> str:
        lines = [f"# HELP {self.name} {self.help}", f"# TYPE {self.name} {self.kind}"]
        lines += [_line(self.name, labels, value) for labels, value in self.values.items()]
        return "\n".join(lines)


class Histogram(Struct):
    """How often values were at most this large, for each bucket."""

    name: str
    help: str
    buckets: tuple[float, ...]
    counts: dict[Labels, list[int]] = field(default_factory=dict)
    sums: dict[Labels, float] = field(default_factory=dict)

    def observe(self, value: float, /, **labels: str) -> None:
        key = tuple(labels.items())
        counts = self.counts.setdefault(key, [0] * (len(self.buckets) + 1))
        counts[bisect_left(self.buckets, value)] += 1
        self.sums[key] = self.sums.get(key, 0.0) + value

    def text(self) -> str:
        lines = [f"# HELP {self.name} {self.help}", f"# TYPE {self.name} histogram"]
        for labels, counts in self.counts.items():
            total = 0
            for bound, count in zip((*self.buckets, float("inf")), counts, strict=True):
                total += count
                edge = "+Inf" if bound == float("inf") else f"{bound:g}"
                lines.append(_line(f"{self.name}_bucket", (*labels, ("le", edge)), total))
            lines.append(_line(f"{self.name}_sum", labels, self.sums[labels]))
            lines.append(_line(f"{self.name}_count", labels, total))
        return "\n".join(lines)


class Metrics:
    """What one controller tells about itself. An observer of its queue and its passes."""

    def __init__(self, controller: str, workers: int = 1, *, clock: Clock) -> None:
        self._clock = clock
        self._taken: dict[str, float] = {}  # keys being worked on, and since when
        self._controller = {"controller": controller}
        self._queue = {"controller": controller, "name": controller}
        self.reconciles = Metric(
            "controller_runtime_reconcile_total", "counter", "Total number of reconciliations per controller"
        )
        self.errors = Metric(
            "controller_runtime_reconcile_errors_total", "counter", "Total number of reconciliation errors"
        )
        self.terminal_errors = Metric(
            "controller_runtime_terminal_reconcile_errors_total",
            "counter",
            "Total number of reconciliation errors that are not retried",
        )
        self.reconcile_time = Histogram(
            "controller_runtime_reconcile_time_seconds",
            "Length of time per reconciliation",
            _RECONCILE_BUCKETS,
        )
        self.max_workers = Metric(
            "controller_runtime_max_concurrent_reconciles", "gauge", "Maximum number of concurrent reconciles"
        )
        self.active_workers = Metric(
            "controller_runtime_active_workers", "gauge", "Number of currently used workers"
        )
        self.depth = Metric("workqueue_depth", "gauge", "Current depth of workqueue")
        self.adds = Metric("workqueue_adds_total", "counter", "Total number of adds handled by workqueue")
        self.retries = Metric(
            "workqueue_retries_total", "counter", "Total number of retries handled by workqueue"
        )
        self.waiting_time = Histogram(
            "workqueue_queue_duration_seconds",
            "How long an item stays in workqueue before being requested",
            _QUEUE_BUCKETS,
        )
        self.work_time = Histogram(
            "workqueue_work_duration_seconds",
            "How long processing an item from workqueue takes",
            _QUEUE_BUCKETS,
        )
        self.unfinished = Metric(
            "workqueue_unfinished_work_seconds",
            "gauge",
            "How many seconds of work are in progress and not yet observed by work_duration; "
            "large values, growing steadily, mean stuck workers",
        )
        self.longest = Metric(
            "workqueue_longest_running_processor_seconds",
            "gauge",
            "How many seconds the longest running worker has been at its item",
        )
        self.requests = Metric(
            "rest_client_requests_total", "counter", "Number of HTTP requests by status code and method"
        )
        self.leader = Metric(
            "leader_election_master_status", "gauge", "1 while this replica leads, 0 while it waits"
        )
        # Series exist from the start: an alert on a rate needs the zero before the first event.
        self.max_workers.set(workers, **self._controller)
        self.active(0)
        for series in (self.errors, self.terminal_errors):
            series.set(0, **self._controller)
        for outcome in ("success", "requeue_after", "error"):
            self.reconciles.set(0, **self._controller, result=outcome)
        for series in (self.depth, self.adds, self.retries):
            series.set(0, **self._queue)

    def added(self, key: str) -> None:  # noqa: ARG002 - the observer's signature
        self.adds.add(**self._queue)
        self.depth.add(**self._queue)

    def taken(self, key: str, waited: float) -> None:
        self._taken[key] = self._clock.monotonic()
        self.depth.add(-1, **self._queue)
        self.waiting_time.observe(waited, **self._queue)

    def finished(self, key: str, worked: float) -> None:
        self._taken.pop(key, None)
        self.work_time.observe(worked, **self._queue)

    def retried(self, key: str) -> None:  # noqa: ARG002
        self.retries.add(**self._queue)

    def reconciled(self, outcome: str, seconds: float) -> None:
        failed = outcome in ("error", "terminal_error")
        self.reconciles.add(**self._controller, result="error" if failed else outcome)
        self.reconcile_time.observe(seconds, **self._controller)
        if failed:
            self.errors.add(**self._controller)
        if outcome == "terminal_error":
            self.terminal_errors.add(**self._controller)

    def active(self, workers: int) -> None:
        self.active_workers.set(workers, **self._controller)

    def leads(self, leading: bool, name: str) -> None:
        self.leader.set(int(leading), name=name)

    def counted(self, handler: Handler, host: str) -> Handler:
        """The same Handler, with every request counted by method and status code."""

        async def handle(request: Request) -> Response:
            try:
                response = await handler(request)
            except Exception:
                self.requests.add(code="<error>", host=host, method=request.method)
                raise
            self.requests.add(code=str(response.status), host=host, method=request.method)
            return response

        return handle

    def text(self) -> str:
        """All of them, as a scrape answers."""
        now = self._clock.monotonic()
        ages = [now - since for since in self._taken.values()]
        self.unfinished.set(sum(ages), **self._queue)
        self.longest.set(max(ages, default=0.0), **self._queue)
        found = [getattr(self, name) for name in vars(self)]
        return "\n".join(one.text() for one in found if isinstance(one, (Metric, Histogram))) + "\n"


def _line(name: str, labels: Labels, value: float) -> str:
    shown = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels)
    return f"{name}{{{shown}}} {value:g}" if shown else f"{name} {value:g}"


_ESCAPES: Mapping[int, str] = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
