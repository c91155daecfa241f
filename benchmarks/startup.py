"""Measures how long the program takes to start, against a bare interpreter and other programs of its kind.

    python benchmarks/startup.py --runs 20
    python benchmarks/startup.py --runs 20 --peers ~/peers/bin

The commands take turns, each in a process of its own; the median is printed, and which heavy packages
each of ours has imported by the time it is done. Of a chat, what counts is the time until its prompt is
there to be typed at, in a terminal of its own; no question is asked, and no model is called. It takes
smollm2-135m to be there: `agent-app models fetch smollm2-135m`. The peers are `llm` and `clai`, installed in
an environment of their own: `pip install llm clai`.
"""

from __future__ import annotations

import argparse
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from agent_app.places import model_folder

ROOT = Path(__file__).resolve().parents[1]
HEAVY = (
    "langchain",
    "langchain_core",
    "langchain_openai",
    "langgraph",
    "openai",
    "httpx",
    "pydantic",
    "prompt_toolkit",
    "xllamacpp",
    "rich",
)
CALL = "import sys; sys.argv = ['agent-app', {word!r}]\nfrom agent_app.__main__ import main\nmain()"
BARE = "python -c pass"
COMMANDS = {
    BARE: "pass",
    "import agent_app": "import agent_app",
    "agent-app --version": CALL.format(word="--version"),
    "agent-app --help": CALL.format(word="--help"),
}
# The names go to stderr from an exit handler, for the commands end in SystemExit.
REPORT = (
    "import atexit, sys\n"
    f"atexit.register(lambda: print(*[m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr))\n"
)
CHAT = [sys.executable, "-m", "agent_app", "chat", "--no-log", "-m", "embedded:smollm2-135m"]
PEERS = {"llm": ["chat", "-m", "gpt-4o-mini"], "clai": ["-m", "openai:gpt-4o-mini"]}
PROMPT = (b"> ", "➤".encode())
WHERE_AM_I, HERE = b"\x1b[6n", b"\x1b[1;1R"
LONGEST = 60
"""In seconds; a prompt that is not there by then never comes."""


def start(code: str) -> tuple[float, str]:
    """Run code in a new interpreter; return the seconds it took and what it wrote to stderr.

    Raises:
        subprocess.CalledProcessError: it did not end well.
    """
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return time.perf_counter() - begun, done.stderr.strip()


def run(command: Sequence[str], environ: Mapping[str, str]) -> float:
    """Run a command to its end; return the seconds it took.

    Raises:
        subprocess.CalledProcessError: it did not end well.
    """
    begun = time.perf_counter()
    subprocess.run(command, env=environ, capture_output=True, check=True)
    return time.perf_counter() - begun


def until_prompt(command: Sequence[str], environ: Mapping[str, str]) -> float:
    """Run a chat in a terminal of its own; return the seconds until its prompt was there, and kill it.

    Raises:
        RuntimeError: no prompt came.
    """
    import pty  # not on Windows

    begun = time.perf_counter()
    child, terminal = pty.fork()
    if not child:
        os.chdir(ROOT)
        os.execve(command[0], command, environ)
    shown = b""
    try:
        while time.perf_counter() - begun < LONGEST:
            if not select.select([terminal], [], [], 1)[0]:
                continue
            try:
                new = os.read(terminal, 65536)
            except OSError:  # Linux says so when the other side is closed
                break
            shown += new
            if any(prompt in shown for prompt in PROMPT):
                return time.perf_counter() - begun
            if WHERE_AM_I in new:
                os.write(terminal, HERE)
            if not new:
                break
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)
    raise RuntimeError(f"{' '.join(command)} shows no prompt: {shown.decode(errors='replace')}")


def environment(home: str) -> dict[str, str]:
    """Return what the chats see: a home of their own, and a key that is none, for they want one to begin."""
    models = os.environ.get("AGENT_APP_MODEL_DIR") or str(model_folder())
    own = {"HOME": home, "TERM": "xterm-256color", "OPENAI_API_KEY": "none", "AGENT_APP_MODEL_DIR": models}
    return {**os.environ, **own}


def all_starts(peers: Path | None, environ: Mapping[str, str]) -> dict[str, Callable[[], float]]:
    """Return what is measured, by name; each call starts it once and returns the seconds."""
    starts: dict[str, Callable[[], float]] = {
        name: partial(lambda code: start(code)[0], code) for name, code in COMMANDS.items()
    }
    if peers:
        starts |= {f"{name} --help": partial(run, [str(peers / name), "--help"], environ) for name in PEERS}
    if sys.platform != "win32":
        starts["agent-app chat"] = partial(until_prompt, CHAT, environ)
        for name, words in PEERS.items() if peers else ():
            starts[f"{name} chat"] = partial(until_prompt, [str(peers / name), *words], environ)
    return starts


def main(arguments: Sequence[str] | None = None) -> None:
    """Print medians, ratios and heavy imports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="starts per command")
    parser.add_argument("--peers", type=Path, help="the folder of the programs llm and clai")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as home:
        starts = all_starts(options.peers and options.peers.absolute(), environment(home))
        times: dict[str, list[float]] = {name: [] for name in starts}
        for number in range(options.runs + 1):
            for name, begin in starts.items():
                taken = begin()
                if number:  # the first writes the byte code and fills the file cache
                    times[name].append(taken * 1000)
    bare = statistics.median(times[BARE])
    print(f"{'':22}{'ms':>8}{'x bare':>8}  heavy packages imported")
    for name in starts:
        median = statistics.median(times[name])
        heavy = start(REPORT + COMMANDS[name])[1] or "none" if name in COMMANDS else ""
        print(f"{name:22}{median:8.1f}{median / bare:8.2f}  {heavy}".rstrip())


if __name__ == "__main__":
    main()
