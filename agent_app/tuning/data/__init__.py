"""Makes, reads and checks the rows that a soft prompt is tuned and measured on."""

from agent_app.errors import DataError
from agent_app.tuning.data.making import FEWEST, make_rows
from agent_app.tuning.data.recording import TOOLS
from agent_app.tuning.data.rows import PARTS, Part, Row, lines_of, read_rows

__all__ = [  # noqa: RUF022 - in the order of their letters
    "DataError",
    "FEWEST",
    "PARTS",
    "Part",
    "Row",
    "TOOLS",
    "lines_of",
    "make_rows",
    "read_rows",
]
