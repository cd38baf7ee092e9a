"""Download public image sets: denoise fetch-data bsd400 kodak24."""

import sys
from pathlib import Path

import pooch
from omegaconf import DictConfig

from denoise.cli.archives import fetch
from denoise.cli.compose import as_list
from denoise.cli.hydra_main import hydra_main
from denoise.cli.public_sets import SOURCES


def run(config: DictConfig) -> None:
    """Download public image sets, continuing where an interrupted download stopped.

    Archives stay in DATA_DIR/.downloads, which may be deleted at any time.
    """
    names = as_list(config.sets)
    if unknown := [str(name) for name in names if name not in SOURCES]:
        raise ValueError(f"no set {', '.join(unknown)}: there are {', '.join(SOURCES)}")
    if config.list:
        for name, source in SOURCES.items():
            print(f"{name:10}{source.files:4} files  {source.url}")
    elif not names:
        raise ValueError(f"name a set: {', '.join(SOURCES)}")
    pooch.get_logger().setLevel("WARNING")
    failed = False
    for name in names:
        try:
            print(fetch(name, SOURCES[name], Path(config.data_dir)))
        except (OSError, ValueError) as error:
            print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
            failed = True
        except KeyboardInterrupt:
            print(f"{name}: interrupted; the same command continues it", file=sys.stderr)
            sys.exit(130)
    if failed:
        sys.exit(1)


main = hydra_main(run, positional="sets")

if __name__ == "__main__":
    main()
