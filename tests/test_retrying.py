"""A failed call is made again only where that may help, and not at once."""

from __future__ import annotations

import pytest

from agent_app.errors import EndpointBusy, EndpointDown, EndpointError, EndpointRefused, ToolCrash
from agent_app.retrying import Retry


@pytest.mark.parametrize(
    "error", [EndpointError("nonsense"), EndpointRefused("no key"), ToolCrash("x", ValueError("y"))]
)
def test_what_would_fail_again_is_not_tried_again(error: Exception) -> None:
    assert Retry().wait(error, 1) is None


@pytest.mark.parametrize("kind", [EndpointBusy, EndpointDown])
def test_the_waits_grow_and_are_drawn_at_random(kind: type[EndpointBusy | EndpointDown]) -> None:
    retry = Retry(attempts=6, first=1.0, longest=3.0)
    drawn = [[retry.wait(kind("x"), attempt) or 0.0 for _ in range(300)] for attempt in range(1, 6)]
    for waits, most in zip(drawn, (1.0, 2.0, 3.0, 3.0, 3.0), strict=True):
        assert 0 <= min(waits) < most / 4
        assert most * 3 / 4 < max(waits) <= most


def test_attempts_come_to_an_end() -> None:
    assert Retry(attempts=2).wait(EndpointDown("x"), 2) is None
    assert Retry(attempts=1).wait(EndpointDown("x"), 1) is None


def test_the_server_is_left_alone_as_long_as_it_asks() -> None:
    assert Retry(first=0.0).wait(EndpointBusy("x", retry_after=7.5), 1) == 7.5


def test_a_server_that_wants_to_be_left_alone_for_too_long_is() -> None:
    assert Retry(longest=60).wait(EndpointBusy("x", retry_after=61), 1) is None
