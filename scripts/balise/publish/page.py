"""HTML pages that stand alone: no request leaves them, and a content security policy says so to the browser."""

from __future__ import annotations

import base64
import hashlib
from html import escape

__all__ = ["BASE_STYLE", "page"]

BASE_STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --sheet: #f6f8fa; --ink: #1b2733; --soft: #566573;
  --line: #d3dae1; --accent: #0b62a8; --accent-soft: #dcecf9; --warn: #8a4b00; --warn-soft: #fff1dc; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #10161d; --sheet: #17202a; --ink: #e6edf3; --soft: #9aa9b8; --line: #2f3d4b;
    --accent: #6cb6ff; --accent-soft: #14304a; --warn: #ffc680; --warn-soft: #3a2a12; }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
a { color: var(--accent); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
code, pre { font: 0.875em/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
h1, h2, h3 { line-height: 1.25; }
.badge { display: inline-block; padding: 0 0.55em; border: 1px solid currentColor; border-radius: 999px;
  font-size: 0.75rem; font-weight: 600; line-height: 1.5; vertical-align: 0.1em; color: var(--soft); }
.badge.warn { color: var(--warn); background: var(--warn-soft); }
.badge.main { color: var(--accent); background: var(--accent-soft); }
.visually-hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
"""


def page(*, title: str, style: str, body: str, script: str = "") -> str:
    """A whole document.

    Args:
        title: plain text.
        style: CSS beside :data:`BASE_STYLE`; the page may have no other, not even in attributes.
        body: HTML, already escaped.
        script: the only script that may run.
    """
    css = BASE_STYLE + style
    policy = (
        "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none';"
        f" style-src {_hash(css)}; script-src {_hash(script) if script else _NONE}"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f'<link rel="icon" href="data:,">\n<title>{escape(title)}</title>\n<style>{css}</style>\n</head>\n'
        f"<body>\n{body}\n" + (f"<script>{script}</script>\n" if script else "") + "</body>\n</html>\n"
    )


_NONE = "'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
