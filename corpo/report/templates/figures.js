// Tooltips and tables of figures. A figure's data lie in its <metadata>: a list of panels, each with its frame
// (shares of the width and the height of the figure), its axes and its series.
const POINTER_RANGE = 40; // pixels around the pointer in which a point is looked for

function panelsOf(figure) {
  const text = figure.querySelector("svg metadata");
  return text ? JSON.parse(text.textContent) : [];
}

const readable = (value) => Number(value.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 });
// Points beside a tick with a name, such as those of several policies in one row, have its name.
const nameAt = (axis, value) => axis.names[Math.round(value)] || readable(value);

// Returns where a value lies on an axis, from 0 to 1.
function share(axis, value) {
  const scale = axis.log ? Math.log : (number) => number;
  return (scale(value) - scale(axis.from)) / (scale(axis.to) - scale(axis.from));
}

function pointsOf(panel, box) {
  const points = [];
  for (const series of panel.series) series.x.forEach((x, index) => {
    const y = series.y[index];
    points.push({
      label: series.label, x, y,
      left: box.width * (panel.left + panel.width * share(panel.xAxis, x)),
      top: box.height * (panel.top + panel.height * (1 - share(panel.yAxis, y))),
    });
  });
  return points;
}

// Returns the lines of the tooltip at a place of a figure: the nearest point, and others with the same x.
function linesAt(panels, box, left, top) {
  let nearest = null, range = POINTER_RANGE;
  for (const panel of panels) for (const point of pointsOf(panel, box)) {
    const distance = Math.hypot(point.left - left, point.top - top);
    if (distance < range) [nearest, range] = [{ panel, point }, distance];
  }
  if (!nearest) return [];
  const { panel, point } = nearest;
  const same = panel.isByX ? pointsOf(panel, box).filter((other) => other.x === point.x) : [point];
  const heading = panel.isByX ? [panel.xAxis.label + " " + nameAt(panel.xAxis, point.x)] : [];
  return heading.concat(same.map((other) => {
    const values = panel.isByX ? nameAt(panel.yAxis, other.y) : nameAt(panel.xAxis, other.x) + ", " + nameAt(panel.yAxis, other.y);
    return (other.label ? other.label + ": " : "") + values;
  }));
}

function showTooltip(event, figure, panels) {
  const svg = figure.querySelector("svg"), box = svg.getBoundingClientRect(), tooltip = element("tooltip");
  const lines = linesAt(panels, box, event.clientX - box.left, event.clientY - box.top);
  tooltip.hidden = !lines.length;
  tooltip.textContent = lines.join("\n");
  const left = Math.min(event.clientX + 14, window.innerWidth - tooltip.offsetWidth - 8);
  tooltip.style.left = Math.max(8, left) + "px";
  tooltip.style.top = event.clientY + 18 + "px";
}

function dataTable(panel) {
  const table = create("table"), head = create("tr"), thead = create("thead"), tbody = create("tbody");
  table.append(create("caption", panel.title || "data"));
  for (const title of ["series", panel.xAxis.label || "x", panel.yAxis.label || "y"]) head.append(create("th", title));
  thead.append(head);
  for (const series of panel.series) series.x.forEach((x, index) => {
    const row = create("tr");
    row.append(create("td", series.label), create("td", nameAt(panel.xAxis, x)), create("td", nameAt(panel.yAxis, series.y[index])));
    tbody.append(row);
  });
  table.append(thead, tbody);
  return table;
}

function startFigures() {
  for (const figure of document.querySelectorAll("figure.plot")) {
    const panels = panelsOf(figure), svg = figure.querySelector("svg"), details = figure.querySelector("details");
    if (!panels.length) { details.remove(); continue; }
    for (const name of ["pointermove", "pointerdown"]) svg.addEventListener(name, (event) => showTooltip(event, figure, panels));
    svg.addEventListener("pointerleave", () => { element("tooltip").hidden = true; });
    details.addEventListener("toggle", () => { details.querySelector(".tables").replaceChildren(...panels.map(dataTable)); }, { once: true });
  }
}
