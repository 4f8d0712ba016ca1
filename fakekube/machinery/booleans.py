"""Booleans written as texts.

Origin: go: strconv.ParseBool
"""

TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})  # and nothing else
