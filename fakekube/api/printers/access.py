"""Rows of role bindings and certificate requests. Roles have none of their own: they print as most kinds do."""

from datetime import datetime
from typing import Any

from fakekube.api.ages import human_duration
from fakekube.api.printers.columns import (
    AGE,
    NAME,
    NONE,
    Header,
    Printer,
    age,
    conditions,
    name,
    text,
    wide,
)
from fakekube.machinery.objects import dig
from fakekube.machinery.wire import Object


def _binding(obj: Object, now: datetime) -> list[Any]:
    role = obj.get("roleRef") or {}
    users, groups, accounts = [], [], []
    for one in obj.get("subjects") or ():
        match one.get("kind"):
            case "ServiceAccount":
                accounts.append(f"{one.get('namespace', '')}/{one.get('name', '')}")
            case "Group":
                groups.append(str(one.get("name", "")))
            case "User":
                users.append(str(one.get("name", "")))
    return [
        name(obj),
        f"{role.get('kind', '')}/{role.get('name', '')}",
        age(obj, now),
        ", ".join(users),
        ", ".join(groups),
        ", ".join(accounts),
    ]


def _bindings(kind: str) -> Printer:
    said = kind[0].lower() + kind[1:]
    return Printer(
        (
            NAME,
            Header("Role", f"@rbac.v1.{kind}.roleRef"),
            AGE,
            wide("Users", f"Users in the {said}"),
            wide("Groups", f"Groups in the {said}"),
            wide("ServiceAccounts", f"ServiceAccounts in the {said}"),
        ),
        _binding,
    )


def _request(obj: Object, now: datetime) -> list[Any]:
    types = {one.get("type") for one in conditions(obj)}
    state = "Denied" if "Denied" in types else "Approved" if "Approved" in types else "Pending"
    if "Failed" in types:
        state += ",Failed"
    if dig(obj, "status", "certificate"):
        state += ",Issued"
    seconds = dig(obj, "spec", "expirationSeconds")
    return [
        name(obj),
        age(obj, now),
        text(obj, "spec", "signerName", default=NONE),
        text(obj, "spec", "username"),
        NONE if seconds is None else human_duration(seconds),
        state,
    ]


_CSR = "@certificates.v1.CertificateSigningRequestSpec."

PRINTERS = {
    ("rbac.authorization.k8s.io", "RoleBinding"): _bindings("RoleBinding"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _bindings("ClusterRoleBinding"),
    ("certificates.k8s.io", "CertificateSigningRequest"): Printer(
        (
            NAME,
            AGE,
            Header("SignerName", f"{_CSR}signerName"),
            Header("Requestor", f"{_CSR}request"),
            Header("RequestedDuration", f"{_CSR}expirationSeconds"),
            Header("Condition", "@certificates.v1.CertificateSigningRequestStatus.conditions"),
        ),
        _request,
    ),
}
