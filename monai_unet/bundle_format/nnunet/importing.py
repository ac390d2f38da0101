"""A model that nnU-Net v2 trained, written as a bundle: whole, or not at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from monai_unet.bundle_format.catalogue import Bundle, built_in_folder, user_folder
from monai_unet.bundle_format.nnunet.bundle_files import Choices, card, dumped, inference_config, licence, metadata
from monai_unet.bundle_format.nnunet.component_rules import Rules, read_rules
from monai_unet.bundle_format.nnunet.model_folder import Checkpoint, ModelFolder, opened_model
from monai_unet.bundle_format.nnunet.model_plan import ModelPlan, read_model_plan
from monai_unet.bundle_format.nnunet.structures import ORIENTATION, is_totalsegmentator
from monai_unet.bundle_format.nnunet.weights_map import TrainedFold, read_checkpoint, require_plain_trainer
from monai_unet.bundle_format.trust import trust
from monai_unet.errors import InputError
from monai_unet.io import atomic_folder, sha256_of, write_text

if TYPE_CHECKING:
    from monai_unet.networks import PlansUNet

_AXES = re.compile("(?=.*[LR])(?=.*[AP])(?=.*[IS])[LRAPIS]{3}")


@dataclass(frozen=True)
class Imported:
    """An imported model.

    Attributes:
        bundle: on disk, agreed to.
        sentences: what the user should know of it.
    """

    bundle: Bundle
    sentences: tuple[str, ...] = field(default=())


def import_nnunet(
    given: str | Path,
    target: str | Path | None = None,
    *,
    folds: Sequence[str] = (),
    checkpoint: Checkpoint = "final",
    configuration: str = "",
    orientation: str = "",
    mirroring: bool = True,
    plain_trainer: bool = False,
) -> Imported:
    """Write a model of nnU-Net v2 as a bundle that runs without nnU-Net, and with nnU-Net's own answers.

    Nothing in the model is executed: checkpoints are read as tensors, the rules of its postprocessing are read without
    unpickling. As the configs are written here, the bundle is trusted.

    Args:
        given: folder or zip of the model, or of a data set's results with one model.
        target: the bundle's folder, which must not exist; by default one in the user's folder of bundles.
        folds: whose networks are averaged; by default all that are there.
        checkpoint: "final" or "best".
        configuration: which, where `given` holds several.
        orientation: directions of the stored axes of the training's files, where known ("LPS", "RAS"): every image is
            turned there. By default images are taken as their files store them, as nnU-Net takes them.
        mirroring: mirror windows along the axes of the training, as nnU-Net does; 2 to 8 times the computation.
        plain_trainer: the custom trainer of this model changes nothing of inference.

    Raises:
        InputError: something that cannot be read, is not known, or contradicts itself; nothing is written then.
    """
    if orientation and not _AXES.fullmatch(orientation):
        raise InputError(f"an orientation has one letter each of LR, AP and IS, such as LPS, not '{orientation}'.")
    with opened_model(Path(given), configuration) as model:
        trained = {fold: read_checkpoint(file) for fold, file in model.checkpoints(folds, checkpoint).items()}
        first = _agreeing(trained)
        require_plain_trainer(first.trainer, accepted=plain_trainer)
        plan = read_model_plan(model.root, first.configuration)
        rules, said = _rules(model, tuple(trained), plan)
        state = _checked_state(plan, trained)
    root = Path(target) if target is not None else user_folder() / _slug(f"{plan.data_set}_{plan.configuration}")
    turned = orientation or plan.orientation or (ORIENTATION if is_totalsegmentator(plan.data_set) else "")
    chosen = Choices(
        name=root.name,
        folds=tuple(trained),
        checkpoint=checkpoint,
        trainer=first.trainer,
        mirror_axes=_mirror_axes(plan, first) if mirroring else (),
        orientation=turned,
        rules=rules,
        epochs=tuple(fold.epoch for fold in trained.values()),
    )
    _write(root, plan, chosen, state)
    bundle = Bundle(root.name, root, built_in=False)
    trust(bundle)
    return Imported(bundle, (*_told(plan, chosen), *said))


def _agreeing(trained: dict[str, TrainedFold]) -> TrainedFold:
    """The first fold, once all are of one kind."""
    names = list(trained)
    first = trained[names[0]]
    for name in names[1:]:
        other = trained[name]
        for what, one, two in (
            ("trainer", first.trainer, other.trainer),
            ("configuration", first.configuration, other.configuration),
            ("mirrored axes", first.mirror_axes, other.mirror_axes),
            ("weights", _shapes(first), _shapes(other)),
        ):
            if one != two:
                raise InputError(
                    f"fold {names[0]} and fold {name} disagree in their {what}; they are no folds of one model. Choose "
                    "some with --folds."
                )
    return first


def _shapes(fold: TrainedFold) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in fold.weights.items()}


def _checked_state(plan: ModelPlan, trained: dict[str, TrainedFold]) -> dict[str, Tensor]:
    """The bundle's weights, once they fit the network of the plan one by one."""
    from monai_unet.networks import PlansUNet

    with torch.device("meta"):
        network = PlansUNet(**plan.network)
    total, window = network.total_stride, plan.patch
    if any(size % stride for size, stride in zip(window, total, strict=True)):
        raise InputError(f"the patch {window} is not divisible by the network's strides {tuple(total)}.")
    state: dict[str, Tensor] = {}
    for number, (fold, read) in enumerate(trained.items()):
        weights = _as_three_axes(network, read.weights)
        try:
            network.load_state_dict(weights, strict=True, assign=True)
        except RuntimeError as error:
            raise InputError(
                f"the weights of fold {fold} are not those of the network that the plans describe "
                f"({' '.join(str(error).split())[:160]}…); the model was trained with another network."
            ) from error
        state |= {f"folds.{number}.{name}" if len(trained) > 1 else name: t for name, t in weights.items()}
    return state


def _as_three_axes(network: PlansUNet, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Kernels of slices (out, in, H, W) as kernels of depth 1."""
    wanted = network.state_dict()
    return {
        name: tensor.unsqueeze(2) if tensor.dim() == 4 and name in wanted and wanted[name].dim() == 5 else tensor
        for name, tensor in weights.items()
    }


def _mirror_axes(plan: ModelPlan, first: TrainedFold) -> tuple[int, ...]:
    """Of the window's three axes; a network of slices counts from the second."""
    return tuple(axis + 1 if plan.of_slices else axis for axis in first.mirror_axes)


def _rules(model: ModelFolder, folds: tuple[str, ...], plan: ModelPlan) -> tuple[Rules, list[str]]:
    """Rules that cross-validation found for exactly these folds, and what to say about others."""
    said = []
    for folder in sorted(model.root.glob("crossval_results_folds_*")):
        found = read_rules(folder)
        of = folder.name.removeprefix("crossval_results_folds_").split("_")
        if any(value not in plan.labels.names for rule in found for value in rule):
            raise InputError(f"{folder} cleans labels that this model does not have; leave it out.")
        if set(of) == set(folds):
            return found, []
        if found:
            said.append(
                f"A postprocessing stands in the model for the folds {', '.join(of)}; it is not used for fold "
                f"{', '.join(folds)}."
            )
    return (), said


def _write(root: Path, plan: ModelPlan, chosen: Choices, state: dict[str, Tensor]) -> None:
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(f"{root} exists already; remove it first, or name another folder with -o.")
    if root.resolve().is_relative_to(built_in_folder().resolve()):
        raise InputError(f"{root} lies among the built-in models; name another folder with -o.")
    with atomic_folder(root) as temporary:
        for name in ("configs", "docs", "models"):
            (temporary / name).mkdir()
        weights = temporary / "models" / "model.pt"
        torch.save({name: tensor.contiguous() for name, tensor in state.items()}, weights)
        write_text(temporary / "configs" / "inference.json", dumped(inference_config(plan, chosen)))
        described = metadata(plan, chosen, weights_sha256=sha256_of(weights))
        write_text(temporary / "configs" / "metadata.json", dumped(described))
        write_text(temporary / "docs" / "README.md", card(plan, chosen))


def _told(plan: ModelPlan, chosen: Choices) -> list[str]:
    said = [f"Licence: {licence(plan)}."]
    if chosen.mirror_axes:
        said.append(
            f"Windows are mirrored as nnU-Net does it, {2 ** len(chosen.mirror_axes)} computations for each; "
            "--no-mirroring leaves that out."
        )
    if not chosen.orientation:
        said.append(
            "Images are taken in the axis order of their files, as nnU-Net takes them. Which order the training's "
            "files had is not known; for DICOM say it with --orientation (NIfTI made by dcm2niix is mostly LAS, by "
            "SimpleITK LPS)."
        )
    if chosen.rules:
        said.append(f"{len(chosen.rules)} rules of its postprocessing keep the largest part of labels.")
    return said


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "model"
