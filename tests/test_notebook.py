"""The notebook is true: it runs as a whole, and what stands in it as output is what comes out.

After a change of its cells write the new outputs into it with ``python tests/test_notebook.py``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
TOUR = ROOT / "examples" / "tour.ipynb"


def executed() -> Any:
    """Return the notebook with the outputs of a fresh run, in a kernel of its own."""
    notebook = nbformat.read(TOUR, as_version=4)
    client = NotebookClient(notebook, timeout=60, kernel_name="python3", record_timing=False)
    client.execute(cwd=str(TOUR.parent), env={**os.environ, "PYTHONPATH": str(ROOT)})
    return tidied(notebook)


def tidied(notebook: Any) -> Any:
    """Leave out what another Python version would write otherwise; join what was printed in pieces."""
    notebook.metadata.language_info = {"name": "python"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            printed = "".join(output.text for output in cell.outputs)
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=printed)] if printed else []
    return notebook


def test_its_outputs_are_what_comes_out_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR", "XDG_DATA_HOME"):
        monkeypatch.setenv(folder, str(tmp_path / folder))
    kept, fresh = nbformat.read(TOUR, as_version=4), executed()
    cells = [cell for cell in kept.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for before, after in zip(kept.cells, fresh.cells, strict=True):
        assert before == after
    nbformat.validate(kept)


if __name__ == "__main__":
    nbformat.write(executed(), TOUR)
