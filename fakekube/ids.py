"""Identity as a dependency: uids, name suffixes and every other random choice come from one seedable source."""

import random

# The alphabet of upstream's name generator: no vowels and no look-alikes, so that no words appear.
# Origin: k8s: staging/src/k8s.io/apimachinery/pkg/util/rand/rand.go
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"

# What is random in a UUID, and the version and variant that its other bits say (RFC 9562, 5.4).
_RANDOM = (1 << 128) - 1 & ~(0xF << 76) & ~(0x3 << 62)
_VERSION_4 = 0x4 << 76 | 0x2 << 62


class Ids:
    """One source of randomness. The same seed and the same sequence of calls give the same answers.

    `since`: the revision of a store that it begins with. What is in there may bear names and uids of the same seed, so
    that the source must not begin anew.
    """

    def __init__(self, seed: int | None = None, *, since: int = 0) -> None:
        own = f"{seed} {since}" if since and seed is not None else seed
        self.random = random.Random(own)  # noqa: S311 - nothing here is a secret

    def uid(self) -> str:
        """A random (version 4) UUID as text."""
        # As `uuid.UUID` would write it, in half the time, and without loading that module.
        bits = self.random.getrandbits(128) & _RANDOM | _VERSION_4
        text = f"{bits:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def suffix(self, length: int = 5) -> str:
        """What the server appends to `metadata.generateName`."""
        return "".join(self.random.choices(_ALPHABET, k=length))
