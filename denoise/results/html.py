"""Pieces of an HTML page that needs no network: its frame, tables, lists of facts, line charts.

All take HTML, which the caller has escaped, unless they say text.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #5d6670; --paper: #fff; --card: #f5f6f8;
  --rule: #dde1e6; --ours: #c2410c; --hue0: #0f766e; --hue1: #1d4ed8;
  --hue2: #be185d; --hue3: #a16207; --hue4: #7c3aed; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9aa4ae; --paper: #14171a;
  --card: #1d2125; --rule: #343a41; --ours: #fb923c; --hue0: #2dd4bf;
  --hue1: #7aa2ff; --hue2: #f472b6; --hue3: #facc15; --hue4: #b794f6; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2.5rem clamp(1rem, 4vw, 3rem); max-width: 78rem; color: var(--ink);
  background: var(--paper); font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { margin: 0 0 1rem; font-size: 1.9rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 3rem 0 .75rem; font-size: 1.25rem; }
h3 { margin: 0; font-size: 1rem; overflow-wrap: anywhere; }
p { margin: 0 0 .5rem; } figure, dl, dd, ul { margin: 0; padding: 0; }
code { font: .875em ui-monospace, Consolas, monospace; overflow-wrap: anywhere; }
.note, dt, figcaption, small { color: var(--soft); font-size: .875rem; }
.facts { display: grid; gap: .35rem; }
.facts div { display: grid; grid-template-columns: 6.5rem 1fr; gap: 1rem; align-items: baseline; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .75rem; }
.cards div { padding: .8rem 1rem; border-radius: .5rem; background: var(--card); }
.cards dd { font-size: 1.2rem; font-weight: 600; font-variant-numeric: tabular-nums; }
.scroll { overflow: auto; max-height: 40rem; border: 1px solid var(--rule); border-radius: .5rem; }
table { width: 100%; border-collapse: separate; border-spacing: 0; }
th, td { padding: .45rem .9rem; text-align: left; border-bottom: 1px solid var(--rule); }
tbody tr:last-child > * { border-bottom: 0; }
thead th { position: sticky; top: 0; z-index: 1; background: var(--card); font-size: .875rem;
  vertical-align: bottom; }
tbody th { position: sticky; left: 0; min-width: 6rem; max-width: 22rem; font-weight: 500;
  overflow-wrap: break-word; background: var(--paper); }
.n { text-align: right; font-variant-numeric: tabular-nums; color: var(--soft); }
thead .n, .n b { color: var(--ink); } td small { display: block; font-size: .8rem; }
th button { all: unset; cursor: pointer; } th button:focus-visible { outline: 2px solid; }
th button::after { content: "\\2195"; padding-left: .3em; color: var(--soft); }
[aria-sort=ascending] button::after { content: "\\2191"; color: var(--ink); }
[aria-sort=descending] button::after { content: "\\2193"; color: var(--ink); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 36rem));
  gap: 2rem; }
svg { display: block; width: 100%; height: auto; } svg text { fill: var(--soft); font-size: 15px; }
.grid { stroke: var(--rule); } .line { fill: none; stroke-width: 2.5; }
.legend { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; }
.legend, .heat { font-size: .875rem; }
i { display: inline-block; width: .8em; height: .8em; margin-right: .45em; border-radius: 2px; }
.line.ours { stroke: var(--ours); stroke-width: 3.5; } circle.ours { fill: var(--ours); }
i.ours { background: var(--ours); }
.heat i { width: 8rem; margin: 0 .4em; vertical-align: -.05em; }
details { border-top: 1px solid var(--rule); } summary { padding: .7rem 0; cursor: pointer;
  font-weight: 600; }
article { display: grid; grid-template-columns: 15rem minmax(0, 1fr); gap: 1.5rem;
  padding: 1.25rem 0 1.75rem; }
article + article { border-top: 1px solid var(--rule); }
article p { font-size: .875rem; }
.badge { margin-right: .5rem; padding: .1rem .5rem; border-radius: 1rem; background: var(--card);
  border: 1px solid var(--rule); font-size: .8rem; font-weight: 500; white-space: nowrap; }
img { display: block; width: 100%; height: auto; border-radius: 3px; }
.panels { display: grid; grid-template-columns: repeat(4, 1fr); gap: .6rem; margin-bottom: 1rem; }
.panels img { image-rendering: pixelated; }
footer { margin-top: 3.5rem; padding-top: 1.25rem; border-top: 1px solid var(--rule); }
@media (max-width: 50rem) { article { grid-template-columns: 1fr; } .about img { max-width: 15rem; }
  .panels { grid-template-columns: repeat(2, 1fr); } .facts div { grid-template-columns: 1fr;
  gap: 0; } th, td { padding: .4rem .6rem; } tbody th { max-width: 9rem; } }
""" + "".join(
    f".line.hue{i} {{ stroke: var(--hue{i}); }} circle.hue{i} {{ fill: var(--hue{i}); }} "
    f"i.hue{i} {{ background: var(--hue{i}); }}\n"
    for i in range(5)
)
SCRIPT = """
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.querySelectorAll("thead th")], body = table.tBodies[0];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.onclick = () => {
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
      const text = row => row.cells[column].textContent;
      const order = (a, b) => text(a) - text(b)
        || text(a).localeCompare(text(b), undefined, { numeric: true });
      body.append(...[...body.rows].sort((a, b) => sign * order(a, b)));
    };
  });
}
"""


def page(title: str, head: str, sections: Mapping[str, str], foot: str) -> str:
    """Put a page together; sections by heading, empty ones are left out."""
    body = "".join(f"<section><h2>{k}</h2>{v}</section>\n" for k, v in sections.items() if v)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><style>{STYLE}</style></head><body>
<header><h1>{title}</h1>{head}</header>
<main>{body}</main><footer>{foot}</footer>
<script>{SCRIPT}</script></body></html>
"""


def definitions(facts: Mapping[str, str], kind: str = "facts") -> str:
    """List facts by name, in lines (`facts`) or as `cards`."""
    pairs = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts.items())
    return f'<dl class="{kind}">{pairs}</dl>'


def table(
    name: str, heads: Sequence[str], lines: Sequence[Sequence[str]], texts: int, sortable: bool
) -> str:
    """Lay out lines of cells; the first `texts` columns are text, the others numbers."""

    def row(cells: Sequence[str], tag: str) -> str:
        made = []
        for column, cell in enumerate(cells):
            scope = f' scope="{"col" if tag == "th" else "row"}"'
            kind = "th" if column == 0 else tag
            number = ' class="n"' if column >= texts else ""
            made.append(f"<{kind}{scope if kind == 'th' else ''}{number}>{cell}</{kind}>")
        return f"<tr>{''.join(made)}</tr>"

    body = "\n".join(row(line, "td") for line in lines)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{name}">'
        f"<table{' class=sortable' if sortable else ''}><thead>{row(heads, 'th')}</thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def chart(
    title: str,
    axes: tuple[str, str],
    lines: Mapping[str, Sequence[tuple[float, float]]],
    classes: Mapping[str, str],
) -> str:
    """Draw lines of points, axes and a legend.

    Args:
        title: Text.
        axes: What x and y are, text.
        lines: Points (x, y), finite, by name, text.
        classes: How STYLE calls each line.
    """
    W, H, left, right, top, bottom = 520, 340, 56, 16, 14, 52
    xs, ys = (sorted({point[axis] for line in lines.values() for point in line}) for axis in (0, 1))
    step = next(s for s in (0.5, 1, 2, 5, 10, 20, math.inf) if (ys[-1] - ys[0]) / s <= 7)
    low = math.floor(ys[0] / step) * step
    high = max(math.ceil(ys[-1] / step) * step, low + step)

    def place(x: float, y: float) -> tuple[float, float]:
        share = (x - xs[0]) / ((xs[-1] - xs[0]) or 1), (high - y) / (high - low)
        along = left + 14 + share[0] * (W - left - right - 28)
        return round(along, 1), round(top + share[1] * (H - top - bottom), 1)

    marks = []
    for i in range(round((high - low) / step) + 1):
        at = place(xs[0], low + i * step)[1]
        marks.append(f'<path class="grid" d="M{left} {at}H{W - right}"/>')
        marks.append(
            f'<text x="{left - 8}" y="{at + 5}" text-anchor="end">{low + i * step:g}</text>'
        )
    for x in xs:
        at = place(x, low)[0]
        marks.append(f'<text x="{at}" y="{H - bottom + 20}" text-anchor="middle">{x:g}</text>')
    for name, line in lines.items():
        points = [place(*point) for point in sorted(line)]
        if points:
            path = "L".join(f"{x} {y}" for x, y in points)
            marks.append(f'<path class="line {classes[name]}" d="M{path}"/>')
        for (x, y), (px, py) in zip(sorted(line), points, strict=True):
            marks.append(
                f'<circle class="{classes[name]}" cx="{px}" cy="{py}" r="4.5">'
                f"<title>{escape(name)} at {x:g}: {y:.2f}</title></circle>"
            )
    middle = (top + H - bottom) / 2
    legend = "".join(f'<li><i class="{classes[k]}"></i>{escape(k)}</li>' for k in lines)
    label = escape(f"{axes[1]} over {axes[0]}, {title}")
    return f"""<figure><figcaption>{escape(title)}</figcaption>
<svg viewBox="0 0 {W} {H}" role="img" aria-label="{label}">{"".join(marks)}
<text x="{(left + W - right) / 2}" y="{H - 6}" text-anchor="middle">{escape(axes[0])}</text>
<text transform="translate(16 {middle}) rotate(-90)" text-anchor="middle">{escape(axes[1])}</text>
</svg><ul class="legend">{legend}</ul></figure>"""
