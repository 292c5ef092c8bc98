"""The virtual environments that the contenders live in."""

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = {
    "main": [f"{CHECKOUT}[plot]", "glum", "nemos", "scikit-learn", "scipy", "statsmodels"],
    "adelie": ["adelie"],  # alone: importing it slows a process down
}


def set_up(folder: Path) -> None:
    """Create or update the environments, with this Python; spikeglm is built from the checkout."""
    for name, packages in ENVIRONMENTS.items():
        subprocess.run([sys.executable, "-m", "venv", folder / name], check=True)
        pip = [python_of(folder, name), "-m", "pip", "install", "--quiet", "--upgrade"]
        subprocess.run([*pip, *packages], check=True)
        print(f"{name}: {', '.join(packages)}")


def python_of(folder: Path | None, environment: str) -> Path:
    """Return the interpreter of an environment; the running one where there is none."""
    found = None if folder is None else folder.absolute() / environment / "bin" / "python"
    return found if found is not None and found.exists() else Path(sys.executable)
