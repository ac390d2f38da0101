from .brats import ConvertBratsLabelsd, LabelsOfRegionsd, RegionsOfLabelsd, regions_of
from .centre_nearness import AddCentreNearnessd
from .check_pair import CheckPaird
from .head import RandHeadd
from .lesion_synthesis import RandSynthesiseLesionsd
from .mirror_sides import RandMirrorSidesd
from .scan_effects import RandScanEffectsd
from .sequences import NormalizeSequencesd, RandDropChannelsd, RandSequenceIntensitiesd
from .smooth_for_spacing import SmoothForSpacingd
from .tissue import JoinTissued, RandTissueContrastd, TissueMapsd

__all__ = [
    "AddCentreNearnessd",
    "CheckPaird",
    "ConvertBratsLabelsd",
    "JoinTissued",
    "LabelsOfRegionsd",
    "NormalizeSequencesd",
    "RandDropChannelsd",
    "RandHeadd",
    "RandMirrorSidesd",
    "RandScanEffectsd",
    "RandSequenceIntensitiesd",
    "RandSynthesiseLesionsd",
    "RandTissueContrastd",
    "RegionsOfLabelsd",
    "SmoothForSpacingd",
    "TissueMapsd",
    "regions_of",
]
