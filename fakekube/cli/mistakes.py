"""Mistakes of the user: one sentence on stderr and exit code 2. Everything else is a bug and shows its traceback."""

import re
import signal
import sys
from typing import Any

import click

ENDED_BY_SIGNAL = 128
_NUMBER = re.compile(r"a valid (integer|float)( range)?")


class Mistake(click.ClickException):
    """See the module text."""

    exit_code = 2

    def show(self, file: Any = None) -> None:  # noqa: ARG002 - click's signature
        click.echo(f"fakekube: {self.format_message()}", err=True)


class Command(click.Command):
    """Knows which help to point to when an option lacks its argument, which click forgets."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise


class Group(click.Group):
    """Usage errors in our one-sentence form, with a pointer to the help."""

    command_class = Command

    def main(self, *args: Any, **kwargs: Any) -> Any:
        kwargs |= {"standalone_mode": False, "prog_name": "fakekube"}
        try:
            return super().main(*args, **kwargs)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message())
            sys.exit(0)
        except click.UsageError as error:
            text = _NUMBER.sub(_number, error.format_message().rstrip("."))
            where = error.ctx.command_path if error.ctx else "fakekube"
            click.echo(f"fakekube: {text[:1].lower()}{text[1:]}; see '{where} --help'", err=True)
            sys.exit(2)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except click.Abort:
            sys.exit(ENDED_BY_SIGNAL + signal.SIGINT)


def _number(found: re.Match[str]) -> str:
    return "a whole number" if found[1] == "integer" else "a number"
