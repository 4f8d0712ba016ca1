"""What virt-operator has Prometheus reckon and alarm about, as rules. Pure.

Names, severities and thresholds are upstream's, and so is what each rule looks at; rules on what is never told here are left
out (requests, how busy guests are).
Origin: kubevirt: docs/observability/metrics.md, pkg/monitoring/rules
"""

from collections.abc import Iterator

from fakekube.machinery.wire import Object

_RUNBOOKS = "https://kubevirt.io/monitoring/runbooks"
_PARTS = ("virt_api", "virt_controller", "virt_handler", "virt_operator")
_LEADING = ("virt_controller", "virt_operator")
_OLD = {  # deprecated names of what is told by others
    "kubevirt_allocatable_nodes": "cluster:kubevirt_nodes_allocatable:count",
    "kubevirt_nodes_with_kvm": "cluster:kubevirt_nodes_with_kvm:count",
    "kubevirt_number_of_vms": "namespace:kubevirt_vm:sum",
    "kubevirt_vmi_phase_count": "node:kubevirt_vmi_phase:sum",
    "kubevirt_vmi_memory_used_bytes": "vmi:kubevirt_vmi_memory_used_bytes:sum",
    **{f"kubevirt_{part}_up": f"cluster:kubevirt_{part}_up:sum" for part in _PARTS},
    **{f"kubevirt_{part}_ready": f"cluster:kubevirt_{part}_ready:sum" for part in _LEADING},
    "kubevirt_virt_operator_leading": "cluster:kubevirt_virt_operator_leading:sum",
    "kubevirt_vmsnapshot_persistentvolumeclaim_labels": "pvc:kubevirt_vmsnapshot_labels:info",
    "kubevirt_vmsnapshot_disks_restored_from_source": "vm:kubevirt_vmsnapshot_disks_restored:sum",
    "kubevirt_vmsnapshot_disks_restored_from_source_bytes": "vm:kubevirt_vmsnapshot_restored_bytes:sum",
}
_RESTORED = "label_restore_kubevirt_io_source_vm_name"
_CLAIM = "namespace,persistentvolumeclaim"
_NODES = "cluster:kubevirt_nodes_allocatable:count > 1"
_STUCK = (
    "kubevirt_vm_info{status=~'provisioning|starting|terminating'} or kubevirt_vm_info{status_group='error'}"
)

Alert = tuple[str, str, str, str, str, str]  # name, severity, impact, for how long, expression, summary


def groups(space: str) -> list[Object]:
    """The groups of rules for an installation."""
    rules = [{"record": name, "expr": expr} for name, expr in _recorded(space)]
    return [
        {"name": "recordingRules.rules", "rules": rules},
        {"name": "alerts.rules", "rules": [_alert(one) for one in _alerts(space)]},
    ]


def _alert(alert: Alert) -> Object:
    name, severity, impact, lasting, expr, summary = alert
    labels = {"severity": severity, "operator_health_impact": impact}
    labels |= {"kubernetes_operator_part_of": "kubevirt", "kubernetes_operator_component": "kubevirt"}
    return {
        "alert": name,
        "expr": expr,
        **({"for": lasting} if lasting else {}),
        "annotations": {"summary": summary, "runbook_url": f"{_RUNBOOKS}/{name}"},
        "labels": labels,
    }


def _recorded(space: str) -> Iterator[tuple[str, str]]:
    for part in _PARTS:
        own, chosen = f"cluster:kubevirt_{part}", f"namespace='{space}', pod=~'{part.replace('_', '-')}-.*'"
        yield f"{own}_up:sum", f"sum(up{{{chosen}}}) or vector(0)"
        running = f"kube_pod_status_phase{{{chosen}, phase='Running'}} == 1"
        yield f"{own}_pods_running:count", f"count({running}) or vector(0)"
        ready = f"kube_pod_status_ready{{{chosen}, condition='true'}}"
        told = f"kubevirt_{part}_ready_status{{namespace='{space}'}}"
        yield f"{own}_ready:sum", f"sum({ready} * on(pod, namespace) {told}) or vector(0)"
        if part in _LEADING:
            leads = f"kubevirt_{part}_leading_status{{namespace='{space}'}}"
            yield f"{own}_leading:sum", f"sum({leads}) or vector(0)"
    allocatable = "kube_node_status_allocatable"
    kvm = f"{allocatable}{{resource='devices_kubevirt_io_kvm'}} != 0"
    yield "cluster:kubevirt_nodes_allocatable:count", f"count(count({allocatable}) by (node))"
    yield "cluster:kubevirt_nodes_with_kvm:count", f"count({kvm}) or vector(0)"
    yield "namespace:kubevirt_vm:sum", "sum by (namespace) (kubevirt_vm_info)"
    yield "node:kubevirt_vmi_phase:sum", "sum by (node, phase) (kubevirt_vmi_info)"
    memory = "kubevirt_vmi_memory_available_bytes - kubevirt_vmi_memory_usable_bytes"
    yield "vmi:kubevirt_vmi_memory_used_bytes:sum", f"sum by (name, namespace) ({memory})"
    yield (
        "vmi:kubevirt_vmi_vcpu:count",
        "count by (name, namespace) (kubevirt_vmi_vcpu_seconds_total{state='running'})",
    )
    labelled = f"kube_persistentvolumeclaim_labels{{{_RESTORED}!=''}}"
    name, where = '"vm_name", "$1"', '"vm_namespace", "$1"'
    named = f'label_replace({labelled}, {name}, "{_RESTORED}", "(.*)")'
    both = f'label_replace({named}, {where}, "{_RESTORED}space", "(.*)")'
    yield "pvc:kubevirt_vmsnapshot_labels:info", both
    by = "sum by (vm_name, vm_namespace)"
    yield "vm:kubevirt_vmsnapshot_disks_restored:sum", f"{by} (pvc:kubevirt_vmsnapshot_labels:info)"
    size = "kube_persistentvolumeclaim_resource_requests_storage_bytes"
    joined = f"{size} * on({_CLAIM}) group_left(vm_name, vm_namespace) pvc:kubevirt_vmsnapshot_labels:info"
    yield "vm:kubevirt_vmsnapshot_restored_bytes:sum", f"{by} ({joined})"
    yield from _OLD.items()


def _alerts(space: str) -> Iterator[Alert]:
    for part, own, low in (
        ("virt_api", "VirtAPI", "LowVirtAPICount"),
        ("virt_controller", "VirtController", "LowVirtControllersCount"),
        ("virt_operator", "VirtOperator", "LowVirtOperatorCount"),
    ):
        name, told = part.replace("_", "-"), f"cluster:kubevirt_{part}"
        yield f"{own}Down", "critical", "critical", "10m", f"{told}_up:sum == 0", f"No {name} is up."
        counted, lasting = ("ready", "10m") if part == "virt_controller" else ("up", "60m")
        few = f"({_NODES}) and ({told}_{counted}:sum < 2)"
        yield (
            low,
            "warning",
            "warning",
            lasting,
            few,
            f"Fewer than two of {name}, though there are several nodes.",
        )
        if part in _LEADING:
            some = f"{told}_ready:sum < {told}_pods_running:count"
            yield f"LowReady{own}sCount", "warning", "warning", "10m", some, f"Some of {name} are not ready."
            none = f"{told}_ready:sum == 0"
            yield f"NoReady{own}", "critical", "critical", "10m", none, f"No {name} is ready."
    none = "cluster:kubevirt_virt_operator_leading:sum == 0"
    yield "NoLeadingVirtOperator", "critical", "critical", "10m", none, "No virt-operator leads."
    counts = [
        f"kube_daemonset_status_{one}{{namespace='{space}', daemonset='virt-handler'}}"
        for one in ("number_ready", "desired_number_scheduled")
    ]
    failing = f"({counts[0]} - {counts[1]}) != 0"
    own = "VirtHandlerDaemonSetRolloutFailing"
    yield own, "warning", "warning", "15m", failing, "Not every virt-handler is ready."
    few = f"({_NODES}) and (cluster:kubevirt_nodes_with_kvm:count < 2)"
    yield (
        "LowKVMNodesCount",
        "warning",
        "warning",
        "5m",
        few,
        "Guests cannot migrate: one node has KVM at most.",
    )
    kvm = "sum(kube_node_status_allocatable{resource='devices_kubevirt_io_kvm'}) or on() vector(0)"
    emulated = "sum(kubevirt_configuration_emulation_enabled) or on() vector(0)"
    nowhere = f"(({kvm}) == 0) and (({emulated}) == 0)"
    own = "KubeVirtNoAvailableNodesToRunVMs"
    yield own, "warning", "critical", "5m", nowhere, "There is no node that could run a machine."
    yield from _of_machines()


def _of_machines() -> Iterator[Alert]:
    many = "sum by (namespace) (kube_pod_status_phase{phase='Failed', pod=~'virt-launcher-.*'}) >= 200"
    own = "VirtLauncherPodsStuckFailed"
    yield (
        own,
        "critical",
        "critical",
        "10m",
        many,
        "At least 200 launcher pods have failed and are still there.",
    )
    handlers = "kube_pod_info{pod=~'virt-handler.*', node!=''}"
    ready = "kube_pod_status_ready{condition='true', pod=~'virt-handler.*'}"
    there = f"max by (node) ({ready} * on(pod, namespace) group_left(node) {handlers}) == 1"
    guests = "count by (node) (kube_pod_info{pod=~'virt-launcher.*', node!=''})"
    own = "OrphanedVirtualMachineInstances"
    yield (
        own,
        "warning",
        "warning",
        "10m",
        f"{guests} unless ({there})",
        "Guests run where no virt-handler is ready.",
    )
    info = (
        "on(name, namespace) group_left() topk by (name, namespace) (1, kubevirt_vmi_info{phase='running'})"
    )
    stays = f"kubevirt_vmi_non_evictable * {info} == 1"
    yield (
        "VMCannotBeEvicted",
        "warning",
        "none",
        "1m",
        stays,
        "A guest is to migrate when evicted, and cannot.",
    )
    often = "count by (vmi, namespace) (max_over_time(kubevirt_vmi_migration_succeeded[1d])) >= 12"
    own = "KubeVirtVMIExcessiveMigrations"
    yield own, "warning", "none", "", often, "A guest has migrated at least 12 times within a day."
    old = "kubevirt_vmi_number_of_outdated != 0"
    own = "OutdatedVirtualMachineInstanceWorkloads"
    yield own, "warning", "none", "24h", old, "Guests still run in launchers of another release."
    stuck = f"sum by (name, namespace, status) ({_STUCK}) unless on(name, namespace) kubevirt_vmi_info"
    own = "VirtualMachineStuckInUnhealthyState"
    yield own, "warning", "none", "10m", stuck, "A machine does not get on, and has no guest."
    placed = "on(name, namespace) group_left(node) topk by (name, namespace) (1, kubevirt_vmi_info{phase=~'scheduled|running'})"
    there = (
        "kubevirt_vm_info{status=~'starting|stopping|terminating'} or kubevirt_vm_info{status_group='error'}"
    )
    own = "VirtualMachineStuckOnNode"
    yield own, "warning", "none", "5m", f"({there}) * {placed}", "A machine does not get on, on a node."
    used = "100 * kubevirt_vmi_filesystem_used_bytes / kubevirt_vmi_filesystem_capacity_bytes"
    own = "GuestFilesystemAlmostOutOfSpace"
    yield own, "warning", "none", "10m", f"{used} >= 85 < 95", "A file system of a guest is nearly full."
    yield own, "critical", "none", "", f"{used} >= 95", "A file system of a guest is full but for little."
