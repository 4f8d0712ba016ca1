"""What is to become of a DataVolume, told by the annotation `fakekube.io/fate` on it, or on the dataVolumeTemplate it comes
from. Pure.

    takes=30s     the transfer takes so long          error    the importer fails and is restarted, for ever
    stuck         the transfer never gets on          fail     the DataVolume fails for good
    quota         its claim exceeds a quota
"""

import logging

from msgspec import Struct

from fakekube.agents.fates import ANNOTATION, seconds
from fakekube.machinery.objects import Obj, annotations

WORDS = ("fail", "error", "stuck", "quota")

log = logging.getLogger("fakekube.virt.cdi")


class Fate(Struct, frozen=True):
    """`ends`: the word that says how the transfer ends, if it is to end in another way."""

    takes: float | None = None
    ends: str = ""


NONE = Fate()


def of(volume: Obj) -> Fate:
    text = annotations(volume).get(ANNOTATION)
    return read(text) if text else NONE


def read(text: str) -> Fate:
    """The fate an annotation describes; of several ends the worst."""
    takes, words = None, set()
    for word in (part.strip() for part in text.split(",")):
        if word.startswith("takes="):
            try:
                takes = seconds(word.removeprefix("takes="))
            except ValueError:
                log.warning("annotation %s: %r is ignored; example: takes=30s", ANNOTATION, word)
        elif word in WORDS:
            words.add(word)
    return Fate(takes, next((word for word in ("quota", "fail", "error", "stuck") if word in words), ""))
