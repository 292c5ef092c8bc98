"""What this installation is made of, and where C and C++ programs find it."""

import platform
from importlib import metadata
from pathlib import Path

from . import _core


def show_config() -> dict[str, str]:
    """Print and return versions, compiler and the kernels in use.

    Include the output in a bug report.
    """
    config = dict(_core.config())
    config["threads"] = str(_core.default_threads())
    config["python"] = platform.python_version()
    config["platform"] = platform.platform()
    for package in ("numpy", "scipy", "scikit-learn"):
        config[package] = metadata.version(package)
    width = max(len(key) for key in config)
    for key, value in config.items():
        print(f"{key:<{width}}  {value}")
    return config


def get_include() -> str:
    """Return the folder of the C and C++ headers, ``-I`` of a compiler.

    Raises
    ------
    FileNotFoundError
        The package was not installed by pip.
    """
    return _installed("include")


def get_cmake_dir() -> str:
    """Return the folder of the CMake package, ``-Dspikeglm_DIR=`` of a project that uses it.

    ``find_package(spikeglm CONFIG)`` then gives the target `spikeglm::spikeglm`. A pkg-config file
    lies beside it, in ``../../pkgconfig``.

    Raises
    ------
    FileNotFoundError
        The package was not installed by pip.
    """
    return _installed("lib", "cmake", "spikeglm")


def _installed(*parts: str) -> str:
    # Beside the extension: an editable installation has the Python files elsewhere.
    folder = Path(_core.__file__).parent.joinpath(*parts)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"there is no {folder}: headers and CMake files come with an installation by pip, or "
            "with cmake --install."
        )
    return str(folder)
