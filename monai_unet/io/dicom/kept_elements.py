"""What stays of the elements that the confidentiality profile's table does not list: a list of what is kept.

The table (DICOM PS3.15, table E.1-1) names what goes and is silent on the rest: retired elements, newer ones, free
text of every module. So that nothing is kept by oversight, of these only the kinds below stay.
"""

from __future__ import annotations

from pydicom.datadict import dictionary_has_tag, keyword_for_tag
from pydicom.dataelem import DataElement

_PATIENT_GROUP = 0x0010
_OVERLAYS_AND_CURVES = (0x5000, 0x6000)
_PATIENT = frozenset(
    {
        "SubjectRelativePositionInImage",
        "QualityControlSubject",
        "PatientSpeciesCodeSequence",
        "AnatomicalOrientationType",
    }
)
"""All that stays of the Patient group: it says how the image is to be read, and nothing of who it is."""

_TEXT_VRS = frozenset({"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_TIME_VRS = frozenset({"AS", "DA", "DT", "TM"})
_BINARY_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN", "OB or OW"})
_BINARY_GROUPS = frozenset({0x0028, 0x7FE0})
_TEXT = frozenset(
    {
        # codes
        *("CodeValue", "LongCodeValue", "URNCodeValue", "CodingSchemeDesignator", "CodingSchemeVersion", "CodeMeaning"),
        # the kind of device, not the single one
        *("Manufacturer", "ManufacturerModelName", "SoftwareVersions"),
        # how the image was acquired
        *("SequenceName", "PulseSequenceName", "ImagedNucleus", "ReceiveCoilName", "TransmitCoilName"),
        *("ConvolutionKernel", "FilterType", "TypeOfFilters", "ImageFilter", "AcquisitionMode", "ContrastBolusRoute"),
        *("Radiopharmaceutical", "Radionuclide", "RadiopharmaceuticalRoute", "EnergyWindowName"),
        *("TriggerSourceOrType", "CardiacFramingType", "PVCRejection", "AttenuationCorrectionMethod"),
        *("ScatterCorrectionMethod", "ReconstructionMethod", "DetectorLinesOfResponseUsed"),
        # what a voxel's number means, and how it is shown
        *("RescaleType", "ModalityLUTType", "WindowCenterWidthExplanation"),
        # how frames are ordered
        *("StackID", "DimensionDescriptionLabel"),
    }
)
_EMPTIED = frozenset({"PositionReferenceIndicator"})
"""Required by the standard, empty or not."""

_KINDS_OF_CODE = ("CodingSchemeUID", "ContextUID", "MappingResourceUID")
_REGISTERED = ("1.2.840.10008.", "2.16.840.1.113883.6.")
"""Roots of DICOM's own UIDs and of the code systems in HL7's registry."""


def goes(element: DataElement) -> bool:
    """Whether an element outside the table is removed whatever it says."""
    tag = element.tag
    if tag.is_private or tag.group & 0xFF00 in _OVERLAYS_AND_CURVES or not dictionary_has_tag(tag):
        return True
    keyword = keyword_for_tag(tag)
    if tag.group == _PATIENT_GROUP:
        return keyword not in _PATIENT
    if element.VR in _BINARY_VRS:
        return tag.group not in _BINARY_GROUPS
    if element.VR in _TEXT_VRS:
        return keyword not in _TEXT and keyword not in _EMPTIED
    return element.VR in _TIME_VRS


def is_emptied(element: DataElement) -> bool:
    """Whether an element outside the table stays without its value."""
    return keyword_for_tag(element.tag) in _EMPTIED


def names_a_kind(element: DataElement, uid: str) -> bool:
    """Whether a UID names a kind of thing (class, transfer syntax, registered code system) and no single thing."""
    keyword = keyword_for_tag(element.tag)
    if "SOPClass" in keyword or "SpecializedSOPClass" in keyword or "TransferSyntax" in keyword:
        return True
    return keyword in _KINDS_OF_CODE and uid.startswith(_REGISTERED)
