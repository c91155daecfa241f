"""The two drivers of a run, sync and async: they do what its script asks for, and decide nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Iterator
from typing import Any

from langchain_core.runnables import RunnableConfig

from agent_app.events import Event, Finished, Said
from agent_app.patience import aeach_within, each_within, in_time, within
from agent_app.run import Ask, Check, Compute, Deed, Pause, Run, Use


def drive(run: Run, config: RunnableConfig, *, live: bool) -> Iterator[Event]:
    """Do what a run asks for and hand on what it tells.

    Args:
        run: the run.
        config: goes to the model and the tools, with the callbacks.
        live: whether somebody wants to see the model write.
    """
    script = run.script()
    effect = next(script)
    while True:
        back: Any = None
        try:
            if isinstance(effect, Ask):
                yield from _ask(effect, config, live=live)
            elif isinstance(effect, Deed):
                back = _done(run, effect, config)
            else:
                yield effect
                if isinstance(effect, Finished):
                    return
        except BaseException as error:  # noqa: BLE001 - the script decides; what it does not want comes back
            effect = script.throw(error)
        else:
            effect = script.send(back)


async def adrive(run: Run, config: RunnableConfig, *, live: bool) -> AsyncGenerator[Event]:
    """Do what `drive` does, without holding up the event loop."""
    script = run.script()
    effect = next(script)
    while True:
        back: Any = None
        try:
            if isinstance(effect, Ask):
                async with contextlib.aclosing(_aask(effect, config, live=live)) as asked:
                    async for said in asked:
                        yield said
            elif isinstance(effect, Deed):
                back = await _adone(run, effect, config)
            else:
                yield effect
                if isinstance(effect, Finished):
                    return
        except BaseException as error:  # noqa: BLE001 - as above
            effect = script.throw(error)
        else:
            effect = script.send(back)


def _done(run: Run, deed: Deed, config: RunnableConfig) -> Any:
    parts = run.parts
    match deed:
        case Check(action=action, edits=edits):
            return parts.terms.approvals.check(action, *parts.facts(action), edits=edits)
        case Use(action=action, seconds=seconds):
            return parts.toolbox.run(action, config, seconds)
        case Compute(function=function):
            return function()
        case Pause(seconds=seconds):
            time.sleep(seconds)
            return None


async def _adone(run: Run, deed: Deed, config: RunnableConfig) -> Any:
    parts = run.parts
    match deed:
        case Check(action=action, edits=edits):
            return await parts.terms.approvals.acheck(action, *parts.facts(action), edits=edits)
        case Use(action=action, seconds=seconds):
            return await parts.toolbox.arun(action, config, seconds)
        case Compute(function=function):
            return await asyncio.to_thread(function)
        case Pause(seconds=seconds):
            await asyncio.sleep(seconds)
            return None


def _ask(ask: Ask, config: RunnableConfig, *, live: bool) -> Iterator[Said]:
    call, model, traits = ask.call, ask.call.ready.model, ask.call.ready.traits
    # A model that minds a time-out of its own needs no other thread to be given up in time.
    options = {**call.options, "timeout": ask.seconds} if traits.bounds and ask.seconds else call.options
    own_thread = ask.seconds is not None and not traits.bounds
    if not live and not traits.streams:
        seconds = ask.seconds if own_thread else None
        call.take(within(seconds, model.invoke, call.messages, config, **options))
        return
    chunks = model.stream(call.messages, config, **options)
    with contextlib.closing(each_within(ask.seconds, chunks, own_thread=own_thread)) as timed:
        for chunk in timed:
            yield from call.read(chunk)
            if call.reader.done:
                return


async def _aask(ask: Ask, config: RunnableConfig, *, live: bool) -> AsyncGenerator[Said]:
    call, model = ask.call, ask.call.ready.model
    if not live:
        async with in_time(ask.seconds):
            call.take(await model.ainvoke(call.messages, config, **call.options))
        return
    chunks = model.astream(call.messages, config, **call.options)
    async with contextlib.aclosing(aeach_within(ask.seconds, chunks)) as timed:
        async for chunk in timed:
            for said in call.read(chunk):
                yield said
            if call.reader.done:
                return
