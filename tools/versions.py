"""An environment with the oldest versions that this project allows, or the newest; says what was installed.

Usage: python tools/versions.py oldest|newest|pre FOLDER [--python PYTHON] [--torch VERSION]

`oldest`: every package of `setup.cfg` at its lower bound exactly; what those packages need is as new as they allow.
`newest`: as new as `setup.cfg` allows. `pre`: that, with versions before their release. FOLDER becomes a virtual
environment; an environment that is there is filled up.
"""

from __future__ import annotations

import argparse
import configparser
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXTRAS = ("napari", "openvino", "cluster", "dev")


def requirements() -> list[str]:
    """The lines of `setup.cfg` that a development environment installs: "monai>=1.5.2", …"""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lists = [config["options"]["install_requires"], *(config["options.extras_require"][name] for name in EXTRAS)]
    return [line.strip() for text in lists for line in text.splitlines() if line.strip()]


def oldest(requirement: str) -> str:
    """The lower bound of a requirement, exactly.

    Raises:
        ValueError: it has none.

    >>> oldest("napari>=0.9,<0.10")
    'napari==0.9'
    """
    name, found, rest = requirement.partition(">=")
    if not found:
        raise ValueError(f"{requirement} has no lower bound; every package has one in setup.cfg.")
    return f"{name}=={rest.split(',')[0]}"


def main(arguments: list[str] | None = None) -> int:
    """Make the environment; the exit code is pip's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=["oldest", "newest", "pre"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default=sys.executable, help="of which the environment is made")
    parser.add_argument("--torch", default="", help="the version of torch, for example 2.13.0; oldest: its lower bound")
    given = parser.parse_args(arguments)
    python = given.folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not python.exists():
        subprocess.run([given.python, "-m", "venv", str(given.folder)], check=True)
    wanted = [oldest(line) for line in requirements()] if given.which == "oldest" else requirements()
    if given.torch:
        wanted = [f"torch=={given.torch}" if line.startswith("torch") else line for line in wanted]
    pip = [str(python), "-m", "pip"]
    words = ["--quiet", "--upgrade", *(["--pre"] if given.which == "pre" else [])]
    # torch first and alone: where the index has a build for CPUs alone, that one is taken
    torch = [line for line in wanted if line.startswith("torch")]
    for packages in (["setuptools>=68", "wheel"], torch, wanted):
        done = subprocess.run([*pip, "install", *words, *packages])
        if done.returncode != 0:
            return done.returncode
    editable = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
    done = subprocess.run([*pip, *editable])
    subprocess.run([*pip, "list", "--format=freeze"])
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
