"""Makes rows from templates, and really runs the tools for them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from random import Random

from agent_app.errors import DataError, suggest
from agent_app.history import Turn
from agent_app.steps import Action, Answer, Step
from agent_app.tuning.data.copying import in_its_order, in_its_words
from agent_app.tuning.data.material import Material, Template, material, thoughts
from agent_app.tuning.data.numbers import FIRST_DAY, LAST_DAY, asides, numbers, with_other_digits
from agent_app.tuning.data.recording import TOOLS, Recorder, SearchResult
from agent_app.tuning.data.registers import framed, in_one_wording, in_small_letters, with_slip
from agent_app.tuning.data.rows import PARTS, Part, Row
from agent_app.tuning.data.thinking import thought_before

FEWEST = 20
"""Rows to tune on; with fewer nothing is learnt."""
_SHARES = {"train": 1.0, "dev": 0.1, "test": 0.16}
_IN_A_CHAT = 0.08
"""The share of rows that come after earlier turns of a conversation."""
_AGAIN = 5
"""How often a question may come in the rows to tune on, each time with other luck; elsewhere once."""
_PATIENCE = 400
_ALIKE = 0.4
"""How often the other results of a search are of things that begin as the one asked for does."""
_BESIDE = 0.35
"""How often another result of a search is of the very thing that is asked for, and tells something else."""
_FIRST = 0.4
"""How often the first result holds the fact because it is the first one."""

_WEIGHTS = {
    "calculator/plain": 11,
    "calculator/brackets": 9,
    "calculator/percent": 7,
    "calculator/parts": 7,
    "calculator/powers": 6,
    "calculator/story": 32,
    "calculator/words": 5,
    "calculator/units": 6,
    "calculator/two sums": 8,
    "calculator/second try": 2.3,
    "calculator/no result": 0.7,
    "clock/time": 5,
    "clock/date": 4.5,
    "clock/weekday": 4,
    "clock/year": 2,
    "clock/place": 4.5,
    "clock/day of a date": 3.5,
    "clock/between": 5,
    "clock/shift": 5,
    "clock/nowhere": 0.5,
    "none/greetings": 5,
    "none/thanks": 5,
    "none/persona": 7,
    "none/opinions": 11,
    "none/knowledge": 9,
    "web_search/search and reckon": 6,
    "web_search/search and count": 2,
    "web_search/search and buy": 2,
    "web_search/search and subtract": 3,
    "web_search/search and reckon years": 1.5,
    "web_search/search and weekday": 3,
    "web_search/found nothing": 2.5,
}
_OF_A_TOPIC = 2.6
"""The weight of each topic of the web search."""


def make_rows(rows: int, *, seed: int = 0, tools: Iterable[str] = TOOLS) -> list[Row]:
    """Make rows of all three parts.

    The same arguments make the same rows.

    Args:
        rows: how many to tune on; a tenth of that more to stop the tuning by, and 16 % more to measure on.
        seed: of the luck.
        tools: which tools there are; questions that need none are always among the rows.

    Raises:
        DataError: that is too few rows, or more than there are different questions; or no such tool.
    """
    names = tuple(dict.fromkeys(tools))
    for name in names:
        if name not in TOOLS:
            raise DataError(
                f"rows can be made for {', '.join(TOOLS)}, not for {name!r}; {suggest(name, TOOLS)}"
            )
    if rows < FEWEST:
        raise DataError(f"{rows} rows are too few to tune on; make at least {FEWEST}")
    recorder = Recorder(names)
    made: list[Row] = []
    for part in PARTS:
        maker = _Maker(part, names, recorder, Random(f"{seed} {part}"))  # noqa: S311
        others = frozenset(_as_asked(row) for row in made)
        made += maker.rows(round(rows * _SHARES[part]), others)
    return made


def _as_asked(row: Row) -> str:
    """Return a row's question as far as it tells it from others, whatever its case and its last mark."""
    return row.question.casefold().rstrip("?.! ")


def _impossible(row: Row) -> bool:
    """Return whether a story ends with less than nothing."""
    return row.kind == "calculator/story" and row.values[0].startswith("-")


def _alike(one: str, other: str) -> int:
    """Return how many letters two texts begin with that are the same."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))


class _Maker:
    """Makes the rows of one part."""

    def __init__(self, part: Part, tools: Sequence[str], recorder: Recorder, random: Random) -> None:
        self._part, self._recorder, self._random = part, recorder, random
        self._material: Material = material(part)
        self._kinds = [k for k, ts in self._material.templates.items() if set(ts[0].moves) <= set(tools)]
        self._weights = [_WEIGHTS.get(kind, _OF_A_TOPIC) for kind in self._kinds]

    def rows(self, many: int, others: Collection[str] = ()) -> Iterator[Row]:
        """Make that many rows, none with one of the other parts' questions.

        Raises:
            DataError: there are not so many different questions.
        """
        seen: dict[str, int] = {}
        misses = number = 0
        while number < many:
            kind = self._random.choices(self._kinds, self._weights)[0]
            template = self._random.choice(self._material.templates[kind])
            turns = self._turns() if self._random.random() < _IN_A_CHAT else ()
            row = replace(self._row(template, f"{self._part}-{number}"), turns=turns)
            times = seen.get(row.question, 0)
            again = times >= (_AGAIN if self._part == "train" else 1)
            if again or _impossible(row) or _as_asked(row) in others:
                misses += 1
                if misses > _PATIENCE:
                    raise DataError(
                        f"only {number} different rows were found for {self._part!r}; ask for fewer"
                    )
                continue
            seen[row.question], misses, number = times + 1, 0, number + 1
            yield row

    def _turns(self) -> tuple[Turn, ...]:
        """Return one or two other questions with their answers."""
        turns = []
        for _ in range(self._random.randint(1, 2)):
            kind = self._random.choices(self._kinds, self._weights)[0]
            row = self._row(self._random.choice(self._material.templates[kind]), "earlier")
            turns.append(Turn(row.question, row.answer.text))
        return tuple(turns)

    def _row(self, template: Template, name: str) -> Row:
        slots = self._slots(template)
        question, query, asked = self._asked(template, slots)
        found = self._found(template, slots)
        self._recorder.begin(self._moment(), found)
        inputs = [*([query] if query else []), *(text.format(**asked) for text in template.inputs)]
        steps: list[Step] = []
        texts = []
        for tool, given in zip(template.moves, inputs, strict=True):
            given = in_its_words(question, tool, given, self._recorder)
            thought = thought_before(tool, given, question)
            if tool == "calculator" and given not in question:
                given = in_its_order(question, given)
            action = Action(tool, given, thought)
            observation = self._recorder.run(action)
            steps += [action, observation]
            texts.append(observation.text)
        values = self._values(template, slots, texts)
        steps.append(self._answer(template, slots, values))
        accepts = tuple(inputs[1:]) if template.kind.endswith("second try") else ()
        return Row(name, template.kind, template.id, self._part, question, tuple(steps), values, accepts)

    def _slots(self, template: Template) -> dict[str, str]:
        slots = numbers(self._random, " ".join(template.inputs))
        slots |= {name: self._random.choice(values) for name, values in self._material.words.items()}
        if template.topic is not None:
            fact = self._random.choice(self._facts(template.topic))
            slots["x"], slots["v"] = self._told(template.topic, *fact)
            found = re.search(r"\d[\d,.]*", slots["v"])
            slots["d"] = found[0] if found else ""
        return slots

    def _asked(self, template: Template, slots: dict[str, str]) -> tuple[str, str, dict[str, str]]:
        """Return a question as somebody might ask it, the query in it, and the slots as they stand in it."""
        text, luck = in_one_wording(template.text, self._random), self._random.random()
        if luck < 0.08:
            text = with_slip(text, self._random)
        question = text.format(**slots)
        if 0.08 <= luck < 0.3:
            question = in_small_letters(question)
            slots = {name: value if name == "v" else value.lower() for name, value in slots.items()}
        found = re.search("<(.*)>", question)
        question = re.sub("<(.*)>", r"\1", question)
        query = found[1] if found else question.rstrip("?.! ")
        if 0.3 <= luck < 0.5 and template.moves:
            question = framed(question, self._material.frames, self._random)
        return question, query if template.moves[:1] == ("web_search",) else "", slots

    def _moment(self) -> datetime:
        """Draw the moment at which the question is asked, in some zone of whole hours."""
        zone = timezone(timedelta(hours=self._random.randint(-8, 10)))
        day = FIRST_DAY + timedelta(days=self._random.randrange((LAST_DAY - FIRST_DAY).days))
        seconds = self._random.randrange(24 * 60 * 60)
        return datetime(day.year, day.month, day.day, tzinfo=zone) + timedelta(seconds=seconds)

    def _found(self, template: Template, slots: dict[str, str]) -> list[list[SearchResult]]:
        if template.topic is None:
            return []
        results = self._results(template.topic, slots)
        return [[], results] if template.moves.count("web_search") == 2 else [results]

    def _results(self, topic: str, slots: dict[str, str]) -> list[SearchResult]:
        """Draw some results: one holds the fact, often the first; the others tell of something else."""
        random, x = self._random, slots["x"]
        many = random.choices((1, 2, 3, 4, 5), (2, 4, 4, 2, 1))[0]
        others = self._others(topic, x, slots["v"])
        random.shuffle(others)
        if random.random() < _ALIKE:
            others.sort(key=lambda other: _alike(x, other[0]), reverse=True)
        told = [
            self._beside(topic, x, slots["v"]) if random.random() < _BESIDE else self._result(topic, *other)
            for other in others[: many - 1]
        ]
        told.insert(
            0 if random.random() < _FIRST else random.randint(0, len(told)),
            self._result(topic, slots["x"], slots["v"]),
        )
        return told

    def _beside(self, topic: str, x: str, v: str) -> SearchResult:
        """Draw a result that says of a thing what is asked of other things: of a river who wrote it.

        What it says makes no sense, and a model that has learnt what was asked for passes it over.
        """
        other = self._random.choice([name for name in self._material.topics if name != topic])
        _, value = self._random.choice(self._others(other, x, v))
        return self._result(other, x, value)

    def _facts(self, topic: str) -> Sequence[tuple[str, str]]:
        return self._material.topics[topic].facts

    def _told(self, topic: str, x: str, v: str) -> tuple[str, str]:
        """Return a fact as it is told this time."""
        return x, with_other_digits(v, self._random) if self._material.topics[topic].drawn else v

    def _others(self, topic: str, x: str, v: str) -> list[tuple[str, str]]:
        """Return what is true of other things, where it is not the same."""
        told = [self._told(topic, *fact) for fact in self._facts(topic) if fact[0] != x]
        return [fact for fact in told if fact[1] != v]

    def _result(self, topic: str, x: str, v: str) -> SearchResult:
        random, pages = self._random, self._material.pages
        other, what = random.choice(self._others(topic, x, v))
        text = in_one_wording(random.choice(self._material.topics[topic].sentences), random)
        sentence = text.format(x=x, v=v, o=other, w=what, **asides(random))
        sentence = sentence[0].upper() + sentence[1:]
        filler = in_one_wording(random.choice(pages["fillers"]), random).format(**asides(random))
        snippet = random.choice((sentence, f"{sentence} {filler}", f"{filler} {sentence}"))
        title = random.choice(pages["titles"]).format(x=x, X=x[0].upper() + x[1:], **asides(random))
        path = re.sub(r"[^a-z0-9]+", "-", x.lower()).strip("-")
        return {"title": title, "snippet": snippet, "link": f"https://{random.choice(pages['sites'])}/{path}"}

    def _values(self, template: Template, slots: dict[str, str], texts: list[str]) -> tuple[str, ...]:
        """Return what the answer must hold of what the tools gave."""
        if template.holds == "" or not texts:
            return ()
        if template.holds:
            found = re.search(template.holds, texts[-1])
            if found is None:
                raise ValueError(f"{template.id}: {texts[-1]!r} does not hold {template.holds}")
            return (found[0],)
        if template.moves[-1] == "web_search":
            return (slots["v"],)
        return tuple(texts) if template.kind.endswith("two sums") else (texts[-1],)

    def _answer(self, template: Template, slots: dict[str, str], values: tuple[str, ...]) -> Answer:
        """Put the values as a pirate would; what needs no tool has its answer already."""
        answers, random = self._material.answers, self._random
        body = random.choice(template.bodies)
        if not template.moves:
            return Answer(body, thoughts()["talk"])
        said = dict(zip("vw", reversed(values), strict=False))
        text = body.format(**{**slots, **said})
        return Answer(
            f"{random.choice(answers['openings'])} {text}{random.choice(answers['ends'])}",
            thoughts()["answer"],
        )
