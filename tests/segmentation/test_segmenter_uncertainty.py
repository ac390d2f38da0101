import nibabel as nib
import numpy as np
import torch
from segmentation_cases import hippocampus_weights, write_image

from monai_unet.batch import find_jobs, segment_jobs
from monai_unet.segmentation.segmenter import Segmenter
from monai_unet.segmentation.uncertainty import entropy


def test_the_entropy_is_written_beside_the_mask_on_the_grid_of_the_file(tmp_path):
    image = nib.load(write_image(tmp_path / "a.nii.gz", "oblique"))
    weights = hippocampus_weights(tmp_path / "model.pt")
    segmenter = Segmenter.load("hippocampus_mri", device="cpu", checkpoint=weights, uncertainty=True)
    jobs = find_jobs([tmp_path / "a.nii.gz"], tmp_path / "out")
    assert [outcome.error for outcome in segment_jobs(segmenter, jobs)] == [""]
    written = nib.load(tmp_path / "out" / "a_uncertainty.nii.gz")
    assert written.shape == image.shape
    np.testing.assert_allclose(written.affine, image.affine, atol=1e-5)
    values = np.asarray(written.dataobj)
    assert values.min() >= 0
    assert 0.1 < values.max() <= 1


def test_the_entropy_of_regions_is_the_largest_binary_one():
    logits = torch.tensor([0.0, 9.0, -9.0]).reshape(3, 1, 1, 1)
    torch.testing.assert_close(entropy(logits, "sigmoid"), torch.ones(1, 1, 1))
    p = torch.tensor(9.0).sigmoid()
    expected = -(p * p.log2() + (1 - p) * (1 - p).log2())
    torch.testing.assert_close(entropy(logits[1:], "sigmoid").flatten()[0], expected, atol=1e-4, rtol=1e-3)
