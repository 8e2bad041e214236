{# `item` is "pair" or "question". Pairs have candidates and scores, and questions have answers. -#}
// The explorer: shows one group of responses at a time, and the filters that choose among the groups. Its
// state is in the address, after "#rollouts?". The including page defines `data`.
const FILTERS = ["show", "split", "kind", "policy", "step"];
const ADDRESS = "#rollouts?";
const [RESPONSE, SCORES, REWARD, IS_CORRECT, COUNT, FIRST_ADVANTAGE] = [0, 1, 2, 3, 4, 5];
const MARK = 13; // pixels between two marks of the number line
let filtered = [], current = 0, drawnWidth = 0;

const promptOf = (group) => data.prompts[group.prompt];
const advantage = (row, baseline) => row[FIRST_ADVANTAGE + data.baselines.indexOf(baseline)];
const plural = (count, noun) => count + " " + noun + (count === 1 ? "" : "s");

function withSign(value, digits) {
  const sign = value > 0 ? "+" : value < 0 ? "−" : "";
  return sign + Math.abs(value).toFixed(digits);
}

// --- filters ---

// The filter "show" is empty, or a sign of the advantage and a baseline, such as "rewarded GRPO".
function shownRows() {
  const [kind, baseline] = element("show").value.split(/ (.*)/);
  if (kind === "rewarded") return (row) => !row[IS_CORRECT] && advantage(row, baseline) > 0;
  if (kind === "punished") return (row) => row[IS_CORRECT] && advantage(row, baseline) < 0;
  return () => false;
}

// The baseline whose rewarded failures are marked.
const markedBaseline = () => element("show").value.split(/ (.*)/)[1] || data.baselines[0];

function countResponses(group, isCounted) {
  return group.rows.filter(isCounted).reduce((sum, row) => sum + row[COUNT], 0);
}

function matchesFilters(group) {
  const prompt = promptOf(group);
  const values = { split: prompt.split, kind: prompt.kind, policy: group.policy, step: prompt.step };
  return Object.entries(values).every(([id, value]) => !element(id).value || element(id).value === String(value));
}

// Groups in the order of the page. If there are responses of interest, groups with most of them come first, and
// before these, groups that also have a correct response.
function applyFilters() {
  filtered = data.groups.map((group, index) => index).filter((index) => matchesFilters(data.groups[index]));
  if (!element("show").value) return;
  const isShown = shownRows(), counts = data.groups.map((group) => countResponses(group, isShown));
  const isMixed = (group) => Number(group.rows.some((row) => row[IS_CORRECT]));
  const order = (a, b) => isMixed(data.groups[b]) - isMixed(data.groups[a]) || counts[b] - counts[a] || a - b;
  filtered = filtered.filter((index) => counts[index]).sort(order);
}

function writeAddress() {
  const values = new URLSearchParams();
  for (const id of FILTERS) if (element(id).value) values.set(id, element(id).value);
  values.set("group", current);
  history.replaceState(null, "", ADDRESS + values);
}

// Returns whether the address names filters or a group.
function readAddress() {
  if (!location.hash.startsWith(ADDRESS)) return false;
  const values = new URLSearchParams(location.hash.slice(ADDRESS.length));
  for (const id of FILTERS) element(id).value = values.get(id) || "";
  for (const id of FILTERS) if (element(id).selectedIndex < 0) element(id).value = "";
  applyFilters();
  const isGroup = values.has("group") && data.groups[Number(values.get("group"))];
  current = isGroup ? Number(values.get("group")) : filtered[0] || 0;
  return true;
}

// --- the parts of a group ---

{% include item ~ ".js" %}

function policyButtons(group) {
  const box = create("div", undefined, "policies");
  box.setAttribute("role", "group");
  box.setAttribute("aria-label", "policies that responded to this prompt");
  data.groups.forEach((other, index) => {
    if (other.prompt !== group.prompt) return;
    const button = create("button", other.policy);
    button.type = "button";
    button.setAttribute("aria-pressed", String(other === group));
    button.addEventListener("click", () => { current = index; changed(); element("group").querySelector("[aria-pressed=true]").focus(); });
    box.append(button);
  });
  return box;
}

function summary(group) {
  const text = create("p");
  const failures = countResponses(group, (row) => !row[IS_CORRECT]);
  text.append(plural(countResponses(group, () => true), "response") + ", of which " + failures + " failed. ");
  const rewarding = data.baselines
    .map((baseline) => [baseline, countResponses(group, (row) => !row[IS_CORRECT] && advantage(row, baseline) > 0)])
    .filter(([, count]) => count);
  if (!rewarding.length) text.append("No baseline gives a failure a positive advantage here. ");
  else {
    const counts = rewarding.map(([baseline, count]) => baseline + " rewards " + count).join(", ");
    text.append("Failures with a positive advantage: ", create("strong", counts, "bad"));
    text.append(rewarding.length < data.baselines.length ? "; the other baselines reward none. " : ". ");
  }
  if (group.mean === null) text.append("The records have only a part of this group, and not its mean.");
  return text;
}

// --- the number line ---

const SIGNS = {
  correct: ["■", "correct response"],
  rewarded: ["▲", "failure with a positive advantage under "],
  other: ["○", "other failure"],
};

function signOf(row) {
  if (row[IS_CORRECT]) return "correct";
  return advantage(row, markedBaseline()) > 0 ? "rewarded" : "other";
}

const meaning = (sign) => SIGNS[sign][1] + (sign === "rewarded" ? markedBaseline() : "");

function numberLine(group, width) {
  const rewards = group.rows.map((row) => row[REWARD]);
  const low = Math.min(-1, ...rewards), high = Math.max(1, ...rewards), margin = 22;
  const x = (reward) => margin + (reward - low) / (high - low) * (width - 2 * margin);
  const columns = stackedMarks(group, x), tallest = Math.max(...columns.map((mark) => mark.height));
  const axis = 50 + MARK * tallest, height = axis + 26;
  const label = "Number line of the rewards. " + (group.mean === null ? "" : "Group mean " + withSign(group.mean, 2) + ". ")
    + "R_min_correct " + data.threshold + ".";
  const svg = createSvg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label, class: "number-line" });
  if (group.mean !== null && group.mean < data.threshold)
    svg.append(createSvg("rect", { x: x(group.mean), y: 38, width: x(data.threshold) - x(group.mean), height: axis - 38, class: "between" }));
  svg.append(createSvg("path", { d: `M${margin} ${axis}H${width - margin}`, class: "axis" }));
  for (const tick of width < 500 ? [-1, -0.5, 0, 0.5, 1] : [-1, -0.8, -0.6, -0.4, -0.2, 0, 0.2, 0.4, 0.6, 0.8, 1]) {
    svg.append(createSvg("path", { d: `M${x(tick)} ${axis}v5`, class: "axis" }));
    svg.append(createSvg("text", { x: x(tick), y: axis + 19, "text-anchor": "middle" }, withSign(tick, 1)));
  }
  const lines = [[data.threshold, "R_min_correct " + data.threshold, "none"]];
  if (group.mean !== null) lines.push([group.mean, "group mean " + withSign(group.mean, 2), "5 4"]);
  const isMeanRight = group.mean !== null && group.mean > data.threshold;
  lines.forEach(([value, text, dashes], index) => {
    const top = 16 + 16 * index, textWidth = 7 * text.length;
    // The labels are on the outer sides of the two lines, where there is room.
    const isOnRight = (index === 0) !== isMeanRight ? x(value) + textWidth < width : x(value) < textWidth;
    const attributes = { x: x(value) + (isOnRight ? 5 : -5), y: top, "text-anchor": isOnRight ? "start" : "end" };
    svg.prepend(createSvg("path", { d: `M${x(value)} ${axis}V${top - 10}`, class: "axis", "stroke-dasharray": dashes }));
    svg.append(createSvg("text", attributes, text));
  });
  for (const mark of columns) svg.append(markShape(mark, axis));
  return svg;
}

// Returns a mark per response, stacked over its reward; high stacks have two columns.
function stackedMarks(group, x) {
  const marks = [], numbers = new Map(), totals = new Map();
  for (const row of group.rows) totals.set(row[REWARD], (totals.get(row[REWARD]) || 0) + row[COUNT]);
  for (const row of [...group.rows].reverse()) {
    const numColumns = totals.get(row[REWARD]) > 6 ? 2 : 1;
    for (let copy = 0; copy < row[COUNT]; copy += 1) {
      const number = numbers.get(row[REWARD]) || 0;
      numbers.set(row[REWARD], number + 1);
      const shift = (number % numColumns - (numColumns - 1) / 2) * MARK;
      marks.push({ x: x(row[REWARD]) + shift, height: Math.floor(number / numColumns) + 1, sign: signOf(row), row });
    }
  }
  return marks;
}

function markShape(mark, axis) {
  const shapes = {
    correct: ["rect", { x: -4.5, y: -4.5, width: 9, height: 9 }],
    rewarded: ["path", { d: "M-6 5L0 -6L6 5Z" }],
    other: ["circle", { r: 4.5 }],
  };
  const place = createSvg("g", { transform: `translate(${mark.x} ${axis - MARK * mark.height + 3})`, class: "mark " + mark.sign });
  const text = meaning(mark.sign) + ", reward " + withSign(mark.row[REWARD], 2) + ": " + mark.row[RESPONSE];
  place.append(createSvg("title", {}, text), createSvg(...shapes[mark.sign]));
  return place;
}

function legend() {
  const box = create("p", "Rewards of the group:", "soft legend");
  for (const sign of Object.keys(SIGNS)) {
    const item = create("span");
    item.append(create("span", SIGNS[sign][0], "sign " + sign), " " + meaning(sign));
    box.append(item);
  }
  return box;
}

// --- the responses ---

function responseTable(group) {
  const table = create("table", undefined, "responses"), head = create("tr"), thead = create("thead");
  table.append(create("caption", "Responses by falling reward, with the advantage under each baseline"));
  for (const title of ["", {% if item == "pair" %}"scores", {% endif %}"reward", ...data.baselines]) {
    const heading = create("th", title);
    heading.scope = "col";
    if (!title) heading.append(create("span", "kind", "hidden"));
    head.append(heading);
  }
  thead.append(head);
  table.append(thead);
  const isShown = shownRows();
  for (const row of group.rows) table.append(responseRows(row, isShown(row)));
  const scroll = create("div", undefined, "scroll");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "region");
  scroll.setAttribute("aria-label", "responses");
  scroll.append(table);
  return scroll;
}

// A response has two rows: its numbers, and below them its text over the whole width.
function responseRows(row, isShown) {
  const tbody = create("tbody", undefined, isShown ? "interest" : ""), numbers = create("tr"), text = create("tr");
  const sign = signOf(row), kind = create("th");
  kind.scope = "row";
  kind.append(create("span", SIGNS[sign][0], "sign " + sign), create("span", meaning(sign), "hidden"));
  if (row[COUNT] > 1) kind.append(" × " + row[COUNT]);
  numbers.append(kind{% if item == "pair" %}, create("td", row[SCORES] ? row[SCORES].join(" / ") : "none", "number"){% endif %});
  numbers.append(create("td", withSign(row[REWARD], 2), "number"));
  for (const value of row.slice(FIRST_ADVANTAGE)) {
    const isBad = value > 0 && !row[IS_CORRECT];
    numbers.append(create("td", value === null ? "–" : withSign(value, 2), isBad ? "number bad" : "number"));
  }
  const cell = create("td", row[RESPONSE] || "(empty)", "response");
  cell.colSpan = {{ 3 if item == "pair" else 2 }} + data.baselines.length;
  text.append(cell);
  tbody.append(numbers, text);
  return tbody;
}

// --- one group on the page ---

function show() {
  const box = element("group"), place = filtered.indexOf(current);
  const total = plural(filtered.length, "group");
  element("position").textContent = !filtered.length ? "no group" : place < 0 ? "outside the filters; " + total : place + 1 + " of " + total;
  element("previous").disabled = place === 0 || !filtered.length;
  element("next").disabled = place === filtered.length - 1 || !filtered.length;
  drawnWidth = box.clientWidth;
  box.replaceChildren();
  if (!filtered.length) {
    box.append(create("p", "No group matches these filters."));
    return;
  }
  const group = data.groups[current], prompt = promptOf(group);
  const step = prompt.step ? ", training step " + prompt.step : "";
  box.append(create("h3", group.policy + step + ": " + words(prompt.split)));
  box.append(create("p", "{{ "Problem" if item == "pair" else "Question" }} of the family " + words(prompt.family), "soft"));
  box.append(create("pre", prompt.statement, "plain"), {{ "diffTable" if item == "pair" else "answerBox" }}(prompt), policyButtons(group), summary(group));
  box.append(numberLine(group, Math.max(280, drawnWidth - 34)), legend(), responseTable(group));
}

function redrawIfWidthChanged() {
  if (element("group").clientWidth !== drawnWidth) show();
}

function changed() {
  writeAddress();
  show();
}

function move(distance) {
  const place = filtered.indexOf(current), target = filtered[place < 0 ? 0 : place + distance];
  if (target === undefined) return;
  current = target;
  changed();
}

function moveByKey(event) {
  const isTaken = event.target.closest("select, input, summary, .scroll, figure");
  if (isTaken || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  const distance = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (distance) move(distance);
}

function startExplorer() {
  const interest = element("show");
  interest.append(new Option("all groups", ""));
  for (const baseline of data.baselines) interest.append(new Option("failures that " + baseline + " rewards", "rewarded " + baseline));
  for (const baseline of data.baselines) interest.append(new Option("correct responses that " + baseline + " punishes", "punished " + baseline));
  fillSelect("split", distinct(data.prompts.map((prompt) => prompt.split)), true);
  fillSelect("kind", distinct(data.prompts.map((prompt) => prompt.kind)), true);
  fillSelect("policy", distinct(data.groups.map((group) => group.policy)), true);
  const steps = distinct(data.prompts.map((prompt) => prompt.step)).filter((step) => step);
  fillSelect("step", steps, true);
  element("step").closest("label").hidden = !steps.length;
  for (const id of FILTERS) element(id).addEventListener("change", () => { applyFilters(); current = filtered[0] || 0; changed(); });
  element("previous").addEventListener("click", () => move(-1));
  element("next").addEventListener("click", () => move(1));
  document.addEventListener("keydown", moveByKey);
  window.addEventListener("hashchange", () => { if (readAddress()) show(); });
  new ResizeObserver(redrawIfWidthChanged).observe(element("group"));
  const hasAddress = readAddress();
  if (!hasAddress) {
    interest.value = "rewarded " + (data.baselines.includes("GRPO") ? "GRPO" : data.baselines[0]);
    applyFilters();
    if (!filtered.length) { interest.value = ""; applyFilters(); }
    current = filtered[0] || 0;
  }
  show();
  if (hasAddress) element("rollouts").scrollIntoView();
}
