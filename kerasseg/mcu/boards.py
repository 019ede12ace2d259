"""Real boards and what a model may take of them."""

import dataclasses
from dataclasses import dataclass

from kerasseg.errors import InputError

KIB = 1024
# What a program takes beside a model and its arena, measured once: micro_96, with seven kinds of operators, linked for a
# Cortex-M7 with CMSIS-NN (-O2, nano.specs; TFLite Micro 90b983c2), with the general kernels: text 432,476 less the model's
# 279,616 and the test vector's 31,104; data and bss less arena, stack and heap; and the deepest stack, painted.
CODE_BYTES = 432_476 - 279_616 - 31_104
STATIC_BYTES, STACK_BYTES = 1_288, 1_536


@dataclass(frozen=True)
class Board:
    """Memory that a model's file and arena can lie in, and the program around them.

    Attributes:
        about: Chip and core.
        core: The application core, as `speed` knows it.
        mhz: Its clock.
        flash_kib: Flash, MRAM or memory-mapped external flash that the board comes with.
        ram_kib: The largest block of on-chip RAM with one range of addresses: an arena cannot be split.
        total_ram_kib: All on-chip RAM of the application core, for orientation.
        source: Where the figures are from.
        note: What else one should know.
    """

    about: str
    core: str
    mhz: int
    flash_kib: int
    ram_kib: int
    total_ram_kib: int
    source: str
    note: str = ""


BOARDS: dict[str, Board] = {
    "stm32h743": Board(
        "NUCLEO-H743ZI, STM32H743ZI, Cortex-M7 480 MHz", "Cortex-M7", 480, 2048, 512, 1056, "ST DS12110, section 3.3",
        "the largest block is the AXI SRAM; DTCM (128 KiB) and SRAM1-4 (352 KiB) lie elsewhere",
    ),
    "stm32n6570-dk": Board(
        "STM32N6570-DK, STM32N657X0, Cortex-M55 800 MHz", "Cortex-M55", 800, 131072, 3584, 4300,
        "ST DS14791, section 3, and UM3300",
        "no internal flash: 1 Gbit of Octo-SPI flash on the board; its NPU is ST's own and runs no TFLite Micro kernels",
    ),
    "stm32f746": Board(
        "32F746GDISCOVERY, STM32F746NG, Cortex-M7 216 MHz", "Cortex-M7", 216, 1024, 320, 340,
        "ST DS10916, section 2.3, and RM0385, section 2",
        "DTCM, SRAM1 and SRAM2 follow one another from 0x20000000",
    ),
    "nrf5340": Board(
        "nRF5340 DK, nRF5340 application core, Cortex-M33 128 MHz", "Cortex-M33", 128, 1024, 512, 512,
        "Nordic nRF5340 Product Specification, Memory",
        "the network core's 256 KiB of flash and 64 KiB of RAM are its own",
    ),
    "rp2350": Board(
        "Raspberry Pi Pico 2, RP2350, Cortex-M33 150 MHz", "Cortex-M33", 150, 4096, 520, 520,
        "RP2350 datasheet, section 2.2.3, and Pico 2 datasheet",
        "flash is external, 4 MB on this board; the RAM has one range of addresses",
    ),
    "esp32-s3": Board(
        "ESP32-S3-DevKitC-1-N8R8, ESP32-S3, Xtensa LX7 240 MHz", "ESP32-S3", 240, 8192, 320, 512,
        "Espressif ESP32-S3 datasheet, section 4.1, and ESP-IDF Programming Guide, Memory Types",
        "512 KiB of SRAM less caches and instruction RAM leave some 320 KiB for data; 8 MB of slower PSRAM on this board",
    ),
    "nicla-vision": Board(
        "Arduino Nicla Vision, STM32H747AII6, Cortex-M7 480 MHz", "Cortex-M7", 480, 2048, 512, 1056,
        "Arduino ABX00051 datasheet, and ST DS12930",
        "the flash is shared with the Cortex-M4; 16 MB of QSPI flash besides",
    ),
    "imxrt1062": Board(
        "Teensy 4.1, NXP i.MX RT1062, Cortex-M7 600 MHz", "Cortex-M7", 600, 7936, 512, 1024,
        "NXP IMXRT1060CEC, section 1, and PJRC's Teensy 4.1 page",
        "flash is external: 8 MB, 256 KiB of it kept by the boot loader; half of the RAM is FlexRAM, which code shares",
    ),
    "alif-e7": Board(
        "Alif Ensemble E7 DevKit, Cortex-M55 400 MHz with Ethos-U55-256", "Cortex-M55", 400, 5632, 4096, 13824,
        "Alif, RAM Regions and Linker Files in Alif Microcontrollers, and Ensemble E7 datasheet",
        "the largest block is SRAM0; use --accelerator=ethos-u55-256 for its NPU",
    ),
    "apollo4-plus": Board(
        "Apollo4 Plus EVB, Ambiq Apollo4 Plus, Cortex-M4F 192 MHz", "Cortex-M4", 192, 2048, 1024, 2816,
        "Ambiq Apollo4 Plus SoC datasheet, Memory",
        "the largest block is the shared SRAM; 384 KiB of TCM and the extended memory lie elsewhere",
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Fit:
    """Whether a model goes onto a board, and by how much. Negative room is what is missing.

    Attributes:
        board: A key of BOARDS.
        fits: Both do.
        flash_room_kib: Flash left beside the file and CODE_BYTES.
        ram_room_kib: Of the largest block of RAM, left beside the arena with its margin, STATIC_BYTES and STACK_BYTES.
    """

    board: str
    fits: bool
    flash_room_kib: float
    ram_room_kib: float

    def to_json(self) -> dict:
        """As plain JSON values, with the board's own figures and their source."""
        return dataclasses.asdict(self) | dataclasses.asdict(BOARDS[self.board])


def fit(name: str, *, flash_bytes: int, arena_bytes: int) -> Fit:
    """Holds a model against a board.

    Args:
        name: A key of BOARDS.
        flash_bytes: Of the model.
        arena_bytes: With its margin.

    Raises:
        InputError: an unknown board; the message lists the known.
    """
    if name not in BOARDS:
        raise InputError(f"board {name!r} is unknown; known are {', '.join(BOARDS)}")
    board = BOARDS[name]
    flash = board.flash_kib - (flash_bytes + CODE_BYTES) / KIB
    ram = board.ram_kib - (arena_bytes + STATIC_BYTES + STACK_BYTES) / KIB
    return Fit(name, flash >= 0 and ram >= 0, flash, ram)
