"""
A trace as a picture: a lane for each service, a column for each event.

The columns are equally wide, as hops take from a millisecond to a day; how long
each took stands above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from shoonya_platform.tracing.trace import Kind, Step, Trace

#: The way of an order, from above to below.
LANES = (
    "execution_service",
    "trading_bot",
    "risk_manager",
    "execution_guard",
    "command_service",
    "order_watcher",
    "recovery_service",
)

_LEFT = 150
_COLUMN = 92
_LANE = 44
_TOP = 48

#: Inside the picture; who serves it has to allow it by its hash.
STYLE = """
svg { font: 12px system-ui, sans-serif; background: #fff; color: #1c231f; }
text { fill: currentColor; } .quiet { fill: #626b65; } .lane { stroke: #e6e7e1; }
.name { font-size: 11px; paint-order: stroke; stroke: #fff; stroke-width: 4px; }
.way { fill: none; stroke: #2a649f; stroke-width: 2; }
.event { fill: #2a649f; } .late, .silent, .absent { fill: #ae332b; }
.late-text { fill: #ae332b; font-weight: 600; }
@media (prefers-color-scheme: dark) {
  svg { background: #191e1b; color: #e3e8e4; } .quiet { fill: #98a29b; }
  .name { stroke: #191e1b; } .lane { stroke: #29302c; }
  .way { stroke: #86b6e8; } .event { fill: #86b6e8; }
  .late, .silent, .absent, .late-text { fill: #f2897e; }
}
"""


def swim_lanes(trace: Trace, *, title: str) -> str:
    """
    Return the picture as an SVG document of its own.

    Args:
        title: Read out in place of the picture, and shown above it.
    """
    shown = [step for step in trace.steps if step.kind is not Kind.LINE]
    lanes = [*LANES, *sorted({s.service for s in shown} - set(LANES))]
    heights = {name: _TOP + 30 + _LANE * n for n, name in enumerate(lanes)}
    width = _LEFT + _COLUMN * max(len(shown), 1) + 20
    height = _TOP + 30 + _LANE * len(lanes) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" role="img" aria-label="{escape(title)}">',
        f"<style>{STYLE}</style>",
        f'<text x="10" y="22">{escape(title)}</text>',
    ]
    for name, y in heights.items():
        parts.append(f'<path class="lane" d="M{_LEFT - 10},{y}H{width - 10}"/>')
        parts.append(f'<text class="quiet" x="10" y="{y + 4}">{escape(name)}</text>')
    points = [
        (_LEFT + _COLUMN // 2 + _COLUMN * number, heights[step.service])
        for number, step in enumerate(shown)
    ]
    parts.append(_way(shown, points))
    for step, (x, y) in zip(shown, points, strict=True):
        parts += _mark(step, x, y)
    return "\n".join([*parts, "</svg>\n"])


def _way(shown: Sequence[Step], points: Sequence[tuple[int, int]]) -> str:
    passed = [
        point
        for step, point in zip(shown, points, strict=True)
        if step.kind is Kind.EVENT
    ]
    line = "L".join(f"{x},{y}" for x, y in passed)
    return f'<path class="way" d="M{line}"/>' if passed else ""


def _mark(step: Step, x: int, y: int) -> list[str]:
    kind = "late" if step.is_late else str(step.kind)
    about = f"{step.at.astimezone():%H:%M:%S.%f}"[:-3]
    words = step.what.replace("_", " ") or step.kind
    hint = escape(f"{about} {step.service}: {words} {step.text}".strip())
    marks = [
        f'<circle class="{kind}" cx="{x}" cy="{y}" r="6">'
        f"<title>{hint}</title></circle>",
        f'<text class="quiet name" x="{x}" y="{y + 20}" text-anchor="middle">'
        f"{escape(words)}</text>",
    ]
    if step.delay_ms is not None:
        shade = "late-text" if step.is_late else "quiet"
        marks.append(
            f'<text class="{shade}" x="{x}" y="{_TOP + 6}" text-anchor="middle">'
            f"{length(step.delay_ms)}</text>"
        )
    return marks


def length(milliseconds: float) -> str:
    """Return a delay in the unit one would say it in, with its sign."""
    size = abs(milliseconds)
    if size < 1_000:
        return f"{milliseconds:+.1f} ms"
    if size < 120_000:
        return f"{milliseconds / 1_000:+.1f} s"
    return f"{milliseconds / 60_000:+.0f} min"
