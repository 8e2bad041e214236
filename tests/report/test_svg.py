"""Figures as SVG: the data of their panels, and their form inside a page."""

from __future__ import annotations

import io
import json
import re
from html import unescape

import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from corpo.report.figures.style import figure_style
from corpo.report.svg import inline_svg, panels, with_data


@figure_style()
def _figure() -> Figure:
    figure, (curves, dots) = plt.subplots(1, 2)
    curves.plot([1, 2, 3], [0.5, float("nan"), 0.25], color="#b85c00", label="GRPO <b>")
    curves.plot([1, 2, 3], [1, 2, 3], color="#b85c00", linewidth=0.5)  # a single seed
    curves.axhline(0.3)
    curves.set(title="Curves", xlabel="step", yscale="log")
    dots.errorbar([2.0], [0], xerr=[1.0], fmt="o", label="base")
    dots.set_yticks([0, 1], ["code,\nseen", "math"])
    plt.close(figure)
    figure.canvas.draw()
    return figure


def test_data_of_panels_have_series_and_axes() -> None:
    curves, dots = panels(_figure())
    assert curves["series"] == [{"label": "GRPO <b>", "x": [1.0, 3.0], "y": [0.5, 0.25]}]
    assert (curves["xAxis"]["label"], curves["yAxis"]["log"], curves["isByX"]) == ("step", True, True)
    assert dots["series"] == [{"label": "base", "x": [2.0], "y": [0.0]}]
    assert dots["yAxis"]["names"] == {"0": "code, seen", "1": "math"}
    assert not dots["isByX"]
    assert 0 < curves["left"] < curves["left"] + curves["width"] < dots["left"] < 1


def test_inline_svg_has_variables_for_colours_its_own_ids_and_its_data() -> None:
    figure, buffer = _figure(), io.StringIO()
    with figure_style():
        figure.savefig(buffer, format="svg")
    text = with_data(buffer.getvalue(), figure)
    svg = inline_svg(text, "curves", 'two "panels"', ["#b85c00"])
    assert svg.startswith("<svg viewBox=")
    assert 'aria-label="two &quot;panels&quot;"' in svg
    assert "#b85c00" not in svg
    assert "var(--figure-b85c00)" in svg
    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert ids
    assert all(name.startswith("curves-") for name in ids)
    for reference in re.findall(r'(?:url\(#|href="#)([^)"]+)', svg):
        assert reference in ids
    assert "<b>" not in svg, "texts of the data are escaped"
    data = json.loads(unescape(svg.partition("<metadata>")[2].partition("</metadata>")[0]))
    assert data == json.loads(json.dumps(list(panels(figure))))
    assert data[0]["series"][0]["y"] == pytest.approx([0.5, 0.25])
