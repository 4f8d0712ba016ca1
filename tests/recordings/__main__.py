"""Play recordings on fakekube and tell where it behaves otherwise: `python -m tests.recordings [PATH …]`.

Without a path the distilled ones are played that the tests use.
"""

import argparse
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from tests.recordings import distilled, expected, judging, reading
from tests.recordings.reading import Recording

_PATIENCE = 60  # seconds of the machine for one scenario; most take half of one


def main() -> int:
    options = _options()
    signal.signal(signal.SIGALRM, _give_up)
    recordings = [one for one in _recordings(options.paths) if options.select in one.name]
    if options.distil:
        distilled.write(options.distil, recordings)
        return 0
    entries = expected.load()
    matched = explained = 0
    for recording in recordings:
        if recording.brief:
            print(f"{recording.name}: not compared, it keeps no objects")
            continue
        begun = time.process_time()
        try:
            signal.alarm(_PATIENCE)
            verdict = judging.judge(recording, entries)
        except Exception as error:  # noqa: BLE001 - the others are to be judged all the same
            print(f"{recording.name}: could not be played: {error!r}")
            if options.verbose:
                traceback.print_exc()
            continue
        matched += not verdict.unexplained
        explained += not verdict.unexplained and bool(verdict.differences)
        known = len(verdict.differences) - len(verdict.unexplained)
        seconds = time.process_time() - begun
        print(
            f"{recording.name}: {len(verdict.unexplained)} differences, {known} explained ({seconds:.1f} s)"
        )
        if not options.quiet:
            for one in verdict.differences if options.verbose else verdict.unexplained:
                print(f"  {one}")
    compared = sum(not one.brief for one in recordings)
    print(f"{matched} of {compared} match, {explained} of them but for explained differences")
    if not options.select:
        for entry in entries:
            if not entry.used:
                print(f"explains nothing: {entry.reason}")
    return 0 if matched == compared else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.recordings", description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, help="recordings, or folders of them")
    parser.add_argument("--select", default="", help="only scenarios whose name contains this")
    parser.add_argument("-q", "--quiet", action="store_true", help="only one line for each scenario")
    parser.add_argument("-v", "--verbose", action="store_true", help="explained differences as well")
    parser.add_argument(
        "--distil", type=Path, metavar="FILE", help="write what is compared to a file instead"
    )
    return parser.parse_args()


def _recordings(paths: list[Path]) -> Iterator[Recording]:
    if not paths:
        yield from distilled.read()
    for path in paths:
        for file in sorted(path.glob("*.jsonl")) if path.is_dir() else [path]:
            yield reading.read(file)


def _give_up(*_: object) -> None:
    raise TimeoutError(f"not done within {_PATIENCE} s")


if __name__ == "__main__":
    sys.exit(main())
