"""What a run costs: each call is paid for out of its budgets, and counted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Self

from agent_app.budget import Amount, Budget, Hold, Purse
from agent_app.call import Call
from agent_app.estimate import Counted, most_tokens
from agent_app.prices import estimate, price_of
from agent_app.steps import Usage
from agent_app.terms import Terms

LONGEST_REPLY = 1024
"""What a reply is reckoned to take at most, in tokens, where there is a budget and the prompt is silent."""
LONGEST_OBSERVATION = 1500
"""What an observation is reckoned to take at most, in tokens."""


class Account:
    """Counts what the calls of one run take, and sees that budgets can pay for them.

    A context manager: at its end what was set aside goes back to the budgets.
    """

    def __init__(self, terms: Terms) -> None:
        self.usage = Usage()
        """All calls so far."""
        self._prices = terms.prices
        own = terms.max_tokens is not None or terms.max_cost is not None
        budgets = [Budget(terms.max_tokens, terms.max_cost)] if own else []
        self._purse = Purse(*budgets, *([terms.budget] if terms.budget else []))
        self._limited = own or terms.budget is not None
        self._counted: Counted | None = None
        """The last prompt whose tokens its server has counted."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._purse.close()

    @contextlib.contextmanager
    def pays(self, call: Call, *, last: bool) -> Iterator[None]:
        """Set aside what a call may take, and count afterwards what it took.

        A call that failed before a word was said has cost nothing; of one that broke off nobody says
        what it cost, so what was set aside counts as spent.

        Raises:
            Spent: a budget does not allow it.
        """
        hold = self._reserve(call, last=last) if self._limited else None
        with hold or contextlib.nullcontext():
            try:
                yield
            except BaseException:
                self.usage += Usage(calls=1)
                if hold is not None and call.reply:
                    hold.settle()
                raise
            self._count(call, hold)

    def _reserve(self, call: Call, *, last: bool) -> Hold:
        ready = call.ready
        prompt = most_tokens(call.prompt, self._counted)
        reply = LONGEST_REPLY
        if ready.traits.bounds:
            reply = call.options.setdefault("max_tokens", reply)

        def amount(prompt: int) -> Amount:
            return Amount(prompt + reply, estimate(ready.name, prompt, reply, self._prices, url=ready.url))

        if last:
            return self._purse.draw_last(amount(prompt))
        return self._purse.draw(amount(prompt), last=amount(prompt + reply + LONGEST_OBSERVATION))

    def _count(self, call: Call, hold: Hold | None) -> None:
        usage, ready = call.usage, call.ready
        cost = price_of(ready.name, usage, self._prices, url=ready.url)
        self.usage += usage + Usage(cost=cost)
        if hold is None:
            return
        if usage.prompt_tokens:
            hold.settle(usage.prompt_tokens + usage.completion_tokens, cost)
            self._counted = Counted(call.prompt, usage.prompt_tokens)
        else:  # its server does not say
            hold.settle()
