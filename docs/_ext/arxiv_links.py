"""The arXiv numbers of docstrings as links."""

import re
from typing import Any

from sphinx.application import Sphinx

LINK = r"`arXiv \1 <https://arxiv.org/abs/\1>`__"


def link_papers(*event: Any) -> None:
    """Replace every arXiv number in a docstring, whose lines are the event's last argument."""
    event[-1][:] = [re.sub(r"\barXiv (\d{4}\.\d{4,5})", LINK, line) for line in event[-1]]


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect to autodoc."""
    app.connect("autodoc-process-docstring", link_papers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
