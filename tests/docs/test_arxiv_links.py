"""arXiv numbers of docstrings become links."""

from arxiv_links import link_papers


def test_numbers_become_links():
    lines = ["Attention (Liu et al. 2021, arXiv 2103.14030), exact.", "No number."]
    link_papers("app", "class", "name", None, None, lines)
    link = "`arXiv 2103.14030 <https://arxiv.org/abs/2103.14030>`__"
    assert lines == [f"Attention (Liu et al. 2021, {link}), exact.", "No number."]
