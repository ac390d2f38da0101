"""TotalSegmentator's models: how they are recognised, their licence, and SNOMED CT codes of their structures."""

from __future__ import annotations

import re

ORIENTATION = "RAS"
"""TotalSegmentator turns every image there before it calls nnU-Net (`as_closest_canonical`)."""

LICENCE = (
    "Weights of TotalSegmentator: Apache-2.0 for its open tasks, a licence of its own for some others; see "
    "https://github.com/wasserth/TotalSegmentator before use"
)
REFERENCE = (
    "Wasserthal J et al. TotalSegmentator: robust segmentation of 104 anatomic structures in CT images. Radiology: "
    "Artificial Intelligence 5(5):e230024, 2023"
)

CODES: dict[str, tuple[str, str]] = {
    "spleen": ("78961009", "Spleen"),
    "liver": ("10200004", "Liver"),
    "gallbladder": ("28231008", "Gallbladder"),
    "stomach": ("69695003", "Stomach"),
    "pancreas": ("15776009", "Pancreas"),
    "kidney": ("64033007", "Kidney"),
    "adrenal_gland": ("23451007", "Adrenal gland"),
    "duodenum": ("38848004", "Duodenum"),
    "esophagus": ("32849002", "Esophagus"),
    "trachea": ("44567001", "Trachea"),
    "urinary_bladder": ("89837001", "Bladder"),
    "aorta": ("15825003", "Aorta"),
    "colon": ("71854001", "Colon"),
    "small_bowel": ("30315005", "Small intestine"),
    "prostate": ("41216001", "Prostate"),
    "heart": ("80891009", "Heart"),
    "brain": ("12738006", "Brain"),
    "spinal_cord": ("2748008", "Spinal cord"),
    "sacrum": ("54735007", "Sacrum"),
    "femur": ("71341001", "Femur"),
    "humerus": ("85050009", "Humerus"),
    "scapula": ("79601000", "Scapula"),
    "clavicula": ("51299004", "Clavicle"),
    "sternum": ("56873002", "Sternum"),
    "skull": ("89546000", "Skull"),
    "inferior_vena_cava": ("64131007", "Inferior vena cava"),
    "hip": ("29836001", "Hip"),
    "hippocampus": ("5366008", "Hippocampus"),
}
"""Name in TotalSegmentator's class map, without its side → code and meaning (as in pydicom's dictionary)."""


def is_totalsegmentator(data_set: str) -> bool:
    """Whether the name of a data set is that of a task of TotalSegmentator.

    >>> is_totalsegmentator("Dataset291_TotalSegmentator_part1_organs_1559subj")
    True
    """
    return "totalseg" in data_set.lower()


def code_of(name: str) -> tuple[str, str] | None:
    """SNOMED CT code and meaning of a structure, of either side; None where none is known.

    >>> code_of("kidney_left")
    ('64033007', 'Kidney')
    """
    plain = re.sub(r"[\s_-]+", "_", name.strip().lower())
    return CODES.get(re.sub(r"_(left|right)$", "", plain))
