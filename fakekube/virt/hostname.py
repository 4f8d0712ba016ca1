"""The hostname of a guest and of its launcher.

Origin: kubevirt: pkg/util/net/dns/dns.go (SanitizeHostname)
"""

from fakekube.machinery.objects import Obj, dig, name


def hostname(vmi: Obj) -> str:
    """What it says, or its name up to a dot, as long as labels of names may be."""
    return str(dig(vmi, "spec", "hostname") or name(vmi).partition(".")[0][:63].rstrip("-"))
