"""Projects around the exported sources, one a build system. Their forms are those of the systems' own examples."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Project:
    """A folder of an export.

    Attributes:
        about: What it is, for the README's table.
        source: Whose example its form is, and what of it kerasseg's tests have built.
        files: Path inside the folder, with NAME for the model's -> its template in templates/FOLDER/.
    """

    about: str
    source: str
    files: Mapping[str, str]


PROJECTS: dict[str, Project] = {
    "host": Project(
        "CMake: the test vector, and class maps of pictures, on your own machine",
        "kerasseg's tests build and run it, with headers that stand in for TFLite Micro's and its Python package's kernels",
        {"CMakeLists.txt": "CMakeLists.txt", "simulate.cc": "simulate.cc"},
    ),
    "esp-idf": Project(
        "an ESP-IDF project that runs the test vector; the folder above it is its component",
        "after espressif/esp-tflite-micro, examples/mobilenet; kerasseg's tests build it with stand-ins for ESP-IDF's files",
        {name: name for name in ("CMakeLists.txt", "main/CMakeLists.txt", "sdkconfig.defaults", "partitions.csv")},
    ),
    "zephyr": Project(
        "makes the folder above it a Zephyr module; `app/` runs the test vector, `west.yml` fetches Zephyr",
        "after zephyrproject-rtos/zephyr, samples/modules/tflite-micro; kerasseg's tests build it with stand-ins for its files",
        {name: name for name in ("module.yml", "CMakeLists.txt", "Kconfig", "west.yml", "app/CMakeLists.txt", "app/prj.conf")},
    ),
    "arduino": Project(
        "an Arduino library with copies of the sources, and a sketch that runs the test vector",
        "after Arduino's library specification; kerasseg's tests build it with GCC, not with Arduino's own tools",
        {
            "NAME/library.properties": "library.properties",
            "NAME/src/NAME.h": "umbrella.h",
            "NAME/examples/test_vector/test_vector.ino": "test_vector.ino",
        },
    ),
    "cmsis": Project(
        "a CMSIS layer of the model and TFLite Micro, and a csolution project that runs the test vector",
        "after MDK-Packs/tensorflow-pack, TFLiteRT_HelloWorld; kerasseg's tests read it and have not built it",
        {f"NAME.{kind}.yml": f"{kind}.yml" for kind in ("clayer", "cproject", "csolution")},
    ),
}  # fmt: skip
