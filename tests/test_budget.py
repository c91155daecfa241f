"""Budgets: whatever runs do at the same time, they never spend more than there is, and nothing leaks."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from agent_app import Agent
from agent_app.budget import Amount, Budget, Hold, Left, Purse, Spent, reserve
from agent_app.errors import SettingError

NOTHING = Amount(0, 0.0)


# --- one budget ------------------------------------------------------------------------------------


def test_a_call_is_reserved_then_settled() -> None:
    budget = Budget(tokens=1000, cost=0.5)
    with budget.reserve(300, 0.2) as hold:
        assert (budget.reserved, budget.spent, budget.left) == (Amount(300, 0.2), NOTHING, Left(700, 0.3))
        hold.settle(120, 0.05)
    assert (budget.reserved, budget.spent, budget.left) == (NOTHING, Amount(120, 0.05), Left(880, 0.45))


def test_what_fits_exactly_is_granted_and_one_more_is_not() -> None:
    budget = Budget(tokens=100, cost=0.3)
    budget.reserve(100, 0.1)
    budget.reserve(0, 0.2)  # as floats, 0.1 + 0.2 is more than 0.3
    for tokens, cost, limit in [(1, 0.0, "tokens"), (0, 1e-12, "cost"), (1, 1.0, "tokens")]:
        with pytest.raises(Spent) as caught:
            budget.reserve(tokens, cost)
        assert caught.value.limit == limit


def test_a_refusal_says_how_the_budget_stands() -> None:
    budget = Budget(tokens=1000)
    budget.reserve(600, None).settle(500, None)
    budget.reserve(300, None)
    with pytest.raises(
        Spent, match=r"^the limit of tokens does not allow it: 500 of 1,000 tokens spent, 300 reserved$"
    ):
        budget.reserve(201, None)


def test_a_call_that_took_more_than_was_reserved_is_counted_in_full() -> None:
    budget = Budget(tokens=100)
    budget.reserve(60, 0.0).settle(130, 0.0)
    assert (budget.spent.tokens, budget.left) == (130, Left(0, None))
    with pytest.raises(Spent):
        budget.reserve(1, 0.0)


def test_a_call_nobody_says_the_cost_of_counts_as_much_as_was_reserved() -> None:
    budget = Budget(tokens=100, cost=1.0)
    budget.reserve(60, 0.25).settle()
    assert budget.spent == Amount(60, 0.25)


def test_a_call_that_an_error_prevents_is_given_back() -> None:
    budget = Budget(tokens=100, cost=1.0)
    with pytest.raises(ZeroDivisionError), budget.reserve(60, 0.25):
        raise ZeroDivisionError
    assert (budget.reserved, budget.spent) == (NOTHING, NOTHING)


def test_a_hold_is_settled_once_and_given_back_once() -> None:
    budget = Budget(tokens=100)
    hold = budget.reserve(60, 0.0)
    hold.settle(50, 0.0)
    hold.release()
    with pytest.raises(ValueError, match=r"^this hold was settled or released before$"):
        hold.settle(50, 0.0)
    other = budget.reserve(50, 0.0)
    other.release()
    other.release()
    with pytest.raises(ValueError, match=r"^this hold was settled or released before$"):
        other.settle(50, 0.0)
    assert (budget.spent, budget.reserved) == (Amount(50, 0.0), NOTHING)


def test_without_a_limit_of_money_a_price_need_not_be_known() -> None:
    budget = Budget(tokens=100)
    budget.reserve(10, 0.25).settle(10, 0.25)
    assert budget.spent == Amount(10, 0.25)
    budget.reserve(10, None).settle(7, None)
    budget.reserve(10, 0.25).settle(10, 0.25)
    assert (budget.spent, budget.left) == (Amount(27, None), Left(73, None))


def test_with_a_limit_of_money_an_unknown_price_is_named_with_what_to_give() -> None:
    own, shared = Budget(tokens=100), Budget(cost=1.0)
    with pytest.raises(SettingError) as caught:
        reserve([own, shared], Amount(10, None))
    assert str(caught.value) == (
        "a budget limits the cost, but the model's price is not known; give it in US dollars per million "
        "tokens: --price NAME=INPUT,OUTPUT, or in a program prices=Price(input=..., output=...)"
    )
    assert own.reserved == NOTHING


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        (Budget(), "Budget(1,200 tokens spent, 300 reserved)"),
        (Budget(tokens=10_000), "Budget(1,200 of 10,000 tokens spent, 300 reserved)"),
        (Budget(cost=2.5), "Budget($0.0123 of $2.5 spent, $0.001 reserved)"),
        (
            Budget(tokens=10_000, cost=2.5),
            "Budget(1,200 of 10,000 tokens spent, 300 reserved; $0.0123 of $2.5 spent, $0.001 reserved)",
        ),
    ],
)
def test_a_budget_reads_well(budget: Budget, words: str) -> None:
    budget.reserve(1200, 0.0123).settle()
    budget.reserve(300, 0.001)
    assert repr(budget) == words


@pytest.mark.parametrize("tokens", [0, -1, 2.5, "many"])
def test_a_wrong_limit_of_tokens_is_named(tokens: int) -> None:
    with pytest.raises(SettingError) as caught:
        Budget(tokens=tokens)
    assert str(caught.value) == f"a budget's tokens are {tokens!r}; it takes a whole number above 0"


@pytest.mark.parametrize("cost", [0, -0.5, 1e300, float("nan"), float("inf")])
def test_a_wrong_limit_of_money_is_named(cost: float) -> None:
    with pytest.raises(SettingError) as caught:
        Budget(cost=cost)
    right = "it takes a number of US dollars above 0, and 1,000,000,000,000 at most"
    assert str(caught.value) == f"a budget's cost is {cost!r}; {right}"


def test_an_agent_takes_no_more_dollars_than_can_be_counted() -> None:
    with pytest.raises(SettingError, match=r"^a budget's cost is 1e\+300; it takes a number of US doll"):
        Agent("scripted:none.txt", max_cost=1e300)


@pytest.mark.parametrize("amount", [(-1, 0.0), (1, -0.1), (1, float("nan")), (1, float("inf"))])
def test_nonsense_is_neither_reserved_nor_settled(amount: tuple[int, float]) -> None:
    budget = Budget(tokens=10, cost=1.0)
    with pytest.raises(ValueError, match=r"^not an amount: "):
        budget.reserve(*amount)
    hold = budget.reserve(1, 0.1)
    with pytest.raises(ValueError, match=r"^not an amount: "):
        hold.settle(*amount)
    assert (budget.spent, budget.reserved) == (NOTHING, Amount(1, 0.1))


# --- several budgets -------------------------------------------------------------------------------


def test_several_budgets_pay_together_or_not_at_all() -> None:
    own, shared = Budget(tokens=100), Budget(tokens=150)
    reserve([own, shared], Amount(80, 0.0)).settle(70, 0.0)
    assert (own.spent, shared.spent) == (Amount(70, 0.0), Amount(70, 0.0))
    with pytest.raises(Spent):
        reserve([shared, own], Amount(40, 0.0))  # the shared one could
    assert (own.reserved, shared.reserved) == (NOTHING, NOTHING)


def test_a_budget_that_is_named_twice_pays_once() -> None:
    budget = Budget(tokens=100)
    reserve([budget, budget], Amount(80, 0.0)).settle(70, 0.0)
    assert budget.spent == Amount(70, 0.0)


# --- a last answer is always kept back --------------------------------------------------------------


def test_a_run_goes_on_while_it_can_pay_a_last_answer_too() -> None:
    shared = Budget(tokens=100)
    with Purse(shared) as purse:
        purse.draw(Amount(30, 0.0), last=Amount(40, 0.0)).settle(30, 0.0)
        assert (shared.spent.tokens, shared.reserved.tokens) == (30, 40)
        with pytest.raises(Spent):
            purse.draw(Amount(30, 0.0), last=Amount(50, 0.0))
        assert shared.reserved.tokens == 40  # still there for the last answer
        with pytest.raises(Spent):
            Purse(shared).draw(Amount(20, 0.0), last=Amount(20, 0.0))  # another run may not have it
        purse.draw_last(Amount(35, 0.0)).settle(33, 0.0)
    assert (shared.spent.tokens, shared.reserved.tokens) == (63, 0)


def test_a_last_answer_that_became_too_dear_is_refused() -> None:
    shared = Budget(tokens=100)
    with Purse(shared) as purse:
        purse.draw(Amount(50, 0.0), last=Amount(50, 0.0)).settle(90, 0.0)
        with pytest.raises(Spent):
            purse.draw_last(Amount(20, 0.0))
    assert (shared.spent.tokens, shared.reserved.tokens) == (90, 0)


def test_a_run_that_could_never_make_two_calls_may_still_make_the_last() -> None:
    purse = Purse(Budget(tokens=50))
    with pytest.raises(Spent):
        purse.draw(Amount(40, 0.0), last=Amount(40, 0.0))
    purse.draw_last(Amount(40, 0.0)).settle(40, 0.0)


def test_a_run_that_ends_early_gives_back_what_it_kept() -> None:
    own, shared = Budget(tokens=100), Budget(tokens=200)
    call, last = Amount(10, 0.0), Amount(20, 0.0)
    with pytest.raises(KeyboardInterrupt), Purse(own, shared) as purse, purse.draw(call, last):
        raise KeyboardInterrupt
    assert (own.reserved, shared.reserved) == (NOTHING, NOTHING)


def test_without_a_budget_nothing_is_refused() -> None:
    with Purse() as purse:
        purse.draw(Amount(10**9, None), last=Amount(10**9, None)).settle(10**9, None)
        purse.draw_last(Amount(10**9, 1e9)).settle()


# --- any order of events ---------------------------------------------------------------------------

MICRO = 1_000_000
AMOUNTS = st.tuples(st.integers(0, 40), st.integers(0, 40))
"""Tokens and millionths of a dollar."""
PAIRS = st.tuples(AMOUNTS, AMOUNTS)


def amount(pair: tuple[int, int]) -> Amount:
    return Amount(pair[0], pair[1] / MICRO)


class Books(RuleBasedStateMachine):
    """Runs that share budgets in any order, and the sums that a person would keep beside them."""

    holds = Bundle("holds")
    purses = Bundle("purses")

    def __init__(self) -> None:
        super().__init__()
        self.spent = [[0, 0], [0, 0]]
        self.calls: dict[Hold, tuple[list[int], tuple[int, int]]] = {}
        self.kept: dict[Purse, tuple[int, int]] = {}
        self.shares: dict[Purse, list[int]] = {}

    @initialize(tokens=st.integers(1, 150), micros=st.integers(1, 150))
    def limits(self, tokens: int, micros: int) -> None:
        self.limited = [(tokens, None), (100, micros)]
        self.budgets = [Budget(tokens=tokens), Budget(tokens=100, cost=micros / MICRO)]

    @rule(target=purses, shares=st.lists(st.integers(0, 1), max_size=3))
    def begin(self, shares: list[int]) -> Purse:
        purse = Purse(*(self.budgets[i] for i in shares))
        self.shares[purse] = sorted(set(shares))
        self.kept[purse] = (0, 0)
        return purse

    @rule(target=holds, purse=purses, pair=PAIRS)
    def draw(self, purse: Purse, pair: tuple[tuple[int, int], tuple[int, int]]) -> object:
        call, last = pair
        fits = self.fits(purse, (call[0] + last[0], call[1] + last[1]))
        try:
            hold = purse.draw(amount(call), last=amount(last))
        except Spent:
            assert not fits
            return multiple()
        assert fits
        self.kept[purse] = last
        self.calls[hold] = (self.shares[purse], call)
        return hold

    @rule(target=holds, purse=purses, call=AMOUNTS)
    def draw_last(self, purse: Purse, call: tuple[int, int]) -> object:
        fits = self.fits(purse, call)
        try:
            hold = purse.draw_last(amount(call))
        except Spent:
            assert not fits
            return multiple()
        assert fits
        self.kept[purse] = (0, 0)
        self.calls[hold] = (self.shares[purse], call)
        return hold

    @rule(hold=consumes(holds), share=st.floats(0, 1))
    def settle(self, hold: Hold, share: float) -> None:
        shares, call = self.calls.pop(hold)
        taken = (int(call[0] * share), int(call[1] * share))
        hold.settle(taken[0], taken[1] / MICRO)
        for i in shares:
            self.spent[i] = [self.spent[i][0] + taken[0], self.spent[i][1] + taken[1]]

    @rule(hold=consumes(holds))
    def release(self, hold: Hold) -> None:
        del self.calls[hold]
        hold.release()

    @rule(purse=purses)
    def close(self, purse: Purse) -> None:
        self.kept[purse] = (0, 0)
        purse.close()

    def reserved(self, i: int) -> tuple[int, int]:
        amounts = [call for shares, call in self.calls.values() if i in shares]
        amounts += [kept for purse, kept in self.kept.items() if i in self.shares[purse]]
        return sum(tokens for tokens, _ in amounts), sum(micros for _, micros in amounts)

    def fits(self, purse: Purse, more: tuple[int, int]) -> bool:
        return all(
            self.spent[i][unit] + self.reserved(i)[unit] - self.kept[purse][unit] + more[unit] <= limit
            for i in self.shares[purse]
            for unit, limit in enumerate(self.limited[i])
            if limit is not None
        )

    @invariant()
    def the_sums_agree_and_no_limit_is_exceeded(self) -> None:
        for i, budget in enumerate(self.budgets):
            spent, reserved = self.spent[i], self.reserved(i)
            assert budget.spent == Amount(spent[0], spent[1] / MICRO)
            assert budget.reserved == Amount(reserved[0], reserved[1] / MICRO)
            for unit, limit in enumerate(self.limited[i]):
                assert limit is None or spent[unit] + reserved[unit] <= limit

    def teardown(self) -> None:
        for hold in self.calls:
            hold.release()
        for purse in self.kept:
            purse.close()
        assert all(budget.reserved == NOTHING for budget in getattr(self, "budgets", []))


def test_in_any_order_of_events_the_sums_agree_and_no_limit_is_exceeded() -> None:
    run_state_machine_as_test(
        Books, settings=settings(max_examples=80, stateful_step_count=40, deadline=None)
    )


@given(st.floats(1e-6, 1e3), st.lists(st.tuples(st.floats(0, 10), st.booleans()), max_size=30))
def test_no_money_is_lost_or_made_by_rounding(limit: float, calls: list[tuple[float, bool]]) -> None:
    budget = Budget(cost=limit)
    holds = []
    for cost, made in calls:
        with contextlib.suppress(Spent):
            holds.append((budget.reserve(0, cost), made))
    for hold, made in holds:
        hold.settle() if made else hold.release()
    spent = sum(hold.amount.cost or 0 for hold, made in holds if made)
    assert budget.reserved.cost == 0
    assert budget.spent.cost == pytest.approx(spent, abs=1e-10)
    assert budget.spent.cost is not None
    assert budget.spent.cost <= limit + 1e-12


# --- at the same time ------------------------------------------------------------------------------

CALL, LAST = Amount(7, 0.0007), Amount(9, 0.0009)


@pytest.fixture
def _threads_switch_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_threads_switch_often")
def test_threads_cannot_overspend_together_and_each_run_gets_its_last_answer() -> None:
    shared, runs = Budget(tokens=20_000, cost=3.0), 16
    begin = threading.Barrier(runs)
    outcomes: list[tuple[int, Amount, Amount]] = []

    def run(seed: int) -> None:
        dice, taken = random.Random(seed), 0
        own = Budget(tokens=30_000)
        begin.wait(timeout=10)
        with Purse(own, shared) as purse:
            with contextlib.suppress(Spent):
                while True:
                    with purse.draw(CALL, last=LAST) as hold:
                        if dice.random() < 0.1:
                            continue  # the call was not made
                        tokens = dice.randint(0, CALL.tokens)
                        hold.settle(tokens, tokens / 10_000)
                        taken += tokens
            purse.draw_last(LAST).settle()
            taken += LAST.tokens
        outcomes.append((taken, own.spent, own.reserved))

    threads = [threading.Thread(target=run, args=(seed,), daemon=True) for seed in range(runs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    total = sum(taken for taken, _, _ in outcomes)
    assert outcomes == [(taken, Amount(taken, taken / 10_000), NOTHING) for taken, _, _ in outcomes]
    assert (len(outcomes), shared.spent, shared.reserved) == (runs, Amount(total, total / 10_000), NOTHING)
    # All is spent that could be: what is left would not pay another call and all last answers kept.
    assert 20_000 - CALL.tokens - runs * LAST.tokens < total <= 20_000


async def test_tasks_cannot_overspend_together_and_a_cancelled_one_leaves_nothing() -> None:
    shared, others_wait = Budget(cost=0.05), asyncio.Event()

    async def run(seed: int, *, hangs: bool) -> None:
        dice = random.Random(seed)
        with Purse(shared) as purse, contextlib.suppress(Spent):
            while True:
                with purse.draw(CALL, last=LAST) as hold:
                    if hangs:
                        await others_wait.wait()
                    for _ in range(dice.randint(1, 5)):
                        await asyncio.sleep(0)
                    hold.settle(CALL.tokens, CALL.cost)

    hanging = [asyncio.create_task(run(seed, hangs=True)) for seed in range(10)]
    running = [asyncio.create_task(run(seed, hangs=False)) for seed in range(40)]
    async with asyncio.timeout(20):
        await asyncio.gather(*running)
        kept = Amount(10 * (CALL.tokens + LAST.tokens), 0.016)
        assert shared.reserved == kept
        for task in hanging:
            task.cancel()
        ended = await asyncio.gather(*hanging, return_exceptions=True)
    assert [type(end) for end in ended] == [asyncio.CancelledError] * 10
    assert shared.reserved == NOTHING
    calls = shared.spent.tokens // CALL.tokens
    assert shared.spent == Amount(calls * 7, calls * 7 / 10_000)
    assert 0 < calls * 7 / 10_000 <= 0.05 - 0.016
