"""3D U-Net segmentation of MRI and CT on MONAI: bundles, input/output, inference, interaction and evaluation.

>>> import monai_unet
>>> result = monai_unet.segment("brain.nii.gz", "hippocampus_mri")  # doctest: +SKIP
>>> monai_unet.write_label_map(result.labels, "mask.nii.gz", like=result.labels.meta)  # doctest: +SKIP
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
