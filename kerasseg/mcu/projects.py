"""Projects around the exported sources, one a build system. Their forms are those of the systems' own examples."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Project:
    """A folder of an export.

    Attributes:
        about: What it is, for the README's table.
        source: Whose example its form is, and whether it was built here.
        files: Path inside the folder, with NAME for the model's -> its template in templates/FOLDER/.
    """

    about: str
    source: str
    files: Mapping[str, str]


PROJECTS: dict[str, Project] = {
    "host": Project(
        "CMake: the test vector, and class maps of pictures, on your own machine",
        "CMake's documentation; kerasseg's tests build and run it, with headers that stand in for TFLite Micro's",
        {"CMakeLists.txt": "CMakeLists.txt", "simulate.cc": "simulate.cc"},
    ),
    "esp-idf": Project(
        "an ESP-IDF project that runs the test vector; the folder above it is its component",
        "espressif/esp-tflite-micro, examples/mobilenet; not built here, where no ESP-IDF is",
        {name: name for name in ("CMakeLists.txt", "main/CMakeLists.txt", "sdkconfig.defaults", "partitions.csv")},
    ),
    "zephyr": Project(
        "makes the folder above it a Zephyr module; `app/` runs the test vector, `west.yml` fetches Zephyr",
        "zephyrproject-rtos/zephyr, samples/modules/tflite-micro/hello_world; not built here, where no Zephyr is",
        {name: name for name in ("module.yml", "CMakeLists.txt", "Kconfig", "west.yml", "app/CMakeLists.txt", "app/prj.conf")},
    ),
    "arduino": Project(
        "an Arduino library with copies of the sources, and a sketch that runs the test vector",
        "the Arduino library specification, 1.5; not built here, where no Arduino is",
        {
            "NAME/library.properties": "library.properties",
            "NAME/src/NAME.h": "umbrella.h",
            "NAME/examples/test_vector/test_vector.ino": "test_vector.ino",
        },
    ),
    "cmsis": Project(
        "a CMSIS layer of the model and TFLite Micro, and a csolution project that runs the test vector",
        "MDK-Packs/tensorflow-pack, examples/TFLiteRT_HelloWorld; not built here, where no CMSIS-Toolbox is",
        {f"NAME.{kind}.yml": f"{kind}.yml" for kind in ("clayer", "cproject", "csolution")},
    ),
}  # fmt: skip
