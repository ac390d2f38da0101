"""What `import monai_unet` offers, how long it takes, and that every example in a docstring runs."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import subprocess
import sys

import nibabel
import numpy as np
import pytest
import SimpleITK

import monai_unet
from monai_unet import InputError
from monai_unet.segmentation import as_volume

MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(monai_unet.__path__, "monai_unet.")
    if not found.name.startswith("monai_unet.bundles") and not found.name.endswith("__main__")
)


def test_the_face_is_whole():
    assert set(monai_unet.__all__) == {
        *("EditSession", "InputError", "Segmenter", "__version__", "build_unet"),
        *("read_volume", "score_case", "segment", "write_label_map"),
    }
    assert all(hasattr(monai_unet, name) for name in monai_unet.__all__)


def test_importing_the_package_loads_neither_torch_nor_numpy():
    script = "import sys, monai_unet; print(sorted({'torch', 'monai', 'numpy'} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert failed == 0


def test_every_form_of_an_image_is_the_same_volume(tmp_path):
    """An oblique grid with mirrored axes; the file through our reader is the reference."""
    affine = np.array([[-1.2, 0.3, 0, 20], [0.25, 1.0, 0, -7], [0, 0, 2.5, 3], [0, 0, 0, 1.0]])
    affine[:2, :2] = np.array([[-1.2 * np.cos(0.3), -np.sin(0.3)], [-1.2 * np.sin(0.3), np.cos(0.3)]])
    array = np.arange(4 * 5 * 6, dtype=np.float32).reshape(4, 5, 6)
    nibabel.save(nibabel.Nifti1Image(array, affine), tmp_path / "a.nii.gz")
    reference = as_volume(tmp_path / "a.nii.gz")
    for image in (
        as_volume(nibabel.load(tmp_path / "a.nii.gz")),
        as_volume(SimpleITK.ReadImage(str(tmp_path / "a.nii.gz"))),
        as_volume(array, affine=affine),
        as_volume(reference),
    ):
        np.testing.assert_array_equal(image.numpy(), reference.numpy())
        np.testing.assert_allclose(image.affine, reference.affine, atol=1e-5)
        np.testing.assert_allclose(image.meta["original_affine"], reference.meta["original_affine"], atol=1e-5)


def test_an_array_without_orientation_is_refused():
    with pytest.raises(InputError, match="says nothing about its orientation"):
        monai_unet.segment(np.zeros((32, 48, 32)))
