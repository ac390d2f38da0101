"""The server: one answerer, loaded once and shared; threads for connections, one thread for answers."""

from __future__ import annotations

import contextlib
import copy
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer

import numpy as np

from monai_unet.errors import InputError
from monai_unet.geometry import Grid
from monai_unet.interaction.answering import CLASSICAL, build_answerer
from monai_unet.interaction.prompts import Answerer, Prompt
from monai_unet.interaction.remote import packer
from monai_unet.interaction.serving.audit import RequestAudit
from monai_unet.interaction.serving.handler import ProtocolHandler
from monai_unet.interaction.serving.kept import MemoryBudget
from monai_unet.interaction.serving.leases import Leases
from monai_unet.interaction.serving.requests import Requests
from monai_unet.interaction.serving.served_case import ServedCase
from monai_unet.interaction.serving.settings import ServeSettings, no_port, read_key
from monai_unet.version import __version__

SWEEP_S = 2.0
_UNASKED = 16
"""Connections beside those of sessions."""

_PREVIOUS_MASK, _REGIONS, _POINTS, _LINES = 0, [1, 2], [3, 4], [5, 6]


class PromptServer(ThreadingHTTPServer):
    """Listens from its making on, and answers prompts once an answerer is there (`use`).

    Args:
        settings: how to serve.

    Raises:
        InputError: the port is taken, the key is no good, or the audit file cannot be written.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, settings: ServeSettings) -> None:
        packer()
        self.settings, self.key, self.ready = settings, read_key(settings), False
        self.audit = RequestAudit(settings.audit)
        self.budget = MemoryBudget(int(settings.memory_gib * 2**30))
        self.most_voxels = int(settings.image_mvoxel * 1e6)
        self.most_bytes = self.most_voxels * 8 + (1 << 20)
        self.leases = Leases(
            self._begin, most=settings.sessions, idle=settings.idle_seconds, alive=settings.alive_seconds
        )
        self._answerer: Answerer | None = None
        self._answers = ThreadPoolExecutor(1, thread_name_prefix="monai-unet answers")
        self._places = threading.BoundedSemaphore(4 * settings.sessions + _UNASKED)
        self._ended = threading.Event()
        self.address_family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        try:
            super().__init__((settings.host, settings.port), ProtocolHandler)
        except OSError as error:
            raise InputError(no_port(settings, error)) from error

    @property
    def address(self) -> str:
        """As a client names it."""
        host = f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host
        return f"http://{host}:{self.server_address[1]}"

    def use(self, answerer: Answerer, *, licence: str) -> None:
        """Answer by this from now on; each session gets a copy of it that has seen no image, and shares its network.

        Args:
            answerer: that has seen no image.
            licence: of its weights, which clients show.
        """
        self._answerer = answerer
        self._answers.submit(self._warm_up).result()
        self.requests = Requests(self.leases, _capabilities(licence), self._answers, most_voxels=self.most_voxels)
        self.ready = True

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """A thread for a connection; one beyond the most is closed."""
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)  # type: ignore[arg-type]

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """The connection, to its end."""
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]
        finally:
            self._places.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Of a connection that broke: nothing to do."""

    @contextlib.contextmanager
    def running(self) -> Iterator[PromptServer]:
        """Serve in threads while the block runs."""
        targets = (self.serve_forever, self._sweep)
        threads = [threading.Thread(target=target, daemon=True) for target in targets]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            self.shutdown()
            self.server_close()
            self._answers.shutdown(wait=True)
            self.leases.close()

    def _begin(self) -> ServedCase:
        answerer = self._answerer
        assert answerer is not None
        fresh: Callable[[], Answerer] = lambda: copy.copy(answerer)  # noqa: E731
        on_disk = self.settings.images == "disk"
        return ServedCase(fresh, self.budget, most_voxels=self.most_voxels, on_disk=on_disk)

    def _sweep(self) -> None:
        while not self._ended.wait(SWEEP_S):
            for lease, why in self.leases.sweep():
                self.audit.note(f"session={lease.number} ended, {why}")

    def _warm_up(self) -> None:
        """What is compiled at a first click is compiled now."""
        if self.settings.answer_threads:
            import torch

            torch.set_num_threads(self.settings.answer_threads)
        answerer = copy.copy(self._answerer)
        assert answerer is not None
        image = np.random.default_rng(0).normal(size=(24, 24, 24)).astype(np.float32)
        image[8:16, 8:16, 8:16] += 5
        answerer.start(image, Grid((24, 24, 24), np.eye(4)))
        mask = np.zeros(image.shape, dtype=bool)
        prompts = [Prompt("point", True, np.full((1, 3), 12.0)), Prompt("point", False, np.full((1, 3), 3.0))]
        for count in (1, 2):
            answer = answerer.answer(prompts[:count], mask)
            mask[answer.box] = answer.mask


def serve(settings: ServeSettings, *, trust: bool = False, said: Callable[[str], None] = print) -> None:
    """Serve until the process is told to stop.

    Args:
        trust: consent to run a bundle that is not built in.
        said: gets one line when it listens, and one when it answers.

    Raises:
        InputError: it cannot be started.
    """
    with PromptServer(settings).running() as server:
        said(f"listening on {server.address}; loading {settings.bundle}")
        server.use(build_answerer(settings.bundle, trust=trust), licence=_licence(settings.bundle))
        said(f"ready: {settings.bundle} answers on {server.address}")
        threading.Event().wait()


def _licence(bundle: str) -> str:
    if bundle == CLASSICAL:
        return "Apache-2.0"
    from monai_unet.bundle_format import find_bundle

    return " ".join(find_bundle(bundle).description.license.split())[:200] or "!!MISSING!!"


def _capabilities(licence: str) -> Mapping[str, object]:
    """What the official server says of itself, of ours; channels are its way to say which marks there are."""
    return {
        "supported_interactions": dict.fromkeys(("points", "bbox2d", "bbox3d", "scribble", "lasso"), True),
        "channel_mapping": {
            "prev_seg": _PREVIOUS_MASK,
            "bbox2d": _REGIONS,
            "bbox3d": _REGIONS,
            "lasso": _REGIONS,
            "points": _POINTS,
            "scribble": _LINES,
        },
        "num_interaction_channels": 7,
        "supports_initial_label": True,
        "supports_zero_shot_label_refinement": False,
        "preferred_scribble_thickness": [2, 2, 2],
        "interaction_decay": 1.0,
        "patch_size": None,
        "do_autozoom": True,
        "inference_session_version": f"monai-unet {__version__}",
        "license": licence,
        "supports_undo": True,
    }
