"""Sphinx settings: the site is built by `make docs`, without network."""

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent / "_ext")]

project = "denoise"
copyright = "the authors of denoise"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "arxiv_links",
    "mathml",
    "generated_pages",
]
exclude_patterns = ["_build", "_ext", "_templates"]
default_role = "literal"  # single backticks in docstrings are code
html_theme = "furo"
html_title = "denoise"
html_copy_source = False
html_show_sphinx = False

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
