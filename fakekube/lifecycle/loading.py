"""Stage files and texts → stages. Apart from the stages themselves, so that who only plays them never imports YAML."""

from pathlib import Path

from fakekube.lifecycle.reading import read
from fakekube.lifecycle.stage import Stage


def load(path: Path, *, names: frozenset[str] | None = None) -> tuple[Stage, ...]:
    """The stages of a file, or of all `.yaml` files of a folder in the order of their names. Raises StageError.

    `names`, where given, are the names of the context that the stages may use beside `now` and `object…`.
    """
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    stages = [stage for file in files for stage in read(file.read_text(), source=str(file), names=names)]
    return tuple(stages)


def parse(text: str, *, source: str = "<stages>", names: frozenset[str] | None = None) -> tuple[Stage, ...]:
    """The stages of a text. Raises StageError."""
    return tuple(read(text, source=source, names=names))
