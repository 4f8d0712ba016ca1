"""CPU and memory of an instance's spec. Pure.

Origin: kubevirt: pkg/virt-api/webhooks/validating-webhook/admitters/vmi-create-admitter.go
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from fakekube.virt.causes import Cause, required
from fakekube.virt.quantities import exact, whole

Spec = Mapping[str, Any]
_LEAST_MEMORY = Decimal(10**6)
_MOST_THREADS = 2


def _given(spec: Spec, kind: str, name: str) -> Any:
    return ((spec["domain"].get("resources") or {}).get(kind) or {}).get(name)


def _cpu(spec: Spec) -> Mapping[str, Any]:
    return spec["domain"].get("cpu") or {}


def virtual_cpus(cpu: Mapping[str, Any]) -> int:
    """Sockets x cores x threads; zero when none of them is given."""
    counts = [int(cpu.get(part) or 0) for part in ("sockets", "cores", "threads")]
    if not any(counts):
        return 0
    product = 1
    for count in counts:
        product *= count or 1
    return product


def memory_requests(path: str, spec: Spec) -> Iterator[Cause]:
    given = _given(spec, "requests", "memory")
    amount, where = exact(given), f"{path}.domain.resources.requests.memory"
    if amount < 0:
        yield Cause(f"{where} '{given}': must be greater than or equal to 0.", where)
    elif 0 < amount < _LEAST_MEMORY:
        yield Cause(f"{where} '{given}': must be greater than or equal to 1M.", where)


def memory_limits(path: str, spec: Spec) -> Iterator[Cause]:
    limit, request = _given(spec, "limits", "memory"), _given(spec, "requests", "memory")
    limit_at, request_at = (f"{path}.domain.resources.{kind}.memory" for kind in ("limits", "requests"))
    if exact(limit) < 0:
        yield Cause(f"{limit_at} '{limit}': must be greater than or equal to 0.", limit_at)
    if exact(limit) > 0 and exact(request) > exact(limit):
        yield Cause(f"{request_at} '{request}' is greater than {limit_at} '{limit}'", request_at)


def hugepages(path: str, spec: Spec) -> Iterator[Cause]:
    pages = (spec["domain"].get("memory") or {}).get("hugepages")
    if pages is None:
        return
    size_at = f"{path}.domain.memory.hugepages.pageSize"
    memory_at = f"{path}.domain.resources.requests.memory"
    size = pages.get("pageSize") or ""
    try:
        page = whole(size) if size else 0
    except ValueError:
        page = 0
    if not page:
        text = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
        yield Cause(f"{size_at} '{size}': {text}", size_at)
        return
    request = _given(spec, "requests", "memory")
    guest = (spec["domain"].get("memory") or {}).get("guest")
    memory = whole(request if request is not None else guest)
    shown = request if request is not None else guest or "0"
    if memory < page:
        yield Cause(
            f"{memory_at} '{shown}' must be equal to or larger than page size {size_at} '{size}'", memory_at
        )
    elif memory % page:
        yield Cause(f"{memory_at} '{shown}' is not a multiple of the page size {size_at} '{size}'", memory_at)


def guest_memory_limit(path: str, spec: Spec, *, live_update: bool) -> Iterator[Cause]:
    guest, limit = (spec["domain"].get("memory") or {}).get("guest"), _given(spec, "limits", "memory")
    if live_update or guest is None or not exact(limit) or exact(limit) >= exact(guest):
        return
    where, limit_at = f"{path}.domain.memory.guest", f"{path}.domain.resources.limits.memory"
    yield Cause(
        f"{where} '{guest}' must be equal to or less than the memory limit {limit_at} '{limit}'", where
    )


def memory_requested(path: str, spec: Spec) -> Iterator[Cause]:
    """An instance has memory from somewhere."""
    memory = spec["domain"].get("memory") or {}
    if (
        exact(_given(spec, "requests", "memory"))
        or memory.get("guest") is not None
        or memory.get("hugepages")
    ):
        return
    yield required(
        f"no memory requested, at least one of '{path}.domain.memory.guest', "
        f"'{path}.domain.memory.hugepages.pageSize' or '{path}.domain.resources.requests.memory' must be set"
    )


def cpu_amounts(path: str, spec: Spec) -> Iterator[Cause]:
    request, limit = _given(spec, "requests", "cpu"), _given(spec, "limits", "cpu")
    request_at, limit_at = (f"{path}.domain.resources.{kind}.cpu" for kind in ("requests", "limits"))
    if exact(request) < 0:
        yield Cause(f"{request_at} '{request}': must be greater than or equal to 0.", request_at)
    if exact(limit) < 0:
        yield Cause(f"{limit_at} '{limit}': must be greater than or equal to 0.", limit_at)
    if exact(limit) > 0 and exact(request) > exact(limit):
        yield Cause(f"{request_at} '{request}' is greater than {limit_at} '{limit}'", request_at)


def cpu_pinning(path: str, spec: Spec, *, default_architecture: str) -> Iterator[Cause]:
    """Dedicated CPUs: whole numbers that agree with each other, and memory that does."""
    cpu = _cpu(spec)
    if not cpu.get("dedicatedCpuPlacement"):
        return
    memory = {kind: exact(_given(spec, kind, "memory")) for kind in ("requests", "limits")}
    given = {kind: exact(_given(spec, kind, "cpu")) for kind in ("requests", "limits")}
    at = f"{path}.domain.resources"
    placement = f"{path}.domain.cpu.dedicatedCpuPlacement"
    has_guest = (spec["domain"].get("memory") or {}).get("guest") is not None
    if not memory["requests"] and not memory["limits"] and not has_guest:
        yield Cause(f"{at}.requests.memory or {at}.limits.memory should be provided", f"{at}.limits.memory")
    for kind, amount in given.items():
        if amount > 0 and amount != amount.to_integral_value():
            yield Cause(f"provided resources CPU {kind} must be an interger", f"{at}.{kind}.cpu")
    if 0 not in memory.values() and memory["requests"] != memory["limits"]:
        yield Cause(f"{at}.requests.memory must be equal to {at}.limits.memory", f"{at}.requests.memory")
    cpus = virtual_cpus(cpu)
    if not any(given.values()) and not cpus:
        yield Cause(
            f"either {at}.requests.cpu or {at}.limits.cpu or {path}.domain.cpu.cores must be provided when "
            "DedicatedCPUPlacement is true ",
            placement,
        )
    if 0 not in given.values() and given["requests"] != given["limits"]:
        yield Cause(
            f"{at}.requests.cpu or {at}.limits.cpu must be equal when DedicatedCPUPlacement is true ",
            placement,
        )
    if any(given.values()) and cpus and cpus not in given.values():
        yield Cause(
            f"{at}.requests.cpu or {at}.limits.cpu must not be provided at the same time with "
            f"{path}.domain.cpu.cores when DedicatedCPUPlacement is true ",
            placement,
        )
    threads = cpu.get("threads") or 0
    if threads > 1 and (spec.get("architecture") or default_architecture) == "arm64":
        where = f"{path}.architecture"
        text = f"threads must not be greater than 1 at {path}.domain.cpu.threads (got {threads}) when {where} is arm64"
        yield Cause(text, where)
    if threads > _MOST_THREADS:
        yield Cause(
            f"Not more than two threads must be provided at {path}.domain.cpu.threads (got {threads}) when "
            "DedicatedCPUPlacement is true",
            placement,
        )


def numa(path: str, spec: Spec) -> Iterator[Cause]:
    cpu = _cpu(spec)
    if (cpu.get("numa") or {}).get("guestMappingPassthrough") is None:
        return
    where = f"{path}.domain.cpu.numa.guestMappingPassthrough"
    if not cpu.get("dedicatedCpuPlacement"):
        yield Cause(
            f"{path}.domain.cpu.dedicatedCpuPlacement must be set to true when NUMA topology strategy is set in "
            f"{where}",
            where,
        )
    if (spec["domain"].get("memory") or {}).get("hugepages") is None:
        yield Cause(
            f"{path}.domain.memory.hugepages must be requested when NUMA topology strategy is set in {where}",
            where,
        )


def emulator_thread(path: str, spec: Spec) -> Iterator[Cause]:
    cpu = _cpu(spec)
    if cpu.get("isolateEmulatorThread") and not cpu.get("dedicatedCpuPlacement"):
        yield Cause(
            "IsolateEmulatorThread should be only set in combination with DedicatedCPUPlacement",
            f"{path}.domain.cpu.isolateEmulatorThread",
        )


def cpu_hotplug(path: str, spec: Spec) -> Iterator[Cause]:
    cpu = _cpu(spec)
    limit = cpu.get("maxSockets") or 0
    if limit and (cpu.get("sockets") or 0) > limit:
        yield Cause(
            "Number of sockets in CPU topology is greater than the maximum sockets allowed",
            f"{path}.domain.cpu.sockets",
        )


def realtime(path: str, spec: Spec) -> Iterator[Cause]:
    cpu = _cpu(spec)
    if cpu.get("realtime") is None:
        return
    at = f"{path}.domain.cpu"
    if not cpu.get("dedicatedCpuPlacement"):
        where = f"{at}.dedicatedCpuPlacement"
        yield required(f"{where} must be set to true when {at}.realtime is used", where)
    if (cpu.get("numa") or {}).get("guestMappingPassthrough") is None:
        where = f"{at}.numa.guestMappingPassthrough"
        yield required(f"{where} must be defined when {at}.realtime is used", where)
