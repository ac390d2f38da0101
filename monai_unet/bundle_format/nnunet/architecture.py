"""The network of a plan as arguments of our own `PlansUNet`; plans of before nnU-Net 2.5 are translated."""

from __future__ import annotations

from collections.abc import Sequence

from monai_unet.bundle_format.json_values import Value
from monai_unet.errors import InputError
from monai_unet.mappings import Json

_KNOWN = {
    "dynamic_network_architectures.architectures.unet.PlainConvUNet": False,
    "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet": True,
    "dynamic_network_architectures.architectures.residual_unet.ResidualEncoderUNet": True,
}
"""Class in the plans → whether its encoder has residual blocks."""

_ACTIVATIONS = {"LeakyReLU": "leaky_relu", "ReLU": "relu", "ELU": "elu", "GELU": "gelu", "SiLU": "silu"}
_NORMS = {"InstanceNorm": "instance", "BatchNorm": "batch"}
_UNUSED = {"dropout_op", "dropout_op_kwargs", "deep_supervision"}
_USED = {
    "n_stages", "features_per_stage", "conv_op", "kernel_sizes", "strides", "n_conv_per_stage", "n_blocks_per_stage",
    "n_conv_per_stage_decoder", "conv_bias", "norm_op", "norm_op_kwargs", "nonlin", "nonlin_kwargs", "nonlin_first",
}  # fmt: skip


def network_arguments(chosen: Value, dims: int) -> Json:
    """Arguments of `PlansUNet`, but for the channels, from a configuration of the plans.

    Args:
        chosen: the configuration.
        dims: 2 for a network of slices, else 3.

    Raises:
        InputError: a class outside the list, or an argument that is not known.
    """
    stated = chosen.at("architecture")
    if not stated.stated:
        return _old(chosen, dims)
    name = stated.at("network_class_name").text()
    if name not in _KNOWN:
        raise InputError(
            f"the network of this model is '{name}' ({chosen.source}); only PlainConvUNet and ResidualEncoderUNet of "
            "nnU-Net are imported."
        )
    built = stated.at("arch_kwargs")
    unknown = set(built.table()) - _USED - _UNUSED
    if unknown:
        raise InputError(
            f"'{built.place}' in {built.source} has {', '.join(sorted(map(str, unknown)))}, which is not known; the "
            "network cannot be built as nnU-Net builds it."
        )
    stages = len(built.at("strides").items())
    counts = built.at("n_blocks_per_stage" if _KNOWN[name] else "n_conv_per_stage")
    conv = built.at("conv_op").text().rpartition(".")[2]
    if conv != f"Conv{dims}d":
        raise built.at("conv_op").wrong(f"Conv{dims}d, as the patch has {dims} axes")
    return {
        "channels": _integers(built.at("features_per_stage"), stages),
        "kernels": _per_stage(built.at("kernel_sizes"), stages, dims),
        "strides": _per_stage(built.at("strides"), stages, dims),
        "encoder_counts": _integers(counts, stages),
        "decoder_counts": _integers(built.at("n_conv_per_stage_decoder"), stages - 1),
        "residual": _KNOWN[name],
        "bias": built.at("conv_bias").flag(),
        **_norm(built, dims),
        **_activation(built),
        **({"act_first": True} if built.at("nonlin_first").flag() else {}),
    }


def _norm(built: Value, dims: int) -> Json:
    if not built.at("norm_op").stated:
        return {"norm": "none"}
    name = built.at("norm_op").text().rpartition(".")[2]
    options = built.at("norm_op_kwargs")
    if name.removesuffix(f"{dims}d") not in _NORMS or set(options.table()) - {"eps", "affine"}:
        raise built.at("norm_op").wrong(f"InstanceNorm{dims}d or BatchNorm{dims}d with eps and affine")
    norm = _NORMS[name.removesuffix(f"{dims}d")]
    eps = options.table().get("eps", 1e-5)
    affine = options.table().get("affine", norm == "batch")
    if not isinstance(eps, int | float) or not isinstance(affine, bool):
        raise options.wrong("eps, a number, and affine, true or false")
    return {"norm": norm, "eps": float(eps), "affine": affine}


def _activation(built: Value) -> Json:
    name = built.at("nonlin").text().rpartition(".")[2]
    options = built.at("nonlin_kwargs").table()
    if name not in _ACTIVATIONS or set(options) - {"inplace", "negative_slope"}:
        raise built.at("nonlin").wrong(f"one of {', '.join(_ACTIVATIONS)}")
    slope = options.get("negative_slope", 0.01)
    return {"act": _ACTIVATIONS[name], **({"slope": float(slope)} if name == "LeakyReLU" else {})}


def _old(chosen: Value, dims: int) -> Json:
    """Of plans before nnU-Net 2.5, by the rules that `ConfigurationManager` translates them by."""
    name = chosen.at("UNet_class_name").text()
    if name not in ("PlainConvUNet", "ResidualEncoderUNet"):
        raise InputError(
            f"{chosen.source} names the network '{name or 'none'}'; only PlainConvUNet and ResidualEncoderUNet of "
            "nnU-Net v2 are imported."
        )
    stages = len(chosen.at("pool_op_kernel_sizes").items())
    base = chosen.at("UNet_base_num_features").whole(1, 4096)
    most = chosen.at("unet_max_num_features").whole(1, 65535)
    if base is None or most is None:
        raise chosen.at("UNet_base_num_features").wrong("the number of features")
    return {
        "channels": [min(base * 2**stage, most) for stage in range(stages)],
        "kernels": _per_stage(chosen.at("conv_kernel_sizes"), stages, dims),
        "strides": _per_stage(chosen.at("pool_op_kernel_sizes"), stages, dims),
        "encoder_counts": _integers(chosen.at("n_conv_per_stage_encoder"), stages),
        "decoder_counts": _integers(chosen.at("n_conv_per_stage_decoder"), stages - 1),
        "residual": name == "ResidualEncoderUNet",
        "bias": True,
        "norm": "instance",
        "eps": 1e-5,
        "affine": True,
        "act": "leaky_relu",
        "slope": 0.01,
    }


def _integers(value: Value, count: int) -> list[int]:
    """One whole number per stage; a single one counts for all."""
    items: Sequence[object] = value.content if isinstance(value.content, list) else [value.content] * count
    found = [item for item in items if isinstance(item, int) and not isinstance(item, bool) and 0 < item < 65536]
    if len(found) != count or len(items) != count:
        raise value.wrong(f"{count} whole numbers")
    return found


def _per_stage(value: Value, stages: int, dims: int) -> list[list[int]]:
    """Three numbers per stage; a network of slices does nothing across them."""
    found = []
    for item in value.items():
        numbers = item.content if isinstance(item.content, list) else [item.content] * dims
        if len(numbers) != dims or not all(isinstance(n, int) and 0 < n < 64 for n in numbers):
            raise item.wrong(f"{dims} whole numbers")
        found.append([1] * (3 - dims) + [int(n) for n in numbers])
    if len(found) != stages:
        raise value.wrong(f"{stages} entries, one for each stage")
    return found
