"""What virt-operator sees of its installation: whether it is as it was left, comes from where it is to come from, and works.

Nothing here writes. virt-operator itself is not its own business: of its Deployment counts where it runs from, and whether it runs.
Origin: kubevirt: pkg/virt-operator/kubevirt.go, pkg/virt-operator/util/readycheck.go
"""

from fakekube.client.client import Client
from fakekube.client.informer import Informer
from fakekube.clock import Clock
from fakekube.machinery.objects import Obj, dig, generation, labels, name, namespace
from fakekube.machinery.resources import BUDGETS, CRDS, DAEMON_SETS, DEPLOYMENTS
from fakekube.machinery.wire import Object
from fakekube.virt.operator import defining, marking, phases, pods, sources, workloads
from fakekube.virt.operator.sources import Source

WITH_PODS = (DEPLOYMENTS.kind, DAEMON_SETS.kind)
_REMEMBERED = (DEPLOYMENTS, DAEMON_SETS, BUDGETS)


class View:
    """Through caches. Where workloads have no pods (`has_pods`), or virt-operator itself does not run, nothing is waited for; and
    nobody waits for the first ones: what is not `complete` works."""

    def __init__(self, client: Client, *, clock: Clock, namespace: str, release: str, has_pods: bool) -> None:
        self._release = release
        self._has_pods = has_pods
        self._operator_key = f"{namespace}/{pods.OPERATOR}"
        self.complete = False
        self.made = {
            one.plural: Informer(client, one, clock=clock, namespace=namespace) for one in _REMEMBERED
        }
        self.definitions = self.made[CRDS.plural] = Informer(client.metadata_only(), CRDS, clock=clock)

    @property
    def operator(self) -> Source:
        """What virt-operator runs from."""
        return sources.of_operator(self._own, self._release)

    @property
    def rests(self) -> bool:
        """Whether virt-operator is scaled to nothing."""
        return self._own is not None and dig(self._own, "spec", "replicas") == 0

    @property
    def _own(self) -> Object | None:
        return self.made[DEPLOYMENTS.plural].get(self._operator_key)

    @property
    def _runs(self) -> bool:
        return self._own is not None and workloads.is_ready(self._own)

    @property
    def workloads(self) -> list[Object]:
        """Those that are there."""
        found = [one for kind in (DEPLOYMENTS, DAEMON_SETS) for one in self.made[kind.plural].objects()]
        return [one for one in found if labels(one).get(marking.MANAGED_BY) == marking.US]

    def source(self, kubevirt: Obj) -> Source:
        """What a KubeVirt object is to be installed from."""
        return sources.wanted(kubevirt, self.operator)

    def is_retargeted(self, kubevirt: Obj) -> bool:
        """Whether what is installed is to come from elsewhere than it does, or is about to."""
        target = dig(kubevirt, "status", "targetDeploymentID")
        return bool(target) and target != self.source(kubevirt).identity(namespace(kubevirt))[1]

    def has_rolled_out(self, made: list[Object]) -> bool:
        """Whether all pods are new."""
        return not self._has_pods or all(workloads.has_rolled_out(one) for one in _with_pods(made))

    def is_ready(self, made: list[Object]) -> bool:
        """Whether all components work."""
        judged = self._has_pods and self.complete and self._runs
        others = (one for one in _with_pods(made) if name(one) != pods.OPERATOR)
        return not judged or all(workloads.is_ready(one) for one in others)

    def has_turned(self, kubevirt: Obj) -> bool:
        """Whether components have stopped working, or work again, and nobody has been told. A virt-operator that does not run
        itself tells nobody."""
        if not self._has_pods or not self._runs or is_behind(kubevirt) or phases.is_updating(kubevirt):
            return False
        return self.is_ready(self.workloads) != phases.says_ready(kubevirt)

    def astray(self, kubevirt: Obj) -> bool:
        """Whether somebody changed, or deleted, what was made for the KubeVirt object."""
        for one in dig(kubevirt, "status", "generations", default=()):
            if one["resource"] not in self.made:
                continue
            found = self.made[one["resource"]].get(f"{one.get('namespace', '')}/{one['name']}".lstrip("/"))
            if found is None or defining.is_astray(found, one["lastGeneration"], kubevirt):
                return True
            if one["resource"] == CRDS.plural and not defining.is_marked(found, kubevirt):
                return True
        return False

    def is_to_be_looked_at(self, kubevirt: Obj) -> bool:
        """Whether something is to be done, or told, for a KubeVirt object at once."""
        changing = is_behind(kubevirt) or phases.is_updating(kubevirt) or self.is_retargeted(kubevirt)
        works_again = not phases.says_ready(kubevirt) and self.has_turned(kubevirt)
        return changing or works_again or self.astray(kubevirt)


def is_behind(kubevirt: Obj) -> bool:
    """Whether the KubeVirt object wants something that is not there yet."""
    return bool(dig(kubevirt, "status", "observedGeneration") != generation(kubevirt))


def _with_pods(made: list[Object]) -> list[Object]:
    return [one for one in made if one["kind"] in WITH_PODS]
