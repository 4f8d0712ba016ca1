"""RSA signatures (PKCS #1 v1.5 with SHA-256), as much as tokens need, so that nothing has to be installed for them.

Keys of 1024 bits: found in a twentieth of a second, accepted by everybody's verifiers, and gone with the process.

Origin: RFC 8017, sections 8.2 and 9.2
"""

import hashlib
import secrets
from functools import cache

from msgspec import Struct

EXPONENT = 65537
_SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")  # how a digest says which one it is
_ROUNDS = 20


class Key(Struct, frozen=True):
    """A key pair. `modulus` and EXPONENT are the public half."""

    modulus: int
    secret: int

    @property
    def size(self) -> int:
        """In bytes."""
        return (self.modulus.bit_length() + 7) // 8

    def sign(self, message: bytes) -> bytes:
        padded = int.from_bytes(self._padded(message))
        return pow(padded, self.secret, self.modulus).to_bytes(self.size)

    def verify(self, message: bytes, signature: bytes) -> bool:
        if len(signature) != self.size:
            return False
        shown = pow(int.from_bytes(signature), EXPONENT, self.modulus).to_bytes(self.size)
        return secrets.compare_digest(shown, self._padded(message))

    def _padded(self, message: bytes) -> bytes:
        digest = _SHA256 + hashlib.sha256(message).digest()
        return b"\x00\x01" + b"\xff" * (self.size - len(digest) - 3) + b"\x00" + digest


def generate(bits: int = 1024) -> Key:
    """A new key pair."""
    while True:
        p, q = _prime(bits // 2), _prime(bits // 2)
        order = (p - 1) * (q - 1)
        if p != q and order % EXPONENT:
            return Key(p * q, pow(EXPONENT, -1, order))


@cache
def _small_primes() -> list[int]:
    return [n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2))]


def _prime(bits: int) -> int:
    while True:
        found = secrets.randbits(bits) | 3 << bits - 2 | 1  # the product of two such has all its bits
        if all(found % small for small in _small_primes()) and _probably_prime(found):
            return found


def _probably_prime(number: int) -> bool:
    """Miller and Rabin's test; wrong once in 4 ** _ROUNDS."""
    odd, twos = number - 1, 0
    while not odd & 1:
        odd, twos = odd >> 1, twos + 1
    for _ in range(_ROUNDS):
        power = pow(secrets.randbelow(number - 3) + 2, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True
