"""A file of answers becomes one page of HTML that needs nothing else, and nobody: no network, no server.

The answers are read row by row (`reading`), twice: first for the totals (`totals`), which are summed up and
drawn (`summary`, `histogram`, `bars`), then for the table (`table`). The page (`page`) is put together from
those and from three files that are what their names say: `report.html`, `report.css` and `report.js`.
"""

from __future__ import annotations

from agent_app.batch.report.page import write_report
from agent_app.batch.report.reading import Answers
from agent_app.batch.report.totals import Totals

__all__ = ["Answers", "Totals", "write_report"]
