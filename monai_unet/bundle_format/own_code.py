"""Python modules of one bundle, seen by that bundle alone.

Most bundles of MONAI's Model Zoo bring a package called `scripts`. Were its folder put on `sys.path`, the second bundle
of a process would be given the first one's `scripts`, then and at any later import. So `sys.path` is left alone, and a
bundle's modules are kept in `sys.modules` below a package name of its own: `import scripts.net`, written in the
bundle's config or code, means `bundle_3.scripts.net` for one bundle and `bundle_4.scripts.net` for another, whenever it
is executed. Functions that import by name outside of the bundle (`optional_import`) do not find its modules.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import importlib
import itertools
import os
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader, SourcelessFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from monai.bundle import ComponentLocator, ConfigExpression, ConfigParser

from monai_unet.bundle_format.catalogue import Bundle
from monai_unet.bundle_format.private_copy import PrivateCopy

EXCLUDED = ["monai_unet"]
"""Without it a bundle's "UNet" could be ours instead of MONAI's, whichever was imported first."""

_numbers = itertools.count(1)
_codes: dict[str, OwnCode] = {}
_lock = threading.Lock()


class OwnCode:
    """The modules below a bundle's folder, under a package name that no other bundle has.

    Args:
        root: the folder that is run, which does not change.
        shown: the folder it was copied from.
    """

    def __init__(self, root: Path, shown: Path) -> None:
        self.package = f"bundle_{next(_numbers)}"
        self.root = str(root)
        self._shown = {str(shown), os.path.abspath(shown), os.path.realpath(shown)}
        self._before = set(sys.path)
        self._path = [self.root]
        self._own: dict[tuple[str, int], bool] = {}
        self.builtins = {**vars(builtins), "__import__": self._import}
        module = ModuleType(self.package)
        module.__path__ = self._path
        module.__file__ = str(root / "__init__.py")
        module.__spec__ = ModuleSpec(self.package, None, is_package=True)
        # for configs that import these by name
        module.__dict__.update(importlib=self._importlib(), import_module=self._import_module)
        sys.modules[self.package] = module

    def owns(self, name: str) -> bool:
        """Whether a module of that full name is looked for in the bundle: its first part is there, and not Python's."""
        top = name.partition(".")[0]
        known = (top, len(self._path))
        if known not in self._own:
            self._own[known] = self._finds(top)
        return self._own[known] or f"{self.package}.{top}" in sys.modules

    def _finds(self, top: str) -> bool:
        if not top or top in sys.stdlib_module_names:
            return False
        spec = PathFinder.find_spec(f"{self.package}.{top}", self._path)
        if spec is None:
            return False
        # a mere folder counts as a package only where nothing else has its name
        return spec.origin is not None or PathFinder.find_spec(top) is None

    def renamed(self, statement: str) -> str:
        """An import statement of a config (`$import scripts.net`) as one of the bundle's own module."""
        node = ast.parse(statement.removeprefix("$")).body[0]
        if isinstance(node, ast.Import):
            name, given = node.names[0].name, node.names[0].asname
            if name == "importlib":
                return f"$from {self.package} import importlib as {given or name}"
            if self.owns(name):
                return f"$import {self.package}.{name} as {given or name.replace('.', '_')}"
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            name, given = node.names[0].name, node.names[0].asname
            if (node.module, name) == ("importlib", "import_module"):
                return f"$from {self.package} import import_module as {given or name}"
            if self.owns(node.module):
                return f"$from {self.package}.{node.module} import {name} as {given or name}"
        return statement

    def settle(self) -> None:
        """Take what the bundle's code added to `sys.path` and `sys.modules` into its own room."""
        self._take_paths()
        for name in list(sys.modules):
            _take_home(name)

    def _take_paths(self) -> None:
        for entry in list(sys.path):
            inside = self.inside(entry, None if entry in self._before else self._shown)
            if inside:
                sys.path.remove(entry)
                if inside not in self._path:
                    self._path.append(inside)

    def inside(self, path: str, places: set[str] | None = None) -> str:
        """The path within the folder that is run, of a path there or in one of `places`; empty for any other."""
        for place in (self.root, *(places or ())):
            if path == place or path.startswith(place + os.sep):
                return self.root + path[len(place) :]
        return ""

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,  # noqa: A002
        locals: Mapping[str, Any] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """`__import__` of the bundle's code."""
        self._take_paths()
        if level == 0:
            _take_home(name.partition(".")[0])
        if level == 0 and self.owns(name):
            inside = f"{self.package}.{name}"
            if fromlist:
                return builtins.__import__(inside, globals, locals, fromlist, 0)
            importlib.import_module(inside)
            return sys.modules[f"{self.package}.{name.partition('.')[0]}"]
        module = builtins.__import__(name, globals, locals, fromlist or (), level)
        return self._importlib() if module is importlib else module

    def _import_module(self, name: str, package: str | None = None) -> ModuleType:
        """`importlib.import_module` of the bundle's code."""
        self._take_paths()
        _take_home(name.partition(".")[0])
        return importlib.import_module(f"{self.package}.{name}" if self.owns(name) else name, package)

    def _importlib(self) -> ModuleType:
        module = ModuleType("importlib")
        module.__dict__.update({**vars(importlib), "import_module": self._import_module})
        return module


def _take_home(name: str) -> None:
    """A module that a bundle's code put into `sys.modules` under a plain name goes into that bundle's package."""
    module = sys.modules.get(name)
    file = vars(module).get("__file__") if isinstance(module, ModuleType) else None
    if module is not None and isinstance(file, str) and name.partition(".")[0] not in _codes:
        for code in list(_codes.values()):
            if code.inside(file):
                sys.modules[f"{code.package}.{name}"] = module
                sys.modules.pop(name, None)


class _Source(SourceFileLoader):
    """Gives a module the `__import__` of its bundle before its code runs."""

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = _codes[module.__name__.partition(".")[0]].builtins
        super().exec_module(module)


class _Sourceless(SourcelessFileLoader):
    """The same for a compiled module that stands in the place of a source file."""

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = _codes[module.__name__.partition(".")[0]].builtins
        super().exec_module(module)


class _Finder:
    """Finds the modules of bundles, and nothing else."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        if path is None or name.partition(".")[0] not in _codes:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Source(name, spec.loader.path)
        elif spec is not None and isinstance(spec.loader, SourcelessFileLoader):
            spec.loader = _Sourceless(name, spec.loader.path)
        return spec


class OwnCodeParser(ConfigParser):
    """MONAI's parser, to whose `_target_`, imports and expressions the bundle's modules have their plain names."""

    def __init__(self, config: Any = None, *, code: OwnCode) -> None:
        self.code = code
        super().__init__(config, excludes=EXCLUDED, globals={"__builtins__": code.builtins})
        self.locator = _Locator(code)

    def _do_parse(self, config: Any, id: str = "") -> None:  # noqa: A002
        if isinstance(config, str) and ConfigExpression.is_import_statement(config):
            config = self.code.renamed(config)
        super()._do_parse(config, id)


class _Locator(ComponentLocator):
    def __init__(self, code: OwnCode) -> None:
        super().__init__(excludes=EXCLUDED)
        self.code = code

    def get_component_module_name(self, name: Any) -> Any:
        if isinstance(name, str) and "." in name and self.code.owns(name):
            return self.code.package
        return super().get_component_module_name(name)


def bundle_parser(bundle: Bundle, config: Any = None) -> ConfigParser:
    """A parser for a bundle's configs, which sees that bundle's modules and no other's."""
    code = own_code(bundle)
    return ConfigParser(config, excludes=EXCLUDED) if code is None else OwnCodeParser(config, code=code)


@contextlib.contextmanager
def own_imports(bundle: Bundle) -> Iterator[None]:
    """While a bundle is built: what its code adds to `sys.path` and `sys.modules` stays its own."""
    code = own_code(bundle)
    try:
        yield
    finally:
        if code is not None:
            code.settle()


def own_code(bundle: Bundle) -> OwnCode | None:
    """The modules of a private copy; None for a bundle of this package, which brings none."""
    if not isinstance(bundle, PrivateCopy):
        return None
    with _lock:
        if _Finder not in sys.meta_path:
            sys.meta_path.insert(0, _Finder)  # type: ignore[arg-type]
        for code in _codes.values():
            if code.root == str(bundle.root):
                return code
        code = OwnCode(bundle.root, bundle.shown)
        _codes[code.package] = code
        return code
