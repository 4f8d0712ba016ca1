"""How far the features behind KubeVirt's gates have come, and what is said to whoever names one in the KubeVirt object. Pure.

Origin: kubevirt: pkg/virt-config/featuregate/{feature-gates,active,inactive}.go
"""

from collections.abc import Iterable, Iterator

from fakekube.virt.config import ALWAYS_OPEN, DISCONTINUED, OPEN_BY_DEFAULT

_GENERAL = ALWAYS_OPEN | {
    *("SRIOVLiveMigration", "NonRoot", "PSA", "CPUNodeDiscovery", "BochsDisplayForEFIGuests"),
    *("DisableCustomSELinuxPolicy", "VideoConfig", "SecureExecution", "LiveUpdateNADRef"),
}
_ALPHA = frozenset(
    {
        *("CPUManager", "Sidecar", "HostDevices", "HostDisk", "ExperimentalIgnitionSupport"),
        *("HypervStrictCheck", "VSOCK", "DownwardMetrics", "AlignCPUs", "Root"),
        *("EnableVirtioFsStorageVolumes", "IncrementalBackup", "ObjectGraph", "UtilityVolumes"),
        *("OCIExport", "Plugins", "ContainerPathVolumes", "CrossArchitectureVirtualization"),
        *("WorkloadEncryptionTDX", "PCINUMAAwareTopology", "PortRangesSpec", "ReservedOverheadMemlock"),
    }
)
_TOLD = {  # those with words of their own
    "DockerSELinuxMCSWorkaround": "DockerSELinuxMCSWorkaround has been deprecated since v1.4.",
    "MultiArchitecture": "MultiArchitecture has been deprecated since v1.8.0",
    "DisableMDEVConfiguration": "DisableMDEVConfiguration has been deprecated since v1.8.0",
    "HotplugVolumes": "HotplugVolumes has been deprecated since v1.9.0 and has been replaced by DeclarativeHotplugVolumes",
    **DISCONTINUED,
    "ExperimentalVirtiofsSupport": "Virtiofs ExperimentalVirtiofsSupport feature gate is discontinued since v1.7. "
    "Please use EnableVirtioFsConfigVolumes or EnableVirtioFsPVC feature gates instead",
}
_REDUNDANT = (
    "feature gate {} is deprecated (feature state is {}), therefore it can be safely removed and is redundant. "
    "For more info, please look at: https://github.com/kubevirt/kubevirt/blob/main/docs/deprecation.md"
)
_ACTIVE = "feature gate {} is active (feature state is {})"


def warnings(gates: Iterable[str]) -> Iterator[str]:
    """What is said of each of these gates; of those nobody knows, nothing."""
    for gate in gates:
        if gate in _TOLD:
            yield _TOLD[gate]
        elif gate in _GENERAL:
            yield _REDUNDANT.format(gate, '"General Availability"')
        elif gate in OPEN_BY_DEFAULT:
            yield _ACTIVE.format(gate, '"Beta"')
        elif gate in _ALPHA:
            yield _ACTIVE.format(gate, '"Alpha"')
