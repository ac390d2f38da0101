"""Mappings whose values have no one type: parsed JSON, and a case on its way through MONAI's dictionary transforms."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

Json = dict[str, Any]
"""An object of a JSON file or of YAML; what stands under a key is known to who reads it."""

JsonView = Mapping[str, Any]
"""The same, to read only."""

CaseData = Mapping[Hashable, Any]
"""A case as a transform is given it: key → MetaTensor (C, S, A, R), path, name or number."""

CaseDict = dict[Hashable, Any]
"""A case as a transform gives it on, a new dictionary."""
