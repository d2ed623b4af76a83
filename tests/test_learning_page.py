"""``docs/learning.md`` says what happens."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "learning.md"


def test_every_recipe_works():
    text = PAGE.read_text(encoding="utf-8").replace("```python", "").replace("```", "")
    test = doctest.DocTestParser().get_doctest(text, {}, PAGE.name, str(PAGE), 0)
    failures = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    found = runner.run(test, out=failures.append)
    assert found.attempted > 30
    assert not found.failed, "".join(failures)
