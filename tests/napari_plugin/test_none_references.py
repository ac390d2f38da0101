import sys

import pytest

import napari_plugin
from napari_plugin.none_references import MANY, make_none_immortal


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="None is immortal from Python 3.12 on")
def test_none_has_references_that_no_session_uses_up():
    assert napari_plugin
    assert sys.getrefcount(None) > MANY // 2
    before = sys.getrefcount(None)
    make_none_immortal()
    assert sys.getrefcount(None) < before + MANY // 2, "a second call must not add them again"
