"""Draw the diagrams of the documentation as SVG files: `python -m docs.tools.diagrams`.

The colours are from the palette of Okabe and Ito, which colour-blind readers can tell apart. Coordinates and
sizes are in pixels at a width of 900.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from corpo.utils.files import write_text

DOCS = Path(__file__).parents[1]
OVERVIEW, PATHS = DOCS / "dataflow.svg", DOCS / "explanation/paths.svg"

WIDTH = 900
INK, GREY = "#1d2026", "#4a5361"
BLUE, ORANGE, GREEN = ("#0072b2", "#e8f2f9"), ("#d55e00", "#fbefe6"), ("#00795a", "#e7f5f0")
SANS = "system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif"
MONO = "ui-monospace, Menlo, Consolas, monospace"


@dataclass(frozen=True)
class Box:
    """A rectangle with a title and a line of text below it."""

    x: float
    y: float
    width: float
    title: str
    text: str
    colours: tuple[str, str] = (GREY, "#ffffff")
    font: str = SANS
    height: float = 52

    @property
    def middle(self) -> float:
        """Return the horizontal centre."""
        return self.x + self.width / 2

    @property
    def centre(self) -> float:
        """Return the vertical centre."""
        return self.y + self.height / 2

    @property
    def right(self) -> float:
        """Return the right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """Return the lower edge."""
        return self.y + self.height

    def svg(self) -> str:
        """Return the elements that draw the box."""
        stroke, fill = self.colours
        frame = (
            f'<rect x="{self.x:g}" y="{self.y:g}" width="{self.width:g}" height="{self.height:g}" rx="6" '
            f'fill="{fill}" stroke="{stroke}" stroke-width="1.6"/>'
        )
        title = label(self.title, self.middle, self.y + 22, size=14, weight=600, colour=INK, font=self.font)
        return "\n".join([frame, title, label(self.text, self.middle, self.y + 40)])


def label(
    text: str,
    x: float,
    y: float,
    *,
    size: float = 12,
    weight: int = 400,
    colour: str = GREY,
    anchor: str = "middle",
    font: str = SANS,
) -> str:
    """Return a line of text."""
    return (
        f'<text x="{x:g}" y="{y:g}" font-family="{font}" font-size="{size:g}" font-weight="{weight}" '
        f'text-anchor="{anchor}" fill="{colour}">{text}</text>'
    )


def arrow(
    path: str, text: str = "", x: float = 0, y: float = 0, anchor: str = "middle", font: str = SANS
) -> str:
    """Return an arrow along an SVG path, with an optional text at (x, y)."""
    line = f'<path d="{path}" fill="none" stroke="{GREY}" stroke-width="1.6" marker-end="url(#head)"/>'
    return "\n".join([line, label(text, x, y, anchor=anchor, font=font)]) if text else line


def rightward(start: Box, end: Box, text: str = "") -> str:
    """Return an arrow from a box to the next box at its right."""
    middle = (start.right + end.x) / 2
    path = f"M{start.right:g} {start.centre:g} H{end.x - 2:g}"
    return arrow(path, text, middle, start.centre - 7)


def leftward(start: Box, end: Box, text: str = "") -> str:
    """Return an arrow from a box to the next box at its left."""
    middle = (start.x + end.right) / 2
    return arrow(f"M{start.x:g} {start.centre:g} H{end.right + 2:g}", text, middle, start.centre - 7)


def band(y: float, height: float, title: str, folders: str, colours: tuple[str, str]) -> str:
    """Return the coloured background of a part of the overview."""
    stroke, fill = colours
    return "\n".join(
        [
            f'<rect x="24" y="{y:g}" width="864" height="{height:g}" rx="9" fill="{fill}"/>',
            label(title, 40, y + 24, size=15, weight=600, colour=stroke, anchor="start"),
            label(folders, 872, y + 24, anchor="end", font=MONO),
        ]
    )


def page(height: float, title: str, elements: list[str]) -> str:
    """Return a whole SVG file."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" '
        f'aria-labelledby="title">\n<title id="title">{title}</title>\n<defs><marker id="head" '
        f'viewBox="0 0 8 8" '
        f'refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8Z" '
        f'fill="{GREY}"/></marker></defs>\n<rect width="100%" height="100%" fill="#ffffff"/>'
    )
    return "\n".join([head, *elements, "</svg>\n"])


def row(y: float, *texts: tuple[str, str]) -> list[Box]:
    """Return the boxes of a row of the overview, one per column, with these titles and texts."""
    columns, width = (40, 264, 488, 712), 160
    return [Box(x, y, width, title, text) for x, (title, text) in zip(columns, texts, strict=True)]


DATA_ROW = row(
    50,
    ("problems", "pipelines of operations"),
    ("candidates", "references and mutants"),
    ("labels", "from running the tests"),
    ("pairs", "A and B, in both orders"),
)
SAMPLING_ROW = row(
    176,
    ("prompts", "P per step"),
    ("rollouts", "G per prompt"),
    ("verdicts", "two scores, 0 to 10"),
    ("rewards_PG", "ordinal levels"),
)
LEARNING_ROW = row(
    276,
    ("base policy", "warm start or hub"),
    ("policy", "updated by AdamW"),
    ("loss", "− advantage × log-prob"),
    ("advantages_PG", "reward minus baseline"),
)
LEARNING_ROW[1] = replace(LEARNING_ROW[1], colours=BLUE)
LEARNING_ROW[3] = replace(LEARNING_ROW[3], colours=ORANGE)
EVALUATION_ROW = row(
    402,
    ("held-out prompts", "of problems not trained on"),
    ("rollouts", "n per prompt"),
    ("pass@k", "intervals over problems"),
    ("results/NAME/", "tables, figures, report"),
)


def overview() -> str:
    """Draw the pipeline: data, one step of reinforcement learning, evaluation and report."""
    boxes = [*DATA_ROW, *SAMPLING_ROW, *LEARNING_ROW, *EVALUATION_ROW]
    elements = [
        band(12, 104, "Data", "corpo/: data", BLUE),
        band(
            136, 206, "Reinforcement learning, one step", "corpo/: rollout, tasks, baselines, train", ORANGE
        ),
        band(362, 106, "Evaluation and report", "corpo/: evaluate, analysis, report", GREEN),
        *(box.svg() for box in boxes),
        *data_arrows(),
        *training_arrows(),
        *evaluation_arrows(),
    ]
    return page(480, "From problems to results: what each part of corpo hands to the next", elements)


def data_arrows() -> list[str]:
    """Return the arrows of the data band, with those from the pairs to training and to evaluation."""
    problems, candidates, labels, pairs = DATA_ROW
    turn = f"M{pairs.middle:g} {pairs.bottom:g} V126 H12"
    elements = [
        rightward(problems, candidates, "mutate"),
        rightward(candidates, labels, "run"),
        rightward(labels, pairs, "draw"),
    ]
    for prompts in (SAMPLING_ROW[0], EVALUATION_ROW[0]):
        elements.append(arrow(f"{turn} V{prompts.centre:g} H{prompts.x - 2:g}"))
    return elements


def training_arrows() -> list[str]:
    """Return the arrows of the reinforcement learning band, with the arrow from the policy to evaluation."""
    prompts, rollouts, verdicts, reward = SAMPLING_ROW
    base, policy, loss, advantage = LEARNING_ROW
    return [
        rightward(prompts, rollouts, "sample"),
        rightward(rollouts, verdicts, "parse"),
        rightward(verdicts, reward, "reward"),
        arrow(
            f"M{reward.middle:g} {reward.bottom:g} V{advantage.y - 2:g}",
            "baseline",
            reward.middle + 10,
            reward.bottom + 28,
            "start",
        ),
        leftward(advantage, loss),
        leftward(loss, policy, "step"),
        rightward(base, policy, "start"),
        arrow(
            f"M{policy.middle:g} {policy.y:g} V{rollouts.bottom + 2:g}",
            "weights",
            policy.middle + 10,
            policy.y - 20,
            "start",
        ),
        arrow(
            f"M{policy.middle:g} {policy.bottom:g} V{EVALUATION_ROW[1].y - 2:g}",
            "trained policy",
            policy.middle + 10,
            policy.bottom + 30,
            "start",
        ),
    ]


def evaluation_arrows() -> list[str]:
    """Return the arrows of the evaluation band."""
    prompts, rollouts, pass_at_k, results = EVALUATION_ROW
    return [
        rightward(prompts, rollouts, "sample"),
        rightward(rollouts, pass_at_k, "grade"),
        rightward(pass_at_k, results, "write"),
    ]


@dataclass(frozen=True)
class Step:
    """A step of a path: the module, what it does, and what it hands to the next step."""

    module: str
    text: str
    result: str


PAIR_PATH = (
    Step("data/pipelines, bank, sources", "write or read problems", "problems"),
    Step("data/candidates", "add references and mutants", "candidates"),
    Step("data/execution", "run and label each candidate", "labels"),
    Step("data/pairing", "draw pairs, divide into splits", "pairs.parquet"),
    Step("evaluate/rollouts", "sample n rollouts per prompt", "completions"),
    Step("tasks/verify", "read verdicts, give rewards", "rollouts.parquet"),
    Step("analysis/study", "collect baselines and seeds", "records/"),
    Step("evaluate/metrics, report/tables", "compute pass@k, write tables", "table.md"),
)
REWARD_PATH = (
    Step("rollout: engine.generate", "sample G completions per prompt", "Rollouts (P, G, T)"),
    Step("tasks: task.grade", "parse responses, give rewards", "rewards_PG"),
    Step("train/distributed", "all_gather over processes", "rewards_PG of the batch"),
    Step("baselines: advantages", "subtract the baseline", "advantages_PG"),
    Step("policy: group_logprobs", "one row per group, prompt once", "logprobs_PGT"),
    Step("train/loss", "policy-gradient loss", "gradients"),
    Step("train/optimizer", "clip the norm, AdamW step", "weights"),
    Step("rollout: engine.sync", "give the engine the weights", ""),
)


def paths() -> str:
    """Draw the path of a pair to the table and the path of a reward to the optimizer step, side by side."""
    top, distance, width = 64, 84, 290
    elements = []
    for left, title, steps, colours in (
        (40, "A pair: from problem to table", PAIR_PATH, BLUE),
        (500, "A reward: from engine to optimizer step", REWARD_PATH, ORANGE),
    ):
        elements.append(label(title, left, 36, size=15, weight=600, colour=colours[0], anchor="start"))
        boxes = []
        for number, step in enumerate(steps):
            y = top + number * distance
            boxes.append(Box(left, y, width, step.module, step.text, colours=colours, font=MONO))
            if step.result:
                line = f"M{left + width / 2:g} {y + 52:g} V{y + distance - 2:g}"
                elements.append(arrow(line, step.result, left + width / 2 + 12, y + 72, "start", MONO))
        elements += [box.svg() for box in boxes]
    bottom = top + len(REWARD_PATH) * distance
    table = Box(40, bottom, 290, "results/NAME/", "table.md, figures, report", colours=GREEN, font=MONO)
    last, engine = bottom - distance + 26, top + 26
    elements += [table.svg(), arrow(f"M790 {last:g} H850 V{engine:g} H792")]
    elements.append(label("next step", 820, engine - 8))
    for first, final, name in ((0, 3, "stage data"), (4, 5, "stage evaluate"), (6, 8, "study")):
        start, end = top + first * distance, top + final * distance + 52
        elements.append(
            f'<path d="M360 {start:g} h8 V{end:g} h-8" fill="none" stroke="{BLUE[0]}" stroke-width="1.6"/>'
        )
        elements.append(label(name, 376, (start + end) / 2 + 4, colour=BLUE[0], anchor="start"))
    return page(bottom + 68, "The path of a pair and the path of a reward through the packages", elements)


def drawings() -> dict[Path, str]:
    """Return the content of each drawing by its path."""
    return {OVERVIEW: overview(), PATHS: paths()}


def main() -> None:
    """Write all drawings and print their paths."""
    for path, content in drawings().items():
        write_text(path, content)
        print(path)


if __name__ == "__main__":
    main()
