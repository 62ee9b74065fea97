"""The laid-out upgrade graph as SVG: a picture that stands alone, or the lanes of a page that has its own style.

Kinds of edges differ by line and tip, states of versions by border and caption: nothing is told by colour alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import Final, NamedTuple

from balise.graph.picture import NODE_HEIGHT, TRACK, Edge, Lane, Node, Picture

__all__ = ["EDGE_WORDS", "STYLE", "lane_body", "legend_line", "node_classes", "standalone"]

EDGE_WORDS: Final = {"replaces": "replaces", "skips": "skips", "skipRange": "skipRange covers"}
"""The kinds of edges, as the legend calls them."""

STYLE: Final = """
.picture { --paper: #ffffff; --ink: #1b2733; --soft: #5b6b7b; --outline: #7b8a99; --box: #f3f6f9; --edge: #4a5a6a;
  --accent: #0b62a8; --accent-soft: #dcecf9; font-family: system-ui, "Segoe UI", Roboto, sans-serif; }
@media (prefers-color-scheme: dark) {
  .picture { --paper: #10161d; --ink: #e6edf3; --soft: #9aa9b8; --outline: #66788a; --box: #1b2530; --edge: #93a4b5;
    --accent: #6cb6ff; --accent-soft: #14304a; }
}
.picture .paper { fill: var(--paper); }
.picture .edge path { fill: none; stroke: var(--edge); stroke-width: 1.6; stroke-linejoin: round; }
.picture .edge.replaces path.tip { fill: var(--edge); }
.picture .edge.skips path.line { stroke-dasharray: 6 4; }
.picture .edge.skipRange path.line { stroke-dasharray: 0.1 4.4; stroke-linecap: round; stroke-width: 2.2; }
.picture .edge.skipRange path.tip { fill: var(--paper); }
.picture .node rect { fill: var(--box); stroke: var(--outline); stroke-width: 1.5; }
.picture .node.head rect { fill: var(--accent-soft); stroke: var(--accent); stroke-width: 2.5; }
.picture .node.skipped rect { stroke-dasharray: 5 3; fill: var(--paper); }
.picture .node.outside rect { stroke-dasharray: 1.5 3; stroke-linecap: round; fill: none; }
.picture .node text { fill: var(--ink); font-size: 13px; font-weight: 600; text-anchor: middle; }
.picture .node.deprecated .label { text-decoration: line-through; }
.picture .node.skipped .label, .picture .node.outside .label { font-weight: 400; }
.picture .node .caption { fill: var(--soft); font-size: 9.5px; font-weight: 500; letter-spacing: 0.02em; }
.picture .node.head .caption { fill: var(--accent); font-weight: 700; }
.picture .title { fill: var(--ink); font-size: 16px; font-weight: 700; }
.picture .channel { fill: var(--ink); font-size: 13px; font-weight: 700; }
.picture .note { fill: var(--soft); font-size: 12px; }
.picture .rule { stroke: var(--outline); stroke-opacity: 0.45; }
"""

_RADIUS: Final = 6.0


def standalone(picture: Picture) -> str:
    """The whole picture as an SVG file that follows the reader's light or dark colours."""
    heading, lane_heading, legend = 44.0, 26.0, 40.0
    height = heading + sum(lane_heading + lane.height for lane in picture.lanes) + legend
    width = max(picture.width, 560.0)
    title = f"Upgrade graph of {picture.package}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="picture" width="{_number(width)}" height="{_number(height)}"'
        f' viewBox="0 0 {_number(width)} {_number(height)}" role="img" aria-labelledby="title description">',
        f'<title id="title">{escape(title)}</title>',
        f'<desc id="description">{escape(_description(picture))}</desc>',
        f"<style>{STYLE}</style>",
        '<rect class="paper" width="100%" height="100%"/>',
        f'<text class="title" x="20" y="27">{escape(title)}{_suffix(picture.deprecated)}</text>',
    ]
    y = heading
    for lane in picture.lanes:
        name = f"{lane.channel} (default)" if lane.default else lane.channel
        parts += [
            f'<line class="rule" x1="0" x2="{_number(width)}" y1="{_number(y)}" y2="{_number(y)}"/>',
            f'<text class="channel" x="20" y="{_number(y + 19)}">{escape(name)}{_suffix(lane.deprecated)}</text>',
            f'<g transform="translate(0 {_number(y + lane_heading)})">{lane_body(picture, lane)}</g>',
        ]
        y += lane_heading + lane.height
    parts.append(f'<line class="rule" x1="0" x2="{_number(width)}" y1="{_number(y)}" y2="{_number(y)}"/>')
    x = 20.0
    for kind, words in EDGE_WORDS.items():
        parts.append(f'<g transform="translate({_number(x)} {_number(y + 22)})">{legend_line(kind)}</g>')
        parts.append(f'<text class="note" x="{_number(x + 52)}" y="{_number(y + 26)}">{escape(words)}</text>')
        x += 52 + 6.2 * len(words) + 32
    return "\n".join((*parts, "</svg>", ""))


def _description(picture: Picture) -> str:
    lanes = []
    for lane in picture.lanes:
        heads = ", ".join(node.label for node in lane.nodes if node.head) or "none"
        count = sum(not node.outside for node in lane.nodes)
        lanes.append(f"Channel {lane.channel} with {count} versions; head: {heads}.")
    return " ".join(lanes)


def _suffix(deprecated: str) -> str:
    return escape(f" - deprecated: {deprecated}") if deprecated else ""


def lane_body(
    picture: Picture,
    lane: Lane,
    *,
    steps: Mapping[str, str] | None = None,
    wrap: Callable[[Node], tuple[str, str]] | None = None,
) -> str:
    """The edges and nodes of a lane.

    Args:
        picture: what the lane belongs to.
        lane: one of its lanes.
        steps: pairs of nodes between which an upgrade leads; each gets a line of its own that a page can show.
        wrap: opening and closing tags around a node's box, instead of a group with a tooltip.
    """
    drawing = _Drawing(picture, lane, {node.name: node for node in lane.nodes})
    parts = [drawing.edge(edge) for edge in lane.edges]
    for source, target in (steps or {}).items():
        parts.append(drawing.step(source, target))
    parts += [drawing.node(node, wrap or _tooltip) for node in lane.nodes]
    return "\n".join(parts)


def legend_line(kind: str) -> str:
    """A short sample of an edge of that kind, 44 wide, around y = 0."""
    return f'<g class="edge {kind}">{_line("M0 0H38")}{_tip(kind, _Point(44, 0), "right")}</g>'


class _Point(NamedTuple):
    x: float
    y: float


class _Drawing(NamedTuple):
    picture: Picture
    lane: Lane
    nodes: Mapping[str, Node]

    def edge(self, edge: Edge) -> str:
        """All lines of an edge and its tip, with the edge's own words as tooltip."""
        target = self.nodes[edge.target]
        if not edge.track:
            source = self.nodes[edge.sources[0]]
            lines, tip = self._straight(source, target)
        else:
            columns = [self.nodes[name] for name in edge.sources]
            # The whole rail, from its ends; what lies between hangs on it by a short line.
            ends = {min(columns, key=_column), max(columns, key=_column)}
            left = {node for node in ends if node.column < target.column}
            right = ends - left
            whole = [*(_outermost(left, min)), *(_outermost(right, max))]
            rail = self._rail(edge)
            lines = [self._along(edge, node, target) for node in whole]
            lines += [
                f"M{_number(self._leaves(node, target))} {_number(self._edge_of_boxes(edge))}V{_number(rail)}"
                for node in columns
                if node not in whole
            ]
            tip = _Tip(_Point(self._arrives(target, edge), self._edge_of_boxes(edge)), _direction(edge))
        words = f"{target.label} {edge.text}"
        body = "".join(map(_line, lines)) + _tip(edge.kind, tip.point, tip.direction)
        return f'<g class="edge {edge.kind}"><title>{escape(words)}</title>{body}</g>'

    def step(self, source: str, target: str) -> str:
        """The line by which an upgrade leads from one node to another; nothing where no edge does."""
        edges = (edge for edge in self.lane.edges if edge.target == target and source in edge.sources)
        edge = next(edges, None)
        if edge is None:
            return ""
        start, end = self.nodes[source], self.nodes[target]
        path = self._along(edge, start, end) if edge.track else self._straight(start, end)[0][0]
        return f'<path class="step" data-from="{escape(source)}" d="{path}"/>'

    def _straight(self, source: Node, target: Node) -> tuple[list[str], _Tip]:
        y = self.lane.y + NODE_HEIGHT / 2
        width = self.picture.node_width
        if source.column <= target.column:
            start, end, towards = self.picture.left(source) + width, self.picture.left(target), "right"
        else:
            start, end, towards = self.picture.left(source), self.picture.left(target) + width, "left"
        short = end - 6 if towards == "right" else end + 6
        return [f"M{_number(start)} {_number(y)}H{_number(short)}"], _Tip(_Point(end, y), towards)

    def _along(self, edge: Edge, source: Node, target: Node) -> str:
        """Out of the source's box, along the rail, into the target's box."""
        start, end = self._leaves(source, target), self._arrives(target, edge)
        boxes, rail = self._edge_of_boxes(edge), self._rail(edge)
        away = -1 if rail < boxes else 1
        along = 1 if start < end else -1
        radius = min(_RADIUS, abs(end - start) / 2, TRACK / 2)
        return (
            f"M{_number(start)} {_number(boxes)}V{_number(rail - away * radius)}"
            f"Q{_number(start)} {_number(rail)} {_number(start + along * radius)} {_number(rail)}"
            f"H{_number(end - along * radius)}"
            f"Q{_number(end)} {_number(rail)} {_number(end)} {_number(rail - away * radius)}"
            f"V{_number(boxes + away * 5)}"
        )

    def _rail(self, edge: Edge) -> float:
        away = edge.track * TRACK
        return self.lane.y - away if edge.kind == "skips" else self.lane.bottom + away

    def _edge_of_boxes(self, edge: Edge) -> float:
        return self.lane.y if edge.kind == "skips" else self.lane.bottom

    def _leaves(self, source: Node, target: Node) -> float:
        share = 0.72 if source.column < target.column else 0.28
        return self.picture.left(source) + share * self.picture.node_width

    def _arrives(self, target: Node, edge: Edge) -> float:
        # Below, a box may be reached by a long replaces and by a skipRange.
        share = 0.16 if edge.kind == "replaces" else 0.32
        return self.picture.left(target) + share * self.picture.node_width

    def node(self, node: Node, wrap: Callable[[Node], tuple[str, str]]) -> str:
        """A box with a label, and a caption where there is more to say than the version."""
        x, middle = self.picture.left(node), self.picture.left(node) + self.picture.node_width / 2
        y = self.lane.y
        opening, closing = wrap(node)
        box = (
            f'<rect x="{_number(x)}" y="{_number(y)}" width="{_number(self.picture.node_width)}"'
            f' height="{NODE_HEIGHT}" rx="7"/>'
        )
        baseline = y + (16 if node.caption else 21.5)
        text = f'<text class="label" x="{_number(middle)}" y="{_number(baseline)}">{escape(node.label)}</text>'
        if node.caption:
            text += f'<text class="caption" x="{_number(middle)}" y="{_number(y + 27.5)}">{escape(node.caption)}</text>'
        return f"{opening}{box}{text}{closing}"


class _Tip(NamedTuple):
    point: _Point
    direction: str


def _column(node: Node) -> int:
    return node.column


def _outermost(nodes: set[Node], which: Callable[..., Node]) -> Iterator[Node]:
    if nodes:
        yield which(nodes, key=_column)


def _direction(edge: Edge) -> str:
    return "down" if edge.kind == "skips" else "up"


def _tooltip(node: Node) -> tuple[str, str]:
    words = f"{node.name} ({node.caption})" if node.caption else node.name
    return f'<g class="node {node_classes(node)}"><title>{escape(words)}</title>', "</g>"


def node_classes(node: Node) -> str:
    """The classes that say what a node is."""
    return node.caption.replace(",", "")


def _line(path: str) -> str:
    return f'<path class="line" d="{path}"/>'


def _tip(kind: str, point: _Point, direction: str) -> str:
    """An arrow's tip that ends at *point*: full for replaces, open for skips, hollow for skipRange."""
    forward = {"right": (1, 0), "left": (-1, 0), "up": (0, -1), "down": (0, 1)}[direction]
    back = _Point(point.x - 7 * forward[0], point.y - 7 * forward[1])
    aside = (4.2 * forward[1], 4.2 * forward[0])
    one = f"{_number(back.x + aside[0])} {_number(back.y + aside[1])}"
    other = f"{_number(back.x - aside[0])} {_number(back.y - aside[1])}"
    closing = "" if kind == "skips" else "Z"
    return f'<path class="tip" d="M{one}L{_number(point.x)} {_number(point.y)}L{other}{closing}"/>'


def _number(value: float) -> str:
    """Two decimals at most, and none that say nothing."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
