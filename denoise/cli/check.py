"""Try an attention of your own: denoise check attention=NAME plugins=[PACKAGE]."""

import sys

from hydra.utils import get_object, instantiate
from omegaconf import DictConfig, OmegaConf

from denoise.benchmark.contract import broken, try_contract
from denoise.cli.compose import as_list
from denoise.cli.hydra_main import hydra_main
from denoise.errors import first_line
from denoise.plugins import is_trusted, remedy
from denoise.properties import MixerFactory
from denoise.results.tables import echo, markdown


def check(config: DictConfig) -> None:
    """Try what training, tiles and export rely on; end with status 1 if a promise is broken."""
    parts = as_list(config.part)
    for name, make in [(p, _of_path(str(p), config)) for p in parts] or _of_group(config):
        rows = try_contract(make)
        echo(f"{name}", "", markdown(rows))
        if lost := list(broken(rows)):
            sys.exit(f"error: {name} breaks {len(lost)} of {len(rows)}: {'; '.join(lost)}")


def _of_path(path: str, config: DictConfig) -> MixerFactory:
    """Return the class at a dotted path, with the options given.

    Raises:
        ValueError: if its package is not trusted, or holds no such class.
    """
    if not path.startswith("denoise.") and not is_trusted(path):
        raise ValueError(f"{path} is of another package{remedy(path)}")
    try:
        get_object(path)
    except Exception as error:
        raise ValueError(f"there is no {path}: {first_line(error)}") from error
    options = OmegaConf.to_container(config.options)
    assert isinstance(options, dict)
    make: MixerFactory = instantiate({"_target_": path, "_partial_": True, **options})
    return make


def _of_group(config: DictConfig) -> list[tuple[str, MixerFactory]]:
    built = instantiate(config.attention, _convert_="all")
    makers = [built] if callable(built) else built
    return [(f"attention, level {n}" if len(makers) > 1 else "attention", one)
            for n, one in enumerate(makers)]  # fmt: skip


main = hydra_main(check, positional="part")

if __name__ == "__main__":
    main()
