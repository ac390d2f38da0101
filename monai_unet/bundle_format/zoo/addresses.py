"""Where the zoo is: the hosts that `monai.bundle.download` asks, in its order, and the addresses on them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from urllib.parse import quote


def _hugging_face() -> str:
    return os.environ.get("HF_ENDPOINT") or "https://huggingface.co"


@dataclass(frozen=True)
class ZooAddresses:
    """The three hosts; a hospital's mirror has others.

    Attributes:
        hugging_face: bundles since 2025, as `MONAI/<name>` with a tag for each version (`$HF_ENDPOINT` names a mirror).
        ngc: older archives.
        index: the list that `monai.bundle.get_all_bundles_list` reads too: `<name>_v<version>` → source and SHA-1.
    """

    hugging_face: str = field(default_factory=_hugging_face)
    ngc: str = "https://api.ngc.nvidia.com/v2/models/nvidia/monaihosting"
    index: str = "https://raw.githubusercontent.com/Project-MONAI/model-zoo/dev/models/model_info.json"

    def models(self) -> str:
        """The list of what MONAI has on Hugging Face."""
        return f"{self.hugging_face}/api/models?author=MONAI&limit=1000"

    def references(self, name: str) -> str:
        """The tags of one bundle on Hugging Face."""
        return f"{self.hugging_face}/api/models/MONAI/{quote(name, safe='')}/refs"

    def revision(self, name: str, revision: str) -> str:
        """The commit behind a tag, and its files with their hashes."""
        found = f"{self.hugging_face}/api/models/MONAI/{quote(name, safe='')}/revision"
        return f"{found}/{quote(revision, safe='')}?blobs=true"

    def file(self, name: str, commit: str, path: str) -> str:
        """One file of a commit.

        >>> ZooAddresses("https://hf.example").file("spleen", "0a1b", "models/model.pt")
        'https://hf.example/MONAI/spleen/resolve/0a1b/models/model.pt'
        """
        return f"{self.hugging_face}/MONAI/{quote(name, safe='')}/resolve/{commit}/{quote(path)}"

    def archive(self, name: str, version: str) -> str:
        """The archive of a version on NGC."""
        folder = f"{self.ngc}/{quote(name.lower(), safe='')}/versions/{quote(version, safe='')}/files"
        return f"{folder}/{quote(f'{name}_v{version}.zip', safe='')}"
