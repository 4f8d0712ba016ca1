"""The table of custom resources. Imported by `generate` and tests, never by a running server."""

from fakekube.virt.operator.definitions import cdi, kubevirt
from fakekube.virt.operator.definitions.definition import Definition

DEFINITIONS: tuple[Definition, ...] = (*kubevirt.DEFINITIONS, *cdi.DEFINITIONS)
