"""Reading resource quantities as the scheduler counts them: CPU in thousandths of a core, all else in whole units."""

from functools import lru_cache

from fakekube.machinery import quantities

_BILLIONTHS = {"cpu": 10**6}  # in one unit of the resource; 10**9 where nothing is said


@lru_cache(maxsize=1024)
def amount(resource: str, quantity: str | float) -> int:
    """How much of `resource` a quantity is, rounded up; what is no quantity counts as nothing."""
    try:
        value, _ = quantities.parse(str(quantity).strip())
    except ValueError:
        return 0
    return -(-value // _BILLIONTHS.get(resource, 10**9))
