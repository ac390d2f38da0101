"""`python -m monai_unet` is the console script `monai-unet`."""

import sys

from monai_unet.cli import main

if __name__ == "__main__":
    sys.exit(main())
