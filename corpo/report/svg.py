"""Figures as SVG: with their data, for tooltips, and in a form that a page can include."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.container import BarContainer
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator

THIN, FAINT = 1.0, 0.6  # lines of a smaller width or opacity are single seeds or guides
MAX_BARS = 30  # more are those of a histogram
_LONG_DECIMAL = re.compile(r"(\.\d\d)\d+")  # hundredths of a point are exact enough on a page
_ID = re.compile(r'(\bid="|url\(#|href="#)')


def with_data(text: str, figure: Figure) -> str:
    """Return the SVG of a figure with the data of the figure in its `<metadata>`, as JSON (see `panels`)."""
    data = escape(json.dumps(list(panels(figure)), allow_nan=False), quote=False)
    start = text.index(">", text.index("<svg")) + 1
    return f"{text[:start]}\n <metadata>{data}</metadata>{text[start:]}"


def inline_svg(text: str, name: str, description: str, colours: Iterable[str]) -> Markup:
    """Return an SVG of `with_data` as an element of a page.

    `name` makes its ids different from those of other figures, and `description` is its alternative text. The
    given colours become variables of the style sheet (see `colour_variable`), which suit dark pages, too.
    """
    text = text[text.index("<svg") :]
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # would apply to the whole page
    text = re.sub(r">\s+<", "><", text)
    text = _ID.sub(rf"\g<1>{name}-", text)
    data, end, drawing = text.partition("</metadata>")
    text = data + end + _LONG_DECIMAL.sub(r"\1", drawing)
    for colour in colours:
        text = text.replace(colour, f"var({colour_variable(colour)})")
    box = re.search(r'viewBox="[^"]*"', text)
    content = text[text.index(">") + 1 :]
    root = f'<svg {box[0] if box else ""} role="img" aria-label="{escape(description)}">'
    return Markup(root + content)


def colour_variable(colour: str) -> str:
    """Return the name of the variable of the style sheet that replaces a colour such as #ffffff."""
    return f"--figure-{colour.removeprefix('#')}"


def panels(figure: Figure) -> Iterator[dict[str, Any]]:
    """Yield the data of each panel of a figure that has been drawn: its place, its axes and its series.

    Bands, reference lines, lines of single seeds, and histograms are left out.
    """
    labels = _labels_by_colour(figure.axes)
    for axes in figure.axes:
        series = list(_series(axes, labels))
        if not series:
            continue
        place = axes.get_position()
        y_axis = _axis(axes.yaxis, axes.get_ylim(), axes.get_ylabel())
        yield {
            "title": axes.get_title(loc="left") or axes.get_title(),
            "left": round(place.x0, 4),
            "top": round(1 - place.y1, 4),
            "width": round(place.width, 4),
            "height": round(place.height, 4),
            "xAxis": _axis(axes.xaxis, axes.get_xlim(), axes.get_xlabel()),
            "yAxis": y_axis,
            # In a panel of curves, a tooltip has the values of all curves at one x.
            "isByX": not y_axis["names"] and all(_is_curve(part["x"]) for part in series),
            "series": series,
        }


def _is_curve(x: Sequence[float]) -> bool:
    return len(x) > 1 and list(x) == sorted(set(x))


def _axis(axis: Axis, limits: tuple[float, float], label: str) -> dict[str, Any]:
    """Return the range of an axis, its label, and the names of its ticks if they are words."""
    names = {}
    if isinstance(axis.get_major_locator(), FixedLocator):
        ticks = axis.get_majorticklocs()
        for tick, text in zip(ticks, axis.get_major_formatter().format_ticks(list(ticks)), strict=True):
            if re.search("[A-Za-z]", text):
                names[f"{tick:g}"] = " ".join(text.split())
    is_log = axis.get_scale() == "log"
    return {"label": label, "from": limits[0], "to": limits[1], "log": is_log, "names": names}


def _labels_by_colour(all_axes: Sequence[Axes]) -> dict[str, str]:
    """Return the labels of the legends by colour, for artists that have no label of their own."""
    labels: dict[str, str] = {}
    for axes in all_axes:
        for line in axes.get_lines():
            if not str(line.get_label()).startswith("_"):
                labels.setdefault(to_hex(line.get_color()), str(line.get_label()))
    return labels


def _series(axes: Axes, labels: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield label, x and y of each curve, set of points and set of bars in a panel."""
    container_labels: dict[Line2D, object] = {}
    for container in axes.containers:
        if isinstance(container, BarContainer) and len(container.patches) <= MAX_BARS:
            yield from _points(container.get_label(), "", labels, _ends_of_bars(container))
        elif container and isinstance(container[0], Line2D):
            container_labels[container[0]] = container.get_label()
    for line in axes.get_lines():
        is_faint = line.get_linewidth() < THIN or (line.get_alpha() or 1) < FAINT
        if line.get_transform() is not axes.transData or is_faint:
            continue
        label = container_labels.get(line) or line.get_label()
        yield from _points(label, to_hex(line.get_color()), labels, line.get_xydata())
    for collection in axes.collections:
        if isinstance(collection, PathCollection) and len(collection.get_facecolor()):
            colour = to_hex(tuple(np.asarray(collection.get_facecolor())[0]))
            yield from _points(collection.get_label(), colour, labels, collection.get_offsets())


def _ends_of_bars(container: BarContainer) -> np.ndarray:
    """Return the middle of the end of each bar as x and y."""
    ends = []
    for bar in container.patches:
        x, y = bar.get_x(), bar.get_y()
        if container.orientation == "horizontal":
            ends.append((x + bar.get_width(), y + bar.get_height() / 2))
        else:
            ends.append((x + bar.get_width() / 2, y + bar.get_height()))
    return np.array(ends)


def _points(label: object, colour: str, labels: Mapping[str, str], places: Any) -> Iterator[dict[str, Any]]:
    """Yield a series of the finite points, if there are any."""
    points: np.ndarray = np.ma.filled(np.ma.asarray(places, dtype=float), np.nan).reshape(-1, 2)
    points = points[np.isfinite(points).all(axis=1)]
    if len(points):
        text = str(label or "_")
        name = labels.get(colour, "") if text.startswith("_") else text
        yield {"label": name, "x": _rounded(points[:, 0]), "y": _rounded(points[:, 1])}


def _rounded(values: np.ndarray) -> list[float]:
    return [float(f"{value:.5g}") for value in values]
