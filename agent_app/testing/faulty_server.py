"""A server that speaks OpenAI's protocol, and misbehaves as a test tells it to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable
from typing import Self, assert_never

from agent_app.errors import ScriptError
from agent_app.models.replies import Reply, Say, Speech, speak
from agent_app.models.script import Script
from agent_app.testing.behaviours import Behaviour, Garbage, Refuse, Silence, Status, error
from agent_app.testing.connection import Connection, chunk, head
from agent_app.testing.openai_protocol import PATH, Answer
from agent_app.testing.request import Request, read_request

_WAITING = 1024
"""How many clients may wait for their connection at the same time."""
_JSON = "application/json"
_EVENTS = {"Content-Type": "text/event-stream; charset=utf-8", "Transfer-Encoding": "chunked"}


class FaultyServer:
    """A real HTTP server on loopback that does to each call of a model what its script says.

        with FaultyServer(Status(429, headers={"Retry-After": "1"}), "Ahoy") as server:
            model = ChatOpenAI(base_url=server.url, api_key="none", model="parrot")

    It runs in a thread of its own and serves many hundreds of connections at once. At the end of the
    block it makes sure that it was called exactly as often as its script has entries. A call too many
    is answered with status 500 and a text that says so; a bug in `repeat` is raised at the end as well.

    Args:
        script: what to do, call by call; a text is a reply.
        repeat: what to do with every call after those, or a function that decides it from the call.
            The function must be quick: nobody else is served meanwhile.
        latency: how many seconds every answer takes to begin.
        takes_stop: whether stop words are accepted; if not, a call that has them is refused as
            OpenAI's reasoning models refuse it, whatever the script says, and counts for nothing in it.
    """

    def __init__(
        self,
        *script: str | Behaviour,
        repeat: str | Behaviour | Callable[[Request], str | Behaviour] | None = None,
        latency: float = 0.0,
        takes_stop: bool = True,
    ) -> None:
        self.latency, self.takes_stop = latency, takes_stop
        self.requests: list[Request] = []
        """Every call so far, refused ones too."""
        self._script: Script[Request, str | Behaviour] = Script(script, repeat, type(self).__name__)
        self._port: int | None = None
        self._talks: set[asyncio.Task[None]] = set()
        self._bug: BaseException | None = None

    @property
    def url(self) -> str:
        """The base URL for a client, which ends in ``/v1``."""
        if self._port is None:
            raise ScriptError("the server is not running; write `with FaultyServer(...) as server:`")
        return f"http://127.0.0.1:{self._port}{PATH.removesuffix('/chat/completions')}"

    def __enter__(self) -> Self:
        listening = socket.create_server(("127.0.0.1", 0), backlog=_WAITING)
        self._port = listening.getsockname()[1]
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._loop, self._stop = self._runner.get_loop(), asyncio.Event()
        self._thread = threading.Thread(target=self._run, args=(listening,), name=type(self).__name__)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._port = None
        if self._bug is not None:
            raise self._bug
        if kind is None:
            self._script.assert_followed()

    def _run(self, listening: socket.socket) -> None:
        with self._runner:  # cancels at its end what is still going on
            self._runner.run(self._serve(listening))

    async def _serve(self, listening: socket.socket) -> None:
        server = await asyncio.start_server(self._connected, sock=listening, backlog=_WAITING)
        await self._stop.wait()
        server.close()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.get_running_loop().create_task(self._talk(reader, writer))
        self._talks.add(talk)
        talk.add_done_callback(self._ended)

    def _ended(self, talk: asyncio.Task[None]) -> None:
        self._talks.discard(talk)
        bug = None if talk.cancelled() else talk.exception()
        self._bug = self._bug or bug

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client's calls, one after the other, until either side has had enough."""
        connection = Connection(reader, writer)
        try:
            while request := await read_request(reader):
                self.requests.append(request)
                if not await self._attend(connection, request):
                    break
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def _attend(self, connection: Connection, request: Request) -> bool:
        """Do what has to be done to a call; return whether its connection can be used again."""
        hung_up = False
        try:
            behaviour = self._objection(request) or self._next(request)
            await connection.pause(self.latency)
            return await self._do(behaviour, connection, request)
        except ConnectionError:
            hung_up = True
            return False
        finally:
            request.end(hung_up=hung_up)

    def _objection(self, request: Request) -> Status | None:
        """Return the answer to a call that the script is not asked about, or None."""
        if (request.method, request.path) != ("POST", PATH):
            asked = f"{request.method} {request.path}"
            return Status(404, body=error(f"this server knows POST {PATH} only, not {asked}"))
        if "stop" in request.body and not self.takes_stop:
            message = "Unsupported parameter: 'stop' is not supported with this model."
            return Status(400, body=error(message, param="stop", code="unsupported_parameter"))
        return None

    def _next(self, request: Request) -> Behaviour:
        try:
            behaviour = self._script.next(request)
        except ScriptError as too_many:
            # The header keeps OpenAI's client from asking again and again.
            return Status(500, headers={"x-should-retry": "false"}, body=error(str(too_many)))
        return Say(behaviour) if isinstance(behaviour, str) else behaviour

    async def _do(self, behaviour: Behaviour, connection: Connection, request: Request) -> bool:
        """Do to a call what the script says; return whether its connection can be used again."""
        match behaviour:
            case Reply():
                speech = speak(behaviour, request.texts, _stop_words(request))
                say = _stream if request.body.get("stream") else _say
                return await say(connection, Answer(request, speech), speech)
            case Status(code, headers):
                kind, body = behaviour.content()
                await connection.send_whole(code, kind, body, headers)
                return True
            case Garbage(data, http=True):
                await connection.send_whole(200, _JSON, data)
                return True
            case Garbage(data):
                await connection.send(data)
            case Silence(seconds):
                await connection.pause(seconds)
            case Refuse():
                connection.reset()
            case _:
                assert_never(behaviour)
        return False


async def _say(connection: Connection, answer: Answer, speech: Speech) -> bool:
    await connection.pause(speech.seconds)
    body = answer.whole()
    if speech.breaks_off:
        promised = head(200, {"Content-Type": _JSON, "Content-Length": str(len(body))})
        await connection.send(promised + body[: len(body) // 2])
        return False
    await connection.send_whole(200, _JSON, body)
    return True


async def _stream(connection: Connection, answer: Answer, speech: Speech) -> bool:
    await connection.send(head(200, _EVENTS) + chunk(answer.first_event()))
    events: list[bytes] = []
    for wait, piece in speech.parts:
        if wait and events:
            await connection.send(chunk(b"".join(events)))
            events.clear()
        await connection.pause(wait)
        if piece:
            events.append(answer.event(piece))
    if not speech.breaks_off:
        events.append(answer.last_events())
    if events:
        await connection.send(chunk(b"".join(events)))
    if not speech.breaks_off:
        await connection.send(chunk(b""))
    return not speech.breaks_off


def _stop_words(request: Request) -> list[str]:
    stop = request.body.get("stop") or []
    return [stop] if isinstance(stop, str) else stop
