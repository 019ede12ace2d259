import pytest

from kerasseg.mcu import boards


def test_room_on_a_board_by_hand():
    # STM32F746: 1024 KiB of flash, 320 KiB of RAM.
    found = boards.fit("stm32f746", flash_bytes=500 * 1024, arena_bytes=300 * 1024)
    assert (found.fits, found.flash_room_kib, found.ram_room_kib) == (True, 524, 20)
    found = boards.fit("stm32f746", flash_bytes=500 * 1024, arena_bytes=330 * 1024)
    assert (found.fits, found.ram_room_kib) == (False, -10)
    assert not boards.fit("stm32f746", flash_bytes=1025 * 1024, arena_bytes=0).fits


def test_every_figure_has_a_source():
    for board in boards.BOARDS.values():
        assert board.source
        assert 0 < board.ram_kib <= board.total_ram_kib
        assert board.flash_kib >= 1024


def test_an_unknown_board_lists_the_known():
    with pytest.raises(ValueError, match="board 'uno' is unknown; known are stm32h743, stm32n6570-dk, "):
        boards.fit("uno", flash_bytes=1, arena_bytes=1)
