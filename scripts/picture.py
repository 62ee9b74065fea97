"""The README's picture of a run: the coloured transcript of a command, as an SVG that needs no font from elsewhere.

make picture
"""

import argparse
import io
import subprocess
import sys
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

_WIDTH: Final = 118
# rich's own format loads a web font: a picture in a README must not make its readers' browsers call anybody.
_FORMAT: Final = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px; white-space: pre; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def picture(transcript: str, title: str) -> str:
    """The SVG of a transcript with ANSI colours."""
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(transcript.strip("\n")))
    return console.export_svg(title=title, code_format=_FORMAT, unique_id="run")


def main() -> int:
    """Run a command and draw what it printed. Returns the command's exit code; draws nothing when it failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path, help="the SVG to write")
    parser.add_argument("title", help="what the window's title says")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="what to run; set FORCE_COLOR for it")
    arguments = parser.parse_args()
    done = subprocess.run(arguments.command, stdout=subprocess.PIPE, text=True, check=False)
    sys.stdout.write(done.stdout)
    if done.returncode == 0:
        arguments.output.write_text(picture(done.stdout, arguments.title))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
