"""Any series, however written, gives every voxel its place and value in the patient, or a refusal that names why."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import generate_uid
from scipy.spatial.transform import Rotation
from synthetic_dicom import write_series

from monai_unet.errors import InputError
from monai_unet.io import read_volume

LPS_TO_RAS = np.array([-1.0, -1.0, 1.0])
SHAPE = (4, 5)


@st.composite
def layouts(draw: st.DrawFn) -> dict:
    """A series: orientation, spacing, tilt, order of files, and at most one defect."""
    slices = draw(st.integers(4, 8))
    return {
        "slices": slices,
        "rotation": Rotation.random(random_state=draw(st.integers(0, 2**31))).as_matrix(),
        "spacing": [draw(st.floats(0.3, 3.0)) for _ in range(2)],
        "gap": draw(st.floats(0.5, 8.0)),
        "tilt": draw(st.sampled_from([0.0, 0.0, 0.1, 0.3, -0.25])),
        "order": draw(st.permutations(range(slices))),
        "numbers": draw(st.permutations(range(slices))),
        "defect": draw(st.sampled_from(["none", "none", "missing", "uneven", "copy", "clash", "sideways"])),
        "where": draw(st.integers(1, slices - 2)),
        "seed": draw(st.integers(0, 2**31)),
    }


def positions_of(layout: dict) -> np.ndarray:
    row, column, normal = layout["rotation"].T
    k = np.arange(layout["slices"], dtype=float)
    if layout["defect"] == "uneven":
        k[layout["where"] :] += 0.4
    shift = layout["tilt"] * layout["gap"]
    positions = np.array([12.3, -45.6, 78.9]) + np.outer(k, layout["gap"] * normal + shift * column)
    if layout["defect"] == "sideways":
        positions[layout["where"]] += 3 * layout["spacing"][1] * row
    return positions


def write(folder: Path, layout: dict) -> tuple[np.ndarray, np.ndarray]:
    """Voxels (slice, row, column) and their places (slice, row, column, 3) in RAS mm, of what was written."""
    row, column, _ = layout["rotation"].T
    positions = positions_of(layout)
    voxels = np.random.default_rng(layout["seed"]).permutation(layout["slices"] * 20).astype(np.int16)
    voxels = voxels.reshape(layout["slices"], *SHAPE)
    kept = [k for k in layout["order"] if not (layout["defect"] == "missing" and k == layout["where"])]
    elements = {
        "ImageOrientationPatient": [*row, *column],
        "PixelSpacing": layout["spacing"],
        "series_uid": generate_uid(),
    }
    numbers = [{"InstanceNumber": int(layout["numbers"][k])} for k in kept]
    write_series(folder, voxels[kept], positions[kept], per_slice=numbers, **elements)
    if layout["defect"] in ("copy", "clash"):
        k = layout["where"]
        again = voxels[k] + (1 if layout["defect"] == "clash" else 0)
        write_series(folder, again[None], positions[[k]], names=["again"], **elements)
    j, i = np.mgrid[: SHAPE[0], : SHAPE[1]]
    in_plane = j[..., None] * layout["spacing"][0] * column + i[..., None] * layout["spacing"][1] * row
    return voxels, (positions[:, None, None] + in_plane) * LPS_TO_RAS


REFUSALS = {
    "missing": "1 slice is missing",
    "uneven": "unevenly spaced",
    "clash": "different images at one place",
    "sideways": "shifted sideways",
}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(layouts())
def test_every_voxel_has_its_place_or_the_series_is_refused_by_name(layout: dict) -> None:
    with tempfile.TemporaryDirectory() as folder:
        voxels, places = write(Path(folder), layout)
        try:
            volume = read_volume(folder)
        except InputError as error:
            assert REFUSALS[layout["defect"]] in str(error)  # noqa: PT017 - which defect was drawn decides
            return
    assert layout["defect"] not in REFUSALS
    index = np.stack(np.meshgrid(*map(np.arange, volume.shape[1:]), indexing="ij"), axis=-1).reshape(-1, 3)
    affine = np.asarray(volume.affine)
    place_of = dict(zip(volume[0].numpy().ravel().astype(int), index @ affine[:3, :3].T + affine[:3, 3], strict=True))
    # every stored value occurs once, so it names its voxel
    assert len(place_of) == voxels.size
    ours = np.array([place_of[value] for value in voxels.ravel()])
    np.testing.assert_allclose(ours, places.reshape(-1, 3), atol=1e-3)
