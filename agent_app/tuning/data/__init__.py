"""Makes, reads and checks the rows that a soft prompt is tuned and measured on."""

from agent_app.errors import DataError
from agent_app.tuning.data.making import FEWEST, make_rows
from agent_app.tuning.data.recording import TOOLS
from agent_app.tuning.data.rows import PARTS, Part, Row, lines_of, read_rows, spread

__all__ = [
    "FEWEST",
    "PARTS",
    "TOOLS",
    "DataError",
    "Part",
    "Row",
    "lines_of",
    "make_rows",
    "read_rows",
    "spread",
]
