"""Pages made from the code before each build: attentions, configuration, API.

A new yaml or module gets its page by itself; nothing under docs/ needs a change.
"""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from hydra.utils import get_object
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from mixers import factories
from sphinx.application import Sphinx
from sphinx.ext.napoleon.docstring import GoogleDocstring

from denoise.benchmark.calls import DIM, HEADS
from denoise.benchmark.properties import stated_properties

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
SIDE = 256  # of the image that multiply-accumulates are counted for


def attention(path: Path) -> dict[str, Any]:
    """Return what the page of one attention says."""
    target = yaml.safe_load(path.read_text())["_target_"]
    mixers = {label: make(DIM, HEADS, 1) for label, make in factories(path.stem).items()}
    stated = stated_properties(mixers, SIDE)
    return {
        "name": path.stem,
        "target": target,
        "kind": "class" if inspect.isclass(get_object(target)) else "function",
        "picture": (DOCS / "attention" / f"{path.stem}.png").is_file(),
        "counted": {"dim": DIM, "heads": HEADS, "side": SIDE},
        "mixers": [(label, mixer.properties, stated[label]) for label, mixer in mixers.items()],
        "measured": measured_costs().get(path.stem, {}),
    }


def measured_costs() -> dict[str, dict[str, tuple[str, str]]]:
    """Return milliseconds and MiB by attention and side, from the committed table."""
    lines = (DOCS / "benchmarks/properties.md").read_text().splitlines()
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if "|" in line]
    rows = [dict(zip(table[0], row, strict=True)) for row in table[2:]]
    sides = [key.removeprefix("ms at ") for key in table[0] if key.startswith("ms at ")]
    return {
        row["attention"]: {side: (row[f"ms at {side}"], row[f"MiB at {side}"]) for side in sides}
        for row in rows
    }


def option(path: Path) -> dict[str, Any]:
    """Return what the configuration reference says of one yaml."""
    config = yaml.safe_load(path.read_text()) or {}
    target = config.get("_target_", "")
    text = inspect.getdoc(get_object(target)) if target.startswith("denoise.") else ""
    described = arguments(text or "")
    return {
        "name": path.stem,
        "path": path.relative_to(ROOT),
        "summary": (text or "").partition("\n\n")[0],
        "arguments": {key: described[key] for key in config if key in described},
    }


def arguments(text: str) -> dict[str, str]:
    """Return the texts of a docstring's Args by name."""
    lines = "\n".join(GoogleDocstring(text).lines())
    fields = re.findall(r":param (\w+): (.*?)(?=\n:|\n\n|\Z)", lines, re.DOTALL)
    return {name: " ".join(found.split()) for name, found in fields}


def modules(room: Path) -> list[str]:
    """Return the public modules of a room of the package, a folder or a file."""
    paths = [room] if room.suffix == ".py" else sorted(room.glob("*.py"))
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in paths)
    return [name for name in names if "._" not in name]


def pages() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield name, template and values of every page."""
    configs = ROOT / "configs"
    mechanisms = [attention(path) for path in sorted((configs / "attention").glob("*.yaml"))]
    yield "attention_table.txt", "attention_table", {"mechanisms": mechanisms}
    for values in mechanisms:
        yield f"attention/{values['name']}.rst", "attention", values
    for group in [configs, *sorted(path for path in configs.iterdir() if path.is_dir())]:
        name = "commands" if group == configs else group.name
        options = [option(path) for path in sorted(group.glob("*.yaml"))]
        yield f"configuration/{name}.rst", "group", {"name": name, "options": options}
    for room in sorted((ROOT / "denoise").iterdir()):
        # The mechanisms have pages of their own.
        if room.name != "attention" and (names := modules(room)):
            yield f"api/{room.stem}.rst", "room", {"name": room.stem, "modules": names}


def write_pages(app: Sphinx) -> None:
    """Write the pages that are new or have changed, remove those that are no longer made."""
    loader = FileSystemLoader(DOCS / "_templates")
    templates = Environment(
        loader=loader, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    )
    folder = DOCS / "generated"
    texts = {
        folder / name: templates.get_template(f"{template}.j2").render(values)
        for name, template, values in pages()
    }
    for path in set(folder.rglob("*.*")) - set(texts):
        path.unlink()
    for path, text in texts.items():
        if not path.is_file() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
