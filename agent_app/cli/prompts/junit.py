"""Outcomes of tests as JUnit XML, which build servers show."""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_app.cli.prompts.testing import Outcome

# What XML 1.0 has no way to write, not even as a reference.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAGS = {"FAIL": "failure", "ERROR": "error"}


def junit_xml(outcomes: Sequence[Outcome]) -> str:
    """Return a report with one suite a prompt and one case a test; characters that XML lacks are left out.

    Args:
        outcomes: the tests, those of one prompt after each other.
    """
    root = ET.Element("testsuites", _totals(outcomes))
    for prompt, some in itertools.groupby(outcomes, lambda outcome: outcome.prompt):
        group = list(some)
        suite = ET.SubElement(root, "testsuite", {"name": _text(prompt.name), **_totals(group)})
        facts = {
            "model": group[0].model,
            "prompt.version": prompt.version,
            "prompt.hash": prompt.hash,
            "prompt.file": str(prompt.path),
        }
        properties = ET.SubElement(suite, "properties")
        for name, value in facts.items():
            ET.SubElement(properties, "property", {"name": name, "value": _text(value)})
        for number, outcome in enumerate(group, 1):
            _add_case(suite, number, outcome)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _add_case(suite: ET.Element, number: int, outcome: Outcome) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        {
            "classname": f"prompts.{_text(outcome.prompt.name)}",
            "name": f"{number}. {_text(outcome.test.title)}",
            "time": f"{outcome.seconds:.3f}",
        },
    )
    if outcome.status in _TAGS:
        tag = ET.SubElement(case, _TAGS[outcome.status], {"message": _text(outcome.reasons[0])})
        tag.text = _text("\n".join(outcome.reasons))
    if outcome.answer:
        ET.SubElement(case, "system-out").text = _text(outcome.answer)


def _totals(outcomes: Sequence[Outcome]) -> dict[str, str]:
    statuses = [outcome.status for outcome in outcomes]
    return {
        "tests": str(len(outcomes)),
        "failures": str(statuses.count("FAIL")),
        "errors": str(statuses.count("ERROR")),
        "time": f"{sum(outcome.seconds for outcome in outcomes):.3f}",
    }


def _text(text: str) -> str:
    return _NOT_XML.sub("", text)
