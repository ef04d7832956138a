"""How Sphinx builds the documentation: `sphinx-build --fail-on-warning docs docs/_build`. It asks no network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from docutils import nodes
from sphinx.addnodes import pending_xref

import atomic_store

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent

project = "atomic_store"
author = "atomic_store contributors"
release = version = atomic_store.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# docs/diagrams holds programs. `README.md` is what a viewer of a repository shows of a folder.
exclude_patterns = ["_build", "diagrams"]
# As many levels of headings can be linked to as the pages have, under the names that viewers of repositories give them.
myst_heading_anchors = 4

# "json" in a text is what a reader copies into a program: only dashes and ellipses become typographic.
smartquotes_action = "De"
# What stands between single backticks in a docstring is code.
default_role = "code"
autodoc_member_order = "bysource"
# The docstrings say in words what each parameter takes. The types are for type checkers, and some names in them are
# stand-ins at run time.
autodoc_typehints = "none"
autodoc_preserve_defaults = True
toc_object_entries_show_parents = "hide"
napoleon_numpy_docstring = False
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"atomic_store {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_copyright = False

# These stand at the root of the repository, where viewers of repositories look for them; here, pages include them.
AT_THE_ROOT = {
    "README": "index",
    "CHANGELOG": "project/changelog",
    "CONTRIBUTING": "project/contributing",
    "SECURITY": "project/security",
}


def adapt_links(app: Sphinx, doctree: nodes.document) -> None:
    """Let links fit the site: to a document at the root by the page that includes it, with a title for a file's name."""
    for link in list(doctree.findall(pending_xref)):
        if link["reftype"] != "myst":
            continue
        target = (Path(app.srcdir, link["refdoc"]).parent / link["reftarget"]).resolve()
        name = target.name.removesuffix(".md")
        # A page that includes a file of the root has that file's links, which lead from the root.
        if name in AT_THE_ROOT and target.parent in (ROOT, Path(app.srcdir), Path(app.srcdir, "project")):
            link["refdomain"] = "doc"
            link["reftarget"] = AT_THE_ROOT[name]
            link["reftargetid"] = None
        elif (
            target.is_dir()
            or (ROOT / link["reftarget"]).is_dir()
            or (link["refdomain"] == "doc" and not target.is_relative_to(app.srcdir))
        ):
            link.replace_self(link.children)  # only a viewer of the repository can show it
            continue
        if link.astext().endswith(".md"):
            # A file's name is a good text in a repository; here it becomes the title of what it leads to.
            link["refexplicit"] = False
            link[0].clear()


def inline_drawings(app: Sphinx, doctree: nodes.document, docname: str) -> None:  # noqa: ARG001 - the event's signature
    """Put each SVG into the page itself: as an image it would not follow the page's switch between light and dark."""
    if app.builder.format == "html":
        for image in list(doctree.findall(nodes.image)):
            if image["uri"].endswith(".svg"):
                drawing = Path(app.srcdir, image["uri"]).read_text(encoding="utf-8")
                image.replace_self(nodes.raw("", drawing, format="html"))


def setup(app: Sphinx) -> None:
    """Register what this file adds."""
    app.connect("doctree-read", adapt_links)
    app.connect("doctree-resolved", inline_drawings)
