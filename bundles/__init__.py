"""The built-in MONAI bundles, installed as `monai_unet.bundles`; each folder is a complete bundle."""
