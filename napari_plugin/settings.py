"""What the plugin remembers, kept by napari: Preferences > Plugins shows and changes it."""

from __future__ import annotations

from napari.settings import get_plugin_settings

Setting = bool | float | str

DEFAULTS: dict[str, Setting] = {
    "three_planes": False,
    "run_after_prompt": True,
    "opacity": 0.4,
    "brush_mm": 5.0,
    "bundle": "",
    "folder": "",
    "save_folder": "",
    "layer_controls": False,
    "tab": "Case",
}


def setting(name: str) -> Setting:
    """A remembered value; its default where napari does not know this plugin (run from a script, uninstalled)."""
    group = _group()
    return DEFAULTS[name] if group is None else getattr(group, name)


def remember(name: str, value: Setting) -> None:
    """Keep a value for the next start."""
    group = _group()
    if group is not None:
        setattr(group, name, type(DEFAULTS[name])(value))


def _group() -> object:
    try:
        return get_plugin_settings("monai-unet").reading
    except (AttributeError, KeyError):
        return None
