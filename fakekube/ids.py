"""Identity as a dependency: uids, name suffixes and every other random choice come from one seedable source."""

import random
import uuid

# The alphabet of upstream's name generator: no vowels and no look-alikes, so that no words appear.
# Origin: k8s: staging/src/k8s.io/apimachinery/pkg/util/rand/rand.go
_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"


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
        return str(uuid.UUID(int=self.random.getrandbits(128), version=4))

    def suffix(self, length: int = 5) -> str:
        """What the server appends to `metadata.generateName`."""
        return "".join(self.random.choices(_ALPHABET, k=length))
