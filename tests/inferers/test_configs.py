"""A bundle's config can name every inferer."""

import pytest
from monai.bundle import ConfigParser
from monai.inferers import Inferer

from monai_unet import inferers

OPTIONS = {
    "WholeVolumeInferer": {"flips": [2], "mirrored_pairs": [[1, 2]]},
    "HaloStripInferer": {"height": 32, "halo": "@_meta_#monai_unet#halo"},
    "StreamingSlidingWindowInferer": {"roi_size": [96, 96, 96], "overlap": 0.5, "skip_below": -1.0},
    "LocalisedInferer": {
        "inferer": {"_target_": "monai_unet.inferers.WholeVolumeInferer"},
        "localiser": {"_target_": "monai_unet.networks.build_unet", "name": "unet", "channels": [4, 8]},
        "factor": 4,
    },
}


@pytest.mark.parametrize("name", OPTIONS)
def test_an_inferer_is_built_from_its_config(name):
    config = {"_meta_": {"monai_unet": {"halo": 16}}, "inferer": {"_target_": f"monai_unet.inferers.{name}"}}
    config["inferer"] |= OPTIONS[name]
    built = ConfigParser(config).get_parsed_content("inferer")
    assert type(built) is getattr(inferers, name)
    assert isinstance(built, Inferer)
    if name == "HaloStripInferer":
        assert built.halo == 16
