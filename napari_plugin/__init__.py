"""The napari dock widget with which radiologists segment, correct, measure and export tumours on MRI and CT."""

from napari_plugin.none_references import make_none_immortal

make_none_immortal()
