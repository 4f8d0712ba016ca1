"""APIServices: which server answers for a group and version. Local ones are always available.

Origin: k8s: staging/src/k8s.io/kube-aggregator/pkg/{apis/apiregistration,registry/apiservice}
"""

from fakekube.api.builtins.strategies.checks import Causes
from fakekube.api.builtins.strategy import BuiltinStrategy
from fakekube.clock import Clock, RealClock, rfc3339
from fakekube.machinery import field_checks
from fakekube.machinery.field_errors import invalid, required
from fakekube.machinery.wire import Object

_MOST = 20000


class ApiServiceStrategy(BuiltinStrategy):
    """The condition a local one begins with carries a time: hence the clock."""

    clock: Clock = RealClock()

    def default(self, obj: Object) -> None:
        super().default(obj)
        service = obj["spec"].get("service")
        if service:
            service.setdefault("port", 443)

    def prepare_create(self, obj: Object) -> None:
        obj["status"] = {}
        if not obj["spec"].get("service"):
            obj["status"] = {
                "conditions": [
                    {
                        "type": "Available",
                        "status": "True",
                        "lastTransitionTime": rfc3339(self.clock.now()),
                        "reason": "Local",
                        "message": "Local APIServices are always available",
                    }
                ]
            }

    def validate_create(self, obj: Object) -> Causes:
        spec = obj["spec"]
        version, group = spec.get("version") or "", spec.get("group") or ""
        name, wanted = obj["metadata"].get("name") or "", f"{version}.{group}"
        found: Causes = []
        if name != wanted:
            found.append(invalid("metadata.name", name, f'must be `spec.version+"."+spec.group`: "{wanted}"'))
        if not group and version != "v1":
            found.append(
                required("spec.group", "only v1 may have an empty group and it better be legacy kube")
            )
        if group:
            found += field_checks.dns_subdomain(group, "spec.group")
        if not version:
            found.append(required("spec.version"))
        for member in ("groupPriorityMinimum", "versionPriority"):
            value = spec.get(member) or 0
            highest = _MOST if member == "groupPriorityMinimum" else 1000
            if not 0 < value <= highest:
                said = f"must be positive and less than {highest}"
                found.append(invalid(f"spec.{member}", value, said))
        return found + _reach(obj)

    def validate_update(self, new: Object, old: Object) -> Causes:
        return self.validate_create(new)


def _reach(obj: Object) -> Causes:
    spec = obj["spec"]
    service, insecure, bundle = spec.get("service"), spec.get("insecureSkipTLSVerify"), spec.get("caBundle")
    if service is None:
        return (
            [
                invalid(
                    "spec.insecureSkipTLSVerify",
                    insecure,
                    "local APIServices may not set insecureSkipTLSVerify",
                )
            ]
            if insecure
            else []
        )
    found = [
        required(f"spec.service.{member}") for member in ("namespace", "name") if not service.get(member)
    ]
    port = service.get("port", 443)
    if not 1 <= port <= 65535:
        said = "port is not valid: must be between 1 and 65535, inclusive"
        found.append(invalid("spec.service.port", port, said))
    if insecure and bundle:
        said = "may not be true if caBundle is present"
        found.append(invalid("spec.insecureSkipTLSVerify", insecure, said))
    return found
