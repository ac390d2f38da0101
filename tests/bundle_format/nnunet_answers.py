"""What nnU-Net answers to the examples of nnunet_phantom.py, and how that was found.

    python tests/bundle_format/nnunet_answers.py write FOLDER        # with monai-unet: models and images
    nnunet_env/bin/python tests/bundle_format/nnunet_answers.py answer FOLDER    # with nnunetv2 2.8.1 alone

The second prints the content of nnunet_answers.json: for each example the shape of nnU-Net's label map (z, y, x), and
its values, compressed by zlib and written in base64.
"""

import base64
import json
import sys
import zlib
from pathlib import Path

import numpy as np


def stored():
    """Example → nnU-Net's label map (z, y, x)."""
    content = json.loads(Path(__file__).with_suffix(".json").read_text())
    return {
        name: np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(shape)
        for name, (shape, text) in content.items()
    }


def predicted(model, images, out):
    """nnU-Net's label map (z, y, x) of one case."""
    import SimpleITK as sitk
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    out.mkdir(exist_ok=True)
    predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
    folds = tuple(int(path.name[5:]) for path in sorted(model.glob("fold_*")))
    predictor.initialize_from_trained_model_folder(str(model), folds)
    predictor.predict_from_files_sequential([[str(path) for path in images]], str(out), False, True, None)
    return sitk.GetArrayFromImage(sitk.ReadImage(str(out / "case.nii.gz")))


def _answer(folder):
    found = {}
    for root in sorted(path for path in folder.iterdir() if path.is_dir()):
        model = next(path for path in root.iterdir() if "__" in path.name)
        labels = predicted(model, sorted((root / "in").iterdir()), root / "out").astype(np.uint8)
        found[root.name] = [labels.shape, base64.b64encode(zlib.compress(labels.tobytes(), 9)).decode()]
    return found


if __name__ == "__main__":
    if sys.argv[1] == "write":
        from nnunet_phantom import EXAMPLES, write_example

        for example in EXAMPLES:
            write_example(sys.argv[2], example)
    else:
        print(json.dumps(_answer(Path(sys.argv[2])), indent=1))
