"""Transforms that MONAI lacks."""

from monai_unet.transforms.brats import ConvertBratsLabelsd, LabelsOfRegionsd, RegionsOfLabelsd
from monai_unet.transforms.centre_nearness import AddCentreNearnessd
from monai_unet.transforms.check_pair import CheckPaird
from monai_unet.transforms.head import RandHeadd
from monai_unet.transforms.lesion_synthesis import RandSynthesiseLesionsd
from monai_unet.transforms.mirror_sides import RandMirrorSidesd
from monai_unet.transforms.neighbour_slices import AddNeighbourSlicesd
from monai_unet.transforms.remove_specks import RemoveSpecksd
from monai_unet.transforms.require_mr import RequireMRd
from monai_unet.transforms.scan_effects import RandScanEffectsd
from monai_unet.transforms.sequences import NormalizeSequencesd, RandDropChannelsd, RandSequenceIntensitiesd
from monai_unet.transforms.slice_patch import RandSlicePatchd
from monai_unet.transforms.slices_first import SlicesFirstd
from monai_unet.transforms.smooth_for_spacing import SmoothForSpacingd
from monai_unet.transforms.tissue import JoinTissued, RandTissueContrastd, TissueMapsd

__all__ = [
    "AddCentreNearnessd",
    "AddNeighbourSlicesd",
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
    "RandSlicePatchd",
    "RandSynthesiseLesionsd",
    "RandTissueContrastd",
    "RegionsOfLabelsd",
    "RemoveSpecksd",
    "RequireMRd",
    "SlicesFirstd",
    "SmoothForSpacingd",
    "TissueMapsd",
]
