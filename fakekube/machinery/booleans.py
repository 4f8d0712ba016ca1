"""Booleans written as texts.

Origin: go: strconv.ParseBool
"""

TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})  # whatever is in neither is no boolean
