"""The embedded model: llama.cpp serves a GGUF file inside this process, on loopback only.

It speaks the OpenAI protocol, so the one client for it is `ChatOpenAI`.
"""

from __future__ import annotations

import functools
import os
import platform
import secrets
import sys
import weakref
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, ClassVar

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_openai import ChatOpenAI
from openai import DefaultAsyncHttpxClient, DefaultHttpxClient
from pydantic import PrivateAttr, SecretStr

from agent_app.errors import ModelError
from agent_app.models.connection import Connection
from agent_app.models.prompt_cache import PromptCache
from agent_app.models.raw_text import AsyncCompletions, Completions
from agent_app.models.slot import Slot
from agent_app.models.stored import check_gguf
from agent_app.models.traits import Traits
from agent_app.models.virtual import Named, Piece, pieces_of
from agent_app.settings import preset
from agent_app.soft_prompt.derived import Rows

MAX_TOKENS = 1024
"""How long a reply may get when the caller does not say, in tokens."""

_PROMPT_CACHE_MIB = 512
# The server looks whether its client is still there once a batch of the prompt, so a call that was given
# up holds up the next one for no longer than it takes to read this many tokens.
_BATCH = 128
# Two texts may have a few tokens more where they are read as one, next to a word of the template.
_SEAMS = 4
# Every call has a connection of its own. On loopback that costs nothing, it lets a closed stream stop the
# server at once, and an async client can be used from one event loop after another.
_HEADERS = {"Connection": "close"}


class EmbeddedModel(ChatOpenAI):
    """A chat model that runs in this process; made by `open_embedded`.

    Beyond a plain chat model it goes on writing when the last message is an assistant's, and takes
    a GBNF grammar as the call's argument ``grammar``. It always streams inside: closing a stream or
    Ctrl-C stops the work at once.

    A message of `soft_message` is read as it is, without a chat template: the virtual tokens of the soft
    prompts that it names, and its text. Virtual tokens are never written, and no text is read as one.
    """

    traits: ClassVar[Traits] = Traits(continues=True, grammar=True, bounds=True, streams=True, counts=True)
    label: str
    context: int
    """How many tokens prompt and reply may have together, as the server has it."""
    parallel: int = 1
    """How many calls it answers at the same time."""
    virtual: Mapping[str, Rows] = {}
    """The soft prompts that it can read, by name, and where in its vocabulary their virtual tokens are."""
    _server: Connection = PrivateAttr()
    _slot: Slot = PrivateAttr()
    _finalizer: weakref.finalize[..., Any] = PrivateAttr()

    def close(self) -> None:
        """Stop the server and free the memory; happens by itself at the end of the program."""
        self._finalizer()

    def warm(self, messages: Sequence[BaseMessage], *, only_kept: bool = False) -> None:
        """Read what prompts begin with ahead of time, or take it from disk where it was read before.

        Args:
            messages: the beginning; the last text is the one that goes on.
            only_kept: where it was not read before, it is not read now.
        """
        # Where a text ends, its last token depends on what comes next. What stays the same whether that is
        # a word or a new line is safe.
        ways = [self._tokens_with(messages, more) for more in "x\n"]
        shared = takewhile(lambda pair: pair[0] == pair[1], zip(*ways, strict=False))
        tokens = [token for token, _ in shared]
        if len(tokens) < self.context:
            self._slot.fill(tokens, only_kept=only_kept)

    @functools.cached_property
    def template_tokens(self) -> int:
        """How many tokens the chat template adds to a prompt, at most."""
        said = self.get_num_tokens_from_messages([HumanMessage("x"), AIMessage("x")])
        return said - 2 * self.get_num_tokens("x") + _SEAMS

    def get_token_ids(self, text: str) -> list[int]:
        """Return the tokens of a text as this model reads it; LangChain's counting rests on it."""
        tokens: list[int] = self._server.post("/tokenize", {"content": text})["tokens"]
        return tokens

    def get_num_tokens_from_messages(
        self,
        messages: Sequence[BaseMessage],
        tools: Sequence[Any] | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> int:
        """Return the length of a prompt in tokens, the words of the chat template included."""
        if tools:
            raise ValueError("an embedded model takes no tool definitions")
        return len(self._tokens_with(messages, "", special=False))

    def _get_request_payload(
        self,
        input_: LanguageModelInput,
        *,
        stop: list[str] | None = None,
        grammar: str | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        extra = dict(kwargs.pop("extra_body", None) or {})
        if grammar is not None:
            extra["grammar"] = grammar
        messages = self._convert_input(input_).to_messages()
        pieces = pieces_of(messages)
        payload = super()._get_request_payload(messages if pieces is None else "", stop=stop, **kwargs)
        if self.virtual:
            extra["logit_bias"] = [*_biases(payload.pop("logit_bias", None)), *self._banned]
        if pieces is not None:
            payload = {**_for_raw_text(payload), "prompt": self._mixed(pieces)}
        return {**payload, "extra_body": {**payload.get("extra_body", {}), **extra}} if extra else payload

    @functools.cached_property
    def _banned(self) -> list[tuple[int, bool]]:
        """Every virtual token, and that it is not to be written."""
        return [(token, False) for rows in self.virtual.values() for token in rows.tokens]

    def _mixed(self, pieces: Sequence[Piece]) -> list[int | str]:
        """Return a prompt as the server takes it: virtual tokens by number, texts as they are."""
        mixed: list[int | str] = []
        for piece in pieces:
            if not isinstance(piece, Named):
                mixed.append(piece)
            elif piece.name in self.virtual:
                mixed += self.virtual[piece.name].tokens
            else:
                raise ModelError(f"{self.label} has no virtual tokens of the soft prompt {piece.name!r}")
        return mixed

    def _tokens_with(self, messages: Sequence[BaseMessage], more: str, *, special: bool = True) -> list[int]:
        """Return the tokens of messages with a little text after the last one.

        Args:
            messages: the messages.
            more: the text.
            special: whether those that the model wants at a text's beginning are among them.
        """
        pieces = pieces_of(messages)
        if pieces is None:
            *whole, last = super()._get_request_payload(list(messages))["messages"]
            said = [*whole, {**last, "content": f"{last['content']}{more}"}]
            mixed: list[int | str] = [self._server.post("/apply-template", {"messages": said})["prompt"]]
        else:
            mixed = self._mixed([*pieces[:-1], *_lengthened(pieces[-1], more)])
        tokens: list[int] = []
        for piece in mixed:
            if isinstance(piece, int):
                tokens.append(piece)
            else:
                asked = {"content": piece, "add_special": special and not tokens}
                tokens += self._server.post("/tokenize", asked)["tokens"]
        return tokens


def open_embedded(
    path: Path,
    *,
    context: int = 8192,
    threads: int | None = None,
    name: str | None = None,
    digest: str | None = None,
    prompts: Path | None = None,
    parallel: int = 1,
    virtual: Mapping[str, Rows] | None = None,
) -> EmbeddedModel:
    """Load a GGUF file and return the running model; takes from half a second to a few seconds.

    Args:
        path: the model's file.
        context: how many tokens prompt and reply may have together; the server rounds it up a little,
            and lowers it to what the model was trained for. The model's ``context`` is what came of it.
        threads: None: one per physical core that this process may use.
        name: what a stored result calls the model; None: its path.
        digest: the file's SHA-256, where it is known; None: its path, size and time of change stand for it.
        prompts: the folder in which `EmbeddedModel.warm` keeps what was read; None: nothing is kept.
        parallel: how many calls it answers at the same time, each with a context of its own; the memory
            for contexts grows with it.
        virtual: where the soft prompts are that the file holds; see `derived_file`.

    Raises:
        ModelError: there is no such file, or llama.cpp cannot load it.
    """
    check_gguf(path)
    key = secrets.token_urlsafe(32)
    params = _params(path, context, threads or physical_cores(), key, parallel)
    cache = PromptCache(prompts) if prompts else None
    if cache:
        params.slot_save_path = cache.prefix
    server = _start(params)
    client = DefaultHttpxClient(trust_env=False, headers=_HEADERS)  # no proxy: it is this very process
    connection = Connection(client, server.listening_address, key)
    # One turn of the server's loop before anything else: a server that is stopped before its loop has
    # begun to run never hears of it, and the process would hang.
    connection.get("/lora-adapters")  # the loop itself answers that, and it is a list of none
    facts = connection.get("/props")
    model = EmbeddedModel(
        model=path.stem,
        label=name or f"embedded:{path}",
        context=facts["default_generation_settings"]["n_ctx"],
        parallel=parallel,
        virtual=virtual or {},
        base_url=f"{connection.address}/v1",
        api_key=SecretStr(key),
        http_client=client,
        http_async_client=DefaultAsyncHttpxClient(trust_env=False, headers=_HEADERS),
        temperature=0,
        max_completion_tokens=MAX_TOKENS,
        http_socket_options=(),  # else it warns about a proxy that is not ours to use
        max_retries=0,
        # Unlike a whole reply, a stream does not repeat the beginning that the caller has written.
        streaming=True,
        stream_usage=True,
        stream_chunk_timeout=None,  # reading a long prompt may take minutes
    )
    model.client = Completions(model.client, model.root_client.completions)
    model.async_client = AsyncCompletions(model.async_client, model.root_async_client.completions)
    model._server = connection
    model._slot = Slot(connection, cache, _BATCH, _made_by(path, digest, params))
    holder = [server]
    del server
    model._finalizer = weakref.finalize(model, _stop, holder, client)
    return model


def physical_cores() -> int:
    """Return how many physical cores this process may use; -1 where llama.cpp knows better.

    Two threads on one core slow each other down, and so do more threads than a container's quota.
    """
    if sys.platform != "linux":
        return -1
    usable = os.sched_getaffinity(0)
    siblings = Path("/sys/devices/system/cpu")
    cores = {_read(siblings / f"cpu{n}/topology/thread_siblings_list") or str(n) for n in usable}
    quota, _, period = (_read(Path("/sys/fs/cgroup/cpu.max")) or "max").partition(" ")
    allowed = len(cores) if quota == "max" else int(quota) // int(period)
    return max(1, min(len(cores), allowed))


def _biases(given: Mapping[str, float] | None) -> list[tuple[int, float]]:
    """Return the biases of a call as the server takes them beside a ban."""
    return [(int(token), bias) for token, bias in (given or {}).items()]


def _for_raw_text(payload: dict[str, Any]) -> dict[str, Any]:
    """Return a call of chat without its messages, its arguments named as completions have them."""
    named = {
        k: v for k, v in payload.items() if k not in ("messages", "max_completion_tokens", "top_logprobs")
    }
    if "max_completion_tokens" in payload:
        named["max_tokens"] = payload["max_completion_tokens"]
    if named.pop("logprobs", False):
        named["logprobs"] = payload.get("top_logprobs", 0)
    return named


def _lengthened(piece: Piece, more: str) -> list[Piece]:
    return [piece + more] if isinstance(piece, str) else [piece, more]


def _params(path: Path, context: int, threads: int, key: str, parallel: int) -> Any:
    # The threads of llama.cpp wait for each other hundreds of times a token, by default spinning for so long
    # that beside any other busy program a reply takes ten times as long. After a short spin they sleep.
    # OpenMP reads this when it is loaded, and there is no other way to tell it; what the user set stays.
    preset("GOMP_SPINCOUNT", "1000")
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = context * parallel
    params.n_parallel = parallel
    params.n_batch = _BATCH
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [key]
    params.cache_prompt = True
    params.prefill_assistant = True
    params.cache_ram_mib = _PROMPT_CACHE_MIB
    params.warmup = False
    params.fit_params = _has_gpu()  # where there is none, it changes nothing and takes a third of the time
    params.ui = False
    params.endpoint_slots = False
    params.verbosity = -1  # llama.cpp's log goes past Python, straight to the terminal
    return params


def _has_gpu() -> bool:
    import xllamacpp

    kind = xllamacpp.ggml_backend_dev_type
    gpus = kind.GGML_BACKEND_DEVICE_TYPE_GPU, kind.GGML_BACKEND_DEVICE_TYPE_IGPU
    return any(device["type"] in gpus for device in xllamacpp.get_device_info())


def _start(params: Any) -> Any:
    import xllamacpp

    try:
        return xllamacpp.Server(params)
    except RuntimeError as error:
        what = "the file is incomplete, or a kind of model that it does not know"
        raise ModelError(f"llama.cpp cannot load {params.model.path}: {what}") from error


def _made_by(path: Path, digest: str | None, params: Any) -> tuple[str | int, ...]:
    """Return what the model's memory of a text depends on beside the text."""
    from xllamacpp import __version__

    if digest is None:
        facts = path.stat()
        digest = f"{path.absolute()} {facts.st_size} {facts.st_mtime_ns}"
    kinds = int(params.cache_type_k), int(params.cache_type_v)
    return digest, params.n_ctx, *kinds, params.n_batch, __version__, platform.machine()


def _stop(holder: list[Any], client: Any) -> None:
    client.close()
    holder.clear()  # the last reference: the server stops when it is freed


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return None
