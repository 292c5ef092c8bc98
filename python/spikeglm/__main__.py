"""Command line: ``python -m spikeglm demo``, ``info``, ``--cmakedir`` and ``--includedir``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

PICTURE_FORMATS = (".png", ".pdf", ".svg")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process by default.

    Returns
    -------
    int
        0 if all went well. Wrong arguments leave by SystemExit with status 2.
    """
    parser = argparse.ArgumentParser(
        prog="python -m spikeglm", description="GLMs for neural activity."
    )
    parser.add_argument(
        "--cmakedir", action="store_true", help="print the folder of the CMake package"
    )
    parser.add_argument("--includedir", action="store_true", help="print the folder of the headers")
    commands = parser.add_subparsers(dest="command")
    demo = commands.add_parser("demo", help="fit a place cell, print tables, draw a picture")
    demo.add_argument(
        "--output",
        type=Path,
        default=Path("place_cell.png"),
        help="picture to write, .png, .pdf or .svg (default: %(default)s)",
    )
    commands.add_parser("info", help="print version, instruction set and threads")
    arguments = parser.parse_args(argv)

    if arguments.cmakedir or arguments.includedir:
        from . import get_cmake_dir, get_include

        for wanted, folder in (
            (arguments.cmakedir, get_cmake_dir),
            (arguments.includedir, get_include),
        ):
            if wanted:
                print(folder())
        return 0
    if arguments.command is None:
        parser.error("a command is needed: demo or info, or one of --cmakedir and --includedir")
    if arguments.command == "info":
        from . import show_config

        show_config()
        return 0

    output: Path = arguments.output
    if output.suffix.lower() not in PICTURE_FORMATS:
        demo.error(f"--output must end in {', '.join(PICTURE_FORMATS)}; got {output}")
    if not output.parent.is_dir():
        demo.error(f"the folder {output.parent} does not exist; create it or choose another")
    from ._demo import run

    return run(output)


if __name__ == "__main__":
    sys.exit(main())
