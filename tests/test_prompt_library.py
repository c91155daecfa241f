"""Libraries of prompts: what is found first, what is said of it, and that no path leads out."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_app import places
from agent_app.errors import PromptError, UnknownName
from agent_app.prompt import PromptEntry, check_file, list_prompts, load_prompt

BUTLER = "parts/personas/butler.md"


def put(folder: Path, path: str, text: str) -> Path:
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_the_first_library_goes_before_the_others_and_the_shadowed_are_told(tmp_path: Path) -> None:
    user, project, builtin = tmp_path / "user", tmp_path / "project", places.builtin("prompts")
    mine = put(user, "pirate.md", "---\ndescription: Mine\nversion: '2'\n---\nMine")
    theirs = put(project, "pirate.md", "Theirs")
    other = put(project, "other.md", "---\nnaem: x\n---\nOther")
    put(project, "README.md", "not a prompt, by its name")
    entries = list_prompts([user, project, tmp_path / "none", builtin])
    plain, soft, qwen = map(load_prompt, ("plain", "pirate-soft", "pirate-soft-qwen"))
    said = f"{other}:2: unknown key 'naem' in the front matter; did you mean 'name'?"
    assert entries == [
        PromptEntry("other", "", "0", other, (), problem=said),
        PromptEntry("pirate", "Mine", "2", mine, (theirs, builtin / "pirate.md")),
        PromptEntry("pirate-soft", soft.description, soft.version, builtin / "pirate-soft.md", ()),
        PromptEntry("pirate-soft-qwen", qwen.description, qwen.version, builtin / "pirate-soft-qwen.md", ()),
        PromptEntry("plain", plain.description, plain.version, builtin / "plain.md", ()),
    ]
    assert load_prompt("pirate", folders=[user, project, builtin]).render() == "Mine"


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(
        UnknownName, match=r"^unknown prompt 'pirat'; did you mean 'pirate' or 'pirate-soft'\?$"
    ):
        load_prompt("pirat")
    with pytest.raises(UnknownName, match=r"^unknown persona 'buttler'; did you mean 'butler'\?$"):
        load_prompt("pirate", persona="buttler")
    for impossible in ["a" * 300, "a" * 300 + ".md", "\0.md"]:
        with pytest.raises((UnknownName, PromptError), match=r"unknown prompt|there is no such file"):
            load_prompt(impossible)
    with pytest.raises(
        UnknownName, match=r"^unknown prompt '\.\.'; known: pirate, pirate-soft, pirate-soft-qwen, plain$"
    ):
        load_prompt("..")


def test_a_path_is_its_own_library_and_built_in_parts_are_behind_it(tmp_path: Path) -> None:
    put(tmp_path, "parts/own.md", "Own")
    text = "---\nparts:\n  own: parts/own.md\n  persona: " + BUTLER + "\n---\n{own}: {persona}"
    file = put(tmp_path, "mine.md", text)
    said = f"Own: {(places.builtin('prompts') / BUTLER).read_text().split('---')[2].strip()}"
    assert load_prompt(file).render() == said
    assert load_prompt(str(file)).render() == said
    assert load_prompt("mine", folders=[tmp_path]).render() == said
    assert check_file(file) == []
    with pytest.raises(PromptError) as caught:
        load_prompt(tmp_path / "none.md")
    assert str(caught.value) == f"{tmp_path / 'none.md'}: there is no such file"


def test_a_persona_of_the_users_own_goes_before_the_built_in_one(tmp_path: Path) -> None:
    put(tmp_path, "parts/personas/butler.md", "---\ntexts: {reminder: Begin!}\n---\nMine.")
    put(tmp_path, "parts/personas/robot.md", "---\ntexts: {reminder: Beep!}\n---\nBeep.")
    folders = [tmp_path, places.builtin("prompts")]
    for persona, beginning in [("butler", "Mine."), ("robot", "Beep."), ("noir", "Answer the following")]:
        prompt = load_prompt("pirate", folders=folders, persona=persona)
        assert prompt.render_run("q", [], "T", []).head.startswith(beginning)


def test_a_persona_that_lacks_a_text_is_an_error_at_the_slot(tmp_path: Path) -> None:
    put(tmp_path, "parts/personas/mute.md", "...")
    with pytest.raises(PromptError) as caught:
        load_prompt("pirate", folders=[tmp_path, places.builtin("prompts")], persona="mute")
    assert caught.value.file == places.builtin("prompts") / "parts/reading.md"
    assert caught.value.problem.startswith("nothing fills {reminder}")


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd.md",
        "../secret.md",
        "parts/../../secret.md",
        "C:/x.md",
        "C:x.md",
        "parts\\..\\..\\secret.md",
        "//host/share/x.md",
        "a\0.md",
    ],
)
def test_a_path_out_of_the_library_is_refused(tmp_path: Path, path: str) -> None:
    put(tmp_path, "secret.md", "secret")
    escaped = path.replace("\\", "\\\\").replace("\0", "\\0")
    file = put(tmp_path, "library/mine.md", f'---\nparts:\n  a: "{escaped}"\n---\n{{a}}')
    (problem, *_) = check_file(file)
    assert (problem.code, problem.line) == ("P011", 3)
    assert "leads out of the library" in problem.message


def test_links_that_lead_out_of_the_library_are_refused(tmp_path: Path) -> None:
    secret = put(tmp_path, "outside/secret.md", "secret")
    library = tmp_path / "library"
    file = put(library, "mine.md", "---\nparts: {a: parts/a.md}\n---\n{a}")
    (library / "parts").mkdir()
    (library / "parts" / "a.md").symlink_to(secret)
    (problem,) = check_file(file)[:1]
    assert problem.message == "a link leads out of the library"
    (library / "parts" / "a.md").unlink()
    (library / "parts").rmdir()
    (tmp_path / "outside" / "a.md").write_text("secret")
    (library / "parts").symlink_to(tmp_path / "outside")
    with pytest.raises(PromptError, match="a link leads out of the library"):
        load_prompt("mine", folders=[library])
    (library / "linked.md").symlink_to(secret)
    with pytest.raises(PromptError, match="a link leads out of the library"):
        load_prompt("linked", folders=[library])
    assert "a link leads out" in next(e for e in list_prompts([library]) if e.name == "linked").problem


def test_a_link_inside_the_library_is_followed(tmp_path: Path) -> None:
    put(tmp_path, "parts/real.md", "Real")
    (tmp_path / "parts" / "a.md").symlink_to("real.md")
    assert load_prompt(put(tmp_path, "mine.md", "---\nparts: {a: parts/a.md}\n---\n{a}")).render() == "Real"
