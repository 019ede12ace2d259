import pytest

from kerasseg.mcu import boards


def test_room_on_a_board_by_hand():
    # STM32F746: 1024 KiB of flash, 320 KiB of RAM. A program takes 121,756 bytes of flash and 2,824 of RAM beside the model.
    found = boards.fit("stm32f746", flash_bytes=500 * 1024, arena_bytes=300 * 1024)
    assert found.fits
    assert found.flash_room_kib == pytest.approx(524 - 121_756 / 1024)
    assert found.ram_room_kib == pytest.approx(20 - 2_824 / 1024)
    found = boards.fit("stm32f746", flash_bytes=500 * 1024, arena_bytes=318 * 1024)  # 0.8 KiB too much, with stack and data
    assert (found.fits, round(found.ram_room_kib, 1)) == (False, -0.8)
    assert not boards.fit("stm32f746", flash_bytes=906 * 1024, arena_bytes=0).fits  # 905.1 KiB are left beside the code


def test_every_figure_has_a_source():
    for board in boards.BOARDS.values():
        assert board.source
        assert 0 < board.ram_kib <= board.total_ram_kib
        assert board.flash_kib >= 1024


def test_an_unknown_board_lists_the_known():
    with pytest.raises(ValueError, match="board 'uno' is unknown; known are stm32h743, stm32n6570-dk, "):
        boards.fit("uno", flash_bytes=1, arena_bytes=1)
