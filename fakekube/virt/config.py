"""What the KubeVirt object says about the cluster, with the defaults where it says nothing. Pure.

Origin: kubevirt: pkg/virt-config/{configuration,virt-config}.go, pkg/virt-config/featuregate/active.go
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, field

from fakekube.machinery.objects import Obj, annotations, dig
from fakekube.machinery.wire import Object

ALWAYS_OPEN = frozenset(
    {
        *("LiveMigration", "VMLiveUpdateFeatures", "HotplugNICs", "VolumesUpdateStrategy", "VolumeMigration"),
        *("VMPersistentState", "VMExport", "ExpandDisks", "NUMA", "GPU", "AutoResourceLimitsGate"),
        *("NetworkBindingPlugins", "DynamicPodInterfaceNaming", "InstancetypeReferencePolicy"),
        *("CommonInstancetypesDeploymentGate", "MigrationPriorityQueue", "VmiMemoryOverheadReport"),
        *("PanicDevices", "PersistentReservation", "ClusterProfiler", "EnableVirtioFsConfigVolumes"),
    }
)
OPEN_BY_DEFAULT = frozenset(
    {
        *("Snapshot", "ImageVolume", "DeclarativeHotplugVolumes", "DecentralizedLiveMigration"),
        *("RebootPolicy", "Template", "PasstBinding", "NodeRestriction", "KubevirtSeccompProfile"),
        *("ExternalNetResourceInjection", "OptOutRoleAggregation", "WorkloadEncryptionSEV"),
        *("GPUsWithDRA", "HostDevicesWithDRA"),
    }
)
_GONE = "network binding is discontinued since v1.3. Please refer to Kubevirt user guide for alternatives."
DISCONTINUED = {  # what is said of gates whose features are gone, by gate
    "Passt": f"Passt {_GONE}",
    "Macvtap": f"Macvtap {_GONE}",
}
EVEN_THREADS = "alpha.kubevirt.io/EmulatorThreadCompleteToEvenParity"
_MACHINES = {
    "amd64": ("q35", ("q35*", "pc-q35*")),
    "arm64": ("virt", ("virt*",)),
    "s390x": ("s390-ccw-virtio", ("s390-ccw-virtio*",)),
}


class ClusterConfig(Struct, frozen=True):
    """The configuration in force. Without a KubeVirt object there is no default architecture."""

    default_architecture: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)  # spec.configuration
    launcher_image: str = ""  # of the release that is installed
    has_data_volumes: bool = True  # whether CDI's types are there
    even_threads: bool = False  # whether emulators with CPUs of their own make a guest's CPUs even

    def gate(self, name: str) -> bool:
        """Whether a feature gate is open."""
        developer = self.raw.get("developerConfiguration") or {}
        if name in ALWAYS_OPEN or name in (developer.get("featureGates") or ()):
            return True
        return name in OPEN_BY_DEFAULT and name not in (developer.get("disabledFeatureGates") or ())

    @property
    def profiles(self) -> bool:
        """Whether KubeVirt's components may be profiled; its gate counts where it is listed, though it is always open."""
        developer = self.raw.get("developerConfiguration") or {}
        listed = "ClusterProfiler" in (developer.get("featureGates") or ())
        return listed or bool(developer.get("clusterProfiler"))

    @property
    def live_update(self) -> bool:
        """Whether changes of a machine reach its running instance."""
        return (self.raw.get("vmRolloutStrategy") or "LiveUpdate") == "LiveUpdate"

    @property
    def eviction_strategy(self) -> str:
        return str(self.raw.get("evictionStrategy") or "None")

    @property
    def default_interface(self) -> str:
        return str(dig(self.raw, "network", "defaultNetworkInterface") or "bridge")

    def binding(self, name: str) -> Mapping[str, Any] | None:
        """The network binding plugin registered by this name."""
        found: Mapping[str, Any] | None = dig(self.raw, "network", "binding", name)
        return found

    @property
    def bridge_on_pod_network(self) -> bool:
        permitted = dig(self.raw, "network", "permitBridgeInterfaceOnPodNetwork")
        return permitted is not False

    @property
    def cpu_request(self) -> str:
        return str(self.raw.get("cpuRequest") or "100m")

    @property
    def cpu_allocation_ratio(self) -> int:
        return int(dig(self.raw, "developerConfiguration", "cpuAllocationRatio") or 10)

    @property
    def memory_overcommit(self) -> int:
        """Percent of what is requested that guests get."""
        return int(dig(self.raw, "developerConfiguration", "memoryOvercommit") or 100)

    def forbidden_devices(self, spec: Object) -> Iterator[str]:
        """What is said of each device an instance asks for and may not have; nothing, where nothing is said of permitted ones."""
        permitted = self.raw.get("permittedHostDevices")
        if permitted is None:
            return
        kinds = ("pciHostDevices", "mediatedDevices", "usb")
        known = {one.get("resourceName") for kind in kinds for one in permitted.get(kind) or ()}
        for kind, word in (("gpus", "GPU"), ("hostDevices", "HostDevice")):
            for one in dig(spec, "domain", "devices", kind, default=()):
                if (own := one.get("deviceName")) and own not in known:
                    yield f"{word} {own} is not permitted in permittedHostDevices configuration"

    def helper_resources(self, kind: str, usual: Mapping[str, Mapping[str, str]]) -> Object:
        """Limits and requests of the helper containers of a kind: the usual ones, as far as nothing else is said."""
        listed = self.raw.get("supportContainerResources") or ()
        said = next((one.get("resources") or {} for one in listed if one.get("type") == kind), {})
        return {part: {**values, **(said.get(part) or {})} for part, values in usual.items()}

    @property
    def hotplug_ratio(self) -> int:
        return int(dig(self.raw, "liveUpdateConfiguration", "maxHotplugRatio") or 4)

    @property
    def max_cpu_sockets(self) -> int | None:
        limit: int | None = dig(self.raw, "liveUpdateConfiguration", "maxCpuSockets")
        return limit

    @property
    def max_guest(self) -> str | None:
        limit: str | None = dig(self.raw, "liveUpdateConfiguration", "maxGuest")
        return limit

    @property
    def drain_taint(self) -> str:
        return str(dig(self.raw, "migrations", "nodeDrainTaintKey") or "kubevirt.io/drain")

    def cpu_model(self, architecture: str) -> str:
        chosen = str(self.raw.get("cpuModel") or "")
        return chosen or ("host-passthrough" if architecture == "arm64" else "host-model")

    def machine_type(self, architecture: str) -> str:
        """The chipset of instances that name none."""
        chosen = dig(self.raw, "architectureConfiguration", architecture, "machineType")
        known = _MACHINES.get(architecture, ("", ()))
        return str(chosen or self.raw.get("machineType") or known[0])

    def emulated_machines(self, architecture: str) -> tuple[str, ...]:
        """Patterns of the chipsets instances may name."""
        architecture = architecture or self.default_architecture
        chosen = dig(self.raw, "architectureConfiguration", architecture, "emulatedMachines")
        known = _MACHINES.get(architecture, ("", ()))
        return tuple(chosen or self.raw.get("emulatedMachines") or known[1])


def from_object(kubevirt: Obj | None) -> ClusterConfig:
    """The configuration a KubeVirt object stands for; it counts once the object has a phase."""
    if kubevirt is None or not dig(kubevirt, "status", "phase"):
        return ClusterConfig()
    return ClusterConfig(
        default_architecture=str(dig(kubevirt, "status", "defaultArchitecture") or ""),
        raw=dig(kubevirt, "spec", "configuration") or {},
        launcher_image=_launcher(dig(kubevirt, "status", "observedDeploymentConfig") or "{}"),
        even_threads=EVEN_THREADS in annotations(kubevirt),
    )


def _launcher(config: str) -> str:
    parts = json.loads(config)
    if "registry" not in parts or "kubeVirtVersion" not in parts:
        return ""
    return f"{parts['registry']}/{parts.get('imagePrefix', '')}virt-launcher:{parts['kubeVirtVersion']}"
