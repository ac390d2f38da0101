from .brats import (
    CORE,
    ENHANCING,
    ConvertBratsLabelsd,
    LabelsOfRegionsd,
    RegionsOfLabelsd,
    convert_labels,
    regions_of,
    without_specks,
)
from .centre_nearness import AddCentreNearnessd
from .check_pair import CheckPaird
from .class_patch import ClassVoxelsd, RandClassPatchd
from .fill_rims import fill_rims
from .head import RandHeadd
from .keep_largest import KeepLargestPartsd
from .lesion_synthesis import RandSynthesiseLesionsd
from .map_labels import IGNORED, LabelsOfMasksd, LabelValuesd, MapLabelsd, MasksOfLabelsd
from .mirror_sides import RandMirrorSidesd
from .neighbour_slices import AddNeighbourSlicesd
from .nnunet_intensities import require_scheme
from .nnunet_labels import NNUNetLabelsd
from .nnunet_preprocess import NNUNetPreprocessd
from .normalize_channels import NormalizeChannelsd
from .remove_specks import RemoveSpecksd
from .require_mr import RequireMRd
from .scan_effects import RandScanEffectsd
from .sequences import NormalizeSequencesd, RandDropChannelsd, RandSequenceIntensitiesd, foreground
from .slice_patch import RandSlicePatchd
from .slices_first import SlicesFirstd
from .smooth_for_spacing import SmoothForSpacingd
from .tissue import JoinTissued, RandTissueContrastd, TissueMapsd
from .zero_on_air import ZeroOnAird

__all__ = [
    "CORE",
    "ENHANCING",
    "IGNORED",
    "AddCentreNearnessd",
    "AddNeighbourSlicesd",
    "CheckPaird",
    "ClassVoxelsd",
    "ConvertBratsLabelsd",
    "JoinTissued",
    "KeepLargestPartsd",
    "LabelValuesd",
    "LabelsOfMasksd",
    "LabelsOfRegionsd",
    "MapLabelsd",
    "MasksOfLabelsd",
    "NNUNetLabelsd",
    "NNUNetPreprocessd",
    "NormalizeChannelsd",
    "NormalizeSequencesd",
    "RandClassPatchd",
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
    "ZeroOnAird",
    "convert_labels",
    "fill_rims",
    "foreground",
    "regions_of",
    "require_scheme",
    "without_specks",
]
