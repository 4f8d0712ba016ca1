"""Rows of what configures the cluster itself: leases, admission, priorities, flow control, devices, aggregated APIs."""

from datetime import datetime
from typing import Any

from fakekube.api.printers.columns import (
    AGE,
    NAME,
    NONE,
    UNSET,
    Header,
    Printer,
    age,
    boolean,
    conditions,
    integer,
    name,
    number,
    selector,
    text,
)
from fakekube.machinery.objects import condition, dig
from fakekube.machinery.wire import Object


def _policy(member: str, header: Header) -> Printer:
    def row(obj: Object, now: datetime) -> list[Any]:
        kind = dig(obj, "spec", "paramKind")
        shown = f"{kind.get('apiVersion', '')}/{kind.get('kind', '')}" if kind else UNSET
        return [name(obj), len(dig(obj, "spec", member, default=())), shown, age(obj, now)]

    param = Header("ParamKind", "ParamKind specifies the kind of resources used to parameterize this policy")
    return Printer((NAME, header, param, AGE), row)


def _policy_binding(obj: Object, now: datetime) -> list[Any]:
    found = dig(obj, "spec", "paramRef", default={})
    shown = UNSET
    if found.get("name"):
        shown = f"{found.get('namespace') or '*'}/{found['name']}"
    elif found.get("selector") is not None:
        shown = selector(found["selector"], empty="")
    return [name(obj), text(obj, "spec", "policyName"), shown, age(obj, now)]


def _webhooks(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), len(obj.get("webhooks") or ()), age(obj, now)]


def _flow_schema(obj: Object, now: datetime) -> list[Any]:
    dangling = next((one.get("status") for one in conditions(obj) if one.get("type") == "Dangling"), "?")
    return [
        name(obj),
        text(obj, "spec", "priorityLevelConfiguration", "name"),
        number(obj, "spec", "matchingPrecedence"),
        text(obj, "spec", "distinguisherMethod", "type", default=NONE),
        age(obj, now),
        dangling,
    ]


def _priority_level(obj: Object, now: datetime) -> list[Any]:
    limited = dig(obj, "spec", "limited", default={})
    queuing = dig(limited, "limitResponse", "queuing", default={})
    counts = [limited.get("nominalConcurrencyShares", NONE)]
    counts += [queuing.get(member, NONE) for member in ("queues", "handSize", "queueLengthLimit")]
    return [name(obj), text(obj, "spec", "type"), *counts, age(obj, now)]


def _resource_claim(obj: Object, now: datetime) -> list[Any]:
    deleted, allocated = (
        bool(obj["metadata"].get("deletionTimestamp")),
        dig(obj, "status", "allocation") is not None,
    )
    states = ["deleted"] if deleted else []
    if allocated:
        states.append("allocated")
        if dig(obj, "status", "reservedFor"):
            states.append("reserved")
    elif not deleted:
        states.append("pending")
    return [name(obj), ",".join(states), age(obj, now)]


def _api_service(obj: Object, now: datetime) -> list[Any]:
    service = dig(obj, "spec", "service")
    where = f"{service.get('namespace', '')}/{service.get('name', '')}" if service else "Local"
    found = condition(obj, "Available")
    state = "Unknown"
    if found is not None:
        state = str(found.get("status"))
        if state != "True":
            state += f" ({found.get('reason', '')})"
    return [name(obj), where, state, age(obj, now)]


def _dated(obj: Object, now: datetime) -> list[Any]:
    return [name(obj), age(obj, now)]


_HOOKS = Printer(
    (
        NAME,
        integer("Webhooks", "Webhooks indicates the number of webhooks registered in this configuration"),
        AGE,
    ),
    _webhooks,
)
_BINDING = Printer(
    (
        NAME,
        Header("PolicyName", "PolicyName indicates the policy definition which the policy binding binded to"),
        Header("ParamRef", "ParamRef indicates the param resource which sets the configration param"),
        AGE,
    ),
    _policy_binding,
)
_ADMISSION, _FLOW = "admissionregistration.k8s.io", "flowcontrol.apiserver.k8s.io"
_PRIORITY, _QUEUING = "@scheduling.v1.PriorityClass.", "@flowcontrol.v1.QueuingConfiguration."

PRINTERS = {
    ("coordination.k8s.io", "Lease"): Printer(
        (NAME, Header("Holder", "@coordination.v1.LeaseSpec.holderIdentity"), AGE),
        lambda obj, now: [name(obj), text(obj, "spec", "holderIdentity"), age(obj, now)],
    ),
    ("scheduling.k8s.io", "PriorityClass"): Printer(
        (
            NAME,
            integer("Value", f"{_PRIORITY}value"),
            boolean("Global-Default", f"{_PRIORITY}globalDefault"),
            AGE,
            Header("PreemptionPolicy", f"{_PRIORITY}preemptionPolicy"),
        ),
        lambda obj, now: [
            name(obj),
            number(obj, "value"),
            bool(obj.get("globalDefault")),
            age(obj, now),
            text(obj, "preemptionPolicy"),
        ],
    ),
    ("node.k8s.io", "RuntimeClass"): Printer(
        (NAME, Header("Handler"), AGE),
        lambda obj, now: [name(obj), text(obj, "handler"), age(obj, now)],
    ),
    (_ADMISSION, "MutatingWebhookConfiguration"): _HOOKS,
    (_ADMISSION, "ValidatingWebhookConfiguration"): _HOOKS,
    (_ADMISSION, "ValidatingAdmissionPolicy"): _policy(
        "validations",
        integer(
            "Validations",
            "Validations indicates the number of validation rules defined in this configuration",
        ),
    ),
    (_ADMISSION, "MutatingAdmissionPolicy"): _policy(
        "mutations",
        integer(
            "Mutations", "Mutation indicates the number of mutations rules defined in this configuration"
        ),
    ),
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): _BINDING,
    (_ADMISSION, "MutatingAdmissionPolicyBinding"): _BINDING,
    (_FLOW, "FlowSchema"): Printer(
        (
            NAME,
            Header("PriorityLevel", "@flowcontrol.v1.PriorityLevelConfigurationReference.name"),
            Header("MatchingPrecedence", "@flowcontrol.v1.FlowSchemaSpec.matchingPrecedence"),
            Header("DistinguisherMethod", "@flowcontrol.v1.FlowSchemaSpec.distinguisherMethod"),
            AGE,
            Header("MissingPL", "references a broken or non-existent PriorityLevelConfiguration"),
        ),
        _flow_schema,
    ),
    (_FLOW, "PriorityLevelConfiguration"): Printer(
        (
            NAME,
            Header("Type", "@flowcontrol.v1.PriorityLevelConfigurationSpec.type"),
            Header(
                "NominalConcurrencyShares",
                "@flowcontrol.v1.LimitedPriorityLevelConfiguration.nominalConcurrencyShares",
            ),
            Header("Queues", f"{_QUEUING}queues"),
            Header("HandSize", f"{_QUEUING}handSize"),
            Header("QueueLengthLimit", f"{_QUEUING}queueLengthLimit"),
            AGE,
        ),
        _priority_level,
    ),
    ("resource.k8s.io", "DeviceClass"): Printer((NAME, AGE), _dated),
    ("resource.k8s.io", "ResourceClaimTemplate"): Printer((NAME, AGE), _dated),
    ("resource.k8s.io", "ResourceClaim"): Printer(
        (NAME, Header("State", "A summary of the current state (allocated, pending, reserved, etc.)."), AGE),
        _resource_claim,
    ),
    ("resource.k8s.io", "ResourceSlice"): Printer(
        (
            NAME,
            Header("Node", "@resource.v1.ResourceSliceSpec.nodeName"),
            Header("Driver", "@resource.v1.ResourceSliceSpec.driver"),
            Header("Pool", "@resource.v1.ResourcePool.name"),
            AGE,
        ),
        lambda obj, now: [
            name(obj),
            text(obj, "spec", "nodeName"),
            text(obj, "spec", "driver"),
            text(obj, "spec", "pool", "name"),
            age(obj, now),
        ],
    ),
    ("apiregistration.k8s.io", "APIService"): Printer(
        (
            NAME,
            Header("Service", "The reference to the service that hosts this API endpoint."),
            Header("Available", "Whether this service is available."),
            AGE,
        ),
        _api_service,
    ),
}
