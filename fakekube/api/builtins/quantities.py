"""Where quantities used to be; they are values both sides speak: `fakekube.machinery.quantities`."""

from fakekube.machinery.quantities import MUST_MATCH, canonical, parse, render

__all__ = ["MUST_MATCH", "canonical", "parse", "render"]
