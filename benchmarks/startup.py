"""Measures how long the program takes to start, against a bare interpreter.

    python benchmarks/startup.py --runs 20

The commands take turns, each in a process of its own; the median is printed, and which heavy packages
each has imported by the time it is done.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAVY = (
    "langchain",
    "langchain_core",
    "langchain_openai",
    "openai",
    "httpx",
    "pydantic",
    "xllamacpp",
    "rich",
)
CALL = "import sys; sys.argv = ['agent-app', {word!r}]\nfrom agent_app.__main__ import main\nmain()"
COMMANDS = {
    "python -c pass": "pass",
    "import agent_app": "import agent_app",
    "agent-app --version": CALL.format(word="--version"),
    "agent-app --help": CALL.format(word="--help"),
}
# The names go to stderr from an exit handler, for the commands end in SystemExit.
REPORT = (
    "import atexit, sys\n"
    f"atexit.register(lambda: print(*[m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr))\n"
)


def start(code: str) -> tuple[float, str]:
    """Run code in a new interpreter; return the seconds it took and what it wrote to stderr.

    Raises:
        subprocess.CalledProcessError: it did not end well.
    """
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return time.perf_counter() - begun, done.stderr.strip()


def main(arguments: Sequence[str] | None = None) -> None:
    """Print medians, ratios and heavy imports."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=20, help="starts per command")
    runs = parser.parse_args(arguments).runs
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(runs + 1):
        for name, code in COMMANDS.items():
            taken, _ = start(code)
            if number:  # the first writes the byte code and fills the file cache
                times[name].append(taken * 1000)
    bare = statistics.median(times["python -c pass"])
    print(f"{'':22}{'ms':>8}{'x bare':>8}  heavy packages imported")
    for name, code in COMMANDS.items():
        median = statistics.median(times[name])
        print(f"{name:22}{median:8.1f}{median / bare:8.2f}  {start(REPORT + code)[1] or 'none'}")


if __name__ == "__main__":
    main()
