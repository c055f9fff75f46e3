"""Settings that all tests share."""

from __future__ import annotations

from hypothesis import settings

# Random examples would make a red test depend on luck, and a deadline would make it depend on the machine.
settings.register_profile("ketasim", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("ketasim")
