"""What mkdocs asks while it builds the site: pages from outside docs/, pages from code, and links between them.

Pages keep the links that work in the repository; here they are turned to where their targets stand on the site.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

import flowchart
import paper_pages
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]

PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "benchmarks/README.md": "performance.md",
    "config/README.md": "config.md",
}
"""Pages of the repository outside docs/, and their place on the site."""

ELSEWHERE = "https://unpkg.com/iframe-worker/shim"
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s#]+)(#[^)\s]*)?(\))")
CODE = re.compile(r"(^```.*?^```$)", re.M | re.S)
NO_HEAD = re.compile(r"^(\s*(?:- )?)#(?=\w)", re.M)  # a heading to mkdocs alone, "#Params"
FENCE = re.compile(r"^```(\w+) (?:file=(\S+)|check)$", re.M)
FLOWCHART = re.compile(r"^```mermaid\n(flowchart .*?)^```$", re.M | re.S)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the tutorials and the paper's tables into the navigation, whichever there are."""
    tutorials = sorted(path.name for path in (ROOT / "docs/tutorials").glob("*.md"))
    for entry in config.nav or []:
        if "Tutorials" in entry:
            entry["Tutorials"] = [f"tutorials/{name}" for name in tutorials]
        if "The paper" in entry:
            entry["The paper"] += paper_pages.navigation()
    config.nav = [entry for entry in config.nav or [] if all(entry.values())]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what lies outside docs/ and what is made from code."""
    for source, place in PAGES.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / source)))
    for place, text in paper_pages.pages(ROOT / "results/reference").items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to where their targets stand on the site, and draw what GitHub draws from mermaid's language."""
    markdown = FENCE.sub(lambda found: f"```{found[1]}" + f' title="{found[2]}"' * bool(found[2]), markdown)
    markdown = FLOWCHART.sub(lambda found: flowchart.svg(found[1]), markdown)
    here = page.file.src_uri
    if not here.startswith("paper/"):  # those are made for the site, with the paths of the repository's top
        here = next((source for source, place in PAGES.items() if place == here), f"docs/{here}")

    def turned(found: re.Match[str]) -> str:
        head, target, anchor, tail = found.groups(default="")
        if (
            "://" in target
            or target.startswith("mailto:")
            or files.get_file_from_path(_joined(page.file.src_uri, target))
        ):
            return found[0]
        source = _joined(here, target)
        place = paper_pages.place(source) or PAGES.get(source)
        if place is None:
            place, anchor = _attached(source, config, files), ""
        place, _, own = place.partition("#")
        anchor = anchor or f"#{own}" * bool(own)
        return f"{head}{posixpath.relpath(place, posixpath.dirname(page.file.src_uri) or '.')}{anchor}{tail}"

    parts = CODE.split(markdown)
    return "".join(
        part if number % 2 else NO_HEAD.sub(r"\1\#", LINK.sub(turned, part)) for number, part in enumerate(parts)
    )


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:
    """Put a script of our own in the place of the one that the theme takes from elsewhere."""
    return output.replace(ELSEWHERE, "../" * page.file.dest_uri.count("/") + "offline.js")


def on_post_template(output: str, template_name: str, config: MkDocsConfig) -> str:
    """The same on the page of what is not found."""
    return output.replace(ELSEWHERE, "/offline.js")


def _joined(page: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), target))


def _attached(source: str, config: MkDocsConfig, files: Files) -> str:
    """A file of the repository that is no page, copied to the site; a folder's is that of its README or is none."""
    path, place = ROOT / source, source.removeprefix("docs/")
    if path.is_file() and files.get_file_from_path(place) is None:
        place += ".txt" * (path.suffix in (".md", ".py"))
        if files.get_file_from_path(place) is None:
            file: Any = File.generated(config, place, abs_src_path=str(path))
            files.append(file)
            file.copy_file()
    return place
