
"use strict";
// The rows are data in the page. What models wrote is only ever put into it as text, never as HTML.

const PAGE = 50;
const section = document.getElementById("table");
const body = section.querySelector("tbody");
const filters = document.getElementById("filters");
const chunk = Number(section.dataset.chunk);
const details = [...document.querySelectorAll("script.details")];
const rows = [...document.querySelectorAll("script.rows")].flatMap((block) => {
  const parsed = JSON.parse(block.textContent);
  block.remove();
  return parsed;
});
rows.forEach((row, place) => { row.place = place; });

// What is shown: the filters, the order, the page, and one row to go to. The address holds it after its "#".
let state = {};
let order = { key: "n", down: false };
let page = 0;
let found = rows;
const open = new Set();

const STATUS = { answered: "answered", failed: "failed", missing: "not reached" };
const JUDGED = { right: "right", wrong: "wrong", none: "not judged" };
const judged = (row) => (row.right === null ? "none" : row.right ? "right" : "wrong");
const NO_TOOL = "-";
const TESTS = {
  q: (row, words) => haystack(row).includes(words.toLowerCase()),
  status: (row, status) => row.status === status,
  right: (row, how) => judged(row) === how,
  tool: (row, tool) => (tool === NO_TOOL ? row.tools.length === 0 : row.tools.includes(tool)),
  trouble: (row, trouble) => row.troubles.includes(trouble),
};

function haystack(row) {
  row.haystack ??= [row.id, row.question, row.answer, row.error, row.expected]
    .filter((text) => text !== null).join("\n").toLowerCase();
  return row.haystack;
}

function find() {
  const wanted = Object.keys(TESTS).filter((name) => state[name]);
  found = rows.filter((row) => wanted.every((name) => TESTS[name](row, state[name])));
  const { key, down } = order;
  if (key !== "n" || down) {
    const compare = new Intl.Collator(undefined, { numeric: true }).compare;
    const sign = down ? -1 : 1;
    found.sort((a, b) => {
      const [one, other] = [a[key], b[key]];
      if (one === null || other === null) return (one === null) - (other === null) || a.n - b.n;
      const difference = typeof one === "string" ? compare(one, other) : one - other;
      return sign * difference || a.n - b.n;
    });
  }
}

function element(name, properties, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

const count = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;

function time(seconds) {
  const [size, unit] = seconds < 1 ? [0.001, "ms"] : seconds < 180 ? [1, "s"] : seconds < 10800 ? [60, "min"] : [3600, "h"];
  return `${Number((seconds / size).toPrecision(seconds / size < 100 ? 2 : 3))} ${unit}`;
}

function rowElement(row) {
  const isOpen = open.has(row.n);
  const dot = () => element("i", { className: row.outcome, "aria-hidden": "true" });
  const answer = row.status === "answered" ? row.answer : row.error;
  const made = element("tr", { className: "row", id: `row-${row.n}` },
    element("th", { scope: "row", className: "number" },
      element("button", { type: "button", "aria-expanded": String(isOpen), "aria-label": `Row ${row.n}, steps` }, String(row.n))),
    element("td", { className: "status", title: `${STATUS[row.status]}, ${JUDGED[judged(row)]}` }, dot(), element("span", {}, STATUS[row.status])),
    element("td", { className: "text" },
      element("div", { className: "question" }, row.question),
      element("div", { className: row.status === "failed" ? "answer bad" : "answer" }, answer ?? "")),
    element("td", { className: "judged" }, row.right === null ? "" : JUDGED[judged(row)]),
    element("td", { className: "number steps" }, row.steps.toLocaleString("en")),
    element("td", { className: "number tokens" }, row.tokens.toLocaleString("en")),
    element("td", { className: "number" }, row.status === "missing" ? "" : time(row.seconds)));
  made.addEventListener("click", (event) => {
    // Who selects text in a row does not want it to open.
    if (event.target.closest("button") || getSelection().isCollapsed) toggle(row, made);
  });
  return made;
}

function toggle(row, shown) {
  const isOpen = !open.delete(row.n);
  if (isOpen) {
    open.add(row.n);
    shown.after(detailElement(row));
  } else {
    shown.nextElementSibling.remove();
  }
  shown.querySelector("button").setAttribute("aria-expanded", String(isOpen));
}

let parsed = { place: -1 };

function detailsOf(row) {
  const place = Math.floor(row.place / chunk);
  if (parsed.place !== place) parsed = { place, of: JSON.parse(details[place].textContent) };
  return parsed.of[row.place % chunk];
}

function detailElement(row) {
  const { steps, facts } = detailsOf(row);
  const part = (name, text, className = "words") =>
    text === null ? [] : [element("h4", {}, name), element("p", { className }, text)];
  const known = element("dl", { className: "facts" },
    ...facts.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]));
  const link = element("a", { href: `#row=${row.n}` }, "link to this row");
  return element("tr", { className: "detail" }, element("td", { colSpan: 7 },
    element("div", { className: "beside" },
      element("div", {},
        ...part("Question", row.question), ...part("Expected", row.expected),
        ...part("Answer", steps.at(-1)?.kind === "answer" ? null : row.answer), ...part("Error", row.error),
        element("h4", {}, steps.length ? "Steps" : "No steps"),
        element("ol", { className: "trace" }, ...steps.map((step) => stepElement(step, row)))),
      element("div", {}, element("h4", {}, "Facts"), known, element("p", {}, link)))));
}

const KINDS = { action: "Action", observation: "Observation", answer: "Final answer", unreadable: "Unreadable reply" };

function stepElement(step, row) {
  const names = [step.kind];
  if (step.error || step.kind === "unreadable") names.push("bad");
  const head = element("div", { className: "kind" }, step.tool ? `${KINDS[step.kind]}: ${step.tool}` : KINDS[step.kind],
    ...(step.error ? [" (error)"] : []),
    ...(step.repairs ?? []).map((words) => element("span", { className: "repair", title: "forgiven in the reply" }, words)));
  const made = element("li", { className: names.join(" ") });
  if (step.thought) made.append(element("p", { className: "words thought" }, step.thought));
  made.append(head);
  const text = step.input ?? step.text ?? (step.kind === "answer" ? row.answer : null);
  if (text) made.append(step.kind === "answer" ? element("p", { className: "words" }, text) : element("pre", { tabIndex: 0 }, text));
  return made;
}

function render() {
  const pages = Math.max(1, Math.ceil(found.length / PAGE));
  page = Math.min(page, pages - 1);
  const shown = found.slice(page * PAGE, (page + 1) * PAGE);
  body.replaceChildren(...shown.flatMap((row) => (open.has(row.n) ? [rowElement(row), detailElement(row)] : [rowElement(row)])));
  if (!shown.length) body.append(element("tr", {}, element("td", { colSpan: 7, className: "nothing" }, "No row matches.")));
  document.getElementById("found").textContent =
    found.length === rows.length ? count(rows.length, "row") : `${found.length.toLocaleString("en")} of ${count(rows.length, "row")}`;
  document.getElementById("page").textContent = `Page ${page + 1} of ${pages.toLocaleString("en")}`;
  document.getElementById("previous").disabled = page === 0;
  document.getElementById("next").disabled = page === pages - 1;
  document.querySelector("nav").hidden = pages === 1;
  for (const header of section.querySelectorAll("thead th")) {
    const isSorted = header.firstElementChild.dataset.key === order.key;
    if (isSorted) header.setAttribute("aria-sort", order.down ? "descending" : "ascending");
    else header.removeAttribute("aria-sort");
  }
}

function show() {
  find();
  for (const name of Object.keys(TESTS)) filters.elements[name].value = state[name] ?? "";
  document.getElementById("clear").disabled = !Object.keys(TESTS).some((name) => state[name]);
  const wanted = found.findIndex((row) => String(row.n) === state.row);
  if (wanted >= 0) {
    page = Math.floor(wanted / PAGE);
    open.add(found[wanted].n);
  }
  render();
}

function readAddress({ scroll }) {
  state = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  page = 0;
  show();
  const there = Object.keys(state).length ? document.getElementById(`row-${state.row}`) ?? section : null;
  if (scroll && there) there.scrollIntoView();
}

function readFilters() {
  state = Object.fromEntries([...new FormData(filters)].filter(([, value]) => value));
  history.replaceState(null, "", `#${new URLSearchParams(state)}`);
  page = 0;
  show();
}

function offer(name, values, words = (value) => value) {
  const select = filters.elements[name];
  const tally = new Map();
  for (const value of values) tally.set(value, (tally.get(value) ?? 0) + 1);
  const sorted = [...tally].sort((a, b) => b[1] - a[1]);
  select.append(...sorted.map(([value, number]) => element("option", { value }, `${words(value)} (${number.toLocaleString("en")})`)));
  select.parentElement.hidden = sorted.length < 2 && name !== "trouble" || !sorted.length;
}

offer("status", rows.map((row) => row.status), (status) => STATUS[status]);
offer("right", rows.map(judged), (how) => JUDGED[how]);
offer("tool", rows.flatMap((row) => (row.tools.length ? row.tools : [NO_TOOL])), (tool) => (tool === NO_TOOL ? "none" : tool));
offer("trouble", rows.flatMap((row) => row.troubles));
section.classList.toggle("unjudged", rows.every((row) => row.right === null));

let waiting;
filters.addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(readFilters, 120);
});
filters.addEventListener("submit", (event) => event.preventDefault());
document.getElementById("clear").addEventListener("click", () => {
  filters.reset();
  readFilters();
  filters.elements.q.focus();
});
for (const button of section.querySelectorAll("thead button")) {
  button.addEventListener("click", () => {
    const { key } = button.dataset;
    order = { key, down: key === order.key ? !order.down : false };
    page = 0;
    show();
  });
}
for (const [id, by] of [["previous", -1], ["next", 1]]) {
  document.getElementById(id).addEventListener("click", () => {
    page += by;
    render();
    section.scrollIntoView();
  });
}
addEventListener("hashchange", () => readAddress({ scroll: true }));
section.hidden = false;
readAddress({ scroll: true });
