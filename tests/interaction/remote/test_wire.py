"""Arrays on the wire: as the official client packs and unpacks them, and nothing taken at its word."""

from __future__ import annotations

import numpy as np
import pytest

from monai_unet.interaction.remote import WireError, pack_array, unpack_array

pytest.importorskip("blosc2")
ARRAYS = (
    np.random.default_rng(0).normal(size=(1, 5, 6, 7)).astype(np.float32),
    np.arange(60, dtype=np.int16).reshape(3, 4, 5),
    np.arange(60, dtype=">u2").reshape(3, 4, 5),
    np.zeros((1, 1, 707658), np.uint8),
    np.random.default_rng(0).random((7, 11, 13)) > 0.5,
    np.zeros((3, 4, 5), np.float64)[:, ::2],
)


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: str(array.dtype))
def test_the_official_client_reads_ours_and_we_read_its(array: np.ndarray) -> None:
    official = pytest.importorskip("nnInteractive.inference.remote.serialization", reason="needs nninteractive-client")
    for there in (
        official.unpack_array(pack_array(array)),
        unpack_array(official.pack_array(array), most_bytes=1 << 20),
    ):
        np.testing.assert_array_equal(there, array)
        assert there.dtype == array.dtype.newbyteorder("=")


def test_more_than_allowed_is_refused_before_it_is_taken() -> None:
    packed = bytearray(pack_array(np.zeros((4, 4, 4), np.float32)))
    packed[15:23] = (1 << 30).to_bytes(8, "little")  # 64 GiB by its word
    with pytest.raises(WireError, match="more than the 1000 bytes"):
        unpack_array(packed, most_bytes=1000)


def test_damaged_bytes_end_in_a_sentence_or_in_the_stated_size() -> None:
    packed = pack_array(np.random.default_rng(0).normal(size=(6, 20, 20)).astype(np.float32))
    chance, refused = np.random.default_rng(1), 0
    for number in range(300):
        damaged = bytearray(packed)
        for place in chance.integers(0, len(packed) if number % 2 else 90, 3):
            damaged[place] = chance.integers(256)
        try:
            assert unpack_array(damaged, most_bytes=1 << 20).nbytes <= 1 << 20
        except WireError:
            refused += 1
    assert refused > 100
