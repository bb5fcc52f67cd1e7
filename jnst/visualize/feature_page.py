"""A page that shows feature maps: one file, opened from disk, without a network or a server.

Small pictures lie within the page; a click shows the file beside it at its full size.
"""

import base64
import html
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from jnst._files import atomic_write
from jnst._text import as_text
from jnst.image.pictures import resize_picture, save_image

THUMB = 420
"""Pixels: the long edge of a picture within the page."""

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 80rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.2rem; margin: 2rem 0 0; }
p { margin: .2rem 0 .8rem; opacity: .75; }
nav a { margin-right: .8rem; }
.row { display: flex; flex-wrap: wrap; gap: 1rem; }
figure { margin: 0; } figcaption { font-size: .85rem; opacity: .75; }
figure img { max-width: 100%; height: 16rem; object-fit: contain; cursor: zoom-in; display: block; }
dialog { border: 0; padding: 0; max-width: 98vw; max-height: 98vh; background: #111; }
dialog::backdrop { background: #000c; }
dialog img { display: block; cursor: zoom-out; image-rendering: pixelated; }
table { border-collapse: collapse; font-size: .85rem; } td { padding: .1rem 1rem .1rem 0; }
"""
SCRIPT = """
const view = document.querySelector('dialog'), large = view.querySelector('img');
for (const link of document.querySelectorAll('figure a')) link.addEventListener('click', event => {
  event.preventDefault(); large.src = link.href; large.alt = link.firstChild.alt; view.showModal();
});
view.addEventListener('click', () => view.close());
"""


class PagePicture(NamedTuple):
    """A picture of the page.

    Attributes:
      file: its name, beside the page.
      label: what stands under it.
      pixels: (H, W, 3), sRGB in [0, 1].
    """

    file: str
    label: str
    pixels: Float[np.ndarray, "_h _w 3"]


class PageSection(NamedTuple):
    """What the page shows of a layer."""

    layer: str
    facts: str
    pictures: Sequence[PagePicture]


def write_page(
    path: Path, sections: Sequence[PageSection], record: Mapping[str, Any], summary: str
) -> None:
    """Write the page.

    Args:
      path: of the file.
      sections: a layer each.
      record: what is said at the end of the page.
      summary: the file of the summary, beside the page.
    """
    title = html.escape(f"Features of {record.get('content', 'a picture')}")
    links = "".join(f'<a href="#{s.layer}">{html.escape(s.layer)}</a>' for s in sections)
    options = record.get("options")
    lines = {k: v for k, v in record.items() if k != "options"}
    lines |= options if isinstance(options, Mapping) else {}
    rows = "".join(
        f"<tr><td>{html.escape(str(name))}</td><td>{html.escape(as_text(value))}</td></tr>"
        for name, value in lines.items()
    )
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><h1>{title}</h1><nav>{links}"
        f'<a href="{html.escape(summary)}">summary</a></nav>'
        + "".join(map(_section, sections))
        + f"<h2>Settings</h2><table>{rows}</table>"
        f'<dialog><img alt=""></dialog><script>{SCRIPT}</script></body></html>\n'
    )
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _section(section: PageSection) -> str:
    figures = "".join(
        f'<figure><a href="{html.escape(p.file)}"><img alt="{html.escape(p.label)} of '
        f'{html.escape(section.layer)}" src="{thumbnail(p.pixels)}"></a>'
        f"<figcaption>{html.escape(p.label)}</figcaption></figure>"
        for p in section.pictures
    )
    name = html.escape(section.layer)
    return (
        f'<section><h2 id="{name}">{name}</h2><p>{html.escape(section.facts)}</p>'
        f'<div class="row">{figures}</div></section>'
    )


def thumbnail(pixels: Float[np.ndarray, "H W 3"]) -> str:
    """A small JPEG of a picture, as an address that holds the picture itself."""
    if max(pixels.shape) > THUMB:
        pixels = resize_picture(pixels, None, THUMB).pixels
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "small.jpg"
        save_image(file, pixels)
        return "data:image/jpeg;base64," + base64.b64encode(file.read_bytes()).decode()
