"""How Sphinx builds the documentation: `sphinx-build --fail-on-warning docs docs/_build`. It asks no network."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from sphinx.addnodes import pending_xref

import atomic_store

if TYPE_CHECKING:
    from docutils import nodes
    from sphinx.application import Sphinx

project = "atomic_store"
author = "atomic_store contributors"
release = version = atomic_store.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# docs/diagrams holds programs. `README.md` is what a viewer of a repository shows of a folder.
exclude_patterns = ["_build", "diagrams"]
# As many levels of headings can be linked to as the pages have, under the names that viewers of repositories give them.
myst_heading_anchors = 4

autodoc_member_order = "bysource"
# The signatures are written with their types, as mypy reads them; they are not evaluated.
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
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


def lead_to_the_including_page(_app: Sphinx, doctree: nodes.document) -> None:
    """Let a link to a document at the root lead to the page that includes it."""
    for link in doctree.findall(pending_xref):
        name = posixpath.basename(link["reftarget"]).removesuffix(".md")
        if link["reftype"] == "myst" and name in AT_THE_ROOT:
            link["refdomain"] = "doc"
            link["reftarget"] = AT_THE_ROOT[name]
            link["reftargetid"] = None


def setup(app: Sphinx) -> None:
    """Register what this file adds."""
    app.connect("doctree-read", lead_to_the_including_page)
