"""Label maps packed for undo and for the journal."""

import numpy as np
import pytest

from monai_unet.interaction.session.payload import Payload, PayloadStore, compress, decompress


@pytest.mark.parametrize(("highest", "bytes_per_voxel"), [(0, 0), (7, 1), (300, 2)])
def test_what_is_packed_comes_back(highest, bytes_per_voxel):
    array = np.random.default_rng(highest).integers(0, highest + 1, (5, 6, 7)).astype(np.uint16)
    data = compress(array)
    assert data[:1] == str(bytes_per_voxel).encode()
    np.testing.assert_array_equal(decompress(data, array.shape), array)


def test_an_empty_map_takes_one_byte_whatever_its_size():
    data = compress(np.zeros((50, 60, 70), np.uint16))
    assert len(data) == 1
    back = decompress(data, (50, 60, 70))
    assert back.shape == (50, 60, 70)
    assert not back.any()


def test_an_empty_box_comes_back_as_one():
    assert decompress(compress(np.zeros((0, 3, 3), np.uint16)), (0, 3, 3)).shape == (0, 3, 3)


class _ReadAsItMoves(Payload):
    """A payload that another thread reads at the very moment its bytes are let go."""

    seen: bytes | None = None

    @property
    def _data(self):
        return self.__dict__["kept"]

    @_data.setter
    def _data(self, data):
        self.__dict__["kept"] = data
        if data is None:
            self.seen = self.read()


def test_bytes_read_in_another_thread_while_they_move_to_disk_are_the_same_bytes():
    """A replay reads while the GUI thread edits, and each edit may spill what is being read."""
    store = PayloadStore(limit=0)
    store.put(b"in front of it")
    payload = _ReadAsItMoves(store, 1, b"the bytes")
    store._resident[payload.number] = payload
    store._spill(payload)
    assert payload.seen == b"the bytes"
    store.close()
