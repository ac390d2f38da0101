"""Volumes and bundles for the tests of segmentation: small, made here, awkward in geometry."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import torch
from monai.bundle import ConfigParser
from nibabel.orientations import axcodes2ornt, inv_ornt_aff

from monai_unet.bundle_format.catalogue import built_in_folder
from monai_unet.networks import build_unet

GEOMETRIES: dict[str, tuple[str, tuple[float, float, float], float]] = {
    "non-RAS": ("LPS", (1.0, 1.0, 1.0), 0.0),
    "oblique": ("RAS", (1.0, 1.1, 0.9), 17.0),
    "anisotropic": ("PIR", (0.8, 0.8, 2.5), 8.0),
}
"""Name → orientation of the file, spacing in mm along its axes, rotation about two axes in degrees."""


def affine_of(axcodes: str, spacing: tuple[float, float, float], degrees: float, shape: tuple[int, ...]) -> np.ndarray:
    """Affine (RAS mm) of a grid whose axes point nearly along `axcodes`."""
    angle = np.deg2rad(degrees)
    about_z = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(angle / 2), -np.sin(angle / 2)], [0, np.sin(angle / 2), np.cos(angle / 2)]]
    )
    axes = inv_ornt_aff(axcodes2ornt(tuple(axcodes)), (2, 2, 2))[:3, :3].round()
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x @ axes @ np.diag(spacing)
    affine[:3, 3] = [-31.0, 12.5, 7.25] - affine[:3, :3] @ (np.array(shape) / 2)
    return affine


def write_image(path: Path, geometry: str, *, shape: tuple[int, int, int] = (33, 28, 22), seed: int = 0) -> Path:
    """A smooth random image with a bright box."""
    axcodes, spacing, degrees = GEOMETRIES[geometry]
    noise = torch.nn.functional.interpolate(
        torch.randn(1, 1, 6, 6, 6, generator=torch.Generator().manual_seed(seed)), shape, mode="trilinear"
    )[0, 0].numpy()
    noise[shape[0] // 4 : shape[0] // 2, shape[1] // 3 :, : shape[2] // 2] += 2.0
    data = (noise * 60 + 50).astype(np.int16)
    nib.save(nib.Nifti1Image(data, affine_of(axcodes, spacing, degrees, shape)), path)
    return path


HIPPOCAMPUS = built_in_folder() / "hippocampus_mri"


def hippocampus_weights(path: Path, *, seed: int = 0, bundle: Path = HIPPOCAMPUS) -> Path:
    """Random weights for the network of the bundle hippocampus_mri, or of a copy of it."""
    name = json.loads((bundle / "configs" / "inference.json").read_text())["network"]
    network = build_unet(name, in_channels=1, out_channels=3, size="s", seed=seed)
    torch.save(balanced(network, channels=1).state_dict(), path)
    return path


def one_pass_bundle(root: Path) -> Path:
    """A copy of hippocampus_mri, without weights, whose network may see the whole volume in one pass."""
    shutil.copytree(HIPPOCAMPUS / "configs", root / "configs")
    config = root / "configs" / "inference.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"network": "residual_unet"}))
    return root


def balanced(network: torch.nn.Module, *, channels: int) -> torch.nn.Module:
    """Shift the last bias so that every class of a network with random weights wins somewhere."""
    noise = torch.randn(1, channels, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    image = torch.nn.functional.interpolate(noise, (32, 32, 32), mode="trilinear")
    with torch.no_grad():
        mean = network.eval()(image).mean((0, 2, 3, 4))
        biases = [p for name, p in network.named_parameters() if name.endswith("bias") and p.shape == mean.shape]
        if biases:
            biases[-1] -= mean
    return network


def write_bundle(root: Path, inference: dict[str, Any], metadata: dict[str, Any], *, seed: int = 0) -> Path:
    """A bundle folder with random weights for its `network_def`."""
    (root / "configs").mkdir(parents=True)
    (root / "models").mkdir()
    (root / "configs" / "inference.json").write_text(json.dumps(inference))
    (root / "configs" / "metadata.json").write_text(json.dumps(metadata))
    torch.manual_seed(seed)
    network = ConfigParser({"network_def": inference["network_def"]}, excludes=["monai_unet"]).get_parsed_content(
        "network_def"
    )
    network = balanced(network, channels=inference["network_def"]["in_channels"])
    torch.save(network.state_dict(), root / "models" / "model.pt")
    return root
