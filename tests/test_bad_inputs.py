"""What people hand in by mistake: each row a command as typed, and words of the one line that it gets, with exit code 2."""

import json
import os
import shlex
import shutil

import numpy as np
import pytest
from PIL import Image

from kerasseg import files
from kerasseg.lite import converter
from kerasseg.run import open_run, sidecar
from kerasseg.run.trained import load_trained
from tests.conftest import assert_one_line, folder_dataset, kerasseg, write_picture

pytestmark = pytest.mark.slow

SHORT = "train --model=short --size=64,64 --backbone_weights=none --workdir={new}"
DRAWN = f"{SHORT} --dataset=shapes --train_examples=8 --val_examples=2 --batch_size=4"
FOLDER = f"{SHORT} --dataset=folder --batch_size=2"
AGAIN = (
    "train --model=short --size=64,64 --eval_size=96,96 --backbone_weights=none --epochs=2 --batch_size=4 --train_examples=8 "
    "--val_examples=4 --learning_rate=1e-3 --workdir={copy}"
)

ROWS = [
    # the command line itself
    ("nonsense", "there is no command 'nonsense'"),
    ("train --modell=tiny", "Unknown command line flag 'modell'"),
    ("train tiny", "unexpected argument 'tiny'"),
    ("train", "--workdir is missing"),
    ("evaluate", "--workdir is missing"),
    ("predict", "PICTURE or --output_dir is missing"),
    ("compare", "--workdirs or --output_dir is missing"),
    ("convert", "--workdir is missing"),
    ("check", "--tflite is missing"),
    ("micro", "--tflite or --output_dir is missing"),
    # numbers and words of a training
    (f"{DRAWN} --epochs=x", "epochs"),
    (f"{DRAWN} --epochs=0", "epochs=0 is too small"),
    (f"{DRAWN} --batch_size=-1", "batch_size=-1 is too small"),
    (f"{DRAWN} --batch_size=1", "batch_size=1 cannot train"),
    (f"{DRAWN} --eval_every=0", "eval_every=0 is too small"),
    (f"{DRAWN} --warmup_epochs=-1", "warmup_epochs=-1.0 is too small"),
    (f"{DRAWN} --learning_rate=0", "learning_rate=0.0 is not positive"),
    (f"{DRAWN} --learning_rate=nan", "learning_rate=nan is no number to train with"),
    (f"{DRAWN} --learning_rate=inf", "learning_rate=inf is no number to train with"),
    (f"{DRAWN} --weight_decay=nan", "weight_decay=nan is no number"),
    (f"{DRAWN} --weight_decay=-1", "weight_decay=-1.0 is too small"),
    (f"{DRAWN} --backbone_lr_factor=-1", "backbone_lr_factor=-1.0 is too small"),
    (f"{DRAWN} --bn_momentum=1", "bn_momentum=1.0 is out of range"),
    (f"{DRAWN} --ema_decay=1.5", "ema_decay=1.5 is out of range"),
    (f"{DRAWN} --momentum=-0.1", "momentum=-0.1 is out of range"),
    (f"{DRAWN} --ce_weight=0", "are all 0"),
    (f"{DRAWN} --dice_weight=-1", "dice_weight=-1.0 is too small"),
    (f"{DRAWN} --scale_min=2", "is no range"),
    (f"{DRAWN} --scale_min=0", "is no range"),
    (f"{DRAWN} --color=-1", "color=-1.0 is out of range; give 0 to 1"),
    (f"{DRAWN} --color=20", "color=20.0 is out of range; give 0 to 1"),
    (f"{DRAWN} --gamma=-1", "gamma=-1.0 is out of range; give 0 to 2"),
    (f"{DRAWN} --gamma=2.2", "gamma=2.2 is out of range; give 0 to 2"),
    (f"{DRAWN} --seed=-1", "seed=-1 is out of range"),
    (f"{DRAWN} --seed=4294967296", "seed=4294967296 is out of range"),
    (f"{DRAWN} --optimizer=adam", "optimizer"),
    (f"{DRAWN} --schedule=linear", "schedule"),
    (f"{DRAWN} --precision=float16", "precision"),
    (f"{DRAWN} --class_weights=inverse", "class_weights"),
    (f"{DRAWN} --model=resnet", "unknown model 'resnet'"),
    (f"{DRAWN} --activation=gelu", "gelu"),
    (f"{DRAWN} --output_stride=7", "7"),
    (f"{DRAWN} --size=64", "is no size"),
    (f"{DRAWN} --size=a,b", "is no size"),
    (f"{DRAWN} --size=60,64", "size 60,64"),
    (f"{DRAWN} --eval_size=50,50", "size 50,50"),
    (f"{DRAWN} --train_examples=-1", "train_examples=-1 is too small"),
    (f"{DRAWN} --train_examples=99999", "99999 examples asked"),
    (f"{DRAWN} --train_examples=2", "do not fill a batch of 4"),
    (f"{DRAWN} --backbone_weights=gone.npz", "gone.npz; --backbone_weights takes imagenet, none"),
    (f"{DRAWN} --backbone_weights={{text}}", "is not accepted"),
    (f"{DRAWN} --backbone_weights={{false_npz}}", "is no readable .npz file"),
    (f"{DRAWN} --backbone_weights={{false_h5}}", "does not fit MobileNetV3"),
    (f"{DRAWN} --init_weights=gone.weights.h5", "gone.weights.h5; give the weights of a run"),
    (f"{DRAWN} --init_weights={{nan}}/best.weights.h5", "is not finite"),
    (f"{DRAWN} --learning_rate=1e30 --epochs=1 --warmup_epochs=0 --clip_norm=0 --optimizer=sgd --workdir={{diverged}}",
     "--learning_rate"),
    (f"{DRAWN} --config=gone.json", "no file gone.json"),
    (f"{DRAWN} --config={{text}}", "is not a readable JSON file"),
    (f"{DRAWN} --config={{unknown_json}}", "unknown settings modell"),
    (f"{DRAWN} --config={{listed_json}}", "{listed_json} is no JSON object of settings"),
    (f"{DRAWN} --config={{typed_json}}", 'epochs="many"; write it like 60'),
    (f"{DRAWN} --config={{worded_json}}", 'flip="false"; write it like true'),
    (f"{DRAWN} --config={{done}}", "{done} is a folder; give a file, such as the config.json of a run directory"),
    # data sets
    (f"{SHORT} --dataset=coco", "unknown dataset 'coco'"),
    (f"{SHORT} --dataset=camvid", "needs --data_dir"),
    (f"{SHORT} --dataset=camvid --data_dir=/nowhere", "no folder /nowhere"),
    (f"{SHORT} --dataset=camvid --data_dir={{empty}}", "{empty}"),
    (f"{SHORT} --dataset=voc2012 --data_dir={{empty}}", "holds no VOC2012"),
    (f"{FOLDER} --data_dir={{empty}}", "has no images or no labels folder"),
    (f"{FOLDER} --data_dir={{text}}", "no folder {text}"),
    (f"{FOLDER} --data_dir={{data_unnamed}}", "has no classes.txt"),
    (f"{FOLDER} --data_dir={{data_one_class}}", "names 1 classes"),
    (f"{FOLDER} --data_dir={{data_twice}}", "names 'cat' 2 times"),
    (f"{FOLDER} --data_dir={{data_latin1}}", "is no readable UTF-8 text"),
    (f"{FOLDER} --data_dir={{data_no_val}}", "has no split 'val'"),
    (f"{FOLDER} --data_dir={{data_unlabelled}}", "an image without labels"),
    (f"{FOLDER} --data_dir={{data_unpictured}}", "labels without an image"),
    (f"{FOLDER} --data_dir={{data_sizes}}", "must be of one size"),
    (f"{FOLDER} --data_dir={{data_ids}}", "has class ids 9"),
    (f"{FOLDER} --data_dir={{data_colours}}", "is a RGB picture, labels must be class ids"),
    (f"{FOLDER} --data_dir={{data_jpeg}}", "is a JPEG, which changes class ids"),
    (f"{FOLDER} --data_dir={{data_16bit}}", "must be 8-bit RGB"),
    (f"{FOLDER} --data_dir={{data_alpha}}", "is a RGBA picture"),
    (f"{FOLDER} --data_dir={{data_torn}}", "cannot be decoded"),
    (f"{FOLDER} --data_dir={{data_text}}", "cannot be decoded"),
    (f"{FOLDER} --data_dir={{data_copies}}", "are copies of p0"),
    # run directories
    ("train --model=tiny --workdir={text}", "cannot write {text}"),
    ("train --model=tiny --workdir={data}", "is not empty and holds no run"),
    ("train --model=tiny --workdir=/proc/run", "cannot write /proc/run"),
    (f"{AGAIN} --learning_rate=2e-3", "learning_rate (0.001 there, 0.002 asked)"),
    (f"{AGAIN} --epochs=3", "--init_weights={copy}/best.weights.h5"),
    (f"{AGAIN} --workdir={{torn}}", "cannot be resumed from"),
    (f"{AGAIN} --workdir={{old}}", "has format 0"),
    ("train --model=short --dataset=folder --data_dir={data_reversed} --size=64,64 --backbone_weights=none --epochs=1 "
     "--batch_size=2 --workdir={folder_run}", "the classes are class2, class1, class0, and were class0, class1, class2"),
    ("train --model=short --dataset=folder --data_dir={data_more} --size=64,64 --backbone_weights=none --epochs=1 "
     "--batch_size=2 --workdir={folder_run}", "train has 6 examples, and had 4"),
    ("evaluate --workdir={empty}", "is no run directory"),
    ("evaluate --workdir={old}", "has format 0"),
    ("evaluate --workdir={done} --split=tset", "has no split 'tset'"),
    ("evaluate --workdir={done} --output_dir={done}", "{done} is a run directory, whose report.json would be written over"),
    ("evaluate --workdir={weightless}", "has no trained weights"),
    ("evaluate --workdir={torn}", "cannot be read"),
    ("evaluate --workdir={nan}", "is not finite"),
    ("evaluate --workdir={folder_run} --data_dir=/nowhere", "no folder /nowhere"),
    ("evaluate --workdir={folder_run} --data_dir={data_reversed}", "give the --data_dir of that data, or --other_data"),
    ("evaluate --workdir={folder_run} --data_dir={data_five}", "the classes are"),
    ("evaluate --workdir={folder_run} --data_dir={data_ignored} --other_data", "no pixel of the 4 pictures is labelled"),
    # files of convert
    ("convert --workdir={done} --recipe=int4", "unknown recipe 'int4'"),
    ("convert --workdir={done} --io_type=int16", "io_type 'int16' is unknown"),
    ("convert --workdir={done} --recipe=int16x8 --io_type=int8", "io_type 'int8' is unknown; give one of int16, float32"),
    ("convert --workdir={done} --recipe=int16x8 --float_layers=logits", "are for int8 recipes"),
    ("convert --workdir={done} --calibration_examples=-1 --output={out}", "calibration_examples=-1 is too small"),
    ("convert --workdir={done} --recipe=int8_qat --patience=-1 --output={out}", "patience=-1 is too small"),
    ("convert --workdir={done} --calibration_examples=9 --output={out}", "9"),
    ("convert --workdir={done} --calibration_choice=best", "calibration_choice"),
    ("convert --workdir={done} --calibration_seed=-1", "seed=-1 is out of range"),
    ("convert --workdir={done} --resizes=halving", "resizes"),
    ("convert --workdir={done} --recipe=float32 --float_layers=logits", "are for int8 recipes"),
    ("convert --workdir={done} --calibration_examples=2 --float_layers=auto:x --output={out}", "write auto:K"),
    ("convert --workdir={done} --calibration_examples=2 --float_layers=nobody --output={out}", "no layer 'nobody'"),
    ("convert --workdir={done} --recipe=int8_qat --epochs=0", "trains nothing"),
    ("convert --workdir={done} --recipe=float32 --output={data}", "cannot write {data}"),
    ("convert --workdir={done} --recipe=float16 --io_type=uint8 --output={out}", "--io_type, --resizes and --means are for"),
    ("convert --workdir={done} --recipe=float32 --output={done}/best.weights.h5", "is there and is no .tflite file"),
    ("convert --workdir={nan} --recipe=float32", "is not finite"),
    ("convert --workdir={huge} --recipe=float16 --output={out}", "float16 ends at 65504"),
    ("convert --workdir={nan} --recipe=int8", "is not finite"),
    ("convert --workdir={folder_run} --data_dir={data_reversed}", "this is not the data"),
    ("convert --workdir={folder_run} --data_dir={data_black} --other_data --calibration_examples=4 --output={out}",
     "is of one colour alone"),
    ("check --tflite=gone.tflite", "gone.tflite"),
    ("check --tflite={text}", "{text}"),
    ("check --tflite={torn_tflite}", "{torn_tflite}"),
    ("check --tflite={int8} --runs=1", "--runs=1 is too small; give at least 50"),
    ("check --tflite={int8} --threads=0", "--threads=0 is too small; give at least 1"),
    ("check --tflite={int8} --threads=1,0", "--threads=1,0 is too small; give at least 1"),
    ("check --tflite={int8} --workdir={done} --examples=-1", "--examples=-1 is too small"),
    ("check --tflite={int8} --workdir={done} --sample=-3", "--sample=-3 is too small"),
    ("check --tflite={int8} --workdir={done} --max_miou_drop=nan", "--max_miou_drop=nan is no number"),
    ("check --tflite={int8} --max_latency_ms=-1", "--max_latency_ms=-1.0 is too small"),
    ("check --tflite={int8} --threads=x", "is no list of whole numbers"),
    ("check --tflite={int8} --kernels=gpu", "kernels"),
    ("check --tflite={int8} --sample=2", "need --workdir"),
    ("check --tflite={int8} --per_layer", "need --workdir"),
    ("check --tflite={int8} --size=32,32", "--size is (32, 32)"),
    ("check --tflite={int8} --workdir={negated}", "was made from other weights than the best of {negated}"),
    ("check --tflite={alone} --workdir={folder_run}", "has 6 classes, the run has 3"),
    ("check --tflite={swapped} --workdir={done}", "is not the file that swapped.tflite.json speaks of"),
    ("check --tflite={renamed} --workdir={done}", "names the classes"),
    ("check --tflite={storyless} --workdir={done}", "does not say where"),
    ("check --tflite={alone} --workdir={done} --per_layer --examples=1", "is no int8 file of kerasseg convert"),
    ("check --tflite={int8} --workdir={done} --examples=99", "99 examples asked"),
    ("check --tflite={int8} --workdir={done} --split=tset", "has no split 'tset'"),
    # pictures
    ("predict {picture} --output_dir={out}", "give --workdir of a run"),
    ("predict gone.png --workdir={done} --output_dir={out}", "no file, folder or camera gone.png"),
    ("predict {text} --workdir={done} --output_dir={out}", "cannot be decoded"),
    ("predict {alpha} --workdir={done} --output_dir={out}", "is a RGBA picture"),
    ("predict {picture} --tflite={nan_tflite} --output_dir={out}", "logits are not finite"),
    ("predict {picture} --tflite=gone.tflite --output_dir={out}", "gone.tflite"),
    ("predict {picture} --tflite={int8} --workdir={negated} --output_dir={out}", "was made from other weights"),
    ("predict {picture} --tflite={swapped} --workdir={done} --output_dir={out}", "speaks of"),
    ("predict {picture} --workdir={done} --output_dir={text}", "--output_dir={text} is a file; give a folder"),
    # pages
    ("web --tflite={int8} --output_dir={out} --port=99999", "--port=99999 is no port; give one up to 65535"),
    ("web --tflite={int8} --output_dir={out} --port=-1", "--port=-1 is too small"),
    ("web --tflite={int8} --output_dir={out} --workdir={done} --examples=-1", "--examples=-1 is too small"),
    ("inspect --dataset=shapes --size=0,0", "--size=0,0 is too small; give at least 1"),
    # somebody's own files
    ("report --workdir={done} --nomeasure --output={done}/best.weights.h5", "and kerasseg report did not write it"),
    ("report --workdir={done} --nomeasure --output={mine}/thesis.html", "thesis.html would be written over"),
    ("check --tflite={int8} --runs=50 --report={int8}", "would be written over, and kerasseg check did not write it"),
    ("check --tflite={int8} --workdir={done} --per_layer --report={mine}/street.json", "street.png would be written over"),
    ("check --tflite={int8} --report={mine}/report.json", "report.json would be written over"),
    ("summary --json={done}/config.json", "config.json would be written over, and kerasseg summary did not write it"),
    ("inspect --dataset=shapes --output_dir={mine}", "inspect.html would be written over, and kerasseg inspect did not"),
    ("inspect --dataset=folder --data_dir={data} --output_dir={data}/labels/train", "lies in the data set {data}"),
    ("inspect --dataset=folder --data_dir={data} --output_dir={done}", "{done} is a run directory"),
    ("evaluate --workdir={done} --output_dir={mine}", "report.json would be written over, and kerasseg evaluate did not"),
    ("compare --workdirs={done} --output_dir={mine}", "compare.md would be written over, and kerasseg compare did not"),
    ("compare --workdirs={done} --output_dir={done}", "{done} is a run directory"),
    # several runs
    ("compare --workdirs={done},{empty} --output_dir={out}", "is no run directory"),
    ("compare --workdirs={unfinished} --output_dir={out}", "is not finished"),
    ("compare --workdirs={unreported} --output_dir={out}", "report.json is no report of a training; remove it"),
    ("compare --workdirs={done},{copy} --output_dir={out}", "have the same settings and seed"),
    ("compare --workdirs={done},{folder_run} --output_dir={out}", "has data set folder"),
    ("compare --workdirs={done} --output_dir={out} --pictures=0", "--pictures=0 is too small; give at least 1"),
    ("compare --workdirs={done} --output_dir={out} --earlier=gone.json", "no file gone.json"),
    # microcontrollers
    ("micro --tflite=gone.tflite --output_dir={out}", "no file gone.tflite"),
    ("micro --tflite={text} --output_dir={out}", "is a text, no .tflite file"),
    ("micro --tflite={torn_tflite} --output_dir={out}", "torn.tflite"),
    ("micro --tflite={int8} --output_dir={out} --name=9x", "9x"),
    ("micro --tflite={int8} --output_dir={out} --pictures=-1", "--pictures=-1 is too small"),
    ("micro --tflite={int8} --output_dir={out} --arena_margin=-1", "--arena_margin=-1.0 is too small"),
    ("micro --tflite={int8} --output_dir={out} --arena_margin=nan", "--arena_margin=nan is no number"),
    ("micro --tflite={int8} --output_dir={out} --arena_budget_kib=nan", "--arena_budget_kib=nan is no number"),
    ("micro --tflite={int8} --output_dir={done}", "is a run directory"),
    ("micro --tflite={int8} --output_dir={out} --board=abacus", "abacus"),
    ("micro --tflite={int8} --output_dir={out} --accelerator=abacus", "abacus"),
    ("micro --tflite={int8} --output_dir={out} --images={empty}", "has 0 pictures, 20 are to be compared"),
    ("micro --tflite={int8} --output_dir={out} --workdir={done} --pictures=9", "has 4 pictures, 9 are to be compared"),
    ("micro --tflite={int8} --output_dir={out} --workdir={empty}", "is no run directory"),
    # tables
    ("summary --size=33,32", "size 33,32"),
    ("summary --num_classes=0", "num_classes"),
]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory, short_run, short_int8):
    """Name -> path of what the rows hand in."""
    root = tmp_path_factory.mktemp("place")
    named = {"new": root / "new", "out": root / "out", "diverged": root / "diverged", "done": short_run, "int8": short_int8}
    for name in ("empty", "old", "unfinished", "unreported"):
        named[name] = root / name
        named[name].mkdir()
    _texts(root, named)
    _data_sets(root, named)
    _runs(root, named)
    _tflites(root, named)
    return {name: str(path) for name, path in named.items()}


def _texts(root, named):
    for name, content in (
        ("text", "no file of any kind"), ("false_npz", "no arrays"), ("false_h5", "no weights"),
        ("unknown_json", '{"modell": "tiny"}'), ("typed_json", '{"epochs": "many"}'),
        ("worded_json", '{"flip": "false"}'), ("listed_json", "[1]"),
    ):  # fmt: skip
        suffix = {"false_npz": ".npz", "false_h5": ".weights.h5"}.get(name, ".txt")
        named[name] = root / f"{name}{suffix}"
        named[name].write_text(content)
    named["mine"] = root / "mine"
    named["mine"].mkdir()
    for name in ("thesis.html", "street.png", "report.json", "inspect.html", "compare.md"):
        (named["mine"] / name).write_text("{}")
    named["picture"] = write_picture(root / "picture.png", np.full((40, 60, 3), 90, np.uint8))
    named["alpha"] = write_picture(root / "alpha.png", np.full((40, 60, 4), 90, np.uint8))


def _data_sets(root, named):
    named["data"] = folder_dataset(root / "data")
    for name, spoil in {
        "unnamed": lambda at: (at / "classes.txt").unlink(),
        "one_class": lambda at: (at / "classes.txt").write_text("cat\n"),
        "twice": lambda at: (at / "classes.txt").write_text("cat\ndog\ncat\n"),
        "latin1": lambda at: (at / "classes.txt").write_bytes("Straße\nWeg\nHof\n".encode("latin-1")),
        "reversed": lambda at: (at / "classes.txt").write_text("class2\nclass1\nclass0\n"),
        "five": lambda at: (at / "classes.txt").write_text("".join(f"class{i}\n" for i in range(5))),
        "no_val": lambda at: shutil.rmtree(at / "images" / "val"),
        "unlabelled": lambda at: (at / "labels" / "train" / "p1.png").unlink(),
        "unpictured": lambda at: (at / "images" / "train" / "p1.png").unlink(),
        "sizes": lambda at: write_picture(at / "labels" / "train" / "p1.png", np.zeros((20, 30), np.uint8)),
        "ids": lambda at: write_picture(at / "labels" / "train" / "p1.png", np.full((40, 60), 9, np.uint8)),
        "colours": lambda at: write_picture(at / "labels" / "train" / "p1.png", np.full((40, 60, 3), (0, 0, 9), np.uint8)),
        "jpeg": _jpeg_labels,
        "16bit": lambda at: write_picture(at / "images" / "train" / "p1.png", np.zeros((40, 60), np.uint16)),
        "alpha": lambda at: write_picture(at / "images" / "train" / "p1.png", np.zeros((40, 60, 4), np.uint8)),
        "torn": lambda at: (at / "images" / "val" / "p1.png").write_bytes((at / "images/val/p1.png").read_bytes()[:500]),
        "text": lambda at: (at / "images" / "val" / "p1.png").write_text("no picture"),
        "copies": lambda at: [_same_for_all(at, "train"), _same_for_all(at, "val")],
        "more": _two_more,
        "ignored": lambda at: [write_picture(p, np.full((40, 60), 255, np.uint8)) for p in (at / "labels" / "val").iterdir()],
        "black": lambda at: [write_picture(p, np.zeros((40, 60, 3), np.uint8)) for p in (at / "images" / "train").iterdir()],
    }.items():
        named[f"data_{name}"] = folder_dataset(root / f"data_{name}")
        spoil(named[f"data_{name}"])


def _jpeg_labels(at):
    (at / "labels" / "train" / "p1.png").unlink()
    Image.fromarray(np.zeros((40, 60), np.uint8)).save(at / "labels" / "train" / "p1.jpg")


def _same_for_all(at, split):
    for path in (at / "images" / split).iterdir():
        shutil.copy(at / "images" / "train" / "p0.png", path) if path != at / "images" / "train" / "p0.png" else None


def _two_more(at):
    for i in (4, 5):
        for kind in ("images", "labels"):
            shutil.copy(at / kind / "train" / "p0.png", at / kind / "train" / f"p{i}.png")


def _runs(root, named):
    named["folder_run"] = root / "folder_run"
    done = kerasseg(
        "train", "--model=short", "--dataset=folder", f"--data_dir={named['data']}", "--size=64,64", "--backbone_weights=none",
        "--epochs=1", "--batch_size=2", f"--workdir={named['folder_run']}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for name in ("copy", "torn", "nan", "huge", "negated", "weightless"):
        named[name] = root / name
        shutil.copytree(named["done"], named[name])
    for name in ("checkpoint.npz", "best.weights.h5"):
        path = named["torn"] / name
        path.write_bytes(path.read_bytes()[:5000])
    (named["weightless"] / "best.weights.h5").unlink()
    for name, change in (("nan", lambda w: w * np.nan), ("huge", lambda w: 50 * w), ("negated", lambda w: -w)):
        model = load_trained(open_run(named[name]))
        model.set_weights([change(w) for w in model.get_weights()])
        model.save_weights(named[name] / "best.weights.h5")
        if name == "nan":
            named["nan_tflite"] = root / "nan.tflite"
            named["nan_tflite"].write_bytes(converter.convert(model, recipe="float32"))
    stored = files.read_json(named["done"] / "config.json")
    (named["old"] / "config.json").write_text(json.dumps(stored | {"format": 0}))
    (named["unfinished"] / "config.json").write_text(json.dumps(stored))
    (named["unreported"] / "config.json").write_text(json.dumps(stored))
    (named["unreported"] / "report.json").write_text("{}")


def _tflites(root, named):
    for name in ("swapped", "renamed", "storyless", "alone", "torn_tflite"):
        named[name] = root / f"{name.removesuffix('_tflite')}.tflite"
        shutil.copy(named["int8"], named[name])
    story = files.read_json(sidecar.path_of(named["int8"]))
    files.write_json(sidecar.path_of(named["swapped"]), story | {"sha256": "0" * 64})
    files.write_json(sidecar.path_of(named["renamed"]), story | {"class_names": story["class_names"][::-1]})
    files.write_json(sidecar.path_of(named["storyless"]), {})
    named["torn_tflite"].write_bytes(named["int8"].read_bytes()[: os.path.getsize(named["int8"]) // 2])


@pytest.mark.parametrize(("typed", "words"), ROWS, ids=[f"{i:03}" for i in range(len(ROWS))])
def test_one_line_that_says_what_to_do(place, typed, words):
    before = _listing(place)
    result = kerasseg(*shlex.split(typed.format(**place)))
    assert_one_line(result, words.format(**place))
    assert _listing(place) == before  # nothing half-written, nothing lost


def _listing(place):
    found = {}
    for folder in ("new", "out", "data", "copy", "folder_run", "done", "mine"):
        for root, _, names in os.walk(place[folder]):
            found |= {os.path.join(root, name): os.path.getsize(os.path.join(root, name)) for name in names}
    return found
