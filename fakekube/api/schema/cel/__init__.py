"""The Common Expression Language as Kubernetes speaks it: text → syntax tree → checked Python closures."""

from fakekube.api.schema.cel.program import Program, compile  # noqa: A004 - it is what one does with it
from fakekube.api.schema.cel.values import CelError, CompileError, CostExceeded

__all__ = ["CelError", "CompileError", "CostExceeded", "Program", "compile"]
