"""The hostname of a guest and of its launcher, the domains a guest looks for names in, and whom it asks.

Origin: kubevirt: pkg/network/dns/dns.go (SanitizeHostname, DomainNameWithSubdomain)
"""

from fakekube.machinery.objects import Obj, dig, name, namespace


def hostname(vmi: Obj) -> str:
    """What it says, or its name up to a dot, as long as labels of names may be."""
    return str(dig(vmi, "spec", "hostname") or name(vmi).partition(".")[0][:63].rstrip("-"))


def domain(vmi: Obj) -> str:
    """The one a subdomain makes its name part of, where the cluster's own is looked for; else none."""
    below = dig(vmi, "spec", "subdomain")
    own = f"{namespace(vmi)}.svc."
    found = next((one for one in _pods(vmi) if one.startswith(own)), "")
    return f"{below}.{found}" if below and found else ""


def searched(vmi: Obj) -> tuple[str, ...]:
    """Domains, in the order names are looked for in them."""
    found, own = _pods(vmi), domain(vmi)
    return (own, *found) if own else found


def nameservers(vmi: Obj) -> tuple[str, ...]:
    more = tuple(dig(vmi, "spec", "dnsConfig", "nameservers", default=()))
    return more if dig(vmi, "spec", "dnsPolicy") == "None" else ("10.96.0.10", *more)


def _pods(vmi: Obj) -> tuple[str, ...]:
    """Those of its pod."""
    policy = dig(vmi, "spec", "dnsPolicy", default="ClusterFirst")
    more = tuple(dig(vmi, "spec", "dnsConfig", "searches", default=()))
    clusters = (f"{namespace(vmi)}.svc.cluster.local", "svc.cluster.local", "cluster.local")
    return (*clusters, *more) if policy in ("ClusterFirst", "ClusterFirstWithHostNet") else more
