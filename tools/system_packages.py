"""Debian packages that the tests use: installed where that is allowed (root), else named in one line.

Usage: python tools/system_packages.py python|test
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

WANTED = {
    "python": ["python3-venv"],
    # section "Tests" of docs/testing.md says what each is for
    "test": [
        *("xvfb", "xauth", "libgl1", "libegl1", "libglib2.0-0", "libfontconfig1", "libxkbcommon0", "libdbus-1-3"),
        *("libxcb-cursor0", "libxcb-icccm4", "libxcb-keysyms1", "libxcb-shape0", "libxkbcommon-x11-0"),
        *("dcm2niix", "dicom3tools"),
    ],
}


def missing(packages: list[str]) -> list[str]:
    """Those of the packages that dpkg does not report as installed."""
    if shutil.which("dpkg-query") is None:
        return []
    query = ["dpkg-query", "--show", "--showformat=${Package} ${Status}\n", *packages]
    listing = subprocess.run(query, capture_output=True, text=True).stdout
    installed = {line.split()[0] for line in listing.splitlines() if line.endswith("install ok installed")}
    return [name for name in packages if name not in installed]


def main(kind: str) -> int:
    """Install or name what is missing; never fails the build, the tests say what they skip."""
    if kind == "python":
        import importlib.util

        lacking = [] if importlib.util.find_spec("ensurepip") else missing(WANTED["python"])
    else:
        lacking = missing(WANTED[kind])
    if not lacking:
        return 0
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-q"], env=environment, stdout=subprocess.DEVNULL)
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *lacking]
        if subprocess.run(install, env=environment, stdout=subprocess.DEVNULL).returncode == 0:
            return 0
    print("missing system packages: sudo apt-get install --no-install-recommends " + " ".join(lacking))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
