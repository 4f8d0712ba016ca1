"""SEV: sessions of guests whose memory is encrypted, as far as virt-api goes. What is asked of the host is not emulated.

Origin: kubevirt: pkg/virt-api/rest/{sev,lifecycle}.go
"""

from collections.abc import Callable, Mapping

from fakekube.client.client import Client
from fakekube.machinery.errors import ApiError, BadRequest
from fakekube.machinery.objects import condition_is, dig, name
from fakekube.machinery.resources import VIRTUAL_MACHINE_INSTANCES
from fakekube.machinery.wire import Object, Request, Response
from fakekube.virt.api.lookups import Lookups
from fakekube.virt.api.settings import Settings
from fakekube.virt.api.subresources import replies
from fakekube.virt.api.subresources.replies import INSTANCE, NOT_RUNNING, conflicting
from fakekube.virt.api.subresources.streams import Operation

_GATE = "WorkloadEncryptionSEV"
_PATH = "/spec/domain/launchSecurity/sev"

Check = Callable[[Object], None]


class Attestation:
    """`virtualmachineinstances/{name}/sev/…`, by method and subresource."""

    def __init__(self, client: Client, settings: Settings, lookups: Lookups) -> None:
        self._client = client
        self._settings = settings
        self._lookups = lookups
        self.operations: Mapping[tuple[str, str], Operation] = {
            ("GET", "sev/fetchcertchain"): self._asks(_check_placed, "SEV certificates"),
            ("GET", "sev/querylaunchmeasurement"): self._asks(_check_paused, "SEV measurements"),
            ("PUT", "sev/setupsession"): self._set_up,
            ("PUT", "sev/injectlaunchsecret"): self._inject,
        }

    def _asks(self, check: Check, what: str) -> Operation:
        """A question to the host. As of a guest's agent, every refusal of the instance is 500 with plain text."""

        async def ask(_request: Request, namespace: str, own: str) -> Response:
            await self._check_gate()
            try:
                check(await self._instance(namespace, own))
            except ApiError as error:
                return replies.plainly(error)
            raise replies.not_emulated(what)

        return ask

    async def _set_up(self, request: Request, namespace: str, own: str) -> Response:
        await self._check_gate()
        given = replies.options(request.body, "SEVSessionOptions", session="string", dhCert="string")
        for member, what in (("session", "Session blob"), ("dhCert", "DH cert")):
            if not given.get(member):
                raise BadRequest(f"{what} is required")
        vmi = await self._instance(namespace, own)
        if dig(vmi, "status", "phase") != "Scheduled":
            raise conflicting(INSTANCE, own, "VMI is not in Scheduled phase")
        sev = _requested(vmi)
        if sev.get("session") or sev.get("dhCert"):
            raise conflicting(INSTANCE, own, "Session already defined")
        operations = [
            {"op": "test", "path": _PATH, "value": sev},
            {"op": "replace", "path": _PATH, "value": {**sev, **given}},
        ]
        with replies.internally():
            await self._client.patch(VIRTUAL_MACHINE_INSTANCES, own, namespace, operations, type="json")
        return replies.empty(replies.RECORDED)

    async def _inject(self, _request: Request, namespace: str, own: str) -> Response:
        await self._check_gate()
        _check_paused(await self._instance(namespace, own))
        raise replies.not_emulated("SEV secrets")

    async def _check_gate(self) -> None:
        if not (await self._settings.current()).gate(_GATE):
            raise BadRequest(f"'{_GATE}' feature gate is not enabled")

    async def _instance(self, namespace: str, own: str) -> Object:
        return replies.found(await self._lookups.instance(namespace, own), INSTANCE, own)


def _requested(vmi: Object) -> Object:
    sev: Object = dig(vmi, "spec", "domain", "launchSecurity", "sev") or {}
    if sev.get("attestation") is None:
        raise conflicting(INSTANCE, name(vmi), "Attestation not requested for VMI")
    return sev


def _check_placed(vmi: Object) -> None:
    if dig(vmi, "status", "phase") not in ("Scheduled", "Running"):
        raise conflicting(INSTANCE, name(vmi), "VMI is not assigned to a node yet")
    _requested(vmi)


def _check_paused(vmi: Object) -> None:
    if dig(vmi, "status", "phase") != "Running":
        raise conflicting(INSTANCE, name(vmi), NOT_RUNNING)
    _requested(vmi)
    if not condition_is(vmi, "Paused"):
        raise conflicting(INSTANCE, name(vmi), "VMI is not paused")
