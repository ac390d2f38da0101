"""The archive behind a server's settings."""

from __future__ import annotations

from monai_unet.errors import InputError
from monai_unet.io.dicom.network.queries import Archive
from monai_unet.io.dicom.network.servers import DimseServer, Server


def open_archive(server: Server) -> Archive:
    """The PACS; nothing is asked of it yet.

    Raises:
        InputError: the package that speaks to it is missing, or its certificates cannot be used.
    """
    try:
        if isinstance(server, DimseServer):
            from monai_unet.io.dicom.network.dimse import DimseArchive

            return DimseArchive(server)
        from monai_unet.io.dicom.network.dicomweb import WebArchive

        return WebArchive(server)
    except ModuleNotFoundError as error:
        raise InputError(
            f"a PACS needs {error.name}, which is missing; pip install 'monai-unet[dicom-network]'"
        ) from None
