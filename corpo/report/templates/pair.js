function diffTable(prompt) {
  const table = create("table", undefined, "diff"), head = create("tr"), thead = create("thead"), tbody = create("tbody");
  table.append(create("caption", "Candidates A and B, line by line", "hidden"));
  prompt.candidates.forEach((candidate, side) => head.append(candidateHeading("AB"[side], candidate)));
  thead.append(head);
  const numbers = [0, 0];
  for (const lines of prompt.lines) {
    const isEqual = lines[0] === lines[1], row = create("tr", undefined, isEqual ? "equal" : "changed");
    lines.forEach((line, side) => {
      if (line !== null) numbers[side] += 1;
      row.append(diffCell(prompt.candidates[side], side, line, numbers[side], isEqual ? null : lines[1 - side]));
    });
    tbody.append(row);
  }
  table.append(thead, tbody);
  return table;
}

function candidateHeading(name, candidate) {
  const heading = create("th", name + ": ");
  heading.scope = "col";
  heading.append(create("span", candidate.correct ? "✓ correct" : "✗ wrong", candidate.correct ? "good" : "bad"));
  const tests = candidate.total ? ", " + candidate.passed + " of " + candidate.total + " tests passed" : "";
  heading.append(create("span", " (origin: " + words(candidate.origin) + tests + ")", "soft"));
  if (candidate.evidence) heading.append(create("div", candidate.evidence, "evidence"));
  return heading;
}

function diffCell(candidate, side, line, number, other) {
  const cell = create("td", undefined, line === null ? "absent" : "");
  if (line === null) return cell;
  const isBug = !candidate.correct && candidate.line === number;
  if (isBug) cell.className = "bug";
  cell.append(create("span", "AB"[side], "side"), create("span", String(number), "line-number"));
  const code = create("code");
  code.append(...differingPart(line, other));
  cell.append(code);
  if (isBug) cell.append(create("span", "◀ bug", "bug-label"));
  return cell;
}

// Returns the line, with the part that differs from the other line marked if the lines are alike.
function differingPart(line, other) {
  if (other === null) return [line || " "];
  let start = 0, end = 0;
  const length = Math.min(line.length, other.length);
  while (start < length && line[start] === other[start]) start += 1;
  while (end < length - start && line.at(-1 - end) === other.at(-1 - end)) end += 1;
  const isAlike = start + end >= line.length / 2;
  if (!isAlike || start + end >= line.length) return [line || " "];
  return [line.slice(0, start), create("mark", line.slice(start, line.length - end)), line.slice(line.length - end)];
}
