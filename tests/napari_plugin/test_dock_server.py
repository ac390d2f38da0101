"""A server of nnInteractive's protocol in the dock: asked, read, agreed to; then it answers clicks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dock_cases import opened
from plugin_cases import write_volume_file

pytest.importorskip("blosc2")
pytestmark = pytest.mark.display


def chosen(dock: Any, address: str, wait: Callable[..., None]) -> None:
    """Choose a server as a user does."""
    refine = dock.refine
    dock.tabs.show_panel(refine)
    refine.method.setCurrentIndex(refine.method.findText("Server…"))
    refine._on_method()
    refine.server.address.setText(address)
    refine.server.ask_button.click()
    wait(lambda: not dock.controller.jobs.running)
    wait(seconds=0.05)


def clicked(dock: Any, mouse: Any, wait: Callable[..., None]) -> None:
    dock.refine.choose("point")
    mouse.click([n // 2 for n in dock.controller.reference.grid.shape])
    wait(lambda: dock.editing.session.candidate is not None and not dock.editing.answers.running)


def test_a_server_answers_after_its_licence_was_shown_and_agreed_to(
    dock: Any, tmp_path: Path, wait: Callable[..., None]
) -> None:
    from monai_unet.interaction import build_answerer
    from monai_unet.interaction.serving import PromptServer, ServeSettings

    mouse = opened(dock, write_volume_file(tmp_path / "volume.nii.gz", "RAS"), wait)
    before = dock.editing.method
    with PromptServer(ServeSettings(port=0, bundle="classical")).running() as server:
        server.use(build_answerer("classical"), licence="CC BY-NC-SA 4.0")
        chosen(dock, server.address, wait)
        assert "CC BY-NC-SA 4.0" in dock.refine.server.facts.text()
        assert dock.editing.method == before
        assert len(server.leases) == 0  # nothing was sent
        dock.refine.server.use_button.click()
        assert dock.editing.method == server.address
        assert dock.refine.method.currentData() == server.address
        clicked(dock, mouse, wait)
        assert len(server.leases) == 1
        dock.editing.accept()
        assert dock.editing.session.labels.any()
    dock.editing.submit(dock.editing.session.prompts(dock.editing.active)[0])
    wait(lambda: not dock.editing.answers.running)
    assert "cannot be reached" in dock.status.text()


def test_what_is_no_server_is_said_and_the_former_method_stays(
    dock: Any, tmp_path: Path, wait: Callable[..., None]
) -> None:
    before = dock.editing.method
    for address, words in (("host", "no server's address"), ("http://127.0.0.1:9", "cannot be reached")):
        chosen(dock, address, wait)
        assert words in dock.status.text()
        assert not dock.refine.server.use_button.isVisibleTo(dock)
    assert dock.editing.method == before


def test_the_official_servers_application_answers_clicks_in_the_dock(
    dock: Any, tmp_path: Path, wait: Callable[..., None]
) -> None:
    from official_server import LICENCE, official_server

    mouse = opened(dock, write_volume_file(tmp_path / "volume.nii.gz", "RAS"), wait)
    with official_server() as address:
        chosen(dock, address, wait)
        assert LICENCE in dock.refine.server.facts.text()
        dock.refine.server.use_button.click()
        clicked(dock, mouse, wait)
        _, _, mask = dock.editing.session.candidate
        middle = tuple(n // 2 for n in dock.controller.reference.grid.shape)
        dock.editing.accept()
        assert dock.editing.session.labels[middle]
        assert mask.any()
