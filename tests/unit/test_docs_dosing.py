"""Every example of the guide to dosing runs, and gives what the guide shows."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "dosing.md"


def test_the_examples_of_the_guide_give_what_it_shows() -> None:
    blocks = re.findall(r"^```pycon\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    examples = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, GUIDE.name, str(GUIDE), 0)
    said: list[str] = []
    found = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(examples, out=said.append)
    assert found.failed == 0, "".join(said)
    # Fewer would mean that the blocks were not found.
    assert found.attempted > 20
