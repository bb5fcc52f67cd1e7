"""Let pages show files of the repository, which the site then has in its folder `repository`.

A page of docs/ is read on its own as well, so it links to `../examples/images/strip.jpg`.
"""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

LINK = re.compile(r"(?<=\]\()\.\./([^)#\s]+)")
"""A link out of docs/; its group is the path within the repository."""
PAGES = {"README.md": "index.md"}
"""Files of the repository that a page of the site stands for."""


def on_files(files: Any, config: Any) -> Any:
    """Add the files that pages link to."""
    docs = Path(config.docs_dir)
    found: set[str] = set()
    for page in docs.glob("*.md"):
        found.update(LINK.findall(page.read_text(encoding="utf-8")))
    for path in sorted(found - PAGES.keys()):
        source = docs.parent / path
        if source.is_file():
            name = f"repository/{path}" if source.suffix != ".md" else f"repository/{path}.txt"
            files.append(File.generated(config, name, abs_src_path=str(source)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Point links at where the files are in the site."""
    return LINK.sub(lambda link: target(link.group(1)), markdown)


def target(path: str) -> str:
    """Where a file of the repository is in the site; Markdown is shown as it is written."""
    if path in PAGES:
        return PAGES[path]
    return f"repository/{path}.txt" if path.endswith(".md") else f"repository/{path}"
