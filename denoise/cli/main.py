"""The one command of the package: denoise train, denoise restore ..."""

import ast
import importlib
import sys
from pathlib import Path

COMMANDS = (
    "train", "evaluate", "restore", "export", "demo", "benchmark", "study", "check",
    "generalise", "calibrate_noise", "fetch_data",
)  # fmt: skip


def main() -> None:
    """Run the command that the first argument names; list the commands where none is named."""
    name, *arguments = sys.argv[1:] or ["--help"]
    command = name.replace("-", "_")
    if name in ("-h", "--help"):
        print(usage())
    elif command not in COMMANDS:
        sys.exit(f"error: there is no command {name}: choose one of {', '.join(_names())}")
    else:
        module = importlib.import_module(f"denoise.cli.{command}")
        # An executable file: Lightning starts the processes of further devices with it.
        sys.argv = [str(module.__file__), *arguments]
        module.main()


def usage() -> str:
    """List the commands with a line on each, without importing them."""
    lines = ["denoise COMMAND KEY=VALUE ...", ""]
    for command, name in zip(COMMANDS, _names(), strict=True):
        source = Path(__file__).with_name(f"{command}.py").read_text()
        summary = (ast.get_docstring(ast.parse(source)) or "").partition(":")[0]
        lines.append(f"  {name:10}  {summary}")
    return "\n".join([*lines, "", "denoise COMMAND --help lists the options of a command."])


def _names() -> list[str]:
    return [command.replace("_", "-") for command in COMMANDS]


if __name__ == "__main__":
    main()
