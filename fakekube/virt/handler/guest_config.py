"""What an instance configures its guest with: disks of ConfigMaps and the like, data for cloud-init, keys. Pure.

There is a cloud-init in every guest. It knows scripts, and of cloud-configs host names, keys, files and commands, and of network data
the addresses of interfaces.
Origin: kubevirt: pkg/cloud-init, pkg/config, pkg/virt-launcher/virtwrap/access-credentials
"""

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from fakekube.agents.node_server import mounted
from fakekube.machinery.objects import Obj, annotations, condition_is, dig, name, namespace
from fakekube.machinery.wire import Object
from fakekube.virt.handler import domain, guest_addresses, guest_programs, pci_places, systems
from fakekube.virt.handler.guest_devices import Contents, Disk
from fakekube.virt.hostname import hostname

_CLOUD_INIT = ("cloudInitNoCloud", "cloudInitConfigDrive")
_CONFIG = ("configMap", "secret", "serviceAccount", "downwardAPI", "sysprep")
_NAMES = {"user": ("userdata", "userData"), "network": ("networkdata", "networkData")}


def is_configured(vmi: Obj) -> bool:
    """Whether there is anything to be read for it."""
    kinds = {kind for volume in dig(vmi, "spec", "volumes", default=()) for kind in volume}
    return (
        not kinds.isdisjoint((*_CLOUD_INIT, *_CONFIG))
        or "accessCredentials" in (vmi.get("spec") or {})
        or bool(dig(vmi, "spec", "domain", "devices", "filesystems"))
    )


def wanted(vmi: Obj) -> Iterator[mounted.Wanted]:
    """What has to be read."""
    for volume in dig(vmi, "spec", "volumes", default=()):
        for kind in _CLOUD_INIT:
            for reference in ("secretRef", "networkDataSecretRef"):
                if found := dig(volume, kind, reference, "name"):
                    yield "secret", found
        one = mounted.named(volume.get("sysprep") or volume)
        if one[1]:
            yield one
    for credential in dig(vmi, "spec", "accessCredentials", default=()):
        if found := _secret_of(credential):
            yield "secret", found


def contents(vmi: Obj, origin: str, found: mounted.Found) -> Contents:
    """What comes of it."""
    user = systems.guest_os(vmi, origin)["id"]  # whom cloud-init looks after where its data name nobody
    disks, host, identity = {}, "", ""
    each_time, script, files, addresses = "", "", dict[str, str](), dict[str, str]()
    shared = {one.get("name") for one in dig(vmi, "spec", "domain", "devices", "filesystems", default=())}
    targets = {one.get("name"): one.get("target") for one in dig(vmi, "status", "volumeStatus", default=())}
    for volume in dig(vmi, "spec", "volumes", default=()):
        disk = _config_disk(vmi, volume, found)
        for kind in _CLOUD_INIT:
            if kind in volume:
                drive = "noCloud" if kind == _CLOUD_INIT[0] else "configDrive"
                keys = "".join(_keys(vmi, found, drive))
                data = {one: _data(volume[kind], one, found) for one in _NAMES}
                disk = _cloud_init_disk(vmi, drive, data)
                each_time, script, files, host = _played(data["user"], user, keys)
                identity, addresses = f"{_instance_id(vmi)}\n", _addresses(vmi, data["network"])
        if disk is not None and (device := targets.get(volume.get("name"))):
            disks[device] = disk
        if volume.get("name") in shared:
            disks[volume["name"]] = disk or Disk("", {})
    return Contents(
        origin,
        disks=disks,
        hostname=host,
        identity=identity,
        script=script,
        files=files,
        each_time=each_time,
        addresses=addresses,
        keys=_written_by_the_agent(vmi, found),
    )


def _config_disk(vmi: Obj, volume: Obj, found: mounted.Found) -> Disk | None:
    source = volume.get("sysprep") or volume
    kind, own = mounted.named(source)
    if own:
        label = "unattendCfg" if "sysprep" in volume else dig(source, kind, "volumeLabel") or "cfgdata"
        return Disk(label, found.get((kind, own), {}))
    if "downwardAPI" in volume:
        items = dig(volume, "downwardAPI", "fields", default=())
        return Disk(dig(volume, "downwardAPI", "volumeLabel") or "cfgdata", mounted.fields(vmi, items))
    if "serviceAccount" in volume:
        return Disk("cfgdata", {"namespace": namespace(vmi)})
    return None


def _data(source: Obj, kind: str, found: mounted.Found) -> str:
    """Plain, as base64, or in a secret."""
    if plain := source.get(f"{kind}Data"):
        return str(plain)
    if encoded := source.get(f"{kind}DataBase64"):
        return mounted.decoded(encoded)
    reference = dig(source, "secretRef" if kind == "user" else "networkDataSecretRef", "name", default="")
    kept = found.get(("secret", reference), {})
    return next((kept[one] for one in _NAMES[kind] if one in kept), "")


def _cloud_init_disk(vmi: Obj, drive: str, data: Mapping[str, str]) -> Disk:
    size = annotations(vmi).get("kubevirt.io/instancetype-name", "")
    meta: Object
    if drive == "noCloud":
        meta = {"instance-type": size, "instance-id": _instance_id(vmi), "local-hostname": hostname(vmi)}
        names, folder, label = ("meta-data", "user-data", "network-config"), "", "cidata"
    else:
        uuid = dig(vmi, "spec", "domain", "firmware", "uuid", default="")
        meta = {
            "instance_type": size,
            "instance_id": _instance_id(vmi),
            "hostname": hostname(vmi),
            "uuid": uuid,
            "devices": _tagged(vmi),
        }
        names, folder = ("meta_data.json", "user_data", "network_data.json"), "openstack/latest/"
        label = "config-2"
    told = json.dumps({key: value for key, value in meta.items() if value}, separators=(",", ":"))
    texts = (told, data["user"], data["network"])
    return Disk(label, {f"{folder}{own}": text for own, text in zip(names, texts, strict=True) if text})


def _tagged(vmi: Obj) -> list[Obj]:
    """The cards that have a tag, those of the host after the others. A host is one NUMA node: its cards are near all CPUs."""
    places, cpu = pci_places.of_interfaces(vmi), dig(vmi, "spec", "domain", "cpu", default={})
    listed = [
        one for one in dig(vmi, "spec", "domain", "devices", "interfaces", default=()) if one.get("tag")
    ]
    made = list[Obj]()
    for one in sorted(listed, key=lambda one: "sriov" in one):
        told: Object = {"type": "nic", "bus": "pci", "address": places[one["name"]]}
        if "sriov" not in one:
            told["mac"] = domain.mac_address(vmi, one)
        elif cpu.get("dedicatedCpuPlacement") and dig(cpu, "numa", "guestMappingPassthrough") is None:
            topology = domain.cpu_topology(vmi)
            told["alignedCPUs"] = [*range(topology["cores"] * topology["sockets"] * topology["threads"])]
        made.append({**told, "tags": [one["tag"]]})
    return made


def _instance_id(vmi: Obj) -> str:
    return f"{name(vmi)}.{namespace(vmi)}"


def _played(data: str, user: str, keys: str) -> tuple[str, str, dict[str, str], str]:
    """What cloud-init makes of its data: scripts that are to run each time and once, what it writes, and another host name."""
    config = _config(data)
    files = {
        one["path"]: str(one.get("content", "")) for one in _listed(config, "write_files") if "path" in one
    }
    keys += "".join(f"{one}\n" for one in _listed(config, "ssh_authorized_keys"))
    if keys:
        files[_keys_of(user)] = keys
    for one in _listed(config, "users"):
        if isinstance(one, dict) and (own := _listed(one, "ssh_authorized_keys")):
            files[_keys_of(str(one.get("name")))] = "".join(f"{key}\n" for key in own)
    if data.startswith("#!"):
        return "", data, files, ""
    each_time, once = (
        "\n".join(shlex.join(map(str, one)) if isinstance(one, list) else str(one) for one in commands)
        for commands in (_listed(config, "bootcmd"), _listed(config, "runcmd"))
    )
    return each_time, once, files, str(config.get("hostname") or config.get("fqdn") or "")


def _addresses(vmi: Obj, data: str) -> dict[str, str]:
    """What interfaces are given, each called by its name or its MAC."""
    config = _read(data)
    by_mac = {entry.get("mac"): device for device, entry in guest_addresses.devices(vmi)}
    found = {}
    for own, one in _named(_named(config, "network") or config, "ethernets").items():
        device = by_mac.get(str(dig(one, "match", "macaddress", default="")).lower(), own)
        if given := [str(address) for address in _listed(one, "addresses")]:
            found[f"{guest_addresses.GIVEN}{device}"] = "".join(
                f"{address}\n" for address in given if guest_addresses.is_given(address)
            )
    return found


def _config(data: str) -> Mapping[str, Any]:
    return _read(data) if data.startswith("#cloud-config") else {}


def _read(data: str) -> Mapping[str, Any]:
    if not data:
        return {}
    from fakekube.machinery import yaml_text  # noqa: PLC0415 - few guests are configured by hand

    try:
        found = yaml_text.load(data)
    except yaml_text.YamlError:
        return {}  # cloud-init says so in its own log, and goes on
    return found if isinstance(found, dict) else {}


def _listed(config: Any, key: str) -> list[Any]:
    found = config.get(key) if isinstance(config, dict) else None
    return found if isinstance(found, list) else []


def _named(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = config.get(key)
    return found if isinstance(found, dict) else {}


def _keys_of(user: str) -> str:
    return f"{guest_programs.home_of(user)}/.ssh/authorized_keys"


def _secret_of(credential: Obj) -> str:
    for kind in ("sshPublicKey", "userPassword"):
        if found := dig(credential, kind, "source", "secret", "secretName"):
            return str(found)
    return ""


def _keys(vmi: Obj, found: mounted.Found, way: str) -> Iterator[str]:
    """The keys that are to come in that way, a line each."""
    for credential in dig(vmi, "spec", "accessCredentials", default=()):
        if way in dig(credential, "sshPublicKey", "propagationMethod", default={}):
            kept = found.get(("secret", _secret_of(credential)), {})
            yield from (f"{key.strip()}\n" for key in kept.values())


def _written_by_the_agent(vmi: Obj, found: mounted.Found) -> dict[str, str]:
    if not condition_is(vmi, "AgentConnected"):
        return {}
    written = dict[str, str]()
    for credential in dig(vmi, "spec", "accessCredentials", default=()):
        method = dig(credential, "sshPublicKey", "propagationMethod", "qemuGuestAgent", default={})
        kept = found.get(("secret", _secret_of(credential)), {})
        for user in method.get("users") or ():
            written[_keys_of(user)] = written.get(_keys_of(user), "") + "".join(
                f"{key.strip()}\n" for key in kept.values()
            )
    return written
