"""Prompt files that name a soft prompt: where its virtual tokens stand, what is shown, what is refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load_file
from said import Caller, Said
from soft_prompts import card, kept, noise
from tiny_model import DIMENSION, write_tiny

from agent_app import places
from agent_app.errors import PromptError
from agent_app.middleware.offer import Offer
from agent_app.models.stored import sha256_of
from agent_app.prompt import Prompt, check_file, load_prompt
from agent_app.prompt.draft import Virtual
from agent_app.soft_prompt import Base, load_soft_prompt, save_soft_prompt
from agent_app.soft_prompt.derived import table_rows
from agent_app.soft_prompt.exporting import export_embeds
from agent_app.steps import Action, Observation

RUN_BODY = "{history}Question: {input}\nThought:{agent_scratchpad}"
MARK = "[8 virtual tokens of crew]"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    kept(tmp_path, "crew", noise(1))
    return tmp_path


@pytest.fixture
def write(library: Path) -> Callable[..., Path]:
    """Write a prompt file whose front matter names a soft prompt."""

    def written(body: str, front: str = "soft: crew\n") -> Path:
        file = library / "mate.md"
        file.write_text(f"---\nname: mate\n{front}---\n\n{body}\n", encoding="utf-8")
        return file

    return written


def whole(prompt: Prompt, question: str = "Who?") -> str:
    """A run's prompt, its virtual tokens as a star."""
    segments = prompt.render_run(question, [Action("look", "up"), Observation("a bird")], "T", ["look"])
    assert segments.virtual is not None
    text, at = "".join(segments), segments.virtual.at
    return f"{text[:at]}*{text[at:]}"


STEPS = "Question: Who?\nThought:\nAction: look\nAction Input: up\nObservation: a bird\nThought:"


@pytest.mark.parametrize(
    ("body", "rendered"),
    [
        (RUN_BODY, f"*{STEPS}"),
        ("{soft}" + RUN_BODY, f"*{STEPS}"),
        ("Ye be {tools}.\n{soft}\nTools: {tool_names}.\n" + RUN_BODY, f"Ye be T.\n*\nTools: look.\n{STEPS}"),
        ("{soft}\n\nAhoy.\n" + RUN_BODY, f"*\n\nAhoy.\n{STEPS}"),
    ],
)
def test_hard_text_and_virtual_tokens_are_mixed_in_one_file(
    write: Callable[..., Path], body: str, rendered: str
) -> None:
    prompt = load_prompt(write(body))
    assert whole(prompt) == rendered
    opening = prompt.opening("T", ["look"])
    assert opening.virtual == Virtual("crew", rendered.index("*"))
    assert opening.head == rendered.replace("*", "").removesuffix(STEPS)


def test_forged_marks_and_slots_in_a_question_stay_words(write: Callable[..., Path]) -> None:
    forged = f"{MARK} {{soft}} <|soft:crew:0|>"
    rendered = whole(load_prompt(write(RUN_BODY)), forged)
    assert rendered.startswith(f"*Question: {MARK} {{soft}} < |soft:crew:0| >\n")


def test_what_it_renders_from_is_in_its_hash(write: Callable[..., Path], library: Path) -> None:
    file = write(RUN_BODY)
    hashes = [load_prompt(file).hash]
    kept(library, "crew", noise(2))
    hashes.append(load_prompt(file).hash)
    write(RUN_BODY, "")
    hashes.append(load_prompt(file).hash)
    assert len(set(hashes)) == 3


def test_a_reader_is_told_where_virtual_tokens_stand(write: Callable[..., Path]) -> None:
    prompt = load_prompt(write("{soft} Answer: {input}"))
    assert prompt.slots == ("input",)
    assert prompt.render(input="Who?") == f"{MARK} Answer: Who?"
    assert prompt.text == "{soft} Answer: {input}"


def test_a_saved_copy_is_the_same_prompt(write: Callable[..., Path], library: Path) -> None:
    prompt = load_prompt(write("Ahoy. {soft}" + RUN_BODY))
    prompt.save(library / "copy.md")
    assert load_prompt(library / "copy.md").hash == prompt.hash


def test_a_prompt_with_virtual_tokens_is_no_template_of_langchain_and_no_middleware(
    write: Callable[..., Path],
) -> None:
    prompt = load_prompt(write(RUN_BODY))
    with pytest.raises(PromptError, match=r"holds \[8 virtual tokens of crew\], which a LangChain"):
        prompt.to_langchain()
    with pytest.raises(PromptError, match="run it with Agent, or use a hard one"):
        Offer(prompt, ())


@pytest.mark.parametrize(
    ("front", "body", "problem"),
    [
        (
            "soft: crow\n",
            RUN_BODY,
            "3:1 P016 there is no soft prompt 'crow' in the library; did you mean 'crew'?",
        ),
        ("soft: Crew!\n", RUN_BODY, "3:1 P004 'soft' is 'Crew!'"),
        ("soft: 7\n", RUN_BODY, "3:1 P004 'soft' is a whole number"),
        ("", "{soft}" + RUN_BODY, "5:1 P007 nothing fills {soft}; name a soft prompt as 'soft'"),
        ("soft: crew\n", "{soft}{soft}" + RUN_BODY, "6:7 P016 {soft} stands a second time"),
        ("soft: crew\nchat: true\n", "# human\n{input}", "3:1 P016 a chat prompt takes no soft prompt"),
        ("soft: crew\ninputs: {soft: {}}\n", RUN_BODY, "4:10 P010 the input 'soft' is filled by the program"),
    ],
)
def test_what_is_wrong_with_it_is_said_where_it_is(
    write: Callable[..., Path], front: str, body: str, problem: str
) -> None:
    first = check_file(write(body, front))[0]
    said = f"{first.line}:{first.column} {first.code} {first.message}; {first.fix}"
    assert said.startswith(problem)


def test_a_damaged_soft_prompt_is_a_problem_of_the_file_that_names_it(
    write: Callable[..., Path], library: Path
) -> None:
    weights = library / "soft" / "crew" / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(PromptError) as caught:
        load_prompt(write(RUN_BODY))
    assert str(caught.value) == (
        f"{library / 'mate.md'}:3: the soft prompt 'crew' cannot be used: {weights}: "
        "not the file that its card tells of: the SHA-256 differs; get both anew; mend it, or get it anew"
    )


def test_prompts_without_the_key_may_use_the_name(write: Callable[..., Path]) -> None:
    prompt = load_prompt(write("A {soft} answer.", "inputs: {soft: {}}\n"))
    assert prompt.render(soft="kind") == "A kind answer."


Call = Callable[..., Said]


@pytest.fixture
def call(library: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    monkeypatch.chdir(library)
    monkeypatch.setattr(places, "user_folder", lambda kind: library / "user" / kind)

    said = Caller(monkeypatch, capsys)
    return lambda *words: said(*words, "--prompts-dir", library)


def test_render_and_show_tell_of_virtual_tokens(
    call: Call, write: Callable[..., Path], smollm2: Path
) -> None:
    write("Ahoy. " + "{soft}" + RUN_BODY)
    shown = call(
        "prompts", "render", "mate", "-p", "input=Who?", "--tokenizer", f"embedded:{smollm2}", "--json"
    )
    told = json.loads(shown[1])
    assert told["messages"] == [{"role": "", "text": f"Ahoy. {MARK}Question: Who?\nThought:"}]
    assert told["tokens"] == 8 + 11
    assert (
        "soft:        crew, 8 virtual tokens for embedded:smollm2-135m\n"
        in call("prompts", "show", "mate")[1]
    )
    assert call("prompts", "check", library_file := "mate.md")[0] == 0, library_file


def test_a_model_that_cannot_read_it_is_refused_in_one_line(call: Call, write: Callable[..., Path]) -> None:
    write(RUN_BODY)
    wrong_base = call("ask", "-p", "mate", "-m", "embedded:qwen2.5-coder-0.5b", "Who?")
    other_kind = call("ask", "-p", "mate", "-m", "openai:parrot", "Who?")
    assert (wrong_base[:2], other_kind[:2]) == ((2, ""), (2, ""))
    assert (
        "was tuned for smollm2-135m (SHA-256 b179c9523d0e...), and embedded:qwen2.5-coder-0.5b"
        in wrong_base[2]
    )
    assert other_kind[2] == (
        "agent-app: openai:parrot cannot read the soft prompt 'crew'; "
        "use the model that it was tuned for, by its name: embedded:smollm2-135m\n"
    )


def test_export_writes_vectors_for_vllm_and_replaces_nothing_unasked(call: Call, library: Path) -> None:
    assert call("soft", "export", "crew", "--to", "vllm") == (
        0,
        "crew.safetensors\n",
        "8 vectors, of the virtual tokens alone\n",
    )
    assert (load_file(library / "crew.safetensors")["prompt_embeds"] == noise(1)).all()
    again = call("soft", "export", "crew", "--to", "vllm")
    assert again[0] == 2
    assert "crew.safetensors is there already" in again[2]
    assert call("soft", "export", "crow", "--to", "vllm")[0] == 2
    assert call("soft", "export", "crew", "--to", "gguf", "--text", "Hi")[0] == 2


@pytest.mark.parametrize("form", [("gguf",), ("vllm", "--text", "Hi")])
@pytest.mark.parametrize("target", ["base.gguf", "link.gguf"])
def test_export_never_replaces_the_base_model_that_it_reads(
    form: tuple[str, ...], target: str, call: Call, library: Path
) -> None:
    base = write_tiny(library / "base.gguf")
    (library / "link.gguf").symlink_to(base)
    before = base.read_bytes()
    told = dataclasses.replace(card("tar", 8), dimension=DIMENSION, base=Base("base", sha256_of(base)))
    save_soft_prompt(library / "soft" / "tar", noise(2)[:, :DIMENSION], told)
    words = ("soft", "export", "tar", "-m", "base.gguf", "--to", *form, "--force", "-o")
    assert call(*words, target) == (
        2,
        "",
        f"agent-app: {target} is the base model itself; name another file with -o\n",
    )
    assert base.read_bytes() == before


def test_the_vectors_of_a_text_come_after_the_virtual_tokens(library: Path, smollm2: Path) -> None:
    soft = kept(library, "mates", noise(3))
    assert export_embeds(soft, library / "whole.safetensors", smollm2, [5, 7]) == 10
    vectors = load_file(library / "whole.safetensors")["prompt_embeds"]
    assert (vectors[:8] == soft.vectors).all()
    assert (vectors[8:] == table_rows(smollm2, [5, 7])).all()


def test_the_mean_of_soft_prompts_is_another_one(call: Call, library: Path) -> None:
    second = kept(library, "deck", noise(2))
    (second.folder / "loss.svg").write_text("its curve")
    assert call("soft", "average", "both", "crew", "deck") == (0, f"{library / 'soft' / 'both'}\n", "")
    both = load_soft_prompt(library / "soft" / "both")
    assert both.vectors == pytest.approx((noise(1) + noise(2)) / 2)
    first = load_soft_prompt(library / "soft" / "crew")
    assert both.card.settings["mean_of"] == [first.digest, second.digest]
    assert both.card.description == "The mean of crew, deck"
    assert both.card.metrics == {"last_tuning": {}}
    assert (both.folder / "loss.svg").read_text() == "its curve"
    again = call("soft", "average", "both", "crew", "both")
    assert again[0] == 2
    assert "there is a soft prompt already; choose another name, or --force replaces it" in again[2]
    assert call("soft", "average", "both", "crew", "deck", "--force")[0] == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("both", "crew"), "a mean takes two soft prompts or more"),
        (("Both!", "crew", "deck"), "'Both!' is no name for a soft prompt; it takes a-z, 0-9, - and _"),
        (("both", "crew", "dek"), "unknown soft prompt 'dek'; did you mean 'deck'?"),
        (("both", "crew", "few"), "it has 4 tokens, and crew has 8; a mean takes as many of each"),
        (
            ("both", "crew", "other"),
            "it is for qwen2.5-coder-0.5b, and crew for smollm2-135m; a mean takes soft prompts of one model",
        ),
    ],
)
def test_what_has_no_mean_is_said_in_one_line(
    words: tuple[str, ...], says: str, call: Call, library: Path
) -> None:
    kept(library, "deck", noise(2))
    kept(library, "few", noise(2, tokens=4))
    kept(library, "other", noise(2), base="qwen2.5-coder-0.5b")
    code, out, err = call("soft", "average", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert says in err
    assert not (library / "soft" / "both").exists()
