"""No test goes by the wall clock: how long a drawn example takes depends on who else uses the machine."""

from hypothesis import settings

settings.register_profile("untimed", settings.default, deadline=None)
settings.load_profile("untimed")
