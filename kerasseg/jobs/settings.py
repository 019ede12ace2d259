"""What `convert`, `check`, `micro` and `compare` can be told, with their help texts; no TensorFlow, for the commands' sake."""

from dataclasses import dataclass
from typing import Any

from kerasseg.config import check_numbers, check_seed, setting
from kerasseg.errors import InputError
from kerasseg.mcu.pixels import LAYOUTS
from kerasseg.mcu.projects import PROJECTS

SAVED = ("overlay", "index", "mask", "json")


def input_range_setting() -> Any:
    """The setting of every command that shows pictures to a file which somebody else may have made."""
    return setting(
        "",
        "what the file takes for a picture's 0..255; empty asks its JSON, its input's steps or its metadata",
        choices=("0,255", "0,1", "-1,1"),
    )


@dataclass(frozen=True)
class ConversionSettings:
    """How a run becomes a .tflite file."""

    recipe: str = setting(
        "int8", "int8 (full integer), int8_qat (the same after fine-tuning), int16x8, float32, float16 or dynamic"
    )
    io_type: str = setting(
        "",
        "type of input and output: int8, uint8 or float32 of an int8 file, int16 or float32 of int16x8; empty takes the first",
    )
    calibration_examples: int = setting(
        0, "training pictures that activation ranges are measured on; 0 takes 32, or all where there are fewer", least=0
    )
    calibration_seed: int = setting(0, "which pictures those are")
    calibration_choice: str = setting(
        "covering", "covering (each next one brings the class that is rarest so far) or random", choices=("covering", "random")
    )
    resizes: str = setting(
        "whole",
        "of an int8 file: whole, or doubling: those by 4, 8, ... in steps of 2, which Ethos-U55 and U65 need",
        choices=("whole", "doubling"),
    )
    rounding: str = setting(
        "together",
        "of an int8 file's kernels: together (errors that cancel on calibration pictures) or nearest (each number by itself)",
        choices=("together", "nearest"),
    )
    means: str = setting(
        "mean",
        "of an int8 file: mean, or pool: means of a whole picture as AVERAGE_POOL_2D, for which CMSIS-NN has kernels",
        choices=("mean", "pool"),
    )
    float_layers: tuple[str, ...] = setting(
        (), "layers of an int8 file left in float32: names, comma-separated, or auto:K for the K worst"
    )
    epochs: int = setting(4, "epochs of int8_qat")
    learning_rate: float = setting(2e-5, "learning rate that int8_qat starts with")
    patience: int = setting(4, "epochs in a row that were no better after which int8_qat ends by itself; 0 for never", least=0)
    metadata: bool = setting(True, "put class names and a description into the file, where MediaPipe looks for them")
    data_dir: str = setting("", "where the data set lies now; empty takes the run's own", path=True)
    other_data: bool = setting(False, "take data that is not what the run was trained on; the report says so")

    def __post_init__(self) -> None:
        check_seed(self.calibration_seed, name="calibration_seed")
        check_numbers(self)


@dataclass(frozen=True)
class CheckSettings:
    """What is held against what, and which limits hold."""

    split: str = setting("val", "split to score")
    examples: int = setting(0, "score the first so many pictures of it; 0 for all", least=0)
    kernels: str = setting(
        "xnnpack",
        "what scores and times: LiteRT's default kernels, its plain ones (slow), or TFLite Micro's (slower)",
        choices=("xnnpack", "reference", "micro"),
    )
    sample: int = setting(
        0, "compare all engines on so many pictures, evenly spaced; the plain kernels take seconds each", least=0
    )
    per_layer: bool = setting(False, "rank the layers of the first file by the signal-to-noise ratio they lose")
    threads: tuple[int, ...] = setting((1,), "threads of the interpreter, such as 1,2; limits hold for the first", least=1)
    runs: int = setting(50, "timed runs of each, at least 50: a median of fewer says little", least=50)
    warmup: int = setting(10, "runs before them", least=1)
    size: tuple[int, int] = setting((0, 0), "without --workdir: height,width that every file must take; 0,0 takes any", least=0)
    max_miou_drop: float = setting(1.0, "largest accepted loss against Keras, in points of mIoU")
    max_latency_ms: float = setting(0.0, "largest accepted median latency; 0 for no limit", least=0)
    strict: bool = setting(False, "exit 1 when the linter finds something")
    input_range: str = input_range_setting()
    data_dir: str = setting("", "where the data set lies now; empty takes the run's own", path=True)
    other_data: bool = setting(False, "take data that is not what the run was trained on; the report says so")

    def __post_init__(self) -> None:
        check_numbers(self)
        if not self.threads:
            raise InputError("--threads names no number of threads; give one, such as 1")


@dataclass(frozen=True)
class ExportSettings:
    """What is compared, written and demanded of an int8 file for a microcontroller."""

    name: str = setting("", "C++ namespace of the sources, and what their names begin with; empty takes the folder's name")
    input_format: str = setting(
        "",
        "pixels of the camera, for input.h: rgb565 has its low byte first, yuyv and uyvy luma 16..235, ..._full 0..255; "
        "empty takes rgb888, or grey for a file of one channel",
        choices=tuple(LAYOUTS),
    )
    frame: tuple[int, int] = setting(
        (0, 0), "height,width of the camera's frame, for input.h; 0,0 takes the file's own input", least=0
    )
    project: tuple[str, ...] = setting((), f"projects that build, beside the sources, comma-separated: {', '.join(PROJECTS)}")
    split: str = setting("val", "split of the run's data set to compare on")
    pictures: int = setting(0, "compare on so many; 0 takes 20, or all where there are fewer", least=0)
    tolerance_lsb: int = setting(
        -1,
        "steps by which outputs may differ from LiteRT's, and those of a device from the test vector; -1 takes 0, or 2 against "
        "LiteRT's where the rounding of a product's scale is why",
    )
    arena_margin: float = setting(10.0, "per cent added to the measured arena in arena.h", least=0)
    arena_budget_kib: float = setting(0.0, "largest accepted arena, with its margin; 0 for no limit", least=0)
    flash_budget_kib: float = setting(0.0, "largest accepted file; 0 for no limit", least=0)
    memory_plan: bool = setting(
        False, "search a smaller arena for the same numbers: write NAME_planned.tflite and make the sources of it"
    )
    plan_extra_macs: float = setting(10.0, "of a memory plan: per cent of the work that may be done twice")
    accelerator: tuple[str, ...] = setting(
        (), "compile with Vela for ethos-u55-128, ethos-u55-256, ethos-u65-256, ethos-u85-256"
    )
    board: str = setting("", "exit 1 unless it fits this board; the report lists all")
    input_range: str = input_range_setting()
    data_dir: str = setting("", "where that data set lies now; empty takes the run's own", path=True)
    other_data: bool = setting(False, "take data that is not what the run was trained on; the report says so")

    def __post_init__(self) -> None:
        check_numbers(self)
        unknown = [name for name in self.project if name not in PROJECTS]
        if unknown:
            raise InputError(f"--project={','.join(self.project)} is not accepted; give some of {', '.join(PROJECTS)}")
        if not 0 <= self.plan_extra_macs <= 100:
            raise InputError(f"--plan_extra_macs={self.plan_extra_macs:g} is out of range; give 0 to 100 per cent")
        if not -1 <= self.tolerance_lsb <= 255:
            raise InputError(f"--tolerance_lsb={self.tolerance_lsb} is out of range; give 0 to 255 steps, or leave it out")


@dataclass(frozen=True)
class PredictSettings:
    """What is written of pictures and videos."""

    save: tuple[str, ...] = setting(
        ("overlay", "index"),
        "what to write: overlay (colours over the picture), index (class ids), mask (colours), json (polygons)",
    )
    polygons: str = setting("labelme", "form of json: a Labelme file a picture, or one COCO file", choices=("labelme", "coco"))
    every: int = setting(1, "of a video or camera, every so many frames", least=1)
    frames: int = setting(0, "of each, at most so many; 0 for all, until Ctrl-C of a camera", least=0)
    strict: bool = setting(False, "stop at the first picture that cannot be read")

    def __post_init__(self) -> None:
        unknown = [name for name in self.save if name not in SAVED]
        if unknown or not self.save:
            raise InputError(f"--save={','.join(self.save)} is not accepted; give some of {', '.join(SAVED)}")
        check_numbers(self)


@dataclass(frozen=True)
class WebSettings:
    """What is put on a page that runs a file."""

    name: str = setting("", "what the page calls the model; empty takes model and recipe, or the file's name")
    pictures: tuple[str, ...] = setting((), "pictures to try, comma-separated; empty takes some of the run's val", path=True)
    examples: int = setting(3, "how many of those", least=0)
    runtime: str = setting(
        "vendor", "vendor: LiteRT.js (38 MiB) lies in the folder; cdn: the browser fetches it", choices=("vendor", "cdn")
    )
    input_range: str = input_range_setting()
    data_dir: str = setting("", "where the run's data set lies now; empty takes the run's own", path=True)

    def __post_init__(self) -> None:
        check_numbers(self)


@dataclass(frozen=True)
class PrepareSettings:
    """How an annotation tool's export becomes a data set in the `folder` layout."""

    format: str = setting(
        "",
        "coco, labelme, cvat_xml, voc, roboflow, labelstudio, colors, cityscapes, ade20k, binary or index; empty looks",
    )
    val_fraction: float = setting(0.2, "share of the pictures for val, where the export has no val")
    test_fraction: float = setting(0.0, "share for test, where it has neither val nor test")
    seed: int = setting(0, "which pictures those are")
    group_by: str = setting("", "expression in a picture's name; those that match the same text stay in one split")
    classes: tuple[str, ...] = setting((), "classes to keep, in the order of their ids; empty keeps all")
    ignore: tuple[str, ...] = setting((), "classes whose pixels shall not count (255)")
    merge: tuple[str, ...] = setting((), "classes to make one, such as car:truck+bus,person:rider")
    resize_masks: bool = setting(False, "resize a mask that is of another size than its picture, to the nearest pixel")
    copy: bool = setting(False, "copy the pictures; otherwise links to them are made")
    shards: int = setting(
        0,
        "pack them into so many tars of train, too, and of val and test alike, in shards/, for --dataset=shards; 0 for none",
        least=0,
    )

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if not (0 <= self.val_fraction < 1 and 0 <= self.test_fraction < 1 and self.val_fraction + self.test_fraction < 1):
            raise InputError(
                f"--val_fraction={self.val_fraction} --test_fraction={self.test_fraction} leave nothing to train on; "
                "give shares from 0 to less than 1 together"
            )
        check_numbers(self)


@dataclass(frozen=True)
class CompareSettings:
    """What is measured of finished runs, and what is shown."""

    pair: tuple[str, ...] = setting(("v3large", "v3large_sliced"), "two models whose classes are shown side by side")
    pictures: int = setting(3, "pictures of the split shown as each model segments them", least=1)
    threads: int = setting(1, "threads of LiteRT", least=1)
    runs: int = setting(50, "timed runs of each file", least=1)
    warmup: int = setting(5, "runs before them", least=0)
    data_dir: str = setting("", "where the data set lies now; empty takes the runs' own", path=True)
    other_data: bool = setting(False, "take data that is not what the run was trained on; the report says so")

    def __post_init__(self) -> None:
        check_numbers(self)
