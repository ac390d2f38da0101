"""A server of nnInteractive's protocol within box 3: its address, its licence, and only then images go to it."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtWidgets import QLineEdit, QVBoxLayout, QWidget

from monai_unet.errors import InputError
from monai_unet.interaction.remote import RemoteAnswerer, ServerFacts
from monai_unet.io import plain
from napari_plugin.case import WARNING, Controller, once
from napari_plugin.panels.layout import button, sentence


class ServerPicker(QWidget):
    """Address and key of a server, what it says of itself, and a button that agrees to send it images; hidden at first.

    Args:
        controller: of the dock.
        use: gets what makes an answerer, and the server's address, once the user has agreed.
    """

    def __init__(self, controller: Controller, use: Callable[[Callable[[], RemoteAnswerer], str], None]) -> None:
        super().__init__()
        self.controller, self._use = controller, use
        self._asked: tuple[ServerFacts, str | None] | None = None
        self.address, self.key = QLineEdit(), QLineEdit()
        self.address.setPlaceholderText("http://host:1527")
        self.address.setToolTip("Address of a server of nnInteractive's protocol")
        self.address.setAccessibleName("Server's address")
        self.key.setPlaceholderText("its key, where it asks for one")
        self.key.setToolTip("The key is not kept; without one that of $NN_INTERACTIVE_API_KEY is sent")
        self.key.setAccessibleName("Server's key")
        self.key.setEchoMode(QLineEdit.EchoMode.Password)
        self.ask_button = button(
            "Ask it", "Ask the server what it is and under which licence; nothing is sent", self.ask
        )
        self.facts = sentence()
        self.use_button = button("Send images to it", "From now on this server answers the prompts", self._agree)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        for widget in (self.address, self.key, self.ask_button, self.facts, self.use_button):
            column.addWidget(widget)
        for line in (self.address, self.key):
            line.textEdited.connect(lambda text: self._forget())
            line.returnPressed.connect(self.ask)
        self._forget()
        self.hide()

    def ask(self) -> None:
        """Show what the server says of itself."""
        address, key = self.address.text().strip(), self.key.text().strip() or None
        self._forget()
        try:
            RemoteAnswerer.check_address(address)
        except InputError as error:
            self.controller.say(str(error), WARNING)
            return

        def show(facts: ServerFacts) -> None:
            self._asked = facts, key
            self.facts.setText(plain(facts.sentence))
            self.facts.show()
            self.use_button.show()
            self.controller.say("Read what the server says of itself, then agree to send it images, or leave it.")

        same = (address, key)
        self.controller.say("Asking the server …")
        self.controller.run(
            once(lambda: RemoteAnswerer(address, key=key).facts),
            done=show,
            current=lambda: (self.address.text().strip(), self.key.text().strip() or None) == same,
        )

    def _agree(self) -> None:
        if self._asked is None:
            return
        facts, key = self._asked
        self.hide()
        self._use(lambda: RemoteAnswerer(facts.address, key=key), facts.address)
        self.controller.say(f"{facts.address} answers the prompts from now on.")

    def _forget(self) -> None:
        self._asked = None
        self.facts.hide()
        self.use_button.hide()
