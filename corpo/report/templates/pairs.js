const el = (id) => document.getElementById(id);
const make = (tag, text, name) => { const node = document.createElement(tag); if (text !== undefined) node.textContent = text; if (name) node.className = name; return node; };
const distinct = (values) => [...new Set(values)];

function options(id, values, any) {
  if (any) el(id).append(new Option("any", ""));
  for (const value of values) el(id).append(new Option(value.replaceAll("_", " "), value));
}

function candidate(name, one) {
  const box = make("div");
  const title = make("h3", name + " is ");
  title.append(make("span", one.correct ? "correct" : "wrong", one.correct ? "good" : "bad"));
  const tests = one.total ? ", " + one.passed + " of " + one.total + " tests passed" : "";
  title.append(make("span", " (" + one.origin.replaceAll("_", " ") + tests + ")", "soft"));
  const pre = make("pre");
  one.text.split("\n").forEach((line, index) => {
    const row = make("span", undefined, one.line === index + 1 ? "row bug" : "row");
    row.append(make("span", String(index + 1), "at"), line || " ");
    pre.append(row);
  });
  box.append(title, pre);
  if (one.evidence) box.append(make("div", one.evidence, "soft"));
  return box;
}

let shown = [], at = 0;

function is(id, value) {
  return !el(id).value || el(id).value === value;
}

function show(none) {
  const box = el("example");
  box.replaceChildren();
  el("where").textContent = shown.length ? (at + 1) + " of " + shown.length + " prompts" : "no prompt";
  el("previous").disabled = at <= 0;
  el("next").disabled = at >= shown.length - 1;
  if (!shown.length) { box.append(none); return; }
  const prompt = shown[at], sides = make("div", undefined, "sides");
  prompt.candidates.forEach((one, index) => sides.append(candidate("AB"[index], one)));
  box.append(make("div", prompt.split.replaceAll("_", " ") + ", " + prompt.problem, "soft"), make("pre", prompt.statement, "plain"), sides, below(prompt));
}

function start(none) {
  const filter = () => { shown = data.filter(matches); at = 0; show(none); };
  for (const select of document.querySelectorAll("#filters select")) select.addEventListener("change", filter);
  el("previous").addEventListener("click", () => { at -= 1; show(none); });
  el("next").addEventListener("click", () => { at += 1; show(none); });
  filter();
}
