"""The edit session of the open case and what asks it questions: the one place where panels change a segmentation."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from monai_unet.errors import InputError
from monai_unet.interaction import Answerer, Prompt
from monai_unet.interaction.session import EditSession, Question, Reply, StaleReplyError
from napari_plugin.case.controller import ERROR, WARNING, Controller
from napari_plugin.case.opening import title
from napari_plugin.case.recovery import Journals
from napari_plugin.case.series_answerer import Prepared, SeriesAnswerer
from napari_plugin.case.work import BackgroundWork, sentence_of
from napari_plugin.shortcuts import with_keys

OBJECT_CLASS = "lesion"


class Editing(QObject):
    """Holds the `EditSession`, the active object and the answerer; answers prompts one after the other.

    Attributes:
        session: None as long as no image is open.
        active: value of the active object, 0 for none.
        answer_at_once: whether each prompt is answered as it comes; otherwise they wait for `answer_waiting`.
        made_by: provenance of the automatic result that the session began with; empty without.
        method: name of what answers prompts.
        unsaved: whether something was changed since the last save.
        steps: how many changes there were, to see whether a save in the background has them all.
    """

    session_changed = Signal()
    edited = Signal(object)
    """A `Change` of the session."""
    active_changed = Signal(int)
    waiting_changed = Signal(int)
    """How many prompts wait for their answer."""

    def __init__(
        self,
        controller: Controller,
        build_answerer: Callable[[], Answerer],
        journals: Journals | None = None,
        *,
        method: str = "",
    ) -> None:
        super().__init__(controller)
        self.controller = controller
        self.session: EditSession | None = None
        self.active = 0
        self.answer_at_once = True
        self.made_by: dict[str, Any] = {}
        self.unsaved = False
        self.steps = 0
        self.journals = journals or Journals()
        self.answers = BackgroundWork(self)
        self.method = method
        self._build_answerer = build_answerer
        self._prepared: dict[str, Answerer] = {}
        self._waiting: list[tuple[int, Prompt]] = []
        controller.reference_changed.connect(self._on_reference)
        controller.images_changed.connect(self._forget_unseen)
        self._on_reference()

    # -- session ------------------------------------------------------------------------------------------------

    @property
    def has_unsaved_work(self) -> bool:
        """Whether something would be missed: an empty lesion would not."""
        session = self.session
        return self.unsaved and session is not None and (bool(session.labels.any()) or session.candidate is not None)

    def recover(self) -> None:
        """Take up the work on this image that an earlier run did not save."""
        reference, session = self.controller.reference, self.session
        if reference is None or session is None:
            return
        try:
            found, notes = self.journals.recover(session)
        except InputError as error:
            self.controller.say(str(error), ERROR)
            return
        self._use(found)
        self.unsaved = True
        self.controller.say(" ".join(["Your earlier work is back, with its undo history.", *notes]))

    def set_answerer(self, build: Callable[[], Answerer], method: str = "") -> None:
        """Answer by another method from now on."""
        self._build_answerer, self._prepared, self.method = build, {}, method

    def close(self) -> None:
        """Stop answering and close the session; its journal stays where work is unsaved."""
        self.answers.close()
        self._end()

    def _on_reference(self) -> None:
        reference = self.controller.reference
        self._end()
        if reference is None:
            self.session_changed.emit()
            return
        session = EditSession(reference.array, reference.grid)
        try:
            self.journals.begin(session, reference.name)
        except InputError as error:
            self.controller.say(f"This session is not saved as it goes: {error}", WARNING)
        self._use(session)

    def _use(self, session: EditSession) -> None:
        if self.session is not None and self.session is not session:
            self._end()
        self.session = session
        session.subscribe(self._on_change)
        self.active = session.objects[0].value if session.objects else 0
        self.session_changed.emit()

    def _end(self) -> None:
        self._waiting.clear()
        self.answers.stop()
        self._prepared = {}
        self.made_by = {}
        if self.session is not None:
            self.journals.end(self.session, keep=self.unsaved)
            self.session.close()
        self.session, self.active, self.unsaved = None, 0, False

    def _on_change(self, change: Any) -> None:
        self.unsaved = True
        self.steps += 1
        session = self.session
        if session is not None and self.active not in [item.value for item in session.objects]:
            self.set_active(session.objects[-1].value if session.objects else 0)
        self.edited.emit(change)
        if change.notes:
            self.controller.say(with_keys(" ".join(change.notes)), WARNING)

    # -- objects ------------------------------------------------------------------------------------------------

    def set_active(self, value: int) -> None:
        """Take an active object: prompts and the brush are about it."""
        if value != self.active:
            self.active = value
            self.active_changed.emit(value)

    def do(self, operation: Callable[[EditSession], Any], said: str = "") -> Any:
        """Run one operation of the session; what it refuses is said. None where there is no session or it refused."""
        if self.session is None:
            self.controller.say("Open an image first.", WARNING)
            return None
        try:
            result = operation(self.session)
        except (InputError, StaleReplyError) as error:
            self.controller.say(str(error), WARNING)
            return None
        except (MemoryError, OSError) as error:
            self.controller.say(sentence_of(error), ERROR)
            return None
        if said and not getattr(result, "notes", ()):
            self.controller.say(said)
        return result

    def new_object(self) -> int:
        """A new, empty object, made the active one."""

        def add(session: EditSession) -> int:
            count = 1 + len(session.objects)
            names = {item.name for item in session.objects}
            while f"{OBJECT_CLASS} {count}" in names:
                count += 1
            return session.add_object(f"{OBJECT_CLASS} {count}", OBJECT_CLASS)

        value = self.do(add)
        if value:
            self.set_active(value)
            self.controller.say(f"{self.session.object(value).name}: click into it, or paint it.")  # type: ignore[union-attr]
        return value or 0

    def undo(self) -> None:
        """Take the last step back."""
        self._step("undo")

    def redo(self) -> None:
        """Make the last undone step again."""
        self._step("redo")

    def _step(self, verb: str) -> None:
        self._forget_waiting()
        change = self.do(lambda session: getattr(session, verb)())
        if change is not None:
            self.controller.say(f"{change.what.capitalize()}.")
        elif self.session is not None:
            self.controller.say(f"There is nothing to {verb}.")

    def import_labels(self, labels: NDArray[Any], objects: Sequence[Any], what: str, made_by: dict[str, Any]) -> bool:
        """Replace the label map by an automatic result or a mask from a file, as one step.

        Labels (S, A, R) on the grid of the reference.
        """
        self._forget_waiting()
        change = self.do(lambda session: session.import_labels(labels, objects, what=what))
        if change is None:
            return False
        self.made_by = made_by
        if self.session is not None and self.session.objects:
            self.set_active(self.session.objects[0].value)
        return True

    # -- prompts ------------------------------------------------------------------------------------------------

    def submit(self, prompt: Prompt) -> None:
        """A prompt on the active object (a new one where there is none): answered now, or kept waiting."""
        if self.session is None:
            self.controller.say("Open an image first.", WARNING)
            return
        value = self.active or self.new_object()
        if not value:
            return
        self._waiting.append((value, replace(prompt, method=self.method)))
        self.waiting_changed.emit(len(self._waiting))
        if self.answer_at_once:
            self.answer_waiting()
        else:
            self.controller.say(f"{len(self._waiting)} prompts wait; press Answer.")

    def answer_waiting(self) -> None:
        """Answer the prompts that wait, oldest first."""
        if not self._waiting or self.answers.running or self.session is None:
            return
        value, prompt = self._waiting.pop(0)
        self.waiting_changed.emit(len(self._waiting))
        question = self.do(lambda session: session.question(value, prompt))
        if question is None:
            self.answer_waiting()
        else:
            self._ask(question, self._propose)

    def remove_prompt(self, number: int) -> None:
        """Take one prompt away and answer the others again."""
        question = self.do(lambda session: session.question_without(number))
        if question is None:
            return
        session = self.session
        was_candidate = session is not None and session.candidate is not None and session.candidate[0] == question.value
        self._ask(question, self._propose if was_candidate else self._take)

    def accept(self) -> None:
        """Take the candidate into the label map."""
        self.do(lambda session: session.accept(), "Accepted. N begins the next lesion; Ctrl+Z takes it back.")

    def drop(self) -> None:
        """Forget the candidate and its prompts."""
        self._forget_waiting()
        self.do(lambda session: session.drop(), "Dropped.")

    def _forget_unseen(self) -> None:
        """What was prepared of a series that is no longer shown takes memory for nothing."""
        shown = {image.key for image in self.controller.images}
        self._prepared = {key: answerer for key, answerer in self._prepared.items() if key in shown}

    def _forget_waiting(self) -> None:
        self._waiting.clear()
        self.answers.stop()
        self.waiting_changed.emit(0)

    def _ask(self, question: Question, use: Callable[[Reply], None]) -> None:
        session, build = self.session, self._build_answerer
        assert session is not None
        shown = {image.key: image for image in self.controller.images}
        names = {entry.series or entry.path: title(entry) for entry in self.controller.entries}
        names |= {key: image.name for key, image in shown.items()}
        arrays = {key: image.array for key, image in shown.items()}
        answerer = SeriesAnswerer(build, arrays, names, session.grid, self._prepared)
        prompts = [entry for entry in question.entries if isinstance(entry, Prompt)]
        ready = all(prompt.series in self._prepared for prompt in prompts)

        def answer() -> Generator[Any, None, Reply]:
            yield None
            yield from answerer.prepare(prompts)
            return (yield from question.steps(answerer))

        def keep(step: Any) -> None:
            # by now another image may be open, or another method chosen
            if isinstance(step, Prepared) and self.session is session and self._build_answerer is build:
                self._prepared[step.series] = step.answerer

        def done(reply: Reply) -> None:
            if self.session is session:
                use(reply)
            self.answer_waiting()

        def failed(sentence: str) -> None:
            self._waiting.clear()
            self.waiting_changed.emit(0)
            self.controller.say(sentence, ERROR)

        if self.answers.start(answer, done=done, failed=failed, progress=keep, stopped=self.answer_waiting):
            self.controller.say("Answering …" if ready else "Preparing the image for prompts …")
        else:
            self.controller.say("The last prompt is still being answered; try again in a moment.", WARNING)

    def _propose(self, reply: Reply) -> None:
        change = self.do(lambda session: session.propose(reply))
        if change is not None and not change.notes:
            size, series = self._candidate_ml(), self._answered_from(reply)
            self.controller.say(f"{size:.2f} ml{series}. U accepts it; more prompts correct it.")

    def _take(self, reply: Reply) -> None:
        self.do(lambda session: session.take(reply), "The prompt was removed and the others were answered again.")

    def _answered_from(self, reply: Reply) -> str:
        """Which series the newest prompt was answered from, where several are shown."""
        prompts = reply.question.trail.prompts
        images = self.controller.images
        if len(images) < 2 or not prompts:
            return ""
        asked = next((image for image in images if image.key == prompts[-1].series), images[0])
        return f" from {asked.name}"

    def _candidate_ml(self) -> float:
        session = self.session
        taken = session.candidate_taken() if session is not None else None
        return 0.0 if session is None or taken is None else float(taken[1].sum()) * session.grid.voxel_ml
