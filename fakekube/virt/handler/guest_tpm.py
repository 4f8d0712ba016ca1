"""What programs in a guest do with its TPM, and what outlives its boots: keys kept by the TPM, and variables of its firmware. Pure.

A register of the TPM is the file Linux has for it: it is kept until the guest boots again, wherever that is. What is kept longer lies
in folders that are devices of their own (`mounts`); whoever keeps those keeps it. Nothing is encrypted.
"""

from collections.abc import Mapping

from fakekube.agents.node_server.place import Container, Done, Program, failed, options
from fakekube.machinery import digits
from fakekube.machinery.objects import Obj, dig

DEVICES = ("/dev/tpm0", "/dev/tpmrm0")
KEYS, VARIABLES = "swtpm", "nvram"  # devices, and folders of the claim that outlives the guest
_MOUNTED = {KEYS: "/sys/class/tpm/tpm0/persistent", VARIABLES: "/sys/firmware/efi/efivars"}
_REGISTERS = "/sys/class/tpm/tpm0/pcr-sha256"
_EMPTY = "0" * 64
_SEALED = "sealed:"
_VALUED = (
    *("hierarchy", "key-context", "hash-algorithm", "public", "private", "sealing-input", "parent-context"),
    *("name", "object-context"),
)


def devices(vmi: Obj) -> tuple[str, ...]:
    """Those it has."""
    domain = dig(vmi, "spec", "domain", default={})
    tpm, efi = dig(domain, "devices", "tpm"), dig(domain, "firmware", "bootloader", "efi")
    has_tpm = tpm is not None and tpm.get("enabled") is not False
    return (*((KEYS,) if has_tpm else ()), *((VARIABLES,) if efi is not None else ()))


def persistent(vmi: Obj) -> tuple[str, ...]:
    """Those of them that outlive it."""
    domain = dig(vmi, "spec", "domain", default={})
    wanted = {
        KEYS: dig(domain, "devices", "tpm", "persistent"),
        VARIABLES: dig(domain, "firmware", "bootloader", "efi", "persistent"),
    }
    return tuple(one for one in devices(vmi) if wanted[one])


def mounts(found: tuple[str, ...]) -> Mapping[str, str]:
    """Devices by the folders they are found in from the start."""
    return {_MOUNTED[one]: one for one in found}


def files(found: tuple[str, ...]) -> dict[str, str]:
    made = dict.fromkeys(DEVICES, "") if KEYS in found else {}
    return {**made, **({"/sys/firmware/efi/fw_platform_size": "64\n"} if VARIABLES in found else {})}


# --- registers ---------------------------------------------------------------------------------------------------


def _read(at: Container, words: list[str], _stdin: str) -> Done:
    _, _, listed = (words[-1] if words else "sha256:0").partition(":")
    rows = (f"    {one:<2}: 0x{_register(at, one).upper()}\n" for one in listed.split(","))
    return Done("  sha256:\n" + "".join(rows))


def _extended(at: Container, words: list[str], _stdin: str) -> Done:
    from hashlib import sha256  # noqa: PLC0415 - few guests are asked

    number, _, digest = (words[-1] if words else "").partition(":sha256=")
    try:
        added = bytes.fromhex(digest)
    except ValueError:
        added = b""
    if digits.number(number) is None or len(added) != len(_EMPTY) // 2:
        return failed("ERROR: Unable to run tpm2_pcrextend")
    value = sha256(bytes.fromhex(_register(at, number)) + added).hexdigest()
    return Done(wrote={f"{_REGISTERS}/{number}": f"{value}\n"})


def _register(at: Container, number: str) -> str:
    return at.files.get(f"{_REGISTERS}/{number}", _EMPTY).strip()


# --- what is sealed ----------------------------------------------------------------------------------------------


def _primary(at: Container, words: list[str], _stdin: str) -> Done:
    given, _ = options(words, "CcgG", _VALUED)
    return _wrote(at, {given.get("key-context") or given.get("c", ""): "primary\n"})


def _created(at: Container, words: list[str], stdin: str) -> Done:
    given, _ = options(words, "CgGurica", _VALUED)
    named = given.get("sealing-input") or given.get("i", "")
    data = stdin if named == "-" else at.files.get(at.path(named), "")
    public, private = given.get("public") or given.get("u", ""), given.get("private") or given.get("r", "")
    return _wrote(at, {public: "public\n", private: f"{_SEALED}{data}"})


def _loaded(at: Container, words: list[str], _stdin: str) -> Done:
    given, _ = options(words, "Curnc", _VALUED)
    private = at.files.get(at.path(given.get("private") or given.get("r", "")))
    if private is None:
        return failed("ERROR: Unable to run tpm2_load")
    return _wrote(
        at,
        {
            given.get("name") or given.get("n", ""): "name\n",
            given.get("key-context") or given.get("c", ""): private,
        },
    )


def _evicted(at: Container, words: list[str], _stdin: str) -> Done:
    """Keeps an object under a handle, or forgets what is kept there."""
    given, named = options(words, "Cc", _VALUED)
    own = given.get("object-context") or given.get("c", "")
    handle = (named or [own])[-1]
    kept, data = f"{_MOUNTED[KEYS]}/{handle}", at.files.get(at.path(own))
    if own == handle and kept in at.files:
        return Done(f"persistent-handle: {handle}\naction: evicted\n", wrote={kept: None})
    if data is None or own == handle or kept in at.files:
        return failed("ERROR: Unable to run tpm2_evictcontrol")
    return Done(f"persistent-handle: {handle}\naction: persisted\n", wrote={kept: data})


def _unsealed(at: Container, words: list[str], _stdin: str) -> Done:
    given, _ = options(words, "cpo", _VALUED)
    own = given.get("object-context") or given.get("c", "")
    data = at.files.get(f"{_MOUNTED[KEYS]}/{own}", at.files.get(at.path(own), ""))
    if not data.startswith(_SEALED):
        return failed("ERROR: Unable to run tpm2_unseal")
    return Done(data.removeprefix(_SEALED))


def _wrote(at: Container, files: Mapping[str, str]) -> Done:
    return Done(wrote={at.path(own): text for own, text in files.items() if own})


def _with_tpm(program: Program) -> Program:
    return lambda at, words, stdin: program(at, words, stdin) if DEVICES[0] in at.files else _NO_TPM


_NO_TPM = failed(
    "ERROR:tcti:src/tss2-tcti/tcti-device.c: Failed to open specified TCTI device file /dev/tpmrm0"
)

PROGRAMS: Mapping[str, Program] = {
    own: _with_tpm(program)
    for own, program in {
        "tpm2_create": _created,
        "tpm2_createprimary": _primary,
        "tpm2_evictcontrol": _evicted,
        "tpm2_load": _loaded,
        "tpm2_pcrextend": _extended,
        "tpm2_pcrread": _read,
        "tpm2_unseal": _unsealed,
    }.items()
}
