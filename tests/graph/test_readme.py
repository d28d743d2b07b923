"""What the README shows is what the example is."""

import re
from pathlib import Path

_ROOT = Path(__file__).parents[2]
_README = (_ROOT / "README.md").read_text()
_EXAMPLE = _ROOT / "examples" / "zone"


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", _README, re.MULTILINE | re.DOTALL)


def test_the_program_and_its_tests_are_the_examples() -> None:
    program, tests = blocks("python")
    assert (_EXAMPLE / "program.py").read_text().endswith(program)
    assert (_EXAMPLE / "test_program.py").read_text().endswith(tests)


def test_the_spec_is_the_examples() -> None:
    assert blocks("yaml") == [(_EXAMPLE / "zone.yaml").read_text()]


def test_every_link_leads_somewhere() -> None:
    links = [link for link in re.findall(r"\]\(([^)]+)\)", _README) if not link.startswith("https://")]
    links = [link.partition("#")[0] for link in links]
    assert links
    assert [link for link in links if not (_ROOT / link).exists()] == []
