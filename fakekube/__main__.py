"""`python -m fakekube`, and the command `fakekube`: sees to it that what happens before anything can answer for it ends quietly."""

import os
import signal
import sys


def main() -> None:
    ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if ours:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C among imports is an end, and no traceback
    _take_streams()
    from fakekube.cli import main as command  # noqa: PLC0415 - see above

    if ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    command()


def _take_streams() -> None:
    """Streams that whoever started us has closed lead nowhere; a socket in their place would be written to, or end the process."""
    while (free := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(free)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123 - for as long as the process lasts


if __name__ == "__main__":
    main()
