"""Files of questions become rows, and what is wrong with one is said by file and line."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
import tempfile
import threading
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from agent_app import BatchError
from agent_app.batch.formats import Given
from agent_app.batch.rows import Reading, Row, Rows, rows_of_file, rows_of_stream, rows_of_values
from agent_app.prompt.inputs import Input

PLAIN = Reading()


def read(folder: Path, name: str, text: str | bytes, reading: Reading = PLAIN, **how: bool) -> list[Row]:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return list(rows_of_file(file, reading, **how))  # type: ignore[arg-type]


def complaint(folder: Path, name: str, text: str | bytes, reading: Reading = PLAIN) -> str:
    with pytest.raises(BatchError) as caught:
        read(folder, name, text, reading)
    return str(caught.value)


def said(rows: list[Row]) -> list[tuple[str, str]]:
    return [(row.place, row.question) for row in rows]


def test_a_text_has_a_question_a_line(tmp_path: Path) -> None:
    rows = read(tmp_path, "q.txt", "\ufeffWhat is 2 + 2?\n\n  Who are you? \nlast")
    assert said(rows) == [("q.txt:1", "What is 2 + 2?"), ("q.txt:3", "Who are you?"), ("q.txt:4", "last")]


def test_jsonl_brings_ids_expectations_and_other_fields(tmp_path: Path) -> None:
    lines = [{"id": 7, "question": "Why?", "expected": "so", "topic": "logic"}, {"question": "How?"}]
    first, second = read(tmp_path, "q.jsonl", "\n".join(map(json.dumps, lines)))
    assert (first.id, first.question, first.expected) == ("7", "Why?", "so")
    assert (first.fields, first.inputs) == ({"topic": "logic"}, {})
    assert (second.id, second.expected, second.fields) == (second.key.hex(), None, {})


def test_a_missing_value_as_python_writes_it_is_null(tmp_path: Path) -> None:
    (row,) = read(tmp_path, "q.jsonl", '{"question": "Why?", "expected": NaN, "year": NaN}')
    assert (row.expected, row.fields) == (None, {"year": None})
    assert complaint(tmp_path, "q.jsonl", '{"question": "Why?", "year": Infinity}').startswith(
        "q.jsonl:1: it is not JSON: Infinity is no number of JSON\n"
    )


def test_csv_knows_records_of_several_lines(tmp_path: Path) -> None:
    rows = read(
        tmp_path, "q.csv", 'nr,text,expected\n1,"Two\nlines?",\n2,"a ""b""",4\n', Reading("text", "nr")
    )
    assert [(row.place, row.id, row.question, row.expected) for row in rows] == [
        ("q.csv:3", "1", "Two\nlines?", None),
        ("q.csv:4", "2", 'a "b"', "4"),
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("q.csv", '\ufeffnr;question;expected\r\n1;"1,5; + 1?";2,5\r\n2;Why, mate?;\r\n'),  # Excel, in Europe
        ("q.csv", '"nr","question","expected"\n1,"1,5; + 1?","2,5"\n2,"Why, mate?",\n'),
        ("q.tsv", "nr\tquestion\texpected\n1\t1,5; + 1?\t2,5\n2\tWhy, mate?\t\n"),
    ],
)
def test_the_first_line_of_csv_tells_what_separates_columns(tmp_path: Path, name: str, text: str) -> None:
    rows = read(tmp_path, name, text, Reading(id="nr"))
    assert [(row.id, row.question, row.expected) for row in rows] == [
        ("1", "1,5; + 1?", "2,5"),
        ("2", "Why, mate?", None),
    ]


def test_blank_lines_of_csv_are_passed_over_also_as_a_spreadsheet_writes_them(tmp_path: Path) -> None:
    rows = read(tmp_path, "q.csv", "\n,,\nid,question,note\n,,\n1,Why?,\n\n , ,\n2,How?,x\n,,\n")
    assert [(row.place, row.id, row.question) for row in rows] == [
        ("q.csv:5", "1", "Why?"),
        ("q.csv:8", "2", "How?"),
    ]


def test_a_value_of_csv_may_be_as_long_as_one_of_jsonl(tmp_path: Path) -> None:
    limit, page = csv.field_size_limit(), "x" * 200_000
    file = tmp_path / "q.csv"
    file.write_text(f"question,page\nWhy?,{page}\n{page},\nHow?,\n", encoding="utf-8")
    for row in rows_of_file(file, PLAIN, skip_bad=True):
        assert (row.question, row.fields["page"]) in {("Why?", page), ("How?", "")}
        assert csv.field_size_limit() == limit
    with pytest.raises(BatchError, match=r"q\.csv:3: the question has 200,000 characters; at most 50,000"):
        rows_of_file(file, PLAIN)
    assert csv.field_size_limit() == limit


def test_every_bad_row_is_named_before_anything_is_asked(tmp_path: Path) -> None:
    lines = [
        b'{"question": "fine"}',
        b'{"question": ',
        b'["question"]',
        b'{"qestion": "x"}',
        b'{"question": " "}',
        b'{"question": 5}',
        b'{"question": "x", "id": [1]}',
        b'{"question": "\xff"}',
        b'{"question": "half \\ud83d"}',
        b'{"question": "x", "id": "a"}',
        b'{"question": "y", "id": "a"}',
        b'{"question": "x", "n": 1e308, "m": -1e999}',
    ]
    assert complaint(tmp_path, "q.jsonl", b"\n".join(lines)).splitlines() == [
        "q.jsonl:2: it is not JSON: Expecting value, at character 13",
        "q.jsonl:3: it is a JSON array; write one object a line",
        "q.jsonl:4: there is no field 'question'; did you mean 'qestion'?",
        "q.jsonl:5: the question is empty: 'question' is \" \"",
        "q.jsonl:6: the question is no text: 'question' is 5",
        "q.jsonl:7: the id is neither text nor a whole number: 'id' is [1]",
        "q.jsonl:8: it is not UTF-8 text, at byte 15",
        "q.jsonl:9: the question is not Unicode text: it has half of a surrogate pair",
        "q.jsonl:11: the id 'a' is that of another question before",
        "q.jsonl:12: the number -1e999 is too large",
        "nothing was asked; --skip-bad leaves out bad rows",
    ]
    kept = read(tmp_path, "q.jsonl", b"\n".join(lines), skip_bad=True)
    assert said(kept) == [("q.jsonl:1", "fine"), ("q.jsonl:10", "x")]


def test_of_many_bad_rows_only_the_first_are_named(tmp_path: Path) -> None:
    lines = complaint(tmp_path, "q.jsonl", "{}\n" * 50).splitlines()
    assert len(lines) == 22
    assert lines[-2:] == ["and 30 more", "nothing was asked; --skip-bad leaves out bad rows"]


NO_TEXT = "it is not UTF-8 text; save the file as UTF-8"


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("q.txt", "\n \n", "q.txt: there is no question in it"),
        ("q.xml", "<q/>", "the suffix tells no format; known: .txt, .jsonl, .ndjson, .csv, .tsv; or give"),
        ("q.csv", "question\na,b\n", "q.csv:2: it has 2 values for 1 columns\nnothing was asked; --skip-bad"),
        ("q.csv", "question,question\na,b\n", "q.csv:1: two columns are called 'question'"),
        ("q.csv", 'question\n"a\n', "q.csv:2: it is not CSV: unexpected end of data"),
        ("q.csv", b"question,n\xff\na,b\n", "q.csv:1: it is not UTF-8 text; save the file as UTF-8"),
        ("q.txt", "Why?\nHow?\n".encode("utf-16-le"), f"q.txt:1: {NO_TEXT}\nq.txt:2: {NO_TEXT}\n"),
        ("q.jsonl", '{"question": "a"}\n'.encode("utf-16-le"), f"q.jsonl:1: {NO_TEXT}\n"),
        ("q.csv", "question\nWhy?\n".encode("utf-16-le"), f"q.csv:1: {NO_TEXT}"),
        ("q.jsonl", '[\n {"question": "a"},\n]', "q.jsonl:1: it is a JSON array; write one object a line\n"),
        ("q.jsonl", '[{"question": "a"}]', "q.jsonl:1: it is a JSON array; write one object a line\n"),
        ("q.jsonl", '"a"', 'q.jsonl:1: it is no JSON object such as {"question": "..."}\n'),
        ("q.txt", "x" * 50_001, "q.txt:1: the question has 50,001 characters; at most 50,000 are taken"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, name: str, text: str | bytes, problem: str) -> None:
    assert problem in complaint(tmp_path, name, text)


def test_of_csv_only_the_records_that_are_no_utf_8_are_bad(tmp_path: Path) -> None:
    text = b'question,note\nWhy?,\xe9t\xe9\n"How\nmuch?",x\n\xff,y\n' + "Où?,é\n".encode()
    assert complaint(tmp_path, "q.csv", text).splitlines() == [
        "q.csv:2: it is not UTF-8 text; save the file as UTF-8",
        "q.csv:5: it is not UTF-8 text; save the file as UTF-8",
        "nothing was asked; --skip-bad leaves out bad rows",
    ]
    kept = read(tmp_path, "q.csv", text, skip_bad=True)
    assert said(kept) == [("q.csv:4", "How\nmuch?"), ("q.csv:6", "Où?")]


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BatchError, match=r"^cannot read .*none\.txt: No such file or directory$"):
        rows_of_file(tmp_path / "none.txt", PLAIN)


def test_fields_that_the_prompt_takes_are_checked_and_converted(tmp_path: Path) -> None:
    reading = Reading(inputs={"year": Input("integer"), "tone": Input("string", default="calm")})
    (row,) = read(tmp_path, "q.csv", "question,year,note\nWhy?,1720,x\n", reading)
    assert (row.inputs, row.fields) == ({"year": 1720}, {"year": "1720", "note": "x"})
    problem = "the field 'year' does not fit the prompt; it takes a whole number, not text"
    assert complaint(tmp_path, "q.csv", "question,year\nWhy?,old\n", reading).startswith(
        f"q.csv:2: {problem}"
    )
    assert complaint(tmp_path, "q.jsonl", '{"question": "Why?", "year": "1720"}', reading).startswith(
        f"q.jsonl:1: {problem}"
    )
    missing = "q.jsonl:1: there is no field 'year', which the prompt takes"
    assert complaint(tmp_path, "q.jsonl", '{"question": "Why?"}', reading).startswith(missing)


def test_rows_of_which_a_model_is_shown_the_same_have_the_same_key(tmp_path: Path) -> None:
    lines = [{"question": "a", "n": 1}, {"question": "a", "n": 2}, {"question": "a", "n": 1}]
    text = "\n".join(map(json.dumps, lines))
    one, two, three = read(tmp_path, "q.jsonl", text)
    assert one.key == two.key == three.key
    assert one.id == three.id != two.id
    one, two, three = read(tmp_path, "q.jsonl", text, Reading(inputs={"n": Input("integer")}))
    assert one.key == three.key != two.key


@pytest.mark.parametrize(
    ("text", "places"), [('{"question": "a"}\n', ["a"]), ("a\nb\n", ["a", "b"]), ("\ufeffa", ["a"])]
)
def test_stdin_can_be_gone_through_again_and_again(text: str, places: list[str]) -> None:
    rows = rows_of_stream(io.BytesIO(text.encode()), PLAIN)
    assert [row.question for row in rows] == [row.question for row in rows] == places


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
@pytest.mark.parametrize(("name", "text"), [("pipe", '{"question": "a"}\n'), ("q.csv", "question\na\n")])
def test_a_pipe_with_a_name_can_be_gone_through_again_and_again(tmp_path: Path, name: str, text: str) -> None:
    pipe = tmp_path / name
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(text,), daemon=True)
    writer.start()
    rows = rows_of_file(pipe, PLAIN)
    writer.join()
    assert said(list(rows)) == said(list(rows)) == [(f"{pipe}:{1 + (name == 'q.csv')}", "a")]


def test_a_program_gives_questions_or_fields_once_or_again_and_again() -> None:
    given: list[Given] = ["a", {"question": "b", "id": 1}]
    for rows in (rows_of_values(given, PLAIN), rows_of_values(iter(given), PLAIN)):
        assert [(row.question, row.place) for row in rows] == [("a", "rows:1"), ("b", "rows:2")]
        assert len(list(rows)) == 2


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        (5, "it is neither a question nor its fields, but int"),
        ({"question": "b", "at": {1: 2, "a": 3}}, "a field holds what JSON cannot: '<' not supported"),
        ({"question": "b", "at": {(1, 2): 3}}, "a field holds what JSON cannot: keys must be str"),
    ],
)
def test_what_a_program_gives_wrongly_is_named_by_its_number(given: Any, wrong: str) -> None:
    for values in (["a", given], iter(["a", given])):
        with pytest.raises(BatchError, match=f"^rows:2: {re.escape(wrong)}"):
            rows_of_values(values, PLAIN)


def test_questions_that_are_refused_are_not_left_in_the_temporary_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for bad in ("", '{"q": 1}\n'):
        with pytest.raises(BatchError):
            rows_of_stream(io.BytesIO(bad.encode()), PLAIN)
    with pytest.raises(BatchError):
        rows_of_values(iter([5]), PLAIN)  # type: ignore[arg-type]
    kept = rows_of_stream(io.BytesIO(b"Why?\n"), PLAIN)
    assert len(list(tmp_path.iterdir())) == 1
    del kept
    assert not list(tmp_path.iterdir())


def test_a_date_that_a_program_gives_is_a_field_like_any_other() -> None:
    given: list[Given] = [{"question": "When?", "at": date(2024, 2, 29)}]
    (first,), (second,) = rows_of_values(given, PLAIN), rows_of_values(iter(given), PLAIN)
    assert first.id == second.id != first.key.hex()


def test_a_file_that_changes_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    file = tmp_path / "q.txt"
    file.write_text("a\nb\n", encoding="utf-8")
    rows = rows_of_file(file, PLAIN)
    file.write_text("a\nc\n", encoding="utf-8")
    with pytest.raises(BatchError, match=r"^q\.txt:2: it was changed while it was being read$"):
        list(rows)
    file.write_text("a\n", encoding="utf-8")
    fewer = r"^q\.txt: it was changed while it was being read; it has fewer rows than before$"
    with pytest.raises(BatchError, match=fewer):
        list(rows)


def test_rows_that_are_not_wanted_are_not_parsed(tmp_path: Path) -> None:
    parsed: list[str] = []

    def parse(line: str) -> str:
        parsed.append(line)
        return line

    rows = Rows("rows", lambda: enumerate(["a", "b", "c"], 1), parse, PLAIN)
    second = rows.census.keys[1]
    parsed.clear()
    assert [row.question for row in rows.select(lambda key: key == second)] == ["b"]
    assert parsed == ["b"]
