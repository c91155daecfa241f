"""What an agent is made of, loaded: its prompt, its tools, its models, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent_app.grammar import reply_grammar
from agent_app.labels import OBSERVATION
from agent_app.models import Chain
from agent_app.parser import ReActOutputParser
from agent_app.prompt import Prompt
from agent_app.terms import Terms
from agent_app.toolbox import Toolbox


@dataclass
class Parts:
    """What an agent is made of, loaded, with all that is the same in each of its runs."""

    prompt: Prompt
    toolbox: Toolbox
    models: Chain
    terms: Terms
    parser: ReActOutputParser = field(init=False)
    described: str = field(init=False)
    grammar: str = field(init=False)
    last_grammar: str = field(init=False)
    stop: list[str] = field(init=False)

    def __post_init__(self) -> None:
        schemas = self.toolbox.schemas()
        objects = {n: s for n, s in schemas.items() if not self.toolbox.is_plain(n)}
        several = frozenset(n for n, s in objects.items() if len(s["properties"]) > 1)
        self.parser = ReActOutputParser(tool_names=self.toolbox.names, object_tools=several)
        self.described = self.toolbox.describe()
        openings, form = self.prompt.openings, self.terms.form.schema if self.terms.form else None
        self.grammar = reply_grammar({n: objects.get(n) for n in schemas}, openings=openings, form=form)
        self.last_grammar = reply_grammar({}, openings=openings, form=form, last=True)
        self.stop = list(self.prompt.stop or (f"\n{OBSERVATION}:",))
