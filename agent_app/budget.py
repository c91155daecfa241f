"""Budgets of tokens and money that any number of runs draw on at once without overspending.

A call is reserved before it is made and settled after it. What is reserved counts as if it were spent,
so that runs which go on at the same time cannot spend the same money twice. As long as no call takes
more than was reserved for it, no budget is ever exceeded.

Nothing here waits. A reservation that does not fit fails at once: what others have reserved may come
back or not, and runs that wait for each other, each holding what the other needs, would wait forever.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Self

from agent_app.errors import SettingError

_DOLLAR = 10**12
# Money is added up in whole trillionths of a dollar, as sums of floats do not come back to zero when
# all is released. The cheapest token costs some thousands of them.

_MOST = 10**12
"""How many dollars a budget may have: so many can be counted and added up."""

UNPRICED = (
    "a budget limits the cost, but the model's price is not known; give it in US dollars per million tokens: "
    "--price NAME=INPUT,OUTPUT, or in a program prices=Price(input=..., output=...)"
)
"""What is wrong where money has a limit and a call no price."""

_LOCK = threading.Lock()
# One for all budgets, so that a reservation on several is one step. It is held for a microsecond.


class Spent(Exception):  # noqa: N818 - it says what the budget is
    """A budget cannot pay for what was asked; a signal to whoever runs the loop, not an error.

    Args:
        limit: which limit would have been exceeded.
        budget: the budget as it was, in words.
    """

    def __init__(self, limit: Literal["tokens", "cost"], budget: str) -> None:
        self.limit = limit
        super().__init__(f"the limit of {limit} does not allow it: {budget}")


@dataclass(frozen=True, slots=True)
class Amount:
    """So many tokens, read and written, and so many US dollars; None where a price is not known.

    Raises:
        ValueError: a number is below zero, or not a number.
    """

    tokens: int = 0
    cost: float | None = 0.0

    def __post_init__(self) -> None:
        if not (self.tokens >= 0 and (self.cost is None or 0 <= self.cost < math.inf)):
            raise ValueError(f"not an amount: {self.tokens} tokens, {self.cost} dollars")


@dataclass(frozen=True, slots=True)
class Left:
    """What a budget has left for new calls; None where it has no limit."""

    tokens: int | None
    cost: float | None


def _money(cost: float | None) -> int:
    """Return dollars in whole trillionths; what is not known counts as nothing where money has no limit."""
    return 0 if cost is None else round(cost * _DOLLAR)


@dataclass(slots=True)
class _Sum:
    """Tokens and money, added up exactly."""

    tokens: int = 0
    money: int = 0

    def add(self, amount: Amount) -> None:
        self.tokens += amount.tokens
        self.money += _money(amount.cost)

    def take(self, amount: Amount) -> None:
        self.tokens -= amount.tokens
        self.money -= _money(amount.cost)

    @property
    def dollars(self) -> float:
        return self.money / _DOLLAR


class Budget:
    """A limit of tokens, of US dollars, or of both, for one run or for many in this process.

    Args:
        tokens: how many tokens may be read and written in all, cached ones included.
        cost: how many US dollars may be spent.

    Raises:
        SettingError: a limit is not a number above 0, or the dollars are too many to be counted.
    """

    def __init__(self, tokens: int | None = None, cost: float | None = None) -> None:
        if tokens is not None and not (isinstance(tokens, int) and tokens > 0):
            raise SettingError(f"a budget's tokens are {tokens!r}; it takes a whole number above 0")
        if cost is not None and not 0 < cost <= _MOST:
            what = f"it takes a number of US dollars above 0, and {_MOST:,} at most"
            raise SettingError(f"a budget's cost is {cost!r}; {what}")
        self.tokens, self.cost = tokens, cost
        self._spent = _Sum()
        self._reserved = _Sum()
        self._unpriced = False
        """Something was spent of which nobody knows the price."""

    @property
    def spent(self) -> Amount:
        """What settled calls have cost; its cost is None once there was a call of unknown price."""
        with _LOCK:
            return Amount(self._spent.tokens, None if self._unpriced else self._spent.dollars)

    @property
    def reserved(self) -> Amount:
        """What is set aside for calls under way and for last answers."""
        with _LOCK:
            return Amount(self._reserved.tokens, self._reserved.dollars)

    @property
    def left(self) -> Left:
        """What is neither spent nor reserved; never below zero."""
        with _LOCK:
            tokens = self._spent.tokens + self._reserved.tokens
            money = self._spent.money + self._reserved.money
            return Left(
                None if self.tokens is None else max(0, self.tokens - tokens),
                None if self.cost is None else max(0, _money(self.cost) - money) / _DOLLAR,
            )

    def reserve(self, tokens: int, cost: float | None) -> Hold:
        """Set aside what a call may take at most; see `reserve` for several budgets at once.

        Args:
            tokens: of the prompt and the reply together.
            cost: US dollars; None if the price is not known.

        Raises:
            Spent: it would exceed a limit.
            SettingError: money is limited and the price not known.
        """
        return reserve([self], Amount(tokens, cost))

    def __repr__(self) -> str:
        with _LOCK:
            return f"Budget({self._in_words()})"

    def _in_words(self) -> str:
        """Say what is spent and reserved of what is limited. The lock must be held."""
        spent, reserved = self._spent, self._reserved
        parts = []
        if self.tokens is not None or self.cost is None:
            most = "" if self.tokens is None else f" of {self.tokens:,}"
            parts.append(f"{spent.tokens:,}{most} tokens spent, {reserved.tokens:,} reserved")
        if self.cost is not None:
            parts.append(f"${spent.dollars:.6g} of ${self.cost:.6g} spent, ${reserved.dollars:.6g} reserved")
        return "; ".join(parts)

    def _exceeded(self, tokens: int, money: int) -> Literal["tokens", "cost"] | None:
        """Return the limit that would be exceeded by reserving so much more. The lock must be held."""
        if self.tokens is not None and self._spent.tokens + self._reserved.tokens + tokens > self.tokens:
            return "tokens"
        if self.cost is not None and self._spent.money + self._reserved.money + money > _money(self.cost):
            return "cost"
        return None


class Hold:
    """What is set aside for one call. A context manager: what is not settled at its end is released.

    Not made by hand: `Budget.reserve`, `reserve` and `Purse` give one.
    """

    def __init__(self, budgets: tuple[Budget, ...], amount: Amount) -> None:
        self.amount = amount
        self._budgets = budgets
        self._open = False

    def settle(self, tokens: int | None = None, cost: float | None = None) -> None:
        """Count what the call really took, even if that is more than was set aside for it.

        Args:
            tokens: of the prompt and the reply together; None: as many as were set aside. Right for a
                call that broke off, which is paid for although nobody says how much.
            cost: US dollars; None: as many as were set aside.

        Raises:
            ValueError: it was settled or released before.
        """
        reserved = self.amount
        taken = Amount(reserved.tokens if tokens is None else tokens, reserved.cost if cost is None else cost)
        with _LOCK:
            if not self._open:
                raise ValueError("this hold was settled or released before")
            self._give_back()
            for budget in self._budgets:
                budget._spent.add(taken)
                budget._unpriced |= taken.cost is None

    def release(self) -> None:
        """Give back what was set aside, as the call was not made; does nothing after `settle`."""
        with _LOCK:
            if self._open:
                self._give_back()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _set_aside(self) -> None:
        self._open = True
        for budget in self._budgets:
            budget._reserved.add(self.amount)

    def _give_back(self) -> None:
        self._open = False
        for budget in self._budgets:
            budget._reserved.take(self.amount)


def reserve(budgets: Iterable[Budget], amount: Amount) -> Hold:
    """Set an amount aside on several budgets: on all of them or, if one cannot pay, on none.

    Args:
        budgets: no matter if one is named twice.
        amount: what a call may take at most.

    Raises:
        Spent: it would exceed a limit.
        SettingError: a budget limits money, and the price is not known.
    """
    return _reserve(budgets, (amount,))[0]


def _reserve(budgets: Iterable[Budget], amounts: Iterable[Amount], freed: Hold | None = None) -> list[Hold]:
    """Set amounts aside, each with a hold of its own, and release `freed` in the same step; or do nothing."""
    budgets = tuple(dict.fromkeys(budgets))
    holds = [Hold(budgets, amount) for amount in amounts]
    if any(hold.amount.cost is None for hold in holds) and any(budget.cost is not None for budget in budgets):
        raise SettingError(UNPRICED)
    with _LOCK:
        tokens = sum(hold.amount.tokens for hold in holds)
        money = sum(_money(hold.amount.cost) for hold in holds)
        if freed is not None:
            tokens -= freed.amount.tokens
            money -= _money(freed.amount.cost)
        for budget in budgets:
            limit = budget._exceeded(tokens, money)
            if limit is not None:
                raise Spent(limit, budget._in_words())
        if freed is not None:
            freed._give_back()
        for hold in holds:
            hold._set_aside()
    return holds


class Purse:
    """What one run draws on: its own budget, those it shares, and enough kept back for a last answer.

    A run goes on only while it can pay the next call *and* a last one after it. What the last one takes
    stays reserved all the time, so that no other run can spend it: a run that meets a limit can always
    ask the model for its best answer, as long as the estimates hold. A context manager: at its end what
    is kept back is released.

    Args:
        budgets: all that the run must stay within; none at all is no limit.
    """

    def __init__(self, *budgets: Budget) -> None:
        self._budgets = budgets
        self._kept: Hold | None = None

    def draw(self, call: Amount, last: Amount) -> Hold:
        """Reserve for the next call, and keep enough for a last answer after it.

        Args:
            call: what the call may take at most.
            last: what a last answer may take at most if it must be given after this call: it reads what
                this call writes, and what a tool then gives.

        Raises:
            Spent: both together do not fit; what was kept back before still is. Ask for the last answer.
            SettingError: a budget limits money, and the price is not known.
        """
        hold, self._kept = _reserve(self._budgets, (call, last), self._kept)
        return hold

    def draw_last(self, call: Amount) -> Hold:
        """Reserve for the last answer out of what was kept back for it.

        Args:
            call: what the call may take at most, now that its prompt is known.

        Raises:
            Spent: not even that fits. Stop.
            SettingError: a budget limits money, and the price is not known.
        """
        (hold,) = _reserve(self._budgets, (call,), self._kept)
        self._kept = None
        return hold

    def close(self) -> None:
        """Release what is kept back. The purse can be used again."""
        if self._kept is not None:
            self._kept.release()
            self._kept = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
