"""The settings: read once, in one place, documented in one file, wrong ones named."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path

import pytest

from agent_app.errors import SettingError
from agent_app.settings import Settings, endpoint, file_of, key_for, read_settings, terminal_has_colours

ROOT = Path(__file__).resolve().parents[1]


def test_nothing_set_gives_the_defaults() -> None:
    assert read_settings({}) == Settings()


def test_each_setting_has_its_variable() -> None:
    environ = {
        "AGENT_APP_MODEL": "openai:gpt-4o-mini",
        "AGENT_APP_PROMPT": "plain",
        "AGENT_APP_MAX_STEPS": "3",
        "AGENT_APP_MAX_SECONDS": "2.5",
        "AGENT_APP_MAX_TOKENS": "9000",
        "AGENT_APP_MAX_COST": "0.5",
        "AGENT_APP_PRICES": "openai:our-own=0.5,1.5",
        "AGENT_APP_MCP": "servers.json",
        "AGENT_APP_CALL_SECONDS": "10",
        "AGENT_APP_TOOL_SECONDS": "0.5",
        "AGENT_APP_ATTEMPTS": "1",
        "AGENT_APP_TOOLS_DIR": "tools here",
        "AGENT_APP_PROMPTS_DIR": "~/prompts",
        "AGENT_APP_MODEL_DIR": "/models",
        "AGENT_APP_CONTEXT": "4096",
        "AGENT_APP_THREADS": "2",
    }
    assert {variable.removeprefix("AGENT_APP_").lower() for variable in environ} == {
        field.name for field in dataclasses.fields(Settings)
    }
    assert read_settings(environ) == Settings(
        model="openai:gpt-4o-mini",
        prompt="plain",
        max_steps=3,
        max_seconds=2.5,
        max_tokens=9000,
        max_cost=0.5,
        prices="openai:our-own=0.5,1.5",
        mcp=Path("servers.json"),
        call_seconds=10,
        tool_seconds=0.5,
        attempts=1,
        tools_dir=Path("tools here"),
        prompts_dir=Path.home() / "prompts",
        model_dir=Path("/models"),
        context=4096,
        threads=2,
    )


def test_an_empty_variable_counts_as_not_set() -> None:
    assert read_settings({"AGENT_APP_MODEL": "", "AGENT_APP_THREADS": "  "}) == Settings()


def test_a_variable_that_is_none_of_ours_is_told_with_the_nearest(caplog: pytest.LogCaptureFixture) -> None:
    assert read_settings({"AGENT_APP_MODL": "x", "AGENT_APPS": "y", "AGENT_APP_THREADS": "2"}) == Settings(
        threads=2
    )
    near = "'AGENT_APP_MODEL' or 'AGENT_APP_MODEL_DIR' or 'AGENT_APP_MCP'"
    assert caplog.messages == [f"AGENT_APP_MODL is no setting; did you mean {near}?"]


@pytest.mark.parametrize("text", ["many", "0", "-1", "2.5", "nan"])
def test_a_wrong_count_is_named(text: str) -> None:
    with pytest.raises(SettingError) as caught:
        read_settings({"AGENT_APP_MAX_STEPS": text})
    assert str(caught.value) == f"AGENT_APP_MAX_STEPS is {text!r}; it takes a whole number above 0"


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan"])
def test_a_wrong_time_is_named(text: str) -> None:
    with pytest.raises(SettingError) as caught:
        read_settings({"AGENT_APP_MAX_SECONDS": text})
    assert str(caught.value) == f"AGENT_APP_MAX_SECONDS is {text!r}; it takes a number above 0"


def test_a_file_in_a_folder_above_is_read_and_the_environment_goes_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (tmp_path / ".env").write_text("AGENT_APP_MODEL=scripted:x\nAGENT_APP_PROMPT=plain\n", encoding="utf-8")
    monkeypatch.chdir(below)
    # Set and taken away again, so that what the file sets does not outlive this test.
    for variable in ("AGENT_APP_MODEL", "AGENT_APP_MODEL_DIR"):
        monkeypatch.setenv(variable, "")
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AGENT_APP_PROMPT", "pirate")
    assert read_settings() == Settings(model="scripted:x", prompt="pirate")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-16-le"])
def test_a_file_that_is_not_utf_8_is_named(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    file.write_text("AGENT_APP_MODEL=scripted:Käpt'n\n", encoding=encoding)
    monkeypatch.chdir(tmp_path)
    for read in (read_settings, lambda: file_of("PATH")):
        with pytest.raises(SettingError) as caught:
            read()
        assert str(caught.value) == f"{file}: it is not UTF-8 text; save it as UTF-8"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    file = tmp_path / ".env"
    file.touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "read_text", refuse)  # root may read anything
    with pytest.raises(SettingError, match=f"^cannot read {re.escape(str(file))}: Permission denied$"):
        read_settings()


def test_a_line_that_sets_nothing_is_told_with_its_file_and_the_others_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / ".env"
    text = "\ufeff# mine\n\nAGENT_APP_MODEL: scripted:x\nAGENT_APP_PROMPT='plain'\n\n what else\n"
    file.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AGENT_APP_PROMPT", "")  # so that it goes away after the test
    monkeypatch.delenv("AGENT_APP_PROMPT")
    assert read_settings() == Settings(prompt="plain")
    assert caplog.messages == [
        f"{file}:{line}: this line is passed over; write NAME=VALUE, or # before it" for line in (3, 6)
    ]
    assert (file_of("AGENT_APP_PROMPT"), file_of("AGENT_APP_MODEL"), len(caplog.messages)) == (file, None, 2)


def test_secrets_and_the_endpoint_are_read_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (key_for("OPENAI_API_KEY"), endpoint()) == (None, None)
    monkeypatch.setenv("OPENAI_API_KEY", "sk")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    assert (key_for("OPENAI_API_KEY"), endpoint()) == ("sk", "http://127.0.0.1:1/v1")


@pytest.mark.parametrize(
    ("environ", "has"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colours_can_be_turned_off(
    environ: dict[str, str], has: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for variable, value in environ.items():
        monkeypatch.setenv(variable, value)
    assert terminal_has_colours() is has


# --- what holds the files together -----------------------------------------------------------------


def test_the_example_file_explains_every_setting_with_its_default() -> None:
    text = (ROOT / ".env.example").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^# ([A-Z_]+)=(.*)$", text, re.MULTILINE))
    defaults = {
        f"AGENT_APP_{field.name.upper()}": str(field.default)
        for field in dataclasses.fields(Settings)
        if field.default is not None
    }
    optional = {
        f"AGENT_APP_{field.name.upper()}" for field in dataclasses.fields(Settings) if field.default is None
    }
    assert shown.keys() == {*defaults, *optional, "OPENAI_API_KEY", "OPENAI_BASE_URL"}
    assert {name: shown[name] for name in defaults} == defaults
    assert all(shown[name] for name in optional)
    explained = re.findall(r"^# (?![A-Z_]+=).+\n# ([A-Z_]+)=", text, re.MULTILINE)
    assert explained == list(shown)


def test_the_example_file_sets_nothing_and_can_be_copied_as_it_is() -> None:
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == []


def test_only_the_settings_read_the_environment() -> None:
    found = []
    for file in sorted([*(ROOT / "agent_app").rglob("*.py"), *(ROOT / "tools").rglob("*.py")]):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv"):
                found.append(f"{file.relative_to(ROOT).as_posix()}: {node.attr}")
    assert set(found) == {"agent_app/settings.py: environ"}
