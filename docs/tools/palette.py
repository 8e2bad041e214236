"""Measure how well colour-blind readers can tell the colours of figures apart.

`python -m docs.tools.palette` prints the smallest CIELAB difference between the colours of each group, as
seen with normal vision and in a simulation of deuteranopia and of protanopia. With images and a folder as
arguments, it also writes simulations of the images into the folder:
`python -m docs.tools.palette results/study/figures/*.png simulations`.

The matrices are those of Machado, Oliveira and Fernandes (2009, doi 10.1109/TVCG.2009.113) for a severity
of 1. They apply to linear RGB.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image

from corpo.report.figures.style import (
    COLOURS,
    CORRECT,
    DARK_COLOURS,
    OTHER_COLOUR,
    UNREWARDED,
    VERDICT_COLOURS,
    WRONG,
)

VIEWS = {
    "normal": np.eye(3),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
}
# From linear RGB to XYZ, for the white of sRGB (D65).
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
# Colours that appear in one figure and have to differ.
GROUPS: dict[str, dict[str, str]] = {
    "baselines": COLOURS,
    "baselines and others": {**COLOURS, "other": OTHER_COLOUR},
    "rollouts": {"failed, rewarded": WRONG, "failed": UNREWARDED, "correct": CORRECT},
    "verdicts of failures": VERDICT_COLOURS,
}
OUTCOMES = {"failed": WRONG, "correct": CORRECT}  # their hues differ from those of the paper's baselines


def linear(rgb: np.ndarray) -> np.ndarray:
    """Return linear RGB of sRGB values in [0, 1]; the last axis has the channels."""
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def encoded(rgb: np.ndarray) -> np.ndarray:
    """Return sRGB values of linear RGB in [0, 1]; the last axis has the channels."""
    return np.where(rgb <= 0.0031308, 12.92 * rgb, 1.055 * rgb ** (1 / 2.4) - 0.055)


def simulated(rgb: np.ndarray, view: str) -> np.ndarray:
    """Return how sRGB values in [0, 1] look in one of `VIEWS`."""
    return encoded(np.clip(linear(rgb) @ VIEWS[view].T, 0, 1))


def cielab(rgb: np.ndarray) -> np.ndarray:
    """Return L*, a* and b* of sRGB values in [0, 1]."""
    relative = linear(rgb) @ XYZ.T / XYZ.sum(axis=1)
    is_dark = relative <= (6 / 29) ** 3
    x, y, z = np.where(is_dark, relative / (3 * (6 / 29) ** 2) + 4 / 29, np.cbrt(relative))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def smallest_difference(colours: Mapping[str, str], view: str) -> tuple[float, str, str]:
    """Return the smallest CIELAB difference (CIE 1976) between two colours, and the names of the two."""
    seen = {name: cielab(simulated(np.array(to_rgb(shade)), view)) for name, shade in colours.items()}
    differences = []
    for first, second in itertools.combinations(seen, 2):
        differences.append((float(np.linalg.norm(seen[first] - seen[second])), first, second))
    return min(differences)


def hue(colour: str) -> float:
    """Return the hue of a colour in CIELAB, in degrees."""
    _, a, b = cielab(np.array(to_rgb(colour)))
    return float(np.degrees(np.arctan2(b, a)) % 360)


def dark_colours(colours: Mapping[str, str]) -> dict[str, str]:
    """Return the colours that a page with a dark ground shows instead."""
    return {name: DARK_COLOURS[shade] for name, shade in colours.items()}


def write_simulations(images: list[Path], folder: Path) -> None:
    """Write each image as it looks with deuteranopia and with protanopia."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in images:
        pixels = np.asarray(Image.open(path).convert("RGB")) / 255
        for view in list(VIEWS)[1:]:
            values = np.round(255 * simulated(pixels, view)).astype(np.uint8)
            Image.fromarray(values).save(folder / f"{path.stem}-{view}.png")


def main() -> None:
    """Print the smallest differences of each group, and write simulations of the given images."""
    for group, colours in GROUPS.items():
        for ground, shades in (("light", colours), ("dark", dark_colours(colours))):
            for view in VIEWS:
                difference, first, second = smallest_difference(shades, view)
                print(f"{group}, {ground}, {view}: {difference:.0f} ({first}, {second})")
    if sys.argv[1:]:
        *images, folder = map(Path, sys.argv[1:])
        write_simulations(images, folder)


if __name__ == "__main__":
    main()
