"""VirtualMachinePool: a number of equal machines.

Origin: kubevirt: staging/src/kubevirt.io/api/pool/v1beta1/types.go
"""

from typing import Literal

from fakekube.virt.operator.models.base import (
    Condition,
    Duration,
    Empty,
    Int32,
    IntOrString,
    Model,
    Natural32,
    Positive32,
    Resource,
    TemplateMetadata,
    opt,
    req,
)
from fakekube.virt.operator.models.kubernetes import LabelSelector, NodeSelectorRequirement
from fakekube.virt.operator.models.machine import MachineSpec

StatePreservation = Literal["Disabled", "Offline", "Online"]
SortPolicy = Literal["AscendingOrder", "DescendingOrder", "Newest", "Oldest", "Random"]


class MachineTemplate(Model):
    """What machines are made from."""

    metadata: TemplateMetadata = None
    spec: MachineSpec | None = None


class NameGeneration(Model):
    """Which references get the machine's index."""

    append_index_to_config_map_refs: bool | None = opt("Config maps.")
    append_index_to_secret_refs: bool | None = opt("Secrets.")


class Selectors(Model):
    """Which machines come into question; all that is given must hold."""

    label_selector: LabelSelector | None = opt("Labels of the machine's template.", map_type="atomic")
    node_selector_requirement_matcher: list[NodeSelectorRequirement] | None = opt(
        "Conditions on the machine's node selector."
    )


class SelectionPolicy(Model):
    """Which machines come first."""

    selectors: Selectors | None = None
    sort_policy: SortPolicy | None = opt("Order of the machines; random when unset.")


class OpportunisticScaleIn(Model):
    """Only let machines go that others delete."""

    state_preservation: StatePreservation | None = opt("What happens to their volumes.")


class ProactiveScaleIn(Model):
    """Delete surplus machines."""

    selection_policy: SelectionPolicy | None = None
    state_preservation: StatePreservation | None = opt("What happens to their volumes.")


class ScaleInStrategy(Model):
    """How the pool shrinks; one member at most."""

    opportunistic: OpportunisticScaleIn | None = None
    proactive: ProactiveScaleIn | None = None
    unmanaged: Empty | None = opt("Not by the controller.")


class ProactiveUpdate(Model):
    """Update machines and restart their instances."""

    selection_policy: SelectionPolicy | None = None


class UpdateStrategy(Model):
    """How changes reach the machines; one member at most."""

    opportunistic: Empty | None = opt("Update machines; instances follow at their next start.")
    proactive: ProactiveUpdate | None = None
    unmanaged: Empty | None = opt("Not by the controller.")


class Autohealing(Model):
    """When a failing machine is replaced."""

    min_failing_to_start_duration: Duration | None = opt("For how long it must fail; 5 minutes when unset.")
    start_up_failure_threshold: Positive32 | None = opt("How many starts must fail; 3 when unset.")


class PoolSpec(Model):
    """Which machines, and how many."""

    autohealing: Autohealing | None = None
    max_unavailable: IntOrString | None = opt("How many may be unready during updates; 100% when unset.")
    name_generation: NameGeneration | None = None
    paused: bool | None = opt("Whether the controller leaves it alone.")
    replicas: Natural32 | None = opt("How many machines; 1 when unset.")
    scale_in_strategy: ScaleInStrategy | None = None
    selector: LabelSelector = req("Which machines belong to the pool.", map_type="atomic")
    update_strategy: UpdateStrategy | None = None
    virtual_machine_template: MachineTemplate


class PoolStatus(Model):
    """Which machines there are."""

    conditions: list[Condition] | None = opt("What holds at the moment.", list_type="atomic")
    label_selector: str | None = opt("The selector as text.")
    ready_replicas: Int32 | None = opt("How many machines are ready.")
    replicas: Int32 | None = opt("How many machines there are.")


class VirtualMachinePool(Resource):
    """Keeps a number of equal machines."""

    spec: PoolSpec
    status: PoolStatus | None = None
