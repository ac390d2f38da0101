from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicom_checks import ALGORITHM, SEGMENTS, dciodvfy_errors, labels_on, needs_dciodvfy
from dicom_phantom import Phantom, write_phantom
from pydicom.dataset import Dataset

from monai_unet.errors import InputError
from monai_unet.geometry.grid import to_working_frame
from monai_unet.io.dicom.deidentify import DeidentifiedSeries, Deidentifier, write_deidentified
from monai_unet.io.dicom.read import read_series
from monai_unet.io.dicom.rtstruct import write_rtstruct
from monai_unet.io.dicom.rtstruct_read import read_rtstruct
from monai_unet.io.dicom.seg import read_seg, write_seg
from monai_unet.io.dicom.series import find_series
from monai_unet.io.dicom.sr import write_sr
from monai_unet.io.results import LesionMeasurements, Segment

KEY = b"a secret of the study, 32 bytes!"
SECRETS = ("Doe", "Jan", "MRN-12345", "19500101", "Hospital", "ACC-4711", "Hidden", "Müller", "20240229", "074Y")


def write_all(phantom: Phantom, folder: Path, deidentifier: Deidentifier) -> list[Path]:
    """SEG, RTSTRUCT and SR of one mask, de-identified."""
    source = DeidentifiedSeries(phantom, deidentifier)
    working, _ = to_working_frame(labels_on(phantom), phantom.grid)
    seg = write_seg(working, folder / "seg.dcm", source=source, segments=SEGMENTS, algorithm=ALGORITHM)
    rtstruct = write_rtstruct(working, folder / "rt.dcm", source=source, segments=SEGMENTS, algorithm=ALGORITHM)
    lesions = [LesionMeasurements(1, "left kidney", 3.0)]
    sr = write_sr(lesions, folder / "sr.dcm", source=source, segmentation=seg, algorithm=ALGORITHM)
    return [seg, rtstruct, sr]


@pytest.mark.parametrize("multiframe", [False, True])
def test_nothing_of_the_patient_is_in_any_result(tmp_path: Path, multiframe: bool) -> None:
    phantom = write_phantom(tmp_path / "ct", multiframe=multiframe)
    uids = {str(e.value) for h in phantom.headers() for e in h if e.VR == "UI" and not e.value.startswith("1.2.840.10")}
    assert len(uids) >= 4
    for path in write_all(phantom, tmp_path, Deidentifier(KEY)):
        content = path.read_bytes()
        for secret in (*SECRETS, *uids):
            assert secret.encode() not in content, (path.name, secret)
            assert secret.encode("latin-1") not in content, (path.name, secret)


def test_results_of_one_key_belong_to_one_patient_and_study_in_every_run(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    (tmp_path / "again").mkdir()
    paths = write_all(phantom, tmp_path, Deidentifier(KEY)) + write_all(phantom, tmp_path / "again", Deidentifier(KEY))
    datasets = [pydicom.dcmread(path) for path in paths]
    for keyword in ("PatientID", "PatientName", "StudyInstanceUID"):
        assert len({str(dataset[keyword].value) for dataset in datasets}) == 1
    assert datasets[0].FrameOfReferenceUID == datasets[1].FrameOfReferenceUID
    assert datasets[0].PatientID.startswith("ANON-")


def test_another_key_gives_another_pseudonym() -> None:
    one, other = Deidentifier(KEY), Deidentifier(KEY[::-1])
    assert one.patient("MRN-12345") != other.patient("MRN-12345")
    assert one.uid("1.2.3") != other.uid("1.2.3")
    assert Deidentifier().uid("1.2.3") != Deidentifier().uid("1.2.3")
    assert one.uid("1.2.840.10008.5.1.4.1.1.2") == "1.2.840.10008.5.1.4.1.1.2"
    assert one.uid("1.2.3").is_valid


def test_results_say_that_identity_was_removed_and_that_they_are_for_research(tmp_path: Path) -> None:
    for path in write_all(write_phantom(tmp_path / "ct"), tmp_path, Deidentifier(KEY)):
        dataset = pydicom.dcmread(path)
        assert dataset.PatientIdentityRemoved == "YES"
        assert dataset.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
        assert "research use only" in dataset.SeriesDescription


def test_deidentified_results_lie_on_the_deidentified_copy_of_the_series(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    images = (pydicom.dcmread(path) for path in sorted(phantom.folder.iterdir()))
    assert write_deidentified(images, tmp_path / "copy", Deidentifier(KEY)) == phantom.grid.shape[2]
    write_all(phantom, tmp_path, Deidentifier(KEY))
    (series,) = find_series(tmp_path / "copy")
    expected = to_working_frame(labels_on(phantom), phantom.grid)[0]
    np.testing.assert_array_equal(read_seg(tmp_path / "seg.dcm", source=series).label_map()[0], expected)
    np.testing.assert_array_equal(read_rtstruct(tmp_path / "rt.dcm", source=series).label_map()[0], expected)
    voxels = read_series(tmp_path / "copy")
    np.testing.assert_array_equal(voxels[0], to_working_frame(phantom.voxels, phantom.grid)[0])
    for path in (tmp_path / "copy").iterdir():
        content = path.read_bytes()
        assert not any(secret.encode("latin-1") in content for secret in SECRETS)


def test_nested_private_and_overlay_elements_are_cleaned() -> None:
    dataset, item, deeper = Dataset(), Dataset(), Dataset()
    deeper.PatientName, deeper.ReferencedSOPInstanceUID = "Doe^John", "1.2.3.4"
    item.OtherPatientIDs, item.SourceImageSequence = "77", [deeper]
    dataset.PatientID, dataset.DerivationImageSequence = "1", [item]
    dataset.add_new(0x00090010, "LO", "ACME")
    dataset.add_new(0x00091001, "LO", "secret")
    dataset.add_new(0x60003000, "OW", b"\0\1")
    found = Deidentifier(KEY).dataset(dataset)
    (inner,) = found.DerivationImageSequence
    assert "OtherPatientIDs" not in inner
    assert not inner.SourceImageSequence[0].PatientName
    assert inner.SourceImageSequence[0].ReferencedSOPInstanceUID == Deidentifier(KEY).uid("1.2.3.4")
    assert not [element for element in found if element.tag.is_private or element.tag.group == 0x6000]
    assert dataset.PatientID == "1"
    assert dataset.DerivationImageSequence[0].OtherPatientIDs == "77"


def test_burned_in_annotation_is_refused() -> None:
    dataset = Dataset()
    dataset.BurnedInAnnotation = "YES"
    with pytest.raises(InputError, match="burned into their pixels"):
        Deidentifier(KEY).dataset(dataset)


def test_short_or_missing_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("short")
    with pytest.raises(InputError, match="at least 16 bytes"):
        Deidentifier.from_key_file(tmp_path / "key")
    with pytest.raises(InputError, match="cannot be read"):
        Deidentifier.from_key_file(tmp_path / "none")


@needs_dciodvfy
def test_dciodvfy_finds_no_error(tmp_path: Path) -> None:
    for path in write_all(write_phantom(tmp_path / "ct"), tmp_path, Deidentifier(KEY)):
        assert dciodvfy_errors(path) == [], path.name


def _sent(tmp_path: Path) -> Dataset:
    """An image of the phantom with something of the patient at places that the profile's table does not list."""
    path = sorted(write_phantom(tmp_path / "ct").folder.iterdir())[0]
    dataset = pydicom.dcmread(path)
    meta = dataset.file_meta
    meta.SourceApplicationEntityTitle = meta.SendingApplicationEntityTitle = "ZZHOSPITAL"
    meta.ReceivingApplicationEntityTitle = meta.ImplementationVersionName = "ZZHOSPITAL"
    meta.PrivateInformationCreatorUID, meta.PrivateInformation = "1.2.3.99", b"ZZNAME"
    dataset.preamble = b"ZZ" * 64
    item, deeper = Dataset(), Dataset()
    for place in (dataset, item, deeper):
        place.PatientBirthDateInAlternativeCalendar = place.PatientDeathDateInAlternativeCalendar = "ZZ1950"
        place.PatientAlternativeCalendar = "ZZCALENDAR"
        for keyword in ("StrainNomenclature", "StrainStockNumber", "StrainSource", "StrainAdditionalInformation"):
            setattr(place, keyword, "ZZSTRAIN")
        place.BreedRegistrationNumber = place.ContactDisplayName = place.DocumentAuthorTrial = "ZZPERSON"
        place.RTImageLabel = place.DeviceID = place.ReferenceLocationDescription = "ZZLABEL"
        issuer, group = Dataset(), Dataset()
        issuer.UniversalEntityID, group.PatientID = "ZZISSUER", "ZZID"
        place.IssuerOfPatientIDQualifiersSequence = [issuer]
        place.SourcePatientGroupIdentificationSequence = place.GroupOfPatientsIdentificationSequence = [group]
        for keyword in ("VolumeFrameOfReferenceUID", "TableFrameOfReferenceUID", "MultiFrameSourceSOPInstanceUID"):
            setattr(place, keyword, "1.2.3.99")
        place.SOPInstanceUIDOfConcatenationSource = place.RadiopharmaceuticalAdministrationEventUID = "1.2.3.99"
        place.add_new(0x0008FFF0, "LO", "ZZUNKNOWN")
        place.add_new(0x00189999, "UN", b"ZZUNKNOWN ")
        place.add_new(0x00090010, "LO", "ZZMAKER")
        place.add_new(0x00091001, "LO", "ZZSECRET")
    item.ReferencedImageSequence = [deeper]
    dataset.DerivationImageSequence = [item]
    return dataset


def test_nothing_outside_the_table_carries_the_patient_or_the_hospital(tmp_path: Path) -> None:
    dataset = _sent(tmp_path)
    write_deidentified(iter([dataset]), tmp_path / "copy", Deidentifier(KEY))
    (path,) = (tmp_path / "copy").iterdir()
    content = path.read_bytes()
    assert path.name == "0001.dcm"
    assert b"ZZ" not in content.replace(dataset.PixelData, b"")
    assert b"1.2.3.99" not in content
    copied = pydicom.dcmread(path)
    assert copied.VolumeFrameOfReferenceUID == Deidentifier(KEY).uid("1.2.3.99")


def test_file_meta_describes_the_program_that_deidentified(tmp_path: Path) -> None:
    dataset = _sent(tmp_path)
    meta = Deidentifier(KEY).dataset(dataset).file_meta
    assert {element.keyword for element in meta} == {
        *("FileMetaInformationVersion", "TransferSyntaxUID", "MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID"),
        *("ImplementationClassUID", "ImplementationVersionName"),
    }
    assert meta.TransferSyntaxUID == dataset.file_meta.TransferSyntaxUID
    assert meta.MediaStorageSOPInstanceUID == Deidentifier(KEY).uid(dataset.SOPInstanceUID)
    assert meta.ImplementationVersionName.startswith("MONAI-UNET")


def test_what_the_image_needs_stays(tmp_path: Path) -> None:
    dataset = _sent(tmp_path)
    dataset.SOPClassUID = "1.3.12.2.1107.5.9.1"  # a manufacturer's own class is a kind, not a link to the patient
    dataset.ConvolutionKernel, dataset.Manufacturer, dataset.RescaleType = "B30f", "ACME", "HU"
    dataset.PositionReferenceIndicator = "ZZ"
    found = Deidentifier(KEY).dataset(dataset)
    assert found.SOPClassUID == "1.3.12.2.1107.5.9.1"
    assert (found.ConvolutionKernel, found.Manufacturer, found.RescaleType) == ("B30f", "ACME", "HU")
    assert found["PositionReferenceIndicator"].is_empty  # required, may be empty
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "RescaleSlope", "PixelData"):
        assert found[keyword].value == dataset[keyword].value


@pytest.mark.parametrize(
    ("keyword", "value", "said"),
    [
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.7", "secondary captures"),
        ("SOPClassUID", "1.2.840.10008.5.1.4.1.1.7.4", "secondary captures"),
        ("ImageType", ["DERIVED", "SECONDARY", "SCREEN SAVE"], "copies of a screen"),
        ("RecognizableVisualFeatures", "YES", "can be recognized"),
    ],
)
def test_pixels_that_often_tell_who_it_is_are_refused_unless_somebody_looked(
    keyword: str, value: object, said: str
) -> None:
    dataset = Dataset()
    setattr(dataset, keyword, value)
    with pytest.raises(InputError, match=said):
        Deidentifier(KEY).dataset(dataset)
    assert Deidentifier(KEY, pixels_checked=True).dataset(dataset).PatientIdentityRemoved == "YES"


def test_structures_lose_the_identifiers_of_their_earlier_file() -> None:
    segment = Segment(1, "tumour", tracking_id="Doe lesion 1", tracking_uid="1.2.3.99")
    (found,) = Deidentifier(KEY).segments([segment])
    assert (found.name, found.tracking_id) == ("tumour", "")
    assert found.tracking_uid == Deidentifier(KEY).uid("1.2.3.99")
