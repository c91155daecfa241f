"""The guide to testing is true: its files, put into a folder, are tests that pass."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import strictness

from agent_app import testing

ROOT = Path(__file__).resolve().parents[1]
GUIDE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"^```python\n# (\S+\.py)\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL))


def test_its_files_are_tests_that_pass(tmp_path: Path) -> None:
    assert list(FILES) == ["test_my_tools.py", "conftest.py", "test_my_client.py"]
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    options = ["-q", *strictness.OPTIONS, "-p", "no:asyncio"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "--rootdir", tmp_path, tmp_path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert re.match(r"\.\. +\[100%\]\n2 passed in ", done.stdout)


def test_it_speaks_of_everything_that_can_stand_in_a_script() -> None:
    kinds = {*testing.Reply.__subclasses__(), *testing.Behaviour.__args__} - {testing.Reply}
    assert [kind.__name__ for kind in kinds if f"`{kind.__name__}(" not in GUIDE] == []
