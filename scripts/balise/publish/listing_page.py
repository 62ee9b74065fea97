"""A package's page and its card, laid out as OperatorHub lays them out, with the upgrade graph beside."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final
from urllib.parse import quote

from balise.model.catalog import Catalog
from balise.publish.graph_page import GRAPH_SCRIPT, GRAPH_STYLE, graph_section
from balise.publish.installation import for_olm_v0, for_olm_v1, is_head
from balise.publish.listing import LEVELS, ChannelSummary, Link, Listing
from balise.publish.markdown import rendered
from balise.publish.page import page

__all__ = ["detail_page", "detail_path", "index_page", "message_page"]

_STYLE: Final = """
.top { background: #0b3954; color: #ffffff; }
.top > div { max-width: 82rem; margin: 0 auto; padding: 0.7rem clamp(0.9rem, 3vw, 2rem); display: flex;
  flex-wrap: wrap; justify-content: space-between; gap: 0.3rem 1rem; align-items: baseline; }
.top a { color: inherit; font-weight: 700; text-decoration: none; }
.top a:focus-visible { outline-color: #ffffff; }
.top span { opacity: 0.85; font-size: 0.875rem; }
main { max-width: 82rem; margin: 0 auto; padding: 1.4rem clamp(0.9rem, 3vw, 2rem) 4rem; }
.icon { width: 3.5rem; height: 3.5rem; object-fit: contain; border-radius: 10px; background: #ffffff; padding: 4px;
  border: 1px solid var(--line); flex: none; }
.icon.letter { display: grid; place-items: center; background: var(--accent-soft); color: var(--accent);
  font-size: 1.5rem; font-weight: 700; }
.by { margin: 0; color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1.1rem; padding: 0;
  list-style: none; }
.card { position: relative; height: 100%; display: flex; flex-direction: column; gap: 0.7rem; padding: 1.1rem;
  border: 1px solid var(--line); border-radius: 12px; background: var(--sheet);
  transition: border-color 0.15s, box-shadow 0.15s; }
.card:hover, .card:focus-within { border-color: var(--accent); box-shadow: 0 2px 14px rgb(0 0 0 / 0.14); }
.card header { display: flex; gap: 0.9rem; align-items: center; }
.card h2 { margin: 0; font-size: 1.1rem; }
.card h2 a { color: inherit; text-decoration: none; }
.card h2 a::after { content: ""; position: absolute; inset: 0; border-radius: 12px; }
.card h2 a:focus-visible { outline: none; }
.card h2 a:focus-visible::after { outline: 3px solid var(--accent); outline-offset: 2px; }
.card p { margin: 0; font-size: 0.925rem; }
.card footer { margin-top: auto; display: flex; flex-wrap: wrap; gap: 0.35rem; }
.head { display: flex; flex-wrap: wrap; gap: 1.1rem; align-items: center; margin-bottom: 1.2rem; }
.head .icon { width: 5rem; height: 5rem; }
.head h1 { margin: 0; font-size: clamp(1.5rem, 4vw, 2.1rem); }
.head .words { flex: 1 1 18rem; min-width: 0; }
.head .summary { margin: 0.2rem 0 0; }
.button { display: inline-block; padding: 0.55rem 1.4rem; border-radius: 8px; background: var(--accent);
  color: var(--paper); font-weight: 700; text-decoration: none; }
.button.plain { background: none; color: var(--accent); box-shadow: inset 0 0 0 1.5px var(--accent); }
.button:hover { text-decoration: underline; }
.warning { margin: 0 0 1rem; padding: 0.7rem 1rem; border-left: 5px solid var(--warn); border-radius: 8px;
  background: var(--warn-soft); }
.columns { display: grid; grid-template-columns: minmax(0, 1fr) 19rem; gap: 2.2rem; align-items: start; }
@media (max-width: 56rem) { .columns { grid-template-columns: minmax(0, 1fr); } }
.side { padding: 0.4rem 1.2rem 1rem; border: 1px solid var(--line); border-radius: 12px; background: var(--sheet);
  font-size: 0.925rem; }
.side h2 { margin: 1rem 0 0.25rem; font-size: 0.75rem; letter-spacing: 0.06em; text-transform: uppercase;
  color: var(--soft); }
.side p, .side ul, .side ol { margin: 0; padding: 0; list-style: none; overflow-wrap: anywhere; }
.side li { padding: 0.1rem 0; }
.side summary { cursor: pointer; }
.side details ul { padding-left: 1.1rem; max-height: 15rem; overflow-y: auto; }
.side .current { font-weight: 700; }
.levels li { position: relative; padding: 0.2rem 0 0.2rem 1.8rem; color: var(--soft); }
.levels li::before { content: ""; position: absolute; left: 0; top: 0.5rem; width: 0.95rem; height: 0.95rem;
  border: 2px solid var(--soft); border-radius: 50%; }
.levels li:not(:last-child)::after { content: ""; position: absolute; left: 0.42rem; top: 1.5rem; bottom: -0.45rem;
  border-left: 2px solid var(--line); }
.levels li.has { color: var(--ink); font-weight: 600; }
.levels li.has::before { content: "\\2713"; border-color: var(--accent); background: var(--accent); color: var(--paper);
  font-size: 0.7rem; line-height: 0.95rem; text-align: center; }
.part { margin: 2rem 0 0; }
.part > h2 { font-size: 1.3rem; margin: 0 0 0.6rem; padding-bottom: 0.3rem; border-bottom: 1px solid var(--line); }
.text { overflow-wrap: anywhere; }
.text > :first-child { margin-top: 0; }
.text h3, .text h4, .text h5 { margin: 1.5rem 0 0.4rem; }
.text table { border-collapse: collapse; display: block; overflow-x: auto; }
.text th, .text td { border: 1px solid var(--line); padding: 0.3rem 0.6rem; }
.text .align-center { text-align: center; }
.text .align-right { text-align: right; }
.text blockquote { margin: 0.8rem 0; padding: 0.1rem 1rem; border-left: 4px solid var(--line); color: var(--soft); }
.text code { padding: 0.1em 0.3em; border-radius: 4px; background: var(--sheet); border: 1px solid var(--line); }
pre { margin: 0.6rem 0; padding: 0.8rem 1rem; overflow-x: auto; border: 1px solid var(--line); border-radius: 8px;
  background: var(--sheet); }
.text pre code { padding: 0; border: 0; background: none; }
.elsewhere::before { content: "\\1f5bc\\00a0"; }
.apis { display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); gap: 0.9rem; padding: 0;
  list-style: none; }
.apis li { padding: 0.8rem 1rem; border: 1px solid var(--line); border-radius: 10px; }
.apis h3 { margin: 0; font-size: 1rem; }
.apis p { margin: 0.25rem 0 0; font-size: 0.925rem; overflow-wrap: anywhere; }
.apis .kind { color: var(--soft); font-size: 0.85rem; }
.copy { position: relative; }
.copy button { position: absolute; top: 0.5rem; right: 0.5rem; padding: 0.2rem 0.7rem; border: 1px solid var(--line);
  border-radius: 6px; background: var(--paper); color: var(--ink); font: inherit; font-size: 0.8rem; cursor: pointer; }
.copy button[hidden] { display: none; }
"""

_COPY_SCRIPT: Final = """
for (const box of document.querySelectorAll(".copy")) {
  const button = box.querySelector("button");
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(box.querySelector("pre").textContent);
      button.textContent = "Copied";
    } catch { button.textContent = "Not allowed"; }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}
"""


def detail_path(package: str, bundle: str = "") -> str:
    """Where a page is in the site, as a file's path: the package's own, or that of one of its bundles."""
    return f"{_segment(package)}/{_segment(bundle)}.html" if bundle else f"{_segment(package)}/index.html"


def _segment(name: str) -> str:
    # Names in a valid catalog are harmless; what is not must not lead out of the site.
    return re.sub(r"[/\\\0]", "_", name) if name.strip(".") else "_"


def index_page(listings: Sequence[Listing]) -> str:
    """All packages as cards."""
    cards = "\n".join(f"<li>{_card(each)}</li>" for each in listings)
    count = f"{len(listings)} operator{'' if len(listings) == 1 else 's'}"
    body = (
        f'{_top(".", "as OperatorHub shows it")}\n<main>\n<h1>{count}</h1>\n<ul class="cards">\n{cards}\n</ul>\n</main>'
    )
    return page(title=f"Preview: {count}", style=_STYLE, body=body)


def message_page(title: str, message: str) -> str:
    """A page that says what is wrong."""
    body = f"{_top('/', 'preview')}\n<main><h1>{escape(title)}</h1>\n<pre>{escape(message)}</pre></main>"
    return page(title=title, style=_STYLE, body=body)


def detail_page(catalog: Catalog, listing: Listing, *, graph: bool = True) -> str:
    """One version of a package.

    Args:
        catalog: where it is from.
        listing: what is shown.
        graph: show the upgrade graph, too; else a link to the page that does.
    """
    picture = graph_section(catalog, listing.package) if graph else '<p><a href="index.html">Of all versions</a></p>'
    warnings = "".join(
        f'<p class="warning"><strong>Deprecated.</strong> {escape(each)}</p>' for each in listing.deprecations
    )
    main = "\n".join((
        f'<section class="text" aria-label="Description">{_description(listing)}</section>',
        _part("Custom resource definitions", _apis(listing)),
        _part("Install", _install(listing), "install"),
    ))  # fmt: skip
    body = (
        f"{_top('..', listing.package)}\n<main>\n{_head(listing)}\n{warnings}"
        f'<div class="columns">\n<div>\n{main}\n</div>\n{_side(listing)}\n</div>\n'
        f"{_part('Upgrades', picture, 'upgrades')}\n</main>"
    )
    script = _COPY_SCRIPT + (GRAPH_SCRIPT if graph else "")
    return page(
        title=f"{listing.display_name} {listing.version}",
        style=_STYLE + (GRAPH_STYLE if graph else ""),
        body=body,
        script=script,
    )


def _top(home: str, words: str) -> str:
    return (
        f'<header class="top"><div><a href="{home}/index.html">Preview</a><span>{escape(words)}</span></div></header>'
    )


def _image(listing: Listing) -> str:
    if listing.icon:
        return f'<img class="icon" alt="" src="{escape(listing.icon)}">'
    return f'<span class="icon letter" aria-hidden="true">{escape(listing.display_name[:1].upper())}</span>'


def _provider(listing: Listing) -> str:
    return f'<p class="by">provided by {escape(listing.provider.name)}</p>' if listing.provider.name else ""


def _card(listing: Listing) -> str:
    words = [listing.version, listing.level, *listing.categories[:2]]
    badges = "".join(f'<span class="badge">{escape(each)}</span>' for each in words if each)
    deprecated = '<span class="badge warn">deprecated</span>' if listing.deprecations else ""
    address = escape(quote(detail_path(listing.package)))
    return (
        f'<article class="card"><header>{_image(listing)}<div><h2><a href="{address}">'
        f"{escape(listing.display_name)}</a></h2>{_provider(listing)}</div></header>"
        f"<p>{escape(listing.summary)}</p><footer>{badges}{deprecated}</footer></article>"
    )


def _head(listing: Listing) -> str:
    return (
        f'<div class="head">{_image(listing)}<div class="words"><h1>{escape(listing.display_name)}</h1>'
        f'{_provider(listing)}<p class="summary">{escape(listing.summary)}</p></div>'
        '<nav aria-label="Parts"><a class="button plain" href="#upgrades">Upgrades</a>'
        ' <a class="button" href="#install">Install</a></nav></div>'
    )


def _description(listing: Listing) -> str:
    return rendered(listing.description, lowest_heading=2) or "<p>The operator has no description.</p>"


def _part(title: str, content: str, anchor: str = "") -> str:
    where = f' id="{anchor}"' if anchor else ""
    return f'<section class="part"{where}>\n<h2>{title}</h2>\n{content}\n</section>' if content else ""


def _apis(listing: Listing) -> str:
    items = "\n".join(
        f"<li><h3>{escape(api.display_name)} {_badge('required') if api.required else ''}</h3>"
        f'<p class="kind">{escape(api.kind)} {escape(api.version)} &middot; {escape(api.name)}</p>'
        f"<p>{escape(api.description)}</p></li>"
        for api in listing.apis
    )
    return f'<ul class="apis">\n{items}\n</ul>' if items else ""


def _badge(words: str, kind: str = "") -> str:
    return f'<span class="badge {kind}">{escape(words)}</span>'


def _install(listing: Listing) -> str:
    if not listing.channel:
        return "<p>No channel offers this version; it cannot be installed.</p>"
    pinned = (
        f"<p>This is not what channel {escape(listing.channel)} gives by itself: the version is pinned, and upgrades"
        " wait for an approval.</p>\n"
    )
    return (
        f"{'' if is_head(listing) else pinned}"
        f"<p>From channel <strong>{escape(listing.channel)}</strong>. In a cluster with OLM, save this as a file and"
        f" <code>kubectl apply -f</code> it:</p>\n{_copy(for_olm_v0(listing))}"
        f"\n<p>With OLM v1, once the service account is there and may do what the operator needs:</p>\n"
        f"{_copy(for_olm_v1(listing))}"
    )


def _copy(text: str) -> str:
    return f'<div class="copy"><button type="button" hidden>Copy</button><pre>{escape(text)}</pre></div>'


def _side(listing: Listing) -> str:
    parts = [
        ("Version", f"<p>{escape(listing.version)}</p>"),
        ("Channels", _channels(listing)),
        ("Capability level", _levels(listing.level)),
        ("Provider", _linked(listing.provider)),
        ("Links", _list(_linked(each) for each in listing.links)),
        ("Repository", _linked(Link(listing.repository, listing.repository))),
        ("Container image", f"<p><code>{escape(listing.image)}</code></p>" if listing.image else ""),
        ("Created", f"<p>{escape(listing.created)}</p>" if listing.created else ""),
        ("Maturity", f"<p>{escape(listing.maturity)}</p>" if listing.maturity else ""),
        ("Kubernetes", f"<p>{escape(listing.min_kube_version)} or newer</p>" if listing.min_kube_version else ""),
        ("Install modes", _list(escape(each) for each in listing.install_modes)),
        ("Maintainers", _list(_person(each) for each in listing.maintainers)),
        ("Categories", _list(escape(each) for each in listing.categories)),
        ("Keywords", f"<p>{escape(', '.join(listing.keywords))}</p>" if listing.keywords else ""),
    ]
    content = "\n".join(f"<h2>{title}</h2>{html}" for title, html in parts if html)
    return f'<aside class="side" aria-label="About this operator">\n{content}\n</aside>'


def _channels(listing: Listing) -> str:
    return _list(_channel(listing, each) for each in listing.channels)


def _channel(listing: Listing, channel: ChannelSummary) -> str:
    badges = (_badge("default", "main") if channel.default else "") + (
        _badge("deprecated", "warn") if channel.deprecated else ""
    )
    items = "".join(f"<li>{link}</li>" for link in _versions(listing, channel))
    opened = " open" if channel.name == listing.channel else ""
    return f"<details{opened}><summary>{escape(channel.name)} {badges}</summary><ul>{items}</ul></details>"


def _versions(listing: Listing, channel: ChannelSummary) -> Iterator[str]:
    for number, (name, version) in enumerate(zip(channel.bundles, channel.versions, strict=True)):
        label = escape(version) + (f" {_badge('head')}" if number == 0 else "")
        if name == listing.bundle:
            yield f'<span class="current" aria-current="page">{label}</span>'
        else:
            yield f'<a href="{escape(quote(_segment(name)))}.html">{label}</a>'


def _levels(level: str) -> str:
    reached = LEVELS.index(level) if level in LEVELS else -1
    items = "".join(
        f'<li class="has">{each}<span class="visually-hidden"> (yes)</span></li>'
        if number <= reached
        else f'<li>{each}<span class="visually-hidden"> (no)</span></li>'
        for number, each in enumerate(LEVELS)
    )
    return f'<ol class="levels">{items}</ol>'


def _linked(link: Link) -> str:
    if not link.address:
        return f"<p>{escape(link.name)}</p>" if link.name else ""
    return f'<p><a rel="noopener noreferrer" href="{escape(link.address)}">{escape(link.name or link.address)}</a></p>'


def _person(person: Link) -> str:
    name = escape(person.name or person.address)
    return f'<a href="mailto:{quote(person.address, safe="@")}">{name}</a>' if "@" in person.address else name


def _list(items: Iterable[str]) -> str:
    found = "".join(f"<li>{each}</li>" for each in items if each)
    return f"<ul>{found}</ul>" if found else ""
