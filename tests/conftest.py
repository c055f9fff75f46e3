"""Settings that all tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

# Random examples would make a red test depend on luck, and a deadline would make it depend on the machine.
settings.register_profile("ketasim", derandomize=True, deadline=None, max_examples=50)
settings.load_profile("ketasim")

#: Tests that go one after another: a browser and its server take what two processors have.
_TOGETHER = "tests/browser/"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Keep the tests in a browser in one process, from the start, and give all others to whoever is free.

    Groups by mark (``--dist loadgroup``) are lost with pytest 9.2, which no longer tells a test's group by
    its name.
    """
    from xdist.scheduler import LoadScopeScheduling

    class InTurns(LoadScopeScheduling):
        """Gives tests out one by one, those of a group to one process."""

        def _split_scope(self, nodeid: str) -> str:
            return _TOGETHER if nodeid.startswith(_TOGETHER) else nodeid

    return InTurns(config, log)
