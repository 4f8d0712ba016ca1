"""Stage files and texts → stages. Those of the package are read from JSON, which `generate` makes of their YAML: reading
that would be a seventh of a server's start."""

from pathlib import Path

import orjson

from fakekube.lifecycle.places import Place
from fakekube.lifecycle.reading import Kinds, Names, read
from fakekube.lifecycle.stage import Compile, Stage, StageError

_ENDINGS = (".yaml", ".yml")


def load(
    path: Path, *, names: Names = None, kinds: Kinds | None = None, cel: Compile | None = None
) -> tuple[Stage, ...]:
    """The stages of a file, or of all YAML files of a folder in the order of their names. Raises StageError.

    `names`, where given, are the names of the context that the stages may use beside `now` and `object…`; by kind, where
    they differ. `kinds` tells why a kind cannot be. `cel` compiles expressions; without, there can be none.
    """
    files = [path]
    if path.is_dir():
        files = sorted(one for one in path.iterdir() if one.suffix in _ENDINGS)
        if not files:
            raise StageError(str(path), 0, "there is no YAML file in this folder")
    found: list[Stage] = []
    for file in files:
        try:
            text = file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "not UTF-8"
            raise StageError(str(file), 0, f"cannot be read: {reason}") from None
        found += parse(text, source=str(file), names=names, kinds=kinds, cel=cel)
    return tuple(found)


def packaged(path: Path, *, names: Names = None) -> tuple[Stage, ...]:
    """The stages of a file of the package."""
    source = str(path.with_suffix(".json"))
    documents = orjson.loads(path.with_suffix(".json").read_bytes())
    return tuple(read([Place(source, "", None, one) for one in documents], source=source, names=names))


def parse(
    text: str,
    *,
    source: str = "<stages>",
    names: Names = None,
    kinds: Kinds | None = None,
    cel: Compile | None = None,
) -> tuple[Stage, ...]:
    """The stages of a text. Raises StageError."""
    from fakekube.lifecycle.yaml_documents import documents  # noqa: PLC0415 - servers start without YAML

    return tuple(read(documents(text, source), source=source, names=names, kinds=kinds, cel=cel))
