"""`agent-app prompts test`: the tests that prompt files carry, run on a model."""

from __future__ import annotations

import dataclasses
import functools
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import click

from agent_app.cli import completing, options
from agent_app.cli.fetching import make_sure
from agent_app.cli.prompts.rendering import first_messages, tools_at_hand
from agent_app.cli.prompts.tokens import (
    Count,
    Messages,
    count_with,
    length,
    open_tokenizer,
    tokenizer_name,
    tokenizer_option,
)
from agent_app.cli.waiting import waiting
from agent_app.errors import AgentAppError, UserError
from agent_app.models.virtual import meant_by
from agent_app.prompt import Prompt, PromptTest, library_folders, list_prompts, load_prompt
from agent_app.settings import Settings
from agent_app.terminal import clean_line, stderr, stdout

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel, LanguageModelInput

    from agent_app.soft_prompt import SoftPrompt
    from agent_app.toolbox import Toolbox


Status: TypeAlias = Literal["ok", "FAIL", "ERROR"]
"""Right; not as expected; or the answer could not be had."""

_OK: Status = "ok"
_FAIL: Status = "FAIL"
_ERROR: Status = "ERROR"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one test of a prompt went."""

    prompt: Prompt
    model: str
    """The name of the model that the prompt is for, asked or not."""
    test: PromptTest
    status: Status
    reasons: tuple[str, ...]
    answer: str
    seconds: float


@click.command(short_help="Run the tests in prompt files.")
@click.argument("names", nargs=-1, shell_complete=completing.prompts)
@options.together(options.model, options.prompts_dir, options.tools_dir)
@tokenizer_option
@click.option(
    "--junit",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write JUnit XML as well.",
)
@options.yes
def test(
    names: tuple[str, ...],
    model: str | None,
    prompts_dir: Path | None,
    tools_dir: Path | None,
    tokenizer: str | None,
    junit: Path | None,
    yes: bool,
) -> None:
    """Run the tests in the prompt files NAMES, or in all prompts there are.

    A test stands under `tests` in a prompt file: an `input`, values for `inputs`, and what must be
    true of the answer: `contains`, `lacks`, `matches` (regular expressions). `max_tokens` is how long
    the prompt itself may be; a test of that alone asks no model. With the model `embedded` a prompt with a
    soft prompt is tested on the model that this was tuned for.

    \b
    Examples:
      agent-app prompts test pirate
      agent-app prompts test -m scripted:replies.txt --junit report.xml ./mine.md

    Exit codes: 0 all passed; 1 one failed or could not be run; 2 there is nothing to run; 130
    interrupted.

    Environment: AGENT_APP_MODEL and the other settings.

    See also: agent-app prompts check.
    """
    settings = options.settings(model=model, prompts_dir=prompts_dir, tools_dir=tools_dir)
    found = _tests(names, library_folders(settings.prompts_dir))
    pairs = _readable(found, settings, named=bool(names))
    runner = _Runner(settings, tokenizer)
    runner.check(pairs)  # before a model is fetched
    for prompt, case in pairs:
        if case.needs_answer:
            make_sure(settings, yes=yes, prompt=prompt)
    outcomes = []
    for prompt, case in pairs:
        outcomes.append(runner.run(prompt, case))
        for line in _lines(outcomes[-1]):
            stdout().line(clean_line(line))
    stdout().line(_summary(outcomes))
    if junit is not None:
        _write_junit(junit, outcomes)
    runner.close()
    if any(outcome.status != "ok" for outcome in outcomes):
        sys.exit(1)


def _tests(names: Sequence[str], folders: Sequence[Path]) -> list[tuple[Prompt, PromptTest]]:
    """Return the tests of the named prompts, or of all of them, each with its prompt.

    Raises:
        UserError: a prompt that is named has no tests, or none has any.
    """
    prompts = [load_prompt(name, folders=folders) for name in names or _all_names(folders)]
    for prompt in prompts if names else ():
        if not prompt.tests:
            raise UserError(f"{prompt.path}: it has no tests; write some under 'tests'")
    pairs = [(prompt, PromptTest.from_dict(entry)) for prompt in prompts for entry in prompt.tests]
    if not pairs:
        raise UserError("no prompt has tests; write some under 'tests' in a prompt file")
    return pairs


def _readable(
    pairs: list[tuple[Prompt, PromptTest]], settings: Settings, *, named: bool
) -> list[tuple[Prompt, PromptTest]]:
    """Return the tests whose soft prompt, if any, the model can read; say which are left out.

    Raises:
        UserError: the model cannot read one of a prompt that was named.
    """
    from agent_app.models import check_can_read

    kept = []
    for prompt, test in pairs:
        try:
            if prompt.soft is not None:
                check_can_read(settings.model, prompt.soft)
        except UserError as error:
            if named:
                raise
            stderr().line(clean_line(f"{prompt.name}: left out: {error}"))
        else:
            kept.append((prompt, test))
    return kept


def _all_names(folders: Sequence[Path]) -> list[str]:
    return [entry.name for entry in list_prompts(folders)]


class _Runner:
    """Runs tests; models, tools and tokenizers are loaded when a test first needs them.

    Raises:
        ModelError: the tokenizer that is named is none that is at hand.
    """

    def __init__(self, settings: Settings, tokenizer: str | None) -> None:
        self._settings, self._given = settings, tokenizer
        self._tokenizer_of("")  # so that one that is none is complained of at once
        self._models: dict[str, BaseChatModel] = {}
        self._counts: dict[str, Count] = {}
        self._soft: dict[str, dict[str, SoftPrompt]] = {}
        """By the name of the model that reads them."""

    def check(self, pairs: Sequence[tuple[Prompt, PromptTest]]) -> None:
        """Make sure that tools, and each test's values, are what they should be; no model is needed.

        Raises:
            UserError: a tool file cannot be loaded, or a value is missing or wrong.
        """
        for prompt, test in pairs:
            first_messages(prompt, self.toolbox, test.values)
            read = self._soft.setdefault(self._name_for(prompt), {})
            read |= {soft.name: soft for soft in prompt.soft_prompts}

    def run(self, prompt: Prompt, test: PromptTest) -> Outcome:
        """Run one test. What goes wrong on the way to the answer is an error of the test."""
        began = time.monotonic()
        messages = first_messages(prompt, self.toolbox, test.values)
        name = self._name_for(prompt)
        model = self.model(name) if test.needs_answer else None
        reasons = [] if test.max_tokens is None else self.too_long(prompt, messages, test.max_tokens)
        answer, status = "", _OK
        try:
            if model is not None:
                with waiting(prompt.name):
                    answer = self.answer(model, prompt, test, messages)
                reasons += test.misses(answer)
            if reasons:
                status = _FAIL
        except AgentAppError as error:
            reasons.append(str(error))
            status = _ERROR
        return Outcome(prompt, name, test, status, tuple(reasons), answer, time.monotonic() - began)

    def too_long(self, prompt: Prompt, messages: Messages, limit: int) -> list[str]:
        """Return what is wrong with the length of a prompt, if anything is."""
        tokens = length(messages, prompt, self.count(self._tokenizer_of(self._name_for(prompt))))
        return [f"the prompt has {tokens} tokens; at most {limit} are allowed"] if tokens > limit else []

    def answer(self, model: BaseChatModel, prompt: Prompt, test: PromptTest, messages: Messages) -> str:
        """Return a run's final answer, or the model's reply to a prompt that is not for runs."""
        from agent_app.agent import Agent
        from agent_app.models import explain
        from agent_app.redaction import Redactor, redacting_model

        if "agent_scratchpad" in prompt.slots:
            settings = self._settings
            agent = Agent(
                model,
                prompt,
                max_steps=settings.max_steps,
                max_seconds=settings.max_seconds,
                settings=settings,
            )
            return agent.invoke(test.values).text
        asked = redacting_model(model, Redactor.from_environment())  # as those of agents are
        try:
            return asked.invoke(
                _as_input(prompt, messages), stop=list(prompt.stop) or None, **prompt.model
            ).text
        except Exception as error:
            raise explain(error) or error from error

    def close(self) -> None:
        """Make sure that no reply of a scripted model is left over.

        Raises:
            ScriptError: one is.
        """
        from agent_app.models.scripted import ScriptedModel

        for model in self._models.values():
            if isinstance(model, ScriptedModel):
                model.assert_done()

    def model(self, name: str) -> BaseChatModel:
        """Return a model that is asked, loaded once."""
        from agent_app.models import load_model

        if name not in self._models:
            with waiting("loading"):
                soft = tuple(self._soft[name].values())
                self._models[name] = load_model(name, settings=self._settings, soft=soft)
        return self._models[name]

    @functools.cached_property
    def toolbox(self) -> Toolbox:
        """The tools at hand."""
        return tools_at_hand(self._settings)

    def count(self, tokenizer: str) -> Count:
        """Return what counts tokens as a model reads them; a model is not loaded twice."""
        if tokenizer not in self._counts:
            model = self._models.get(tokenizer)
            self._counts[tokenizer] = (
                count_with(model) if model else open_tokenizer(tokenizer, self._settings)
            )
        return self._counts[tokenizer]

    def _name_for(self, prompt: Prompt) -> str:
        return meant_by(self._settings.model, prompt.soft)

    def _tokenizer_of(self, model: str) -> str:
        return tokenizer_name(self._given, dataclasses.replace(self._settings, model=model))


def _as_input(prompt: Prompt, messages: Messages) -> LanguageModelInput:
    """Return what a model is asked with a prompt that is not for runs, its virtual tokens in their place."""
    from agent_app.models import Named, soft_message

    if prompt.soft is None:
        return [(role or "human", text) for role, text in messages]
    ((_, text),) = messages
    before, _, after = text.partition(prompt.soft.mark)
    return [soft_message([before, Named(prompt.soft.name), after])]


def _lines(outcome: Outcome) -> Iterator[str]:
    yield f"{outcome.status:<6}{outcome.prompt.name}: {outcome.test.title}"
    for reason in outcome.reasons:
        yield f"      {reason}"
    if outcome.reasons and outcome.answer:
        yield f"      the answer: {outcome.answer}"


def _summary(outcomes: Sequence[Outcome]) -> str:
    statuses = [outcome.status for outcome in outcomes]
    parts = [
        f"{statuses.count('ok')} passed",
        f"{statuses.count('FAIL')} failed",
        f"{statuses.count('ERROR')} could not be run",
    ]
    return ", ".join(part for part in parts if not part.startswith("0 "))


def _write_junit(file: Path, outcomes: Sequence[Outcome]) -> None:
    from agent_app.cli.prompts.junit import junit_xml
    from agent_app.prompt.saving import replace_file

    try:
        replace_file(file, junit_xml(outcomes))
    except OSError as error:
        raise UserError(f"{file}: cannot write the file: {error.strerror}") from error
