"""How KubeVirt's own components, CDI and the pool controller are made. Every import waits until its actor is wanted."""

from collections.abc import Mapping

from fakekube.actors.setting import KUBEVIRT, ActorSpec, Made, Setting
from fakekube.machinery.paces import PaceName
from fakekube.machinery.wire import Handler


def _virt_operator(at: Setting) -> Made:
    from fakekube.virt.operator import actor, contents, leading, validation, webhooks

    client = at.as_account("kubevirt-operator", "virt-operator")
    outside = (contents.NAMESPACE, "virt-api") in at.elsewhere
    webhook = "virt-api" in at.chosen or outside
    elected = [one for one in leading.LEADING if one in at.chosen]  # one from outside leads by itself
    release = at.versions.kubevirt
    operator = actor.VirtOperator(
        client,
        clock=at.clock,
        ids=at.ids,
        webhook=webhook,
        release=release,
        leading=elected,
        signed=not outside,
        rolls={"deployments", "replicasets", "daemonsets", "kubelet", "scheduler"} <= at.chosen,
    )

    async def prepare() -> None:
        """What the very first write of a user must meet: types and webhooks. The operator installs the rest."""
        await at.preload(contents.definitions(release))
        if webhook:
            await at.preload(contents.hooks(release, signed=not outside))

    own = (contents.NAMESPACE, webhooks.SERVICE)
    return Made(operator, prepare, {own: validation.Validator(client)}, operator.begun.wait)


def _virt_api(at: Setting) -> Made:
    from fakekube.virt.api.handler import VirtApi
    from fakekube.virt.handler.guest import VirtHandler

    handler = at.made.get("virt-handler")
    node = handler if isinstance(handler, VirtHandler) else None
    stand_ins = not at.chosen >= {"virt-controller", "virt-handler"}
    api = VirtApi(
        at.client, clock=at.clock, ids=at.ids, node=node, release=at.versions.kubevirt, stand_ins=stand_ins
    )
    return Made(api, services={("kubevirt", "virt-api"): api})


def _virt_controller(at: Setting) -> Made:
    from fakekube.virt.controller.app import VirtController

    client = at.as_account("kubevirt-controller", "virt-controller").sharing()
    return Made(VirtController(client, clock=at.clock, ids=at.ids))


def _virt_synchronization_controller(at: Setting) -> Made:
    from fakekube.virt.synchronization.app import Synchronization

    account, own = "kubevirt-synchronization-controller", "virt-synchronization-controller"
    return Made(Synchronization(at.as_account(account, own).sharing(), clock=at.clock))


def _virt_handler(at: Setting) -> Made:
    from fakekube.lifecycle.stage import PACES
    from fakekube.virt.handler.guest import VirtHandler

    client = at.as_account("kubevirt-handler", "virt-handler").sharing()
    handler = VirtHandler(
        client, clock=at.clock, ids=at.ids, contents=at.contents, pace=PACES[at.pace], stages=at.stages
    )
    return Made(handler)


def _cdi(at: Setting) -> Made:
    from fakekube.lifecycle.stage import PACES
    from fakekube.virt.cdi import admission, uploads
    from fakekube.virt.cdi.app import Cdi

    pace = PACES[at.pace]
    client = at.as_account("cdi-sa", "virt-cdi-controller", "cdi")
    cdi = Cdi(client, clock=at.clock, ids=at.ids, contents=at.contents, pace=pace, stages=at.stages)

    async def prepare() -> None:
        if "virt-operator" not in at.chosen:  # which installs CDI together with KubeVirt
            await _bring_cdi(at)
        await at.preload([uploads.api_service("cdi"), *admission.configurations("cdi")])

    services: dict[tuple[str, str], Handler] = {
        ("cdi", "cdi-api"): cdi.api,
        ("cdi", "cdi-uploadproxy"): cdi.proxy,
    }
    return Made(cdi, prepare, services)


async def _bring_cdi(at: Setting) -> None:
    from fakekube.clock import rfc3339
    from fakekube.virt.operator import contents, crds
    from fakekube.virt.operator.installing import Installer

    await at.preload(crds.of_cdi())
    installer = Installer(at.as_account("cdi-operator", "virt-cdi-operator", "cdi"), clock=at.clock)
    await installer.install_all(contents.cdi(rfc3339(at.clock.now())))


def _pool_controller(at: Setting) -> Made:
    from controller.app import PoolController

    client = at.as_account("kubevirt-controller", "virtualmachinepool-controller").sharing()
    delay, asked = _POOL_DELAY[at.pace]
    return Made(PoolController(client, clock=at.clock, ids=at.ids, reconcile_delay=delay, asked_delay=asked))


# How long the pool controller lets changes gather, and those of what pools are asked for; upstream's is a second for both.
# Never zero: `kubectl delete vm` looks again for the name it deleted, and waits for ever if a replacement of that name
# comes before its second look; and who has made a pool may replace it without a conflict if that follows at once.
_POOL_DELAY: Mapping[PaceName, tuple[float, float]] = {
    "instant": (0.2, 0.03),
    "fast": (0.5, 0.5),
    "realistic": (1.0, 1.0),
    "chaos": (0.5, 0.5),
}


SPECS = (
    ActorSpec("virt-operator", KUBEVIRT, "installs KubeVirt's and CDI's types and webhooks", _virt_operator),
    ActorSpec("virt-controller", KUBEVIRT, "turns VMs into instances and launcher pods", _virt_controller),
    ActorSpec(
        "virt-handler", KUBEVIRT, "plays nodes and guests: boots, pauses, migrates, ends", _virt_handler
    ),
    ActorSpec(
        "virt-api", KUBEVIRT, "admits and defaults KubeVirt's objects; start, stop, pause, …", _virt_api
    ),
    ActorSpec(
        "virt-synchronization-controller",
        KUBEVIRT,
        "lets guests migrate from one instance to another",
        _virt_synchronization_controller,
    ),
    ActorSpec("cdi", KUBEVIRT, "fills DataVolumes, takes uploads", _cdi),
    ActorSpec("pool-controller", KUBEVIRT, "keeps VirtualMachinePools at their size", _pool_controller),
)
