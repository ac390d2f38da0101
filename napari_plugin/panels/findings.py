"""Findings: the table of lesions with their measurements, and what can be done to a whole lesion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QLineEdit,
    QTableWidgetItem,
)

from monai_unet.interaction.session import Change, EditSession, SegmentObject
from monai_unet.io import plain
from monai_unet.measurement import Lesion, Target, acquisition_axis, recist_objections
from napari_plugin.case import (
    BackgroundWork,
    Editing,
    Findings,
    Uptakes,
    Wholes,
    centre_voxel,
    chosen_targets,
    in_parts,
    measure_objects,
    measure_uptakes,
    measure_wholes,
    rules_of,
    sum_of_targets,
    uptake_text,
    wholes_of,
)
from napari_plugin.panels.layout import Panel, button, sentence, tip
from napari_plugin.panels.lesion_table import AXES, LOCK, MEAN, ML, NAME, TARGET, LesionTable, numbers, written

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

_WAIT_MS = 250


class FindingsPanel(Panel):
    """One row for each object: tick = visible, name (double click renames), volume, RECIST axes, mean, lock, target.

    Below them, without ticks, the wholes that classes of one tumour are parts of.
    """

    def __init__(
        self,
        editing: Editing,
        *,
        go_to: Callable[[tuple[int, int, int]], None],
        draw_axes: Callable[[Iterable[Lesion]], None],
        show_surface: Callable[[int], None],
        plane_axis: Callable[[], int],
    ) -> None:
        super().__init__("Findings")
        self.editing, self._go_to, self._draw_axes, self._plane_axis = editing, go_to, draw_axes, plane_axis
        self.findings: Findings = {}
        self.wholes: Wholes = {}
        self.uptakes: Uptakes = {}
        self._stale: set[int] = set()
        self._measuring = BackgroundWork(self)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_WAIT_MS)
        self._timer.timeout.connect(self._measure)
        self.table = LesionTable()
        # arrows walk in it, Return goes to the lesion
        self.table.cellActivated.connect(self._on_clicked)
        self.table.cellClicked.connect(self._on_clicked)
        self.table.itemChanged.connect(self._on_item)
        self.total = sentence()
        self.total.setFixedHeight(3 * self.total.fontMetrics().lineSpacing() + 2)
        self.total.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.kind = QLineEdit()
        self.kind.setPlaceholderText("Class, e.g. tumour")
        self.kind.setToolTip("What the selected lesions are; those of one class are one label when saved for training")
        self.kind.editingFinished.connect(self._classify)
        self.organ = QLineEdit()
        self.organ.setPlaceholderText("Organ, e.g. liver")
        self.organ.setToolTip(
            "RECIST 1.1 takes at most two target lesions of an organ; of a node the short axis counts"
        )
        self.organ.editingFinished.connect(self._locate)
        self.organ.returnPressed.connect(self.organ.clearFocus)
        # the next letter is a key of the dock again
        self.kind.returnPressed.connect(self.kind.clearFocus)
        self.axes = QCheckBox("Draw axes")
        self.axes.setToolTip("Long and short axis of each lesion in its slice (RECIST 1.1)")
        self.axes.toggled.connect(lambda checked: self._show_axes())
        new = button("New", "Begin another lesion", editing.new_object, name="new object")
        delete = button("Delete", "Delete the selected lesions", self._delete)
        split = button("Split", "Make each separate part of the lesion a lesion of its own", self._split)
        merge = button("Merge", "Merge the selected lesions into the first of them", self._merge)
        between = button(
            "Fill between",
            "Fill the empty slices between painted ones in this plane",
            self.fill_between,
            name="fill between",
        )
        holes = button("Fill holes", "Fill what the lesion encloses", self._holes)
        surface = button(
            "3D surface", "Show the lesions as surfaces; again: back to slices", self._surface(show_surface)
        )
        self.rows.addWidget(self.table, 1)
        self.add(self.total)
        self.add(self.axes, surface)
        self.add(self.kind, self.organ)
        self.add(new, delete, split, merge, stretch=(6, 7, 5, 6))
        self.add(between, holes, stretch=(3, 2))
        editing.session_changed.connect(self._on_session)
        editing.edited.connect(self._on_change)
        editing.active_changed.connect(self._select)
        self._on_session()

    def release(self) -> None:
        """Stop measuring."""
        self._timer.stop()
        self._measuring.close()

    def selected(self) -> list[int]:
        """Values of the selected rows, else of the active object."""
        rows = sorted({index.row() for index in self.table.selectionModel().selectedRows()})
        values = [value for row in rows if (value := self.table.value(row))]
        return values or ([self.editing.active] if self.editing.active else [])

    def _on_session(self) -> None:
        self.findings.clear()
        self.wholes.clear()
        self.uptakes.clear()
        session = self.editing.session
        self._stale = {item.value for item in session.objects} if session is not None else set()
        self._fill_table()
        self._timer.start()

    def _on_change(self, change: Change) -> None:
        if change.objects or change.values:
            self._stale |= set(change.values)
            session = self.editing.session
            known = {item.value for item in session.objects} if session is not None else set()
            self.findings = {value: lesion for value, lesion in self.findings.items() if value in known}
            self._stale &= known
            if change.objects:
                self._fill_table()
            self._timer.start()

    def _measure(self) -> None:
        session = self.editing.session
        if session is None or self._measuring.running or not self._stale:
            self._show_total()
            return
        values, self._stale = sorted(self._stale), set()
        image = session.image if session.image.ndim == 3 else session.image[0]

        wholes = {name: held for name, held in wholes_of(session.objects).items() if {*held} & {*values}}

        reference = self.editing.controller.reference
        suv = None if reference is None else reference.suv

        def measure() -> Generator[None, None, tuple[Findings, Wholes, Uptakes]]:
            found = yield from measure_objects(session.labels, image, session.grid, values)
            measured = yield from measure_wholes(session.labels, image, session.grid, wholes)
            return found, measured, measure_uptakes(session.labels, image, session.grid, values, suv)

        def done(measured: tuple[Findings, Wholes, Uptakes]) -> None:
            if self.editing.session is session:
                self.uptakes = {v: u for v, u in self.uptakes.items() if v not in values} | measured[2]
                found, self.wholes = measured[0], {**self.wholes, **measured[1]}
                known = {item.value for item in session.objects}
                self.findings |= {value: lesion for value, lesion in found.items() if value in known}
                self._write_numbers()
                self._show_axes()
            if self._stale:
                self._timer.start()

        self._measuring.start(measure, done=done, failed=self._failed)

    def _failed(self, sentence: str) -> None:
        self.editing.controller.say(sentence, "error")

    def _fill_table(self) -> None:
        session = self.editing.session
        objects = session.objects if session is not None else ()
        self.table.blockSignals(True)
        self._wholes = list(wholes_of(objects))
        self.table.setRowCount(len(objects) + len(self._wholes))
        for row, item in enumerate(objects):
            self.table.fill_row(row, item)
        for row, name in enumerate(self._wholes, start=len(objects)):
            self.table.fill_whole(row, name)
        self.table.blockSignals(False)
        self._write_numbers()
        self._select(self.editing.active)

    def _write_numbers(self) -> None:
        self.table.blockSignals(True)
        for row in range(self.table.rowCount()):
            value, name = self.table.value(row), self.table.cell(row, NAME).text()
            measured = value in self.findings if value else name in self.wholes
            if not measured:
                continue
            lesion = self.findings[value] if value else self.wholes[name]
            uptake = self.uptakes.get(value)
            texts = numbers(lesion) if uptake is None else (*numbers(lesion)[:2], written(uptake.mean))
            for column, text in zip((ML, AXES, MEAN), texts, strict=True):
                self.table.cell(row, column).setText(text)
            self._explain(row, value, name, lesion)
        self.table.blockSignals(False)
        self._show_total()

    def _explain(self, row: int, value: int, name: str, lesion: Lesion | None) -> None:
        """The rule of each number."""
        session, image = self.editing.session, self.editing.controller.reference
        if lesion is None or session is None or image is None:
            return
        item = session.object(value) if value else None
        rules = rules_of(item, lesion, session.grid, image.unit)
        uptake = uptake_text(self.uptakes.get(value)) or image.no_suv
        apart = in_parts(name, lesion)
        for column, lines in (
            (ML, [rules["volume"]]),
            (AXES, [apart, rules["axes"]]),
            (MEAN, [uptake, rules["mean"]]),
        ):
            self.table.cell(row, column).setToolTip(tip("\n".join(filter(None, lines))))

    def _show_total(self) -> None:
        session = self.editing.session
        objects = session.objects if session is not None else ()
        total = sum_of_targets(objects, self.findings)
        if not total:
            total = "Σ ticks a target lesion for the sum of long axes." if objects else "No lesion yet."
        apart = [in_parts(item.name, self.findings.get(item.value)) for item in objects]
        several = [sentence for sentence in apart if sentence]
        more = f" * {several[0]}" if several else ""
        more += f" So are {len(several) - 1} more." if len(several) > 1 else ""
        against = recist_objections(chosen_targets(objects, self.findings), self._slice_mm())
        text = plain(" ".join([total, *against]) + more, lines=True)
        self.total.setText(text)
        self.total.setToolTip(tip(text))

    def _show_axes(self) -> None:
        session = self.editing.session
        shown = {item.value for item in session.objects if item.visible} if session is not None else set()
        lesions = [lesion for value, lesion in self.findings.items() if lesion is not None and value in shown]
        self._draw_axes(lesions if self.axes.isChecked() else ())

    def _select(self, value: int) -> None:
        for row in range(self.table.rowCount()):
            if self.table.value(row) == value:
                self.table.blockSignals(True)
                self.table.selectRow(row)
                self.table.blockSignals(False)
        session = self.editing.session
        known = [item for item in session.objects if item.value == value] if session is not None else []
        self.kind.setText(known[0].class_name if known else "")
        self.organ.setText(known[0].organ if known else "")

    def _on_clicked(self, row: int, column: int) -> None:
        value = self.table.value(row)
        if value:
            self.editing.set_active(value)
        lesion = self.findings.get(value) if value else self.wholes.get(self.table.cell(row, NAME).text())
        session = self.editing.session
        if column not in (LOCK, TARGET) and lesion is not None and session is not None:
            self._go_to(centre_voxel(lesion, session.grid))

    def _on_item(self, cell: QTableWidgetItem) -> None:
        """A tick or a name was changed in the table."""
        value = self.table.value(cell.row())
        checked = cell.checkState() == Qt.CheckState.Checked
        session = self.editing.session
        item = next((o for o in session.objects if o.value == value), None) if session is not None else None
        if item is None:
            return
        if cell.column() == LOCK:
            said = f"{item.name} is {'locked: nothing changes it' if checked else 'unlocked'}."
            self.editing.do(lambda session: session.update_object(value, locked=checked), said)
        elif cell.column() == TARGET:
            self._choose_target(item, checked)
        elif checked != item.visible:
            self.editing.do(lambda session: session.set_visible(value, checked))
            self._show_axes()
        elif cell.text().strip() != item.name:
            self.editing.do(lambda session: session.update_object(value, name=cell.text().strip()))
            self._fill_table()

    def _choose_target(self, item: SegmentObject, chosen: bool) -> None:
        """Count a lesion in the sum; of the parts of one tumour only one counts."""
        session = self.editing.session
        assert session is not None
        others = [o for o in session.objects if o.target and o.value != item.value and {*o.regions} & {*item.regions}]
        lesion = self.findings.get(item.value)
        against = [] if lesion is None else recist_objections([Target(item.name, lesion, item.organ)], self._slice_mm())
        said = f"{item.name} counts in the sum." if chosen else f"{item.name} does not count in the sum."
        if chosen and others:
            said = f"{item.name} counts in the sum in place of {others[0].name}: both are parts of one tumour."
        elif chosen and against:
            said = f"{item.name} counts in the sum all the same. {against[0]}"
        for other in others if chosen else ():
            self._set_target(other.value, False)
        self._set_target(item.value, chosen, said)

    def _set_target(self, value: int, chosen: bool, said: str = "") -> None:
        self.editing.do(lambda session: session.update_object(value, target=chosen), said)

    def _slice_mm(self) -> float:
        session = self.editing.session
        return 0.0 if session is None else session.grid.spacing[acquisition_axis(session.grid)]

    def _locate(self) -> None:
        text = self.organ.text().strip()
        self._each(lambda session, value: session.update_object(value, organ=text))
        self._show_total()

    def _classify(self) -> None:
        text = self.kind.text().strip()
        self._each(lambda session, value: session.update_object(value, class_name=text))

    def _delete(self) -> None:
        self._each(lambda session, value: session.delete_object(value), "Deleted; Ctrl+Z takes it back.")

    def _each(self, operation: Callable[[EditSession, int], Change], said: str = "") -> None:
        """One step of the session for each chosen object."""
        for value in self.selected():

            def one(session: EditSession, value: int = value) -> Change:
                return operation(session, value)

            self.editing.do(one, said)

    def _split(self) -> None:
        if self.selected():
            value = self.selected()[0]
            self.editing.do(lambda session: session.split_components(value), "Split into its separate parts.")

    def _merge(self) -> None:
        values = self.selected()
        if values:
            self.editing.do(lambda session: session.merge(values[1:], values[0]), "Merged.")

    def fill_between(self) -> None:
        """Fill the empty slices of the active lesion between painted ones, across the shown plane."""
        if self.selected():
            value, axis = self.selected()[0], self._plane_axis()
            self.editing.do(lambda session: session.fill_between_slices(value, axis), "The slices between are filled.")

    def _holes(self) -> None:
        if self.selected():
            value = self.selected()[0]
            self.editing.do(lambda session: session.fill_holes(value), "Holes are filled.")

    def _surface(self, show_surface: Callable[[int], None]) -> Callable[[], None]:
        return lambda: show_surface(self.editing.active)
