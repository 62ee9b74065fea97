"""The upgrade graph as an interactive page: choose a version and see which way leads from it to the head.

Every version is a link of its own, with its channel's place in the page's address, so a chosen version can be sent to
somebody. Without its script the page still has the picture, and the table with all that the picture says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Final
from urllib.parse import quote

from balise.graph.picture import Lane, Node, Picture, lay_out
from balise.graph.svg import EDGE_WORDS, STYLE, lane_body, legend_line, node_classes
from balise.model.catalog import Catalog
from balise.publish.packages import by_package
from balise.publish.page import page
from balise.publish.ways import ChannelWays, Way, channel_ways

__all__ = ["GRAPH_SCRIPT", "GRAPH_STYLE", "graph_page", "graph_section"]

GRAPH_STYLE: Final = (
    STYLE
    + """
.graph { margin: 0 0 2rem; }
.graph .legend { display: flex; flex-wrap: wrap; gap: 0.3rem 1.5rem; margin: 0.5rem 0; padding: 0; list-style: none;
  color: var(--soft); font-size: 0.875rem; }
.graph .legend li { display: flex; align-items: center; gap: 0.5rem; }
.graph .scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 10px; background: var(--paper); }
.graph .lane { min-width: max-content; border-top: 1px solid var(--line); }
.graph .lane:first-child { border-top: 0; }
.graph .lane h3 { position: sticky; left: 0; width: max-content; max-width: 90vw; margin: 0; padding: 0.6rem 1.1rem 0;
  font-size: 0.95rem; }
.graph .lane h3 small { color: var(--soft); font-weight: 400; margin-left: 0.35rem; }
.graph .lane svg { display: block; }
.graph .note { margin: 0.2rem 1.1rem 0; color: var(--soft); font-size: 0.875rem; position: sticky; left: 1.1rem;
  width: max-content; max-width: 85vw; }
.graph a.node { cursor: pointer; outline: none; }
.graph a.node:hover rect { stroke: var(--accent); }
.graph a.node:focus-visible rect { stroke: var(--accent); stroke-width: 4; stroke-dasharray: none; }
.graph .step { fill: none; stroke: var(--accent); stroke-width: 4; stroke-linejoin: round; visibility: hidden; }
.graph .step.on { visibility: visible; }
.graph .lane.chosen .edge { opacity: 0.3; }
.graph .lane.chosen a.node:not(.on):not(:focus-visible) { opacity: 0.5; }
.graph a.node.on rect { stroke: var(--accent); stroke-dasharray: none; stroke-width: 2.5; }
.graph a.node[aria-current] rect { fill: var(--accent); stroke: var(--accent); }
.graph a.node[aria-current] text, .graph a.node[aria-current] .caption { fill: var(--paper); }
.graph .choice { position: sticky; bottom: 0; max-height: 45vh; overflow: auto; margin: 0.9rem 0 0;
  padding: 0.8rem 1.1rem; border: 1px solid var(--line); border-left: 5px solid var(--accent); border-radius: 10px;
  background: var(--sheet); }
.graph .choice h3 { margin: 0; font-size: 1.05rem; overflow-wrap: anywhere; }
.graph .choice p { margin: 0.35rem 0 0; }
.graph .choice .hint { margin: 0; color: var(--soft); }
.graph kbd { padding: 0 0.35em; border: 1px solid var(--line); border-bottom-width: 2px; border-radius: 4px;
  font: 0.8em ui-monospace, monospace; background: var(--paper); }
.graph ol.way { display: flex; flex-wrap: wrap; gap: 0.3rem 0.5rem; margin: 0.4rem 0 0; padding: 0; list-style: none; }
.graph ol.way li + li::before { content: "\\2192"; margin-right: 0.5rem; color: var(--soft); }
.graph ol.way a { font-weight: 600; }
.graph details { margin-top: 0.9rem; }
.graph summary { cursor: pointer; font-weight: 600; }
.graph .rows { overflow-x: auto; }
.graph table { border-collapse: collapse; width: 100%; margin: 0.8rem 0; font-size: 0.875rem; }
.graph caption { text-align: left; font-weight: 700; padding: 0.3rem 0; }
.graph th, .graph td { text-align: left; vertical-align: top; padding: 0.4rem 0.7rem 0.4rem 0;
  border-top: 1px solid var(--line); }
.graph td p { margin: 0 0 0.3rem; }
.graph tbody th { white-space: nowrap; }
@media print { .graph .choice { display: none; } }
"""
)

GRAPH_SCRIPT: Final = """
(() => {
  "use strict";
  const nodes = [...document.querySelectorAll(".graph a.node")];
  const lane = (node) => node.closest(".lane");
  const siblings = (node) => [...lane(node).querySelectorAll("a.node")];
  const byId = (id) => nodes.find((node) => node.id === id);
  const hint = new Map([...document.querySelectorAll(".graph .choice")].map((box) => [box, [...box.childNodes]]));

  const clear = () => {
    for (const each of document.querySelectorAll(".graph .on")) each.classList.remove("on");
    for (const each of document.querySelectorAll(".graph .chosen")) each.classList.remove("chosen");
    for (const each of document.querySelectorAll(".graph [aria-current]")) each.removeAttribute("aria-current");
    for (const [box, children] of hint) box.replaceChildren(...children);
  };

  const reachable = (node) => {
    for (const each of siblings(node)) each.tabIndex = each === node ? 0 : -1;
  };

  const choose = (node) => {
    clear();
    node.setAttribute("aria-current", "true");
    lane(node).classList.add("chosen");
    reachable(node);
    const steps = [...lane(node).querySelectorAll(".step")];
    const seen = new Set();
    for (let at = node; at && !seen.has(at); at = byId(at.dataset.next)) {
      seen.add(at);
      at.classList.add("on");
      const step = steps.find((each) => each.dataset.from === at.dataset.name);
      if (step) step.classList.add("on");
    }
    const graph = node.closest(".graph");
    const row = document.getElementById("row:" + node.id);
    const title = document.createElement("h3");
    title.textContent = node.dataset.name + " in channel " + lane(node).dataset.channel;
    graph.querySelector(".choice").replaceChildren(title, ...row.querySelector(".story").cloneNode(true).childNodes);
    node.scrollIntoView({ block: "nearest", inline: "center" });
  };

  const follow = () => {
    let id = "";
    try { id = decodeURIComponent(location.hash.slice(1)); } catch { /* somebody else's address */ }
    const node = byId(id);
    if (node) choose(node); else clear();
    return node;
  };

  // One stop of the tabulator for each channel; arrows go on from there.
  for (const each of document.querySelectorAll(".graph .lane")) {
    const own = [...each.querySelectorAll("a.node")];
    if (own.length) reachable(own.find((node) => node.classList.contains("head")) || own[own.length - 1]);
  }

  const beside = (node, key) => {
    const row = siblings(node);
    const at = row.indexOf(node);
    if (key === "ArrowLeft") return row[at - 1];
    if (key === "ArrowRight") return row[at + 1];
    if (key === "Home") return row[0];
    if (key === "End") return row[row.length - 1];
    const lanes = [...node.closest(".graph").querySelectorAll(".lane")].filter((each) => each.querySelector("a.node"));
    const other = lanes[lanes.indexOf(lane(node)) + (key === "ArrowUp" ? -1 : 1)];
    if (!other) return undefined;
    const middle = node.getBoundingClientRect().left;
    const far = (each) => Math.abs(each.getBoundingClientRect().left - middle);
    return [...other.querySelectorAll("a.node")].reduce((best, each) => (far(each) < far(best) ? each : best));
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && location.hash) {
      history.replaceState(null, "", location.pathname + location.search);
      clear();
      return;
    }
    const node = event.target instanceof Element ? event.target.closest(".graph a.node") : null;
    if (!node || event.altKey || event.ctrlKey || event.metaKey) return;
    if (event.key === " ") { event.preventDefault(); location.hash = node.getAttribute("href"); return; }
    if (!["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].includes(event.key)) return;
    event.preventDefault();
    const next = beside(node, event.key);
    if (!next) return;
    reachable(next);
    next.focus();
  });

  addEventListener("hashchange", follow);
  if (!follow()) {
    // What is newest is what people come for.
    for (const each of document.querySelectorAll(".graph .scroll")) each.scrollLeft = each.scrollWidth;
  }
})();
"""


def graph_page(catalog: Catalog, packages: tuple[str, ...] = ()) -> str:
    """The page of some packages of a catalog, or of all.

    Raises:
        InputError: when the catalog lacks a package.
    """
    names = packages or tuple(sorted(package.name for package in catalog.packages))
    parts = by_package(catalog)
    title = f"Upgrades of {names[0]}" if len(names) == 1 else "Upgrades of this catalog"
    sections = "\n".join(
        (f"<h2>{escape(name)}</h2>\n" if len(names) > 1 else "") + graph_section(parts.get(name, catalog), name)
        for name in names
    )
    body = f'<main class="sheet">\n<h1>{escape(title)}</h1>\n{sections}\n</main>'
    style = GRAPH_STYLE + _SHEET_STYLE
    return page(title=title, style=style, body=body, script=GRAPH_SCRIPT)


_LONGEST_CHAIN: Final = 16
"""A longer way is told by its beginning and its end; the picture shows all of it."""

_SHEET_STYLE: Final = """
.sheet { max-width: 100rem; margin: 0 auto; padding: 1.2rem clamp(0.8rem, 3vw, 2.5rem) 3rem; }
.sheet h1 { margin: 0 0 0.6rem; font-size: 1.6rem; overflow-wrap: anywhere; }
"""


def graph_section(catalog: Catalog, package: str) -> str:
    """The part of a page that shows one package; it needs :data:`GRAPH_STYLE` and :data:`GRAPH_SCRIPT`."""
    picture = lay_out(catalog, package)
    channels = [_Channel(catalog, picture, lane) for lane in picture.lanes]
    legend = "".join(
        f'<li><svg width="46" height="14" viewBox="0 -7 46 14" aria-hidden="true">{legend_line(kind)}</svg>'
        f"{escape(words)}</li>"
        for kind, words in EDGE_WORDS.items()
    )
    lanes = "\n".join(channel.lane_html() for channel in channels)
    tables = "\n".join(channel.table() for channel in channels)
    note = f'<p><span class="badge warn">deprecated</span> {escape(picture.deprecated)}</p>\n'
    return (
        f'<section class="graph picture" aria-label="Upgrade graph of {escape(package)}">\n'
        f"{note if picture.deprecated else ''}"
        f'<ul class="legend" aria-label="Kinds of edges">{legend}</ul>\n'
        f'<div class="scroll" role="group" aria-label="Channels of {escape(package)}">\n{lanes}\n</div>\n'
        '<div class="choice" role="status" aria-live="polite"><p class="hint">Choose a version to see which way leads'
        " from it to the head. <kbd>&larr;</kbd> <kbd>&rarr;</kbd> <kbd>&uarr;</kbd> <kbd>&darr;</kbd> move,"
        " <kbd>Enter</kbd> chooses, <kbd>Esc</kbd> ends.</p></div>\n"
        f'<details><summary>The same as a table</summary>\n<div class="rows">\n{tables}\n</div></details>\n</section>'
    )


class _Channel:
    """One channel of the page."""

    def __init__(self, catalog: Catalog, picture: Picture, lane: Lane) -> None:
        self.picture = picture
        self.lane = lane
        self.nodes = {node.name: node for node in lane.nodes}
        starts = {node.name: node.version for node in lane.nodes}
        self.ways: ChannelWays = channel_ways(catalog, picture.package, lane.channel, starts)
        self.steps: Mapping[str, str] = {name: way.steps[0] for name, way in self.ways.v0.items() if way.steps}
        self.skippers = {source: edge.target for edge in lane.edges if edge.kind == "skips" for source in edge.sources}

    def _id(self, name: str) -> str:
        return f"{self.picture.package}/{self.lane.channel}/{name}"

    def _href(self, name: str) -> str:
        return f"#{quote(self._id(name))}"

    def lane_html(self) -> str:
        """Heading and picture of the channel."""
        lane = self.lane
        count = sum(not node.outside for node in lane.nodes)
        badges = '<span class="badge main">default</span>' if lane.default else ""
        badges += '<span class="badge warn">deprecated</span>' if lane.deprecated else ""
        notes = "".join(f'<p class="note">{escape(note)}</p>' for note in (lane.deprecated, self.ways.problem) if note)
        width, height = f"{self.picture.width:.0f}", f"{lane.height:.0f}"
        body = lane_body(self.picture, lane, steps=self.steps, wrap=self._link)
        return (
            f'<section class="lane" data-channel="{escape(lane.channel)}" aria-label="Channel {escape(lane.channel)}">'
            f"<h3>{escape(lane.channel)} {badges}<small>{_counted(count, 'version')}</small></h3>{notes}\n"
            f'<svg width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="group"'
            f' aria-label="Versions in {escape(lane.channel)}, oldest first">\n{body}\n</svg></section>'
        )

    def _link(self, node: Node) -> tuple[str, str]:
        words = f"{node.name}, {node.caption}" if node.caption else node.name
        following = self.steps.get(node.name)
        more = f' data-next="{escape(self._id(following))}"' if following else ""
        opening = (
            f'<a class="node {node_classes(node)}" id="{escape(self._id(node.name))}"'
            f' href="{escape(self._href(node.name))}" aria-label="{escape(words)}"'
            f' data-name="{escape(node.name)}"{more}>'
            f"<title>{escape(words)}</title>"
        )
        return opening, "</a>"

    def table(self) -> str:
        """Everything that the picture of the channel says, newest first."""
        rows = "\n".join(self._row(node) for node in reversed(self.lane.nodes))
        return (
            f"<table><caption>Channel {escape(self.lane.channel)}</caption>\n"
            '<thead><tr><th scope="col">Version</th><th scope="col">Upgrades to it</th>'
            f'<th scope="col">From there</th></tr></thead>\n<tbody>\n{rows}\n</tbody></table>'
        )

    def _row(self, node: Node) -> str:
        edges = "".join(f"<p>{escape(edge.text)}</p>" for edge in self.lane.edges if edge.target == node.name)
        state = f"<br>{escape(node.caption)}" if node.caption else ""
        return (
            f'<tr id="row:{escape(self._id(node.name))}"><th scope="row">{escape(node.name)}{state}</th>'
            f'<td>{edges or "nothing"}</td><td class="story">{"".join(self._story(node))}</td></tr>'
        )

    def _story(self, node: Node) -> Iterator[str]:
        if node.deprecated:
            yield f"<p><strong>Deprecated:</strong> {escape(node.deprecated)}</p>"
        if node.outside:
            yield "<p>Not in this channel; shown because an upgrade leads from it into the channel.</p>"
        if node.skipped:
            skipper = self._name(self.skippers[node.name]) if node.name in self.skippers else "a later version"
            yield f"<p>OLM v0 does not install it: {skipper} skips it.</p>"
        way = self.ways.v0[node.name]
        yield f"<p>{self._sentence(node, way)}</p>"
        yield self._chain(node, way)
        other = self.ways.v1[node.name]
        if other != way and not self.ways.problem:
            words = "OLM v1 goes another way" if other.steps else "OLM v1 stays at it"
            yield f"<p>{words}{':' if other.steps else '.'}</p>{self._chain(node, other)}"

    def _sentence(self, node: Node, way: Way) -> str:
        if self.ways.problem:
            return f"OLM v0 resolves nothing from this channel: {escape(self.ways.problem)}."
        if way.circular:
            return "The upgrades from here go round in circles and never end:"
        if node.head and not way.steps:
            return "The head of the channel: what a new installation gets."
        if not way.steps:
            return "No upgrade leads on from here: OLM v0 stays at it, without an error."
        if way.steps[-1] != self.ways.head:
            return f"The upgrades from here end at {self._name(way.steps[-1])} and do not reach the head:"
        return f"Reaches the head in {_counted(len(way.steps), 'step')}:"

    def _chain(self, node: Node, way: Way) -> str:
        if not way.steps:
            return ""
        names = [node.name, *way.steps]
        links = [f'<li><a href="{escape(self._href(name))}">{self._name(name)}</a></li>' for name in names]
        if len(links) > _LONGEST_CHAIN:
            between = len(links) - _LONGEST_CHAIN
            links[_LONGEST_CHAIN - 3 : -3] = [f"<li>{between} more</li>"]
        return f'<ol class="way">{"".join(links)}</ol>'

    def _name(self, name: str) -> str:
        return escape(self.nodes[name].label) if name in self.nodes else escape(name)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun if count == 1 else f'{noun}s'}"
