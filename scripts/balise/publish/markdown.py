"""Markdown as HTML that is safe to show: no markup of the author's own, no scripts, no images from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from balise.model.errors import BaliseError

__all__ = ["rendered"]


def rendered(text: str, *, lowest_heading: int = 1) -> str:
    """The HTML of a Markdown text; its headings begin at the level *lowest_heading*.

    Pictures become links, so that whoever looks at the page asks no other server for anything.

    Raises:
        BaliseError: when the library for it is not installed.
    """
    try:
        from markdown_it import MarkdownIt  # noqa: PLC0415 (optional)
    except ImportError:
        raise BaliseError(
            "markdown-it-py is not installed", way_out="install it: pip install 'timonier[preview]'"
        ) from None
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.add_render_rule("image", _picture_as_link)
    tokens = parser.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + lowest_heading - 1)}"
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("rel", "noopener noreferrer nofollow")
        if token.type in ("th_open", "td_open") and (style := token.attrs.pop("style", None)):
            # The pages' policy forbids styles in attributes.
            token.attrSet("class", str(style).replace("text-align:", "align-"))
    return str(parser.renderer.render(tokens, parser.options, {}))


def _picture_as_link(_: Any, tokens: Sequence[Any], index: int, options: Any, env: Mapping[str, Any]) -> str:  # noqa: ARG001
    token = tokens[index]
    address, words = str(token.attrs.get("src", "")), token.content or "picture"
    if not address.startswith(("https://", "http://")):
        return escape(words)
    return f'<a class="elsewhere" rel="noopener noreferrer nofollow" href="{escape(address)}">{escape(words)}</a>'
