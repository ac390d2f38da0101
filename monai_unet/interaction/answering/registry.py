"""Answerers by name: what the command line and the plugin offer to choose from."""

from __future__ import annotations

from monai_unet.interaction.prompts import Answerer

CLASSICAL = "classical"


def build_answerer(name: str, *, trust: bool = False) -> Answerer:
    """The classical method by its name, a server by its address, or else the network of a bundle (name or folder).

    Args:
        trust: consent to run a bundle that is not built in.

    Raises:
        InputError: no such bundle, one that answers no prompts, or one that needs consent; a server out of reach.
    """
    if name == CLASSICAL:
        from monai_unet.interaction.answering.classical import ClassicalAnswerer

        return ClassicalAnswerer()
    if name.lower().startswith(("http://", "https://")):
        from monai_unet.interaction.remote import RemoteAnswerer

        return RemoteAnswerer(name)
    from monai_unet.interaction.answering.network import NetworkAnswerer

    answerer: Answerer = NetworkAnswerer(name, trust=trust)
    return answerer
