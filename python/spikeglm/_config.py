"""What this installation is made of."""

import platform
from importlib import metadata

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
