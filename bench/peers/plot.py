"""The figures of a comparison (compare.py) as a picture: bars of events a second, in SVG, readable on light and on dark.

	plot.py PEERS.JSON PICTURE.SVG
"""

import json
import sys
from html import escape
from pathlib import Path

import tables

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 860, 330, 90, 64, 40
BAR, BETWEEN_BARS, BETWEEN_PROGRAMS = 13, 2, 14
TICKS_MAX = 6

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-size: 16px; font-weight: 600; }
.small { font-size: 12px; fill: #59636e; }
.grid { stroke: #d1d9e0; }
.bar0 { fill: #2a6fb5; }
.bar1 { fill: #d9822b; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; }
.small { fill: #9198a1; }
.grid { stroke: #3d444d; }
.bar0 { fill: #5aa2e6; }
.bar1 { fill: #f0a557; }
}
"""


def short(number):
    """1234567 -> 1.23M"""
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"


def step_for(highest):
    """A round distance of ticks, so that there are few."""
    step = 1
    while True:
        for factor in (1, 2, 5):
            if highest / (step * factor) <= TICKS_MAX:
                return step * factor
        step *= 10


def element(name, text=None, **attributes):
    told = "".join(f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"' for key, value in attributes.items())
    return f"<{name}{told}/>" if text is None else f"<{name}{told}>{escape(text)}</{name}>"


def axis(highest, scale, height):
    step = step_for(highest)
    for tick in range(0, int(highest) + 1, step):
        x = LEFT + tick * scale
        yield element("line", class_="grid", x1=f"{x:.1f}", x2=f"{x:.1f}", y1=TOP - 6, y2=height - BOTTOM)
        yield element("text", short(tick) if tick else "0", class_="small", x=f"{x:.1f}", y=height - BOTTOM + 18, text_anchor="middle")


def legend(shapes):
    for number, shape in enumerate(shapes):
        x = LEFT + 110 * number
        yield element("rect", class_=f"bar{number}", x=x, y=36, width=12, height=12, rx=2)
        yield element("text", shape, class_="small", x=x + 18, y=46)


def bars(programs, found, shapes, scale):
    y = TOP
    for who in programs:
        middle = y + (len(shapes) * (BAR + BETWEEN_BARS)) / 2
        yield element("text", who, x=LEFT - 10, y=f"{middle + 4:.1f}", text_anchor="end")
        for number, shape in enumerate(shapes):
            figure = found.get((who, shape), {})
            rate = figure.get("perSecond")
            if rate is not None:
                yield element("rect", class_=f"bar{number}", x=LEFT, y=y, width=f"{max(rate * scale, 1):.1f}", height=BAR, rx=2)
            label = "not measured" if rate is None else short(rate)
            yield element("text", label, class_="small", x=f"{LEFT + (rate or 0) * scale + 6:.1f}", y=y + 11)
            y += BAR + BETWEEN_BARS
        y += BETWEEN_PROGRAMS


def picture(result):
    figures = result["figures"]
    programs, found = tables.order(figures), tables.by_program(figures)
    shapes = list(dict.fromkeys(figure["shape"] for figure in figures))
    highest = max((figure.get("perSecond", 0) for figure in figures), default=0) or 1
    scale = (WIDTH - LEFT - RIGHT) / highest
    height = TOP + len(programs) * (len(shapes) * (BAR + BETWEEN_BARS) + BETWEEN_PROGRAMS) + BOTTOM
    title = f"Events a second: {result['events']:,} events over {result['accounts']:,} accounts, from the first to the last"
    parts = [
        element("title", title),
        f"<style>{STYLE}</style>",
        element("text", title, class_="title", x=12, y=24),
        *legend(shapes),
        *axis(highest, scale, height),
        *bars(programs, found, shapes, scale),
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">'
    return "\n".join([head, *parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    source, target = map(Path, sys.argv[1:])
    target.write_text(picture(json.loads(source.read_text())))
