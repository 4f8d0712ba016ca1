"""Turns the stage files of the package into JSON: `python -m fakekube.lifecycle.generate` rewrites what lies beside them."""

import sys
from pathlib import Path

import orjson

from fakekube.lifecycle.yaml_documents import documents

PACKAGE = Path(__file__).parent.parent


def files() -> dict[Path, bytes]:
    """What is to be in each JSON file."""
    return {path.with_suffix(".json"): _json(path) for path in sorted(PACKAGE.glob("**/stages/*.yaml"))}


def _json(path: Path) -> bytes:
    values = [one.value for one in documents(path.read_text(), str(path)) if one.value is not None]
    return orjson.dumps(values) + b"\n"


def main() -> None:
    """Write all of them."""
    wanted = files()
    for path, text in wanted.items():
        path.write_bytes(text)
    sys.stdout.write(f"{len(wanted)} files, {sum(map(len, wanted.values()))} bytes\n")


if __name__ == "__main__":
    main()
