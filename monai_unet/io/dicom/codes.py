"""SNOMED codes for the names of structures (DICOM PS3.16, CID 7150, 7151, 7159, 244), by the tables of pydicom."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code


@dataclass(frozen=True)
class Meaning:
    """Segmented property of a segment: category, type, and side where it has one."""

    category: Code
    type: Code
    laterality: Code | None = None


ANATOMY, ABNORMAL, TISSUE = (
    codes.cid7150.AnatomicalStructure,
    codes.cid7150.MorphologicallyAbnormalStructure,
    codes.cid7150.Tissue,
)

_SIDES = {"left": codes.cid244.Left, "right": codes.cid244.Right, "l": codes.cid244.Left, "r": codes.cid244.Right}

_SYNONYMS = {
    "tumour": "Neoplasm",
    "tumor": "Neoplasm",
    "gross tumour": "Neoplasm",
    "gross tumor": "Neoplasm",
    "whole tumour": "Neoplasm",
    "whole tumor": "Neoplasm",
    "gtv": "Neoplasm",
    "cancer": "Neoplasm",
    "sarcoma": "Neoplasm",
    "glioma": "Neoplasm",
    "metastasis": "NeoplasmSecondary",
    "oedema": "Edema",
    "peritumoural oedema": "Edema",
    "peritumoral edema": "Edema",
    "enhancing tumour": "EnhancingLesion",
    "enhancing tumor": "EnhancingLesion",
    "non enhancing tumour": "NonEnhancingLesion",
    "non enhancing tumor": "NonEnhancingLesion",
    "necrotic core": "Necrosis",
    "multiple sclerosis lesion": "Lesion",
    "ms lesion": "Lesion",
    "white matter lesion": "Lesion",
    "haemorrhage": "Hemorrhage",
    "anterior hippocampus": "Hippocampus",
    "posterior hippocampus": "Hippocampus",
    "hippocampus head": "Hippocampus",
    "hippocampus body": "Hippocampus",
    "brainstem": "BrainStem",
    "parotid": "ParotidGland",
    "urinary bladder": "Bladder",
    "oesophagus": "Esophagus",
    "small bowel": "SmallIntestine",
    "gall bladder": "Gallbladder",
    "bronchi": "Bronchus",
    "lung upper lobe": "UpperLobeOfLung",
    "lung middle lobe": "MiddleLobeOfRightLung",
    "lung lower lobe": "LowerLobeOfLung",
}
"""Names used by data sets and bundles → keyword in CID 7151; spelling variants that the tables lack."""


def meaning_of(name: str) -> Meaning:
    """SNOMED category, type and side for a name such as "left kidney", "kidney_left", "Tumour 2".

    A name that the tables do not know is a "Tissue" of type "Tissue": true, and the name itself still stands in the
    segment's label.
    """
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    words = [word for word in re.split(r"[^a-z0-9]+", spaced) if word and not word.isdigit()]
    laterality = next((_SIDES[word] for word in words if word in _SIDES), None)
    keyword = _keyword([word for word in words if word not in _SIDES])
    if keyword is None:
        return Meaning(TISSUE, codes.SCT.Tissue, laterality)
    abnormal = keyword in codes.cid7159.dir()
    code = getattr(codes.cid7159 if abnormal else codes.cid7151, keyword)
    return Meaning(ABNORMAL if abnormal else ANATOMY, code, laterality)


def _keyword(words: list[str]) -> str | None:
    known = set(codes.cid7151.dir()) | set(codes.cid7159.dir())
    if len(words) == 2 and words[0].startswith("vertebra") and f"{words[1].upper()}Vertebra" in known:
        return f"{words[1].upper()}Vertebra"
    plain = " ".join(words)
    for candidate in (plain, plain.removesuffix("s")):
        keyword = _SYNONYMS.get(candidate, "".join(word.capitalize() for word in candidate.split()))
        if keyword in known:
            return keyword
    return None
