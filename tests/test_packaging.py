"""The wheel: what is in it, and that it works elsewhere without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
REPLIES = "Sum\nAction: calculator\nAction Input: 2 + 2\n---\nSo\nFinal Answer: Arg, 4\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(command, check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a fresh environment that has the wheel, and borrows its dependencies from ours."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / Path(sys.executable).name
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        str(wheel),
    ]
    subprocess.run(pip, check=True)
    ask = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (Path(packages) / "borrowed.pth").write_text("\n".join(sorted(borrowed)), encoding="utf-8")
    return python


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.partition("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"agent_app"}
    held = {name for name in names if name.startswith("agent_app/")}
    assert held == {*_files("agent_app"), *_files("prompts"), *_files("tools")}


def _files(folder: str) -> set[str]:
    """What a folder of the checkout is called in the wheel."""
    inside = "" if folder == "agent_app" else "agent_app/"
    all_there = (ROOT / folder).rglob("*")
    files = [file for file in all_there if file.is_file() and "__pycache__" not in file.parts]
    return {f"{inside}{file.relative_to(ROOT).as_posix()}" for file in files}


@pytest.mark.parametrize(
    "name",
    [
        "agent_app/py.typed",
        "agent_app/models/pinned.toml",
        "agent_app/prompt/frontmatter.schema.json",
        "agent_app/prompts/pirate.md",
        "agent_app/prompts/soft/pirate-react/adapter_model.safetensors",
        "agent_app/prompts/soft/pirate-qwen/adapter_model.safetensors",
        "agent_app/tuning/data/material/answers.yaml",
        "agent_app/prompts/parts/personas/pirate.md",
        "agent_app/tools/calculator.py",
        "agent_app/tools/_words/vocabulary.py",
    ],
)
def test_the_wheel_holds_what_is_no_module_too(name: str, wheel: Path) -> None:
    assert zipfile.ZipFile(wheel).getinfo(name)


def test_the_wheel_names_its_licence_and_the_readme(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    text = archive.read(metadata).decode()
    assert "\nLicense-Expression: Apache-2.0\n" in text
    assert text.endswith((ROOT / "README.md").read_text(encoding="utf-8"))
    assert [name for name in archive.namelist() if name.endswith(".dist-info/licenses/LICENSE")]


def run(python: Path, folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Call the installed console script from another folder."""
    script = python.with_name("agent-app.exe" if os.name == "nt" else "agent-app")
    done = subprocess.run([script, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_installed_program_is_not_that_of_the_checkout(installed: Path, tmp_path: Path) -> None:
    where = [str(installed), "-c", "import agent_app; print(agent_app.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert Path(found.strip()).is_relative_to(installed.parents[1])


def test_the_installed_program_runs_its_tools(installed: Path, tmp_path: Path) -> None:
    assert run(installed, tmp_path, "tools", "run", "calculator", "2*(3+4)") == (0, "14\n", "")


def test_the_installed_program_answers(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "replies.txt").write_text(REPLIES, encoding="utf-8")
    assert run(installed, tmp_path, "ask", "-m", "scripted:replies.txt", "2 + 2?") == (
        0,
        "Arg, 4\n",
        "Thought: Sum\nAction: calculator\nAction Input: 2 + 2\nObservation: 4\nThought: So\n",
    )
