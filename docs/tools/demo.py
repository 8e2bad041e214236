"""Draw the picture at the top of the README: what `corpo demo` prints in a terminal of 80 columns.

python -m docs.tools.demo             draw docs/demo.svg from docs/tools/demo.json
python -m docs.tools.demo --sample    run the demonstration first, and record it
"""

from __future__ import annotations

import json
import re
import sys
from dataclasses import asdict
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme

from corpo.report.demo import Demo, terminal_view
from corpo.task import Candidate, Domain, Pair, Problem

RECORD = Path(__file__).with_suffix(".json")
PICTURE = RECORD.parent.parent / "demo.svg"
WIDTH = 80
# Light text on a dark ground. The red and the blue are lighter ones of Okabe and Ito, which
# colour-blind readers can tell apart. The signs differ as well.
THEME = TerminalTheme(
    (24, 27, 31),
    (225, 225, 222),
    [(24, 27, 31), (255, 128, 60), (90, 180, 172), (230, 200, 90), (110, 180, 240)],
    [(160, 164, 170), (255, 128, 60), (90, 180, 172), (230, 200, 90), (110, 180, 240)],
)


def read_demo() -> Demo:
    """Read the demonstration from the committed record."""
    record = json.loads(RECORD.read_text(encoding="utf-8"))
    pair = record.pop("pair")
    problem = pair["problem"]
    problem["domain"] = Domain(problem["domain"])
    return Demo(pair=Pair(Problem(**problem), Candidate(**pair["a"]), Candidate(**pair["b"])), **record)


def draw(demo: Demo) -> str:
    """Return the picture as SVG. It names no font that would be loaded from elsewhere."""
    console = Console(width=WIDTH, record=True, file=StringIO(), force_terminal=True, color_system="standard")
    console.print(terminal_view(demo, WIDTH))
    svg = console.export_svg(title="corpo demo", theme=THEME, unique_id="demo")
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n"


def sample() -> Demo:
    """Run the demonstration with the default options."""
    from corpo.cli.compose import load_config
    from corpo.pipeline.demo import sample_demo

    return sample_demo(load_config([]))


def main() -> None:
    """Draw the picture, of a new sample if the command line has `--sample`."""
    if "--sample" in sys.argv[1:]:
        text = json.dumps(asdict(sample()), indent=2, ensure_ascii=False)
        RECORD.write_text(text + "\n", encoding="utf-8")
    PICTURE.write_text(draw(read_demo()), encoding="utf-8")
    print(PICTURE)


if __name__ == "__main__":
    main()
