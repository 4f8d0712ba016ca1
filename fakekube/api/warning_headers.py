"""What clients are warned of, as `Warning` headers: each text once, and not too much of all.

Origin: k8s: staging/src/k8s.io/apiserver/pkg/endpoints/filters/warning.go
"""

import re
from collections.abc import Iterable, Iterator

_MOST, _MOST_OF_ONE = 4 * 1024, 256  # characters
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def warning_headers(texts: Iterable[str]) -> list[tuple[str, str]]:
    """No header can hold control characters: what has some is not said."""
    told: Iterable[str] = [text for text in dict.fromkeys(texts) if text and not _CONTROL.search(text)]
    if sum(map(len, told)) > _MOST:
        told = _shortened(told)
    return [("Warning", f'299 - "{_escaped(text)}"') for text in told]


def _shortened(texts: Iterable[str]) -> Iterator[str]:
    said = 0
    for text in texts:
        if said >= _MOST:
            return
        yield text[:_MOST_OF_ONE]
        said += min(len(text), _MOST_OF_ONE)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
