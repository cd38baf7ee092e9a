"""Formulas of the docs convert to MathML as a whole."""

import re
from xml.etree import ElementTree

import pytest
from harness import ROOT
from latex2mathml.converter import convert

FORMULAS = {
    f"{path.stem}-{n}": formula
    for path in (ROOT / "denoise/attention").glob("*.py")
    for n, formula in enumerate(
        re.findall(r"^\.\. math::\n\n(.*?)\n\n", path.read_text(), re.DOTALL | re.MULTILINE)
        + re.findall(r":math:`(.*?)`", path.read_text(), re.DOTALL)
    )
}


@pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS)
def test_formulas_convert(formula):
    tree = ElementTree.fromstring(convert(formula))
    texts = [element.text or "" for element in tree.iter()]
    assert any(texts)
    assert not any("\\" in text for text in texts), texts  # a macro that is not known stays
