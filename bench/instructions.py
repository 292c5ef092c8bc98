"""Counts the instructions of a few kernels: `python bench/instructions.py PROGRAM [--record]`.

PROGRAM is bench_instructions. Counts are those of callgrind for the level v3 of the kernels; they
do not depend on what else the machine does. More than 5 % above what instructions.json records, by
the same compiler, is an error; with another compiler they are printed only.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

RECORD = Path(__file__).with_name("instructions.json")
MOST = 1.05


def count(program: Path, kernel: str) -> int:
    """Return the instructions of one call."""
    with tempfile.TemporaryDirectory() as folder:
        result = subprocess.run(
            [
                "valgrind",
                "--tool=callgrind",
                "--toggle-collect=measured",
                f"--callgrind-out-file={folder}/out",
                program,
                kernel,
            ],
            env=os.environ | {"SPIKEGLM_ISA": "v3"},
            capture_output=True,
            text=True,
            check=True,
        )
    found = re.search(r"Collected : (\d+)", result.stderr)
    if found is None:
        raise RuntimeError(f"callgrind says no count:\n{result.stderr}")
    return int(found[1])


def compiler() -> str:
    """Return the first line of what the C++ compiler says of itself."""
    name = os.environ.get("CXX", "c++")
    return subprocess.run([name, "--version"], capture_output=True, text=True).stdout.split("\n")[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("program", type=Path)
    parser.add_argument("--record", action="store_true", help="write the counts instead")
    options = parser.parse_args()
    names = subprocess.run(
        [options.program], capture_output=True, text=True, check=True
    ).stdout.split()
    counts = {name: count(options.program, name) for name in names}
    if options.record:
        RECORD.write_text(json.dumps({"compiler": compiler(), "counts": counts}, indent=1) + "\n")
    record = json.loads(RECORD.read_text())
    comparable = record["compiler"] == compiler()
    grown = []
    for name, now in counts.items():
        before = record["counts"].get(name)
        ratio = now / before if before else float("nan")
        print(f"{name:24} {now:>10,} instructions, {ratio:.3f} of the record")
        if comparable and not ratio <= MOST:
            grown.append(name)
    if not comparable:
        print(f"recorded with {record['compiler']}, this is {compiler()}: not compared")
    if grown:
        sys.exit(
            f"more instructions than recorded: {', '.join(grown)}. If they are worth it, --record."
        )


if __name__ == "__main__":
    main()
