from __future__ import annotations

import subprocess
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
import SimpleITK
from dicom_checks import (
    ALGORITHM,
    DATA,
    GEOMETRIES,
    SEGMENTS,
    dciodvfy_errors,
    labels_on,
    needs_data,
    needs_dciodvfy,
    needs_dcmqi,
    voxels_in_space,
    voxels_of,
)
from dicom_phantom import CORONAL, oblique, write_phantom
from monai.data import MetaTensor
from pydicom.sr.codedict import codes

from monai_unet.errors import InputError
from monai_unet.geometry.grid import Grid, to_working_frame
from monai_unet.io.dicom.seg import read_seg, write_seg
from monai_unet.io.results import Segment


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_label_map_written_and_read_back_on_the_source_is_identical(tmp_path: Path, geometry: str) -> None:
    phantom = write_phantom(tmp_path / "ct", **GEOMETRIES[geometry])
    labels = labels_on(phantom)
    working, grid = to_working_frame(labels, phantom.grid)
    write_seg(working, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    found = read_seg(tmp_path / "seg.dcm", source=phantom).label_map()
    np.testing.assert_array_equal(found[0], working)
    np.testing.assert_allclose(found.affine, grid.affine, atol=1e-6)


@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_each_frame_lies_at_the_position_of_its_image(tmp_path: Path, geometry: str) -> None:
    phantom = write_phantom(tmp_path / "ct", **GEOMETRIES[geometry])
    labels = labels_on(phantom)
    working, _ = to_working_frame(labels, phantom.grid)
    write_seg(working, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    frames = seg.pixel_array
    images = {header.SOPInstanceUID: header for header in phantom.headers()}
    checked = 0
    for frame, group in zip(frames, seg.PerFrameFunctionalGroupsSequence, strict=True):
        position = np.array(group.PlanePositionSequence[0].ImagePositionPatient, float)
        i, j, k = np.rint(np.linalg.solve(phantom.grid.affine, [*(position * [-1, -1, 1]), 1])[:3]).astype(int)
        assert (i, j) == (0, 0)
        number = group.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        np.testing.assert_array_equal(frame, (labels == number)[:, :, k].T)
        reference = group.DerivationImageSequence[0].SourceImageSequence[0]
        image = images[reference.ReferencedSOPInstanceUID]
        if "NumberOfFrames" in image:
            image = image.PerFrameFunctionalGroupsSequence[reference.ReferencedFrameNumber - 1].PlanePositionSequence[0]
        np.testing.assert_allclose(np.array(image.ImagePositionPatient, float), position, atol=1e-6)
        checked += 1
    assert checked == 2 * (phantom.grid.shape[2] - 2)


def test_mask_in_another_orientation_and_crop_is_put_on_the_source_voxels(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct", orientation=oblique((5.0, 3.0, -4.0)))
    labels = labels_on(phantom)
    crop = labels[3:15, 2:12, 1:6]
    affine = phantom.grid.affine.copy()
    affine[:3, 3] = (phantom.grid.affine @ [14, 2, 1, 1])[:3]
    affine[:3, 0] *= -1
    mask = MetaTensor(crop[::-1].copy().transpose(2, 0, 1)[None], affine=affine[:, [2, 0, 1, 3]])
    write_seg(mask, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    expected = np.zeros_like(labels)
    expected[3:15, 2:12, 1:6] = crop
    found = read_seg(tmp_path / "seg.dcm", source=phantom).label_map()
    np.testing.assert_array_equal(found[0], to_working_frame(expected, phantom.grid)[0])


def test_mask_off_the_source_grid_is_refused_by_name(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    working, grid = to_working_frame(labels_on(phantom), phantom.grid)
    shifted = grid.affine.copy()
    shifted[0, 3] += 0.4
    mask = MetaTensor(working.copy()[None], affine=shifted, meta={"filename_or_obj": "mask.nii.gz"})
    with pytest.raises(InputError, match=r"mask.nii.gz .* does not lie on the voxels of the source series"):
        write_seg(mask, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    assert not list(tmp_path.glob("*.dcm"))


def test_mask_that_reaches_beyond_the_source_is_refused(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    working, grid = to_working_frame(labels_on(phantom), phantom.grid)
    shifted = grid.affine.copy()
    shifted[:3, 3] += grid.affine[:3, 0] * 3
    mask = MetaTensor(working.copy()[None], affine=shifted)
    with pytest.raises(InputError, match="reaches beyond"):
        write_seg(mask, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)


def test_label_without_a_name_is_refused(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    working, _ = to_working_frame(labels_on(phantom, highest=5), phantom.grid)
    with pytest.raises(InputError, match=r"value 3, 4, 5, which no name"):
        write_seg(working, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)


def test_overlapping_masks_survive_and_refuse_to_become_a_label_map(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    masks = np.random.default_rng(2).random((2, *phantom.grid.to_working().shape)) < 0.5
    write_seg(masks, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    found = read_seg(tmp_path / "seg.dcm", source=phantom)
    np.testing.assert_array_equal(found.masks(), masks)
    with pytest.raises(InputError, match="'left kidney' and 'Tumour' overlap"):
        found.label_map()


def test_fractions_survive_in_steps_of_one_255th(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct", orientation=CORONAL)
    fractions = np.random.default_rng(3).integers(0, 256, (2, *phantom.grid.to_working().shape)) / np.float32(255)
    write_seg(fractions, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM, fractional=True)
    found = read_seg(tmp_path / "seg.dcm", source=phantom)
    assert found.fractional
    np.testing.assert_allclose(found.masks(), fractions, atol=1e-6)
    with pytest.raises(InputError, match="give a threshold"):
        found.label_map()


def test_segment_without_voxels_is_described_and_read_back_empty(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    working, _ = to_working_frame(labels_on(phantom, highest=1), phantom.grid)
    write_seg(working, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    found = read_seg(tmp_path / "seg.dcm", source=phantom)
    assert [segment.name for segment in found.segments] == ["left kidney", "Tumour"]
    assert found.mask(2).sum() == 0
    np.testing.assert_array_equal(found.label_map()[0], working)


def test_empty_mask_is_written_and_read_back_empty(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    empty = np.zeros(phantom.grid.to_working().shape, np.uint8)
    write_seg(empty, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    found = read_seg(tmp_path / "seg.dcm", source=phantom).label_map()
    assert found.shape == (1, *empty.shape)
    assert found.sum() == 0


def test_segments_carry_codes_colours_tracking_and_algorithm(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    working, _ = to_working_frame(labels_on(phantom), phantom.grid)
    segments = [SEGMENTS[0], Segment(2, "Tumour", color=(255, 0, 0), tracking_id="T2", tracking_uid="2.25.7")]
    write_seg(working, tmp_path / "seg.dcm", source=phantom, segments=segments, algorithm=ALGORITHM)
    kidney, tumour = hd.seg.segread(tmp_path / "seg.dcm").SegmentSequence
    assert kidney.segmented_property_type == codes.SCT.Kidney
    assert kidney.segmented_property_category == codes.SCT.AnatomicalStructure
    side = kidney.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence[0]
    assert (side.CodeValue, side.CodingSchemeDesignator) == ("7771000", "SCT")
    assert tumour.segmented_property_type == codes.SCT.Neoplasm
    assert (tumour.tracking_id, tumour.tracking_uid) == ("T2", "2.25.7")
    assert tumour.SegmentAlgorithmName == "phantom_unet"
    assert "ab" * 32 in tumour.algorithm_identification[0].AlgorithmParameters
    read = read_seg(tmp_path / "seg.dcm").segments[1]
    assert (read.tracking_id, read.made_by, read.codes.type) == ("T2", "AUTOMATIC", codes.SCT.Neoplasm)
    np.testing.assert_allclose(read.rgb, (255, 0, 0), atol=2)


def test_file_says_who_made_it_and_whose_it_is(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    working, _ = to_working_frame(labels_on(phantom), phantom.grid)
    write_seg(working, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    seg, image = pydicom.dcmread(tmp_path / "seg.dcm"), phantom.headers()[0]
    for keyword in (
        "PatientName", "PatientID", "PatientBirthDate", "StudyInstanceUID", "AccessionNumber", "FrameOfReferenceUID",
        "ReferringPhysicianName", "StudyDate",
    ):  # fmt: skip
        assert seg[keyword].value == image[keyword].value, keyword
    assert seg.SeriesInstanceUID != image.SeriesInstanceUID
    assert seg.ReferencedSeriesSequence[0].SeriesInstanceUID == image.SeriesInstanceUID
    assert seg.ContentDescription == "For research use; not a medical device"
    assert "research use only" in seg.SeriesDescription
    (made_by,) = [item for item in seg.ContributingEquipmentSequence if item.Manufacturer == "monai-unet"]
    assert "For research use" in made_by.ContributionDescription
    assert "ab" * 32 in made_by.ContributionDescription
    assert made_by.SoftwareVersions[0] == "1.2.0"


def test_series_stripped_by_an_anonymiser_still_carries_results(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    for file in phantom.folder.iterdir():
        dataset = pydicom.dcmread(file)
        for keyword in ("FrameOfReferenceUID", "SliceThickness", "PatientName", "StudyID", "StudyTime"):
            del dataset[keyword]
        dataset.save_as(file)
    working, _ = to_working_frame(labels_on(phantom), phantom.grid)
    write_seg(working, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    np.testing.assert_array_equal(read_seg(tmp_path / "seg.dcm", source=phantom).label_map()[0], working)


def test_multi_frame_source_with_orientation_and_spacing_in_each_frame_is_used(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct", orientation=CORONAL, multiframe=True)
    (file,) = phantom.folder.iterdir()
    dataset = pydicom.dcmread(file)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    for own in dataset.PerFrameFunctionalGroupsSequence:
        own.PlaneOrientationSequence, own.PixelMeasuresSequence = (
            shared.PlaneOrientationSequence,
            shared.PixelMeasuresSequence,
        )
    dataset.SharedFunctionalGroupsSequence = [pydicom.Dataset()]
    dataset.save_as(file)
    working, _ = to_working_frame(labels_on(phantom), phantom.grid)
    write_seg(working, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    np.testing.assert_array_equal(read_seg(tmp_path / "seg.dcm", source=phantom).label_map()[0], working)


def test_series_of_another_frame_of_reference_is_refused(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    other = write_phantom(tmp_path / "other", seed=5)
    working, _ = to_working_frame(labels_on(phantom), phantom.grid)
    write_seg(working, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    with pytest.raises(InputError, match="another frame of reference"):
        read_seg(tmp_path / "seg.dcm", source=other)


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    phantom = write_phantom(tmp_path / "ct")
    with pytest.raises(InputError, match="not a DICOM segmentation"):
        read_seg(next(phantom.folder.iterdir()))
    (tmp_path / "text.dcm").write_text("not a picture")
    with pytest.raises(InputError, match="not a DICOM file"):
        read_seg(tmp_path / "text.dcm")
    with pytest.raises(InputError, match="does not exist"):
        read_seg(tmp_path / "nothing.dcm")


@needs_dciodvfy
@pytest.mark.parametrize("geometry", ["axial", "oblique", "tilted", "multi-frame"])
@pytest.mark.parametrize("fractional", [False, True])
def test_dciodvfy_finds_no_error(tmp_path: Path, geometry: str, fractional: bool) -> None:
    phantom = write_phantom(tmp_path / "ct", **GEOMETRIES[geometry])
    working, _ = to_working_frame(labels_on(phantom), phantom.grid)
    masks = np.stack([working == 1, working == 2])
    write_seg(
        masks, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM, fractional=fractional
    )
    assert dciodvfy_errors(tmp_path / "seg.dcm") == []


@needs_dcmqi
@pytest.mark.parametrize("geometry", ["axial", "coronal", "sagittal", "oblique", "multi-frame"])
def test_dcmqi_reads_the_same_voxels(tmp_path: Path, geometry: str) -> None:
    phantom = write_phantom(tmp_path / "ct", **GEOMETRIES[geometry])
    labels = labels_on(phantom)
    working, _ = to_working_frame(labels, phantom.grid)
    write_seg(working, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    command = ["segimage2itkimage", "--inputDICOM", str(tmp_path / "seg.dcm"), "--outputDirectory", str(tmp_path)]
    subprocess.run([*command, "--outputType", "nrrd"], check=True, capture_output=True)
    for number in (1, 2):
        found = voxels_in_space(SimpleITK.ReadImage(str(tmp_path / f"{number}.nrrd")))
        assert found == voxels_of(labels == number, phantom.grid)


@pytest.mark.parametrize("geometry", ["axial", "coronal", "oblique"])
def test_simpleitk_reads_the_same_frames(tmp_path: Path, geometry: str) -> None:
    # GDCM loses the voxels of the last byte of a one-bit image when they do not fill it
    phantom = write_phantom(tmp_path / "ct", shape=(24, 16, 7), **GEOMETRIES[geometry])
    labels = np.ones(phantom.grid.shape, np.uint8)
    labels[3:9, 4:6, 2:5] = 0
    write_seg(
        to_working_frame(labels, phantom.grid)[0],
        tmp_path / "seg.dcm",
        source=phantom,
        segments=SEGMENTS[:1],
        algorithm=ALGORITHM,
    )
    image = SimpleITK.ReadImage(str(tmp_path / "seg.dcm"))
    assert voxels_in_space(image) == voxels_of(labels, phantom.grid)


@pytest.mark.parametrize("geometry", ["axial", "coronal", "sagittal", "oblique"])
def test_highdicom_reads_the_same_volume(tmp_path: Path, geometry: str) -> None:
    phantom = write_phantom(tmp_path / "ct", **GEOMETRIES[geometry])
    labels = labels_on(phantom)
    working, _ = to_working_frame(labels, phantom.grid)
    write_seg(working, tmp_path / "seg.dcm", source=phantom, segments=SEGMENTS, algorithm=ALGORITHM)
    volume = hd.seg.segread(tmp_path / "seg.dcm").get_volume(combine_segments=True)
    points = np.argwhere(volume.array == 2) @ volume.affine[:3, :3].T + volume.affine[:3, 3]
    assert {tuple(point) for point in np.round(points, 2) + 0.0} == voxels_of(labels == 2, phantom.grid)


@pytest.mark.data
@needs_data
@pytest.mark.parametrize(
    ("seg", "nrrd"),
    [
        ("liver.dcm", "liver_seg.nrrd"),
        ("sparse-labelmap-noppv.dcm", "sparse_labelmap_noppv_seg.nrrd"),
        ("sparse-labelmap-ppv5.dcm", "sparse_labelmap_ppv5_seg.nrrd"),
        ("23x38x3/seg/label.seg", "23x38x3/nrrd/label.nrrd"),
        ("24x38x3/seg/label.seg", "24x38x3/nrrd/label.nrrd"),
    ],
)
def test_segmentation_made_by_dcmqi_holds_the_voxels_it_was_made_from(seg: str, nrrd: str) -> None:
    folder = DATA / "dicom" / "dcmqi_data" / "segmentations"
    image = SimpleITK.ReadImage(str(folder / nrrd)) == 1
    found = read_seg(folder / seg).mask(1)
    points = np.argwhere(found[0].numpy()) @ found.affine.numpy()[:3, :3].T + found.affine.numpy()[:3, 3]
    assert {tuple(point) for point in np.round(points * [-1, -1, 1], 2) + 0.0} == voxels_in_space(image)


@pytest.mark.data
@needs_data
def test_overlapping_segments_made_by_dcmqi_hold_the_voxels_they_were_made_from() -> None:
    folder = DATA / "dicom" / "dcmqi_data" / "segmentations"
    found = read_seg(folder / "partial_overlaps.dcm")
    expected = []
    for part in (1, 2, 3):
        image = SimpleITK.ReadImage(str(folder / f"partial_overlaps-{part}.nrrd"))
        values = sorted(set(np.unique(SimpleITK.GetArrayFromImage(image)).tolist()) - {0})
        expected += [voxels_in_space(image == value) for value in values]
    masks = [found.mask(segment.number) for segment in found.segments]
    held = [voxels_of(mask[0].numpy(), Grid(mask.shape[1:], mask.affine.numpy())) for mask in masks]
    assert len(held) == len(expected)
    assert all(voxels in expected for voxels in held)
    with pytest.raises(InputError, match="overlap"):
        found.label_map()


@pytest.mark.data
@needs_data
@pytest.mark.parametrize("kind", ["binary", "binary_fractional", "true_fractional"])
def test_segmentation_made_by_highdicom_is_read_as_highdicom_reads_it(kind: str) -> None:
    path = DATA / "dicom" / "highdicom_test_files" / f"seg_image_ct_{kind}.dcm"
    volume = hd.seg.segread(path).get_volume(segment_numbers=[1], rescale_fractional=True)
    found = read_seg(path).mask(1)
    array, index = volume.array[..., 0], np.linalg.inv(volume.affine)
    for point, value in zip(np.argwhere(found[0].numpy() > 0), found[0].numpy()[found[0].numpy() > 0], strict=True):
        lps = (found.affine.numpy() @ [*point, 1]) * [-1, -1, 1, 1]
        k, j, i = np.rint((index @ lps)[:3]).astype(int)
        assert array[k, j, i] == pytest.approx(float(value), abs=1e-6)
    assert array.sum() == pytest.approx(float(found.sum()), rel=1e-6)
