"""Scenarios written as code: steps to play like those of a recording, and questions about what came of them."""

from tests.recordings import facts
from tests.recordings.comparing import trimmed
from tests.recordings.playing import Run
from tests.recordings.reading import Recording, Step

LABELS = {"kubevirt.io/vmpool": "seed"}
SPEC = {
    "domain": {
        "devices": {"disks": [{"disk": {"bus": "virtio"}, "name": "containerdisk"}]},
        "memory": {"guest": "128Mi"},
        "resources": {},
    },
    "terminationGracePeriodSeconds": 0,
    "volumes": [{"containerDisk": {"image": "registry.example/cirros:devel"}, "name": "containerdisk"}],
}
FINALIZER, OTHERS = "pool.kubevirt.io/finalizer", "kubevirt.io/virtualMachineControllerFinalize"


class Scene:
    """Steps of a scenario, one after the other, and what came of them."""

    def __init__(self):
        self.steps = []
        self.now = 0.0

    def _add(self, line):
        """A request, whatever it is answered."""
        self.steps.append(Step(self.now, {"code": 0, **line}))

    def wait(self, seconds):
        self.now += seconds
        return self

    def create(self, res, name, spec, **meta):
        kind, group = {
            "vm": ("VirtualMachine", "kubevirt.io/v1"),
            "vmpool": ("VirtualMachinePool", "pool.kubevirt.io/v1beta1"),
            "vmi": ("VirtualMachineInstance", "kubevirt.io/v1"),
            "vmim": ("VirtualMachineInstanceMigration", "kubevirt.io/v1"),
            "das": ("DataSource", "cdi.kubevirt.io/v1beta1"),
            "policy": ("MigrationPolicy", "migrations.kubevirt.io/v1alpha1"),
            "vmirs": ("VirtualMachineInstanceReplicaSet", "kubevirt.io/v1"),
        }[res]
        body = {"apiVersion": group, "kind": kind, "metadata": {"name": name, **meta}, "spec": spec}
        self._add({"do": "create", "res": res, "name": name, "body": body})
        return self.wait(0.0)

    def vm(self, strategy, name="vm", interfaces=None, **meta):
        spec = {"template": {"metadata": {}, "spec": SPEC}, "runStrategy": strategy}
        if interfaces:
            domain = {**SPEC["domain"], "devices": {**SPEC["domain"]["devices"], "interfaces": interfaces}}
            networks = [{"name": one["name"], "pod": {}} for one in interfaces]
            spec["template"] = {"spec": {**SPEC, "domain": domain, "networks": networks}}
        return self.create("vm", name, spec, **meta)

    def pool(self, replicas, strategy="Halted", **more):
        machine = {"template": {"metadata": {"labels": LABELS}, "spec": SPEC}, "runStrategy": strategy}
        spec = {"replicas": replicas, "selector": {"matchLabels": LABELS}, **more}
        spec["virtualMachineTemplate"] = {"metadata": {"labels": LABELS}, "spec": machine}
        return self.create("vmpool", "seed", spec)

    def patch(self, res, name, body, sub=None, kind="merge"):
        self._add({"do": "patch", "res": res, "name": name, "body": body, "sub": sub, "patchType": kind})
        return self

    def scale(self, replicas):
        return self.patch("vmpool", "seed", {"spec": {"replicas": replicas}}, "scale")

    def request(self, *actions):
        path = "/status/stateChangeRequests"
        listed = [{"action": one, **({"uid": "$uid(vmi/vm)"} if one == "Stop" else {})} for one in actions]
        return self.patch("vm", "vm", [{"op": "add", "path": path, "value": listed}], "status", "json")

    def delete(self, res, name, policy=None):
        body = {"propagationPolicy": policy} if policy else None
        self._add({"do": "delete", "res": res, "name": name, "body": body})
        return self

    def node(self, text, **settings):
        self.steps.append(Step(self.now, {"node": text, **settings}))
        return self

    async def play(self):
        return Seen(facts.of(await Run(Recording("scene", "", self.now, steps=self.steps)).play()))


class Seen:
    def __init__(self, of):
        self.facts = of

    def values(self, own, path):
        return trimmed(self.facts.lives[own].fields.get(path, []))

    def statuses(self, own="vm/vm"):
        return self.values(own, "status.printableStatus")

    def there(self, resource):
        """The names of those that were there at the end."""
        return {
            one.name for one in self.facts.lives.values() if one.resource == resource and one.gone is None
        }

    def events(self, about, reason=""):
        return {
            told.message: count
            for told, count in self.facts.events.items()
            if told.about == about and reason in ("", told.reason)
        }
