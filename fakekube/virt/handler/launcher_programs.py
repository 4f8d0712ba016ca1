"""What a launcher's `compute` container has beside a shell: its processes, `virsh` for its guest, what kills them, and its network. Pure.

Acts are told, and others carry them out: `crash` ends the guest as if QEMU had died, `respawn` has virtqemud begin anew.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from msgspec.structs import replace

from fakekube.agents.node_server.place import Container, Done, Program, failed
from fakekube.machinery import digits
from fakekube.machinery.objects import Obj, dig
from fakekube.virt.handler import domain, domain_xml, guest_programs, host_devices, launcher_network

CRASH, RESPAWN = "crash", "respawn"
_QEMU = "/usr/libexec/qemu-kvm"
_VERSION = "11.0.0"
_EMULATED = "--allow-emulation"  # asked of launchers that have no KVM


def compute(
    container: Container,
    pod: Obj,
    vmi: Obj | None,
    *,
    respawned: int = 0,
    permitted: Obj | None = None,
    claimed: Sequence[host_devices.Device] = (),
    smbios: Mapping[str, str] | None = None,
) -> Container:
    """The container, with what is its own. `vmi`: the guest, where it lives in this launcher now. `permitted`: devices of hosts;
    `claimed`: those by resource claims; `smbios`: what the cluster has firmware say."""
    given = host_devices.Given()
    if vmi is not None:
        given = host_devices.given(pod, vmi, permitted or {}, claimed)
    processes = {
        1: "/usr/bin/virt-launcher-monitor",
        12: "/usr/bin/virt-launcher",
        22 + 100 * respawned: "/usr/sbin/virtqemud -f /var/run/libvirt/virtqemud.conf",
        23: "/usr/sbin/virtlogd -f /etc/libvirt/virtlogd.conf",
    }
    if vmi is not None:
        processes[79] = f"{_QEMU} -name guest={domain_xml.domain_name(vmi)},debug-threads=on"
    files = {"/proc/cpuinfo": guest_programs.cpuinfo(8)}
    for number, line in processes.items():
        program = line.partition(" ")[0].rpartition("/")[2]
        files[f"/proc/{number}/comm"] = f"{program[:15]}\n"
        files[f"/proc/{number}/cmdline"] = line.replace(" ", "\0")
    if vmi is not None:
        files |= _groups(vmi)
    links = launcher_network.links(vmi) if vmi is not None else ()
    files |= launcher_network.files(links)
    emulated = _EMULATED in container.processes[1]
    dumped = partial(domain_xml.dumped, emulated=emulated, given=given, smbios=smbios)
    own = {
        **container.programs,
        **launcher_network.programs(links),
        **_programs(vmi, processes, {**_OF_DOMAIN, "dumpxml": dumped}),
    }
    return replace(
        container,
        environment={**container.environment, **host_devices.variables(given.devices)},
        files={**container.files, **files},
        processes=processes,
        programs=own,
        user="root" if dig(pod, "spec", "securityContext", "runAsUser") == 0 else "qemu",
    )


def _groups(vmi: Obj) -> dict[str, str]:
    """Its control group: the guest's memory is used, and CPUs are its own where it has some."""
    made = {"/sys/fs/cgroup/memory.current": f"{domain_xml.kibibytes(vmi) * 1024}\n"}
    if cpus := domain.own_cpus(vmi):
        last = cpus[-1]
        made["/sys/fs/cgroup/cpuset.cpus.effective"] = f"0-{last}\n" if last else "0\n"
        made["/sys/fs/cgroup/cpuset.cpus"] = made["/sys/fs/cgroup/cpuset.cpus.effective"]
    return made


def _programs(
    vmi: Obj | None, processes: Mapping[int, str], of_domain: Mapping[str, Callable[[Obj], str]]
) -> Mapping[str, Program]:
    def named(words: list[str]) -> list[int]:
        """Processes by the names that are given: a part of the name does for pgrep and pkill."""
        wanted = [word for word in words if not word.startswith("-") and not word.isdigit()]
        return [number for number, line in processes.items() if any(one in line for one in wanted)]

    def ended(numbers: list[int], *, gentle: bool = False) -> Done:
        if not numbers:
            return Done(code=1)
        lines = " ".join(processes.get(number, "") for number in numbers)
        if gentle:
            return Done()
        return Done(act=CRASH if _QEMU in lines or "virt-launcher" in lines else RESPAWN)

    def kill(_at: Container, words: list[str], _stdin: str) -> Done:
        numbers = [
            number for number in map(digits.number, words) if number is not None and number in processes
        ]
        if not numbers:
            return failed(f"kill: can't kill pid {words[-1] if words else ''}: No such process")
        return ended(numbers, gentle=any(word in ("-0", "-CONT", "-STOP") for word in words))

    def by_name(_at: Container, words: list[str], _stdin: str) -> Done:
        return ended(named(words), gentle="-0" in words)

    def pgrep(_at: Container, words: list[str], _stdin: str) -> Done:
        numbers = named(words)
        return Done("".join(f"{one}\n" for one in numbers), code=0 if numbers else 1)

    return {
        "kill": kill,
        "killall": by_name,
        "pkill": by_name,
        "pgrep": pgrep,
        "virsh": lambda _at, words, _stdin: _virsh(vmi, words, of_domain),
    }


def _virsh(vmi: Obj | None, words: list[str], of_domain: Mapping[str, Callable[[Obj], str]]) -> Done:
    rest, quiet = list[str](), False
    given = iter(words)
    for word in given:
        if word in ("-c", "--connect"):
            next(given, "")
        elif word in ("-q", "--quiet"):
            quiet = True
        elif word not in ("-r", "--readonly"):
            rest.append(word)
    if not rest:
        return failed("error: no command given")
    verb, *arguments = rest
    if verb in ("list", "version", "uri"):
        return _HOST[verb](vmi, [*arguments, *(["--quiet"] if quiet else [])])
    told = of_domain.get(verb)
    if told is None:
        return failed(f"error: unknown command: '{verb}'")
    wanted = next((one for one in arguments if not one.startswith("-")), "")
    if vmi is None or wanted not in ("1", domain_xml.domain_name(vmi), domain_xml.identity(vmi)):
        return failed(
            f"error: failed to get domain '{wanted}'\nerror: Domain not found: no domain with matching name '{wanted}'"
        )
    return Done(f"{told(vmi)}\n" if not told(vmi).endswith("\n") else told(vmi))


def _list(vmi: Obj | None, arguments: list[str]) -> Done:
    own = domain_xml.domain_name(vmi) if vmi is not None else ""
    if "--name" in arguments:
        return Done(f"{own}\n\n" if own else "\n")
    if "--uuid" in arguments:
        return Done(f"{domain_xml.identity(vmi)}\n\n" if vmi is not None else "\n")
    row = f" 1    {own}   {domain_xml.state(vmi)}\n" if vmi is not None else ""
    if "--quiet" in arguments:
        return Done(row)
    return Done(f" Id   Name   State\n{'-' * 24}\n{row}\n")


_HOST: Mapping[str, Callable[[Obj | None, list[str]], Done]] = {
    "list": _list,
    "uri": lambda _vmi, _arguments: Done("qemu:///session\n"),
    "version": lambda _vmi, _arguments: Done(
        f"Compiled against library: libvirt {_VERSION}\nUsing library: libvirt {_VERSION}\n"
        f"Using API: QEMU {_VERSION}\nRunning hypervisor: QEMU 10.0.0\n"
    ),
}


def _info(vmi: Obj) -> str:
    topology = domain.cpu_topology(vmi)
    entries = {
        "Id": "1",
        "Name": domain_xml.domain_name(vmi),
        "UUID": domain_xml.identity(vmi),
        "OS Type": "hvm",
        "State": domain_xml.state(vmi),
        "CPU(s)": str(topology["cores"] * topology["sockets"] * topology["threads"]),
        "Max memory": f"{domain_xml.kibibytes(vmi)} KiB",
        "Used memory": f"{domain_xml.kibibytes(vmi)} KiB",
        "Persistent": "yes",
        "Autostart": "disable",
    }
    return "".join(f"{f'{key}:':<15} {text}\n" for key, text in entries.items())


def _disks(vmi: Obj) -> str:
    rows = [
        f" {one['target']:<8} {one['name']}\n"
        for one in dig(vmi, "status", "volumeStatus", default=())
        if one.get("target")
    ]
    return f" Target   Source\n{'-' * 24}\n" + "".join(rows)


_OF_DOMAIN: Mapping[str, Callable[[Obj], str]] = {
    "checkpoint-list": lambda _vmi: "",
    "domblklist": _disks,
    "domid": lambda _vmi: "1\n",
    "dominfo": _info,
    "domjobinfo": lambda _vmi: "Job type:         None\n",
    "dommemstat": lambda vmi: f"actual {domain_xml.kibibytes(vmi)}\nrss {domain_xml.kibibytes(vmi)}\n",
    "domname": domain_xml.domain_name,
    "domstate": lambda vmi: f"{domain_xml.state(vmi)}\n",
    "domuuid": domain_xml.identity,
}
