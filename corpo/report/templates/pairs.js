// Shows one pair at a time and applies the filters. The including page defines `data` and `matchesFilters`.
function candidateBox(name, candidate) {
  const box = create("div");
  const title = create("h3", "Candidate " + name + ": ");
  title.append(create("span", candidate.correct ? "correct" : "wrong", candidate.correct ? "good" : "bad"));
  const tests = candidate.total ? ", " + candidate.passed + " of " + candidate.total + " tests passed" : "";
  title.append(create("span", " (origin: " + words(candidate.origin) + tests + ")", "soft"));
  const pre = create("pre");
  candidate.text.split("\n").forEach((line, index) => {
    const row = create("span", undefined, candidate.line === index + 1 ? "row bug" : "row");
    row.append(create("span", String(index + 1), "line-number"), line || " ");
    pre.append(row);
  });
  box.append(title, pre);
  if (candidate.evidence) box.append(create("div", candidate.evidence, "soft"));
  return box;
}

let filtered = [], index = 0;

function isSelected(id, value) {
  return !element(id).value || element(id).value === value;
}

function show(emptyMessage) {
  const box = element("example");
  box.replaceChildren();
  element("position").textContent = filtered.length ? (index + 1) + " of " + filtered.length + " prompts" : "no prompt";
  element("previous").disabled = index <= 0;
  element("next").disabled = index >= filtered.length - 1;
  if (!filtered.length) { box.append(emptyMessage); return; }
  const prompt = filtered[index], sides = create("div", undefined, "sides");
  prompt.candidates.forEach((candidate, side) => sides.append(candidateBox("AB"[side], candidate)));
  const title = "Split: " + words(prompt.split) + "; problem: " + prompt.problem;
  box.append(create("div", title, "soft"), create("pre", prompt.statement, "plain"), sides);
}

function start(emptyMessage) {
  const filter = () => { filtered = data.filter(matchesFilters); index = 0; show(emptyMessage); };
  for (const select of document.querySelectorAll("#filters select")) select.addEventListener("change", filter);
  element("previous").addEventListener("click", () => { index -= 1; show(emptyMessage); });
  element("next").addEventListener("click", () => { index += 1; show(emptyMessage); });
  filter();
}
