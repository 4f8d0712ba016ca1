"""Tokens and the signatures that make them worth something."""

import base64

import orjson
import pytest

from fakekube.api.access import rsa, tokens

CLAIMS = {"sub": "system:serviceaccount:default:bot", "exp": 1}


def test_a_token_tells_its_claims() -> None:
    """What was signed here is read here."""
    assert tokens.read(tokens.make(CLAIMS)) == CLAIMS


@pytest.mark.parametrize(
    "spoil",
    [
        lambda head, body, signature: f"{head}.{forged()}.{signature}",
        lambda head, body, signature: f"{none()}.{body}.",
        lambda head, body, signature: f"{head}.{body}.{signature[:-8]}",
        lambda head, body, signature: f"{head}.{body}.{signature[::-1]}",
        lambda head, body, signature: f"{head}.{body}",
        lambda head, body, signature: f"{head}.{body}.é",
        lambda head, body, signature: "...",
        lambda head, body, signature: "",
    ],
)
def test_forged_tokens_are_nobody(spoil) -> None:
    """Other claims, no algorithm, half a signature: none of it is a token."""
    assert tokens.read(spoil(*tokens.make(CLAIMS).split("."))) is None


def forged() -> str:
    return _text({**CLAIMS, "sub": "system:serviceaccount:kube-system:admin"})


def none() -> str:
    return _text({"alg": "none"})


def _text(value: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).rstrip(b"=").decode()


def test_the_published_key_checks_tokens() -> None:
    """Anybody can check a token with the key set alone."""
    (key,) = tokens.public_keys()["keys"]
    number = int.from_bytes(base64.urlsafe_b64decode(key["n"] + "=" * (-len(key["n"]) % 4)))
    said, _, signature = tokens.make(CLAIMS).rpartition(".")
    public = rsa.Key(number, 0)
    assert public.verify(said.encode(), base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))


def test_keys_have_all_their_bits() -> None:
    """A modulus of 1024 bits has exactly as many, whichever primes were drawn, and what one key signs no other one does."""
    one, other = rsa.generate(), rsa.generate()
    assert one.modulus.bit_length() == other.modulus.bit_length() == 1024
    assert one.verify(b"x", one.sign(b"x"))
    assert not other.verify(b"x", one.sign(b"x"))
