"""Installs spikeglm into the running environment and runs all its tests.

    python tests/run.py [--sanitize] [--no-install] [-- arguments for pytest]

Needs an activated virtual environment with pip, and a C++20 compiler; all else comes by pip.
"""

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPTS = sysconfig.get_path("scripts")  # where pip puts cmake, ctest and ninja
ENVIRONMENT = {**os.environ, "PATH": SCRIPTS + os.pathsep + os.environ["PATH"]}
stages: list[tuple[str, float]] = []


class Stage:
    """Prints a heading and, at the end, the seconds that passed."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        print(f"\n=== {self.name}", flush=True)
        self.start = time.monotonic()

    def __exit__(self, kind: object, *_: object) -> None:
        stages.append((self.name, time.monotonic() - self.start))
        if kind is None:
            print(f"=== {self.name}: {stages[-1][1]:.1f} s", flush=True)


def find(program: str) -> str:
    """Returns the path of a program, that of the running environment first."""
    path = shutil.which(program, path=ENVIRONMENT["PATH"])
    if path is None:
        sys.exit(f"{program} was not found; run without --no-install first.")
    return path


def call(*command: object) -> None:
    """Runs a command in the root folder; an error of it ends everything."""
    words = [str(word) for word in command]
    print("$", " ".join(words), flush=True)
    subprocess.run([find(words[0]), *words[1:]], cwd=ROOT, env=ENVIRONMENT, check=True)


def build_and_test(preset: str) -> Path:
    """Builds the C++ library with its tests, runs them and returns the build folder."""
    with Stage(f"build the C++ tests ({preset})"):
        # Named, because the build folder may come from an environment that is gone.
        programs = {"Python_EXECUTABLE": sys.executable, "CMAKE_MAKE_PROGRAM": find("ninja")}
        call("cmake", "--preset", preset, *(f"-D{key}={path}" for key, path in programs.items()))
        call("cmake", "--build", "--preset", preset)
    with Stage(f"run the C++ tests ({preset})"):
        call("ctest", "--preset", preset)
    return ROOT / "build" / ("tests" if preset == "release" else preset)


def consume(build: Path) -> None:
    """Installs the library, moves it and builds programs against it; then against the package."""
    with tempfile.TemporaryDirectory() as folder:
        first, prefix, data = (Path(folder, name) for name in ("first", "moved", "data"))
        data.mkdir()
        call(sys.executable, "tests/consume/prepare.py", data)
        with Stage("install, move and use the C++ library"):
            call("cmake", "--install", build, "--prefix", first)
            first.rename(prefix)
            use(Path(folder, "program"), data, f"-DCMAKE_PREFIX_PATH={prefix}")
            use_pkg_config(Path(folder, "plain"), next(prefix.glob("**/pkgconfig")))
        with Stage("use the C++ library of the Python package"):
            command = [sys.executable, "-m", "spikeglm", "--cmakedir"]
            cmake_dir = Path(subprocess.check_output(command, cwd=folder, text=True).strip())
            use(Path(folder, "of_package"), data, f"-Dspikeglm_DIR={cmake_dir}")
            use_pkg_config(Path(folder, "plain_of_package"), cmake_dir.parents[1] / "pkgconfig")


def use(program: Path, data: Path, where: str) -> None:
    """Builds tests/consume with CMake and runs its programs."""
    call(
        *("cmake", "-S", "tests/consume", "-B", program, "-G", "Ninja"),
        *("-DCMAKE_BUILD_TYPE=Release", where),
    )
    call("cmake", "--build", program)
    files = [data / name for name in ("model.npz", "inputs.f64", "rates.f64")]
    static = ["_static"] if (program / "consume_spikeglm_static").exists() else []
    for suffix in ["", *static]:
        call(program / f"consume_spikeglm{suffix}")
        call(program / f"online_c_spikeglm{suffix}")
        call(program / f"online_cpp_spikeglm{suffix}", *files)
    call(program / "population")
    call(program / "open_ephys")
    call(program / "replay", *files, 10)


def use_pkg_config(program: Path, folder: Path) -> None:
    """Builds the C program with nothing but a compiler and pkg-config, where that is there."""
    if shutil.which("pkg-config") is None:
        print("pkg-config was not found: not tested.")
        return
    command = ["pkg-config", "--cflags", "--libs", "spikeglm"]
    environment = {**ENVIRONMENT, "PKG_CONFIG_PATH": str(folder)}
    flags = subprocess.check_output(command, env=environment, text=True).split()
    libraries = f"-Wl,-rpath,{folder.parent}"
    call(
        *("cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "tests/consume/online.c"),
        *("-o", program, *flags, libraries, "-lm"),
    )
    call(program)


def main() -> None:
    """Runs the stages that the arguments ask for."""
    parser = argparse.ArgumentParser(description="Install spikeglm and run all its tests.")
    parser.add_argument(
        "--sanitize",
        action="store_true",
        help="run only the C++ tests, under the address, undefined-behaviour and thread sanitizers",
    )
    parser.add_argument("--no-install", action="store_true", help="test what is installed already")
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    arguments = parser.parse_args()

    if not arguments.no_install:
        with Stage("install"):
            call(sys.executable, "-m", "pip", "install", "--quiet", ".[test]")
    if arguments.sanitize:
        build_and_test("sanitize")
        build_and_test("sanitize-threads")
    else:
        consume(build_and_test("release"))
        with Stage("run the Python tests"):
            call(sys.executable, "-m", "pytest", *arguments.pytest)

    print("\nAll stages passed:")
    for name, seconds in stages:
        print(f"{seconds:8.1f} s  {name}")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"\nFAILED: {stages[-1][0]} (exit status {error.returncode})")
