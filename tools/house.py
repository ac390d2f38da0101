"""Numbers of the house, counted from the source: rooms, imports, names, docstrings, `Any`, sizes.

Usage: python tools/house.py            the numbers
       python tools/house.py --list     and each place that keeps one from its aim
"""

from __future__ import annotations

import argparse
import ast
import configparser
import io
import re
import statistics
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("monai_unet", "napari_plugin")

ARRAY = re.compile(r"\b(ndarray|NDArray|ArrayLike|\w*Array|Tensor|MetaTensor)\b")
# `(S, A, R)`, `(n, 3)`, "4 × 4", "on one grid", "of any shape": what a docstring says of an array's form
SHAPE = re.compile(
    r"""\([^()]*,[^()]*\) | \bshapes?\b | \bgrids?\b | \bscalar | \b[123]-?D\b | \bvectors?\b | \bmatri | \d\ ?[x×]\ ?\d
    | channels?[- ]first | \bone[ ](number|value)[ ](per|for[ ]each)""",
    re.IGNORECASE | re.VERBOSE,
)
AXES = re.compile(
    r"""\([^()]*\b([SARzyxDHWBCNnkK]|depth|batch|channels?|classes|sequences?|planes?|rows?|points|voxels|cases)\b[^()]*\)
    | \b[Aa]x[ei]s\b | working[ ]frame | \bany[ ]shape | channels?[- ]first | \d\ ?[x×]\ ?\d | \bscalar | \b1-?D\b
    | \bvectors?\b | \bone[ ](number|value)[ ](per|for[ ]each)""",
    re.VERBOSE,
)
UNIT = re.compile(
    r"""\b(mm|mm[²³]|millimet\w+|voxels?|ml|millilit\w+|HU|degrees?|radians?|pixels?|seconds?|ind(ex|ices)|labels?|bool(ean)?s?
    |masks?|probabilit\w+|logits?|intensit\w+|z-scores?|weights?|class(es)?|0[ ](to|and|or|\.\.)[ ]1|one-hot|units?
    |bytes)\b""",
    re.IGNORECASE | re.VERBOSE,
)
ERRORS = re.compile(r"\b(Raises?|InputError|\w+Error|refus\w+)\b")


@dataclass(frozen=True)
class Import:
    """One name that a module takes from this project: `source` is the module named, `name` what is taken from it.

    `when` is "load" (with the module), "late" (inside a function) or "typing" (under TYPE_CHECKING, never run).
    """

    source: str
    name: str | None
    line: int
    when: str


@dataclass
class Module:
    """A source file: its dotted name, its tree, and whether it is a package's `__init__`."""

    name: str
    path: Path
    text: str
    is_package: bool
    tree: ast.Module = field(init=False)

    def __post_init__(self) -> None:
        self.tree = ast.parse(self.text)

    @property
    def package(self) -> str:
        return self.name if self.is_package else self.name.rpartition(".")[0]

    @cached_property
    def imports(self) -> list[Import]:
        return list(self._walk(self.tree, "load"))

    def imported_anywhere(self) -> set[str]:
        """Top-level names of all packages that this module imports, late or not."""
        found = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                found.add(node.module.split(".")[0])
        return found

    def _walk(self, node: ast.AST, when: str) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for alias in child.names:
                    if alias.name.split(".")[0] in PACKAGES:
                        yield Import(alias.name, None, child.lineno, when)
            elif isinstance(child, ast.ImportFrom):
                source = self._absolute(child)
                if source.split(".")[0] in PACKAGES:
                    for alias in child.names:
                        yield Import(source, alias.name, child.lineno, when)
            elif _is_type_checking(child):
                yield from self._walk(child, "typing")
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield from self._walk(child, "late" if when == "load" else when)
            else:
                yield from self._walk(child, when)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = self.package.split(".")
        parts = parts[: len(parts) - node.level + 1]
        return ".".join([*parts, *([node.module] if node.module else [])])


def _is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


class House:
    """Every module of both packages, and what the faces (`__init__.pyi`) give."""

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.modules: dict[str, Module] = {}
        self.faces: dict[str, dict[str, str]] = {}
        for package in PACKAGES:
            for path in sorted((root / package).rglob("*.py")):
                parts = path.relative_to(root).with_suffix("").parts
                is_package = parts[-1] == "__init__"
                name = ".".join(parts[:-1] if is_package else parts)
                self.modules[name] = Module(name, path, path.read_text(encoding="utf-8"), is_package)
                if is_package and path.with_suffix(".pyi").is_file():
                    self.faces[name] = _face(name, path.with_suffix(".pyi"))

    def target(self, taken: Import) -> str:
        """The module that an import runs: through a lazy face, the module that the face's name comes from."""
        if taken.name is None:
            return taken.source
        behind = self.faces.get(taken.source, {}).get(taken.name)
        if behind not in (None, taken.source):
            return behind
        submodule = f"{taken.source}.{taken.name}"
        return submodule if submodule in self.modules else taken.source

    # --- imports

    def graph(self, *when: str) -> dict[str, set[str]]:
        """Module → the modules it imports at these times (see `Import`); at any time where none is given."""
        return {
            name: {self.target(i) for i in module.imports if not when or i.when in when} - {name}
            for name, module in self.modules.items()
        }

    def circles(self) -> list[list[str]]:
        return [sorted(group) for group in _strongly_connected(self.graph("load")) if len(group) > 1]

    def room_circles(self) -> list[list[str]]:
        """Circles of rooms, late imports included: `io` needs something of `batch`, and `batch` of `io`."""
        rooms: dict[str, set[str]] = defaultdict(set)
        for name, targets in self.graph("load", "late").items():
            own = _room(name)
            rooms[own] |= {_room(target) for target in targets} - {own, *PACKAGES}
        return [sorted(group) for group in _strongly_connected(rooms) if len(group) > 1]

    def past_face(self) -> list[str]:
        """Imports of a module inside another package, where only that package's face is public."""
        found = []
        for module in self.modules.values():
            for taken in module.imports:
                named = taken.source
                if taken.name in self.faces.get(named, {}):
                    continue
                if taken.name is not None and f"{named}.{taken.name}" in self.modules:
                    named = f"{named}.{taken.name}"
                inner = self.modules.get(named)
                if inner is None or inner.is_package or f"{module.package}.".startswith(f"{inner.package}."):
                    continue  # a package, or a module of the package in which this one lies
                if inner.package == PACKAGES[0]:
                    continue  # errors, version, pictures: faces themselves
                found.append(f"{self.place(module, taken.line)}: {named}")
        return found

    # --- names

    def rooms(self) -> list[str]:
        """Files and folders in monai_unet/ without dunder names."""
        seen = (p for p in (self.root / PACKAGES[0]).iterdir() if not p.name.startswith("__"))
        return sorted(p.name for p in seen if p.suffix == ".py" or (p / "__init__.py").is_file())

    def same_named_classes(self) -> dict[str, list[str]]:
        named = defaultdict(list)
        for module in self.modules.values():
            for node in module.tree.body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    named[node.name].append(self.place(module, node.lineno))
        return {name: places for name, places in sorted(named.items()) if len(places) > 1}

    # --- types and docstrings

    def any_count(self, package: str) -> tuple[int, int]:
        """(`Any` outside import lines, lines) of one package."""
        modules = [m for m in self.modules.values() if m.name.split(".")[0] == package]
        return sum(len(any_lines(m)) for m in modules), sum(m.text.count("\n") for m in modules)

    def array_functions(self, package: str) -> Iterator[tuple[Module, ast.FunctionDef, str]]:
        """Public functions and methods that take an array, with what their docstrings (and their class's) say."""
        for module in self.modules.values():
            if module.name.split(".")[0] != package:
                continue
            for holder, function in _public_functions(module.tree):
                arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
                if any(a.annotation is not None and ARRAY.search(ast.unparse(a.annotation)) for a in arguments):
                    of_class = "" if holder is None else ast.get_docstring(holder) or ""
                    yield module, function, f"{ast.get_docstring(function) or ''}\n{of_class}"

    def undescribed(self, package: str) -> tuple[list[str], int]:
        """(functions whose docstring leaves out shape, axis order, unit or a raised error, how many take arrays)."""
        found, total = [], 0
        for module, function, says in self.array_functions(package):
            total += 1
            wanted = [("shape", SHAPE), ("axes", AXES), ("unit", UNIT)] + [("errors", ERRORS)] * _raises(function)
            missing = [what for what, pattern in wanted if not pattern.search(says)]
            if missing:
                found.append(f"{self.place(module, function.lineno)}: {function.name}: {', '.join(missing)}")
        return found, total

    # --- sizes

    def module_sizes(self, package: str) -> list[tuple[int, str]]:
        return sorted((m.text.count("\n"), m.name) for m in self._of(package) if not m.is_package)

    def function_sizes(self, package: str) -> list[tuple[int, str]]:
        return sorted(
            ((node.end_lineno or 0) - node.lineno + 1, f"{module.name}.{node.name}")
            for module in self._of(package)
            for node in ast.walk(module.tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        )

    def declared_packages(self) -> set[str]:
        """What setup.cfg installs of the two packages (the bundles' folder is no folder of monai_unet)."""
        setup = configparser.ConfigParser()
        setup.read(self.root / "setup.cfg", encoding="utf-8")
        return set(setup["options"]["packages"].split()) - {"monai_unet.bundles"}

    def packages(self) -> set[str]:
        return {m.name for m in self.modules.values() if m.is_package}

    def place(self, module: Module, line: int) -> str:
        return f"{module.path.relative_to(self.root)}:{line}"

    def _of(self, package: str) -> list[Module]:
        return [m for m in self.modules.values() if m.name.split(".")[0] == package]


def any_lines(module: Module) -> list[int]:
    """The line of each `Any` in the code of a module, import statements left out."""
    inside: set[int] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            inside |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    tokens = tokenize.generate_tokens(io.StringIO(module.text).readline)
    found = [t.start[0] for t in tokens if t.type == tokenize.NAME and t.string == "Any"]
    annotations = [getattr(node, what, None) for node in ast.walk(module.tree) for what in ("annotation", "returns")]
    quoted = [
        inner.lineno
        for annotation in annotations
        if isinstance(annotation, ast.AST)
        for inner in ast.walk(annotation)
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str)
        for _ in re.findall(r"\bAny\b", inner.value)
    ]
    return [line for line in found + quoted if line not in inside]


def _room(name: str) -> str:
    """`monai_unet.io` of `monai_unet.io.dicom.read`."""
    return ".".join(name.split(".")[:2])


def _face(package: str, stub: Path) -> dict[str, str]:
    """Public name → module, as a face's stub says it."""
    found: dict[str, str] = {}
    for node in ast.parse(stub.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package.split(".")[: len(package.split(".")) - node.level + 1]
            source = ".".join([*base, *([node.module] if node.module else [])])
            found |= {alias.asname or alias.name: source for alias in node.names}
    return found


def _public_functions(tree: ast.Module) -> Iterator[tuple[ast.ClassDef | None, ast.FunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield None, node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef) and (not inner.name.startswith("_") or inner.name == "__call__"):
                    yield node, inner


def _raises(function: ast.FunctionDef) -> bool:
    """Whether the function itself raises (a `raise` without a name passes on another's error)."""
    return any(isinstance(node, ast.Raise) and node.exc is not None for node in ast.walk(function))


def _strongly_connected(graph: dict[str, set[str]]) -> list[list[str]]:
    """Tarjan 1972."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in graph.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            cut = stack.index(node)
            groups.append(stack[cut:])
            del stack[cut:]

    for node in graph:
        if node not in index:
            visit(node)
    return groups


def _print(house: House, listed: bool) -> None:
    def line(what: str, value: object, places: list[str] | None = None) -> None:
        print(f"{what:<58} {value}")
        for place in (places or []) if listed else []:
            print(f"    {place}")

    line("rooms seen from the top of monai_unet (≤ 20)", len(house.rooms()), house.rooms())
    circles, rooms = house.circles(), house.room_circles()
    line("import circles of modules (0)", len(circles), [" ↔ ".join(c) for c in circles])
    line("circles of rooms, late imports included (0)", len(rooms), [" ↔ ".join(c) for c in rooms])
    line("imports past a face (0)", len(house.past_face()), house.past_face())
    pairs = house.same_named_classes()
    line("same-named public classes (0)", len(pairs), [f"{name}: {', '.join(at)}" for name, at in pairs.items()])
    for package in PACKAGES:
        found, total = house.undescribed(package)
        share = 100 * (1 - len(found) / max(total, 1))
        line(f"{package}: docstrings of functions with arrays (≥ 90 %)", f"{share:.0f} % of {total}", found)
        count, lines = house.any_count(package)
        of_file = {house.place(m, 0)[:-2]: len(any_lines(m)) for m in house._of(package)}
        worst = [f"{n} {path}" for path, n in sorted(of_file.items(), key=lambda item: -item[1]) if n]
        line(f"{package}: Any per 1,000 lines (< 10)", f"{1000 * count / lines:.1f} ({count} in {lines})", worst)
        for what, sizes in (("module", house.module_sizes(package)), ("function", house.function_sizes(package))):
            middle = statistics.median(size for size, _ in sizes)
            longest = [f"{size} {name}" for size, name in sizes[-5:]]
            line(f"{package}: {what} lines, median / longest", f"{middle:g} / {sizes[-1][0]}", longest)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Numbers of the house, counted from the source.")
    parser.add_argument("--list", action="store_true", help="and each place that keeps a number from its aim")
    _print(House(), parser.parse_args().list)
