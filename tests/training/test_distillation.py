import dataclasses
import shutil

import keras
import numpy as np
import pytest
from keras import ops

from kerasseg import files, grey, training
from kerasseg.config import TrainConfig
from kerasseg.data import datasets
from kerasseg.errors import InputError
from kerasseg.run import RunDir, directory, open_run
from kerasseg.run.directory import Run
from kerasseg.training import distillation
from kerasseg.training.distillation import DistillingModel, Teacher
from tests.conftest import WITH_SHORT, command

NAMES = ("background", "disc", "box", "triangle", "ring", "stick")  # of shapes


def _log_softmax(x):
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def test_the_divergence_is_its_definition():
    """A pixel with p = (1/2, 1/2) and q = (1/4, 3/4): log(2) / 2 + log(2/3) / 2 = 0.1438; the other pixel is equal: half."""
    lesson = np.zeros((1, 1, 2, 2), np.float32)
    logits = np.array([[[[0.0, np.log(3.0)], [5.0, 5.0]]]], np.float32)
    assert float(distillation.divergence(lesson, logits, temperature=1.0)) == pytest.approx(0.14384 / 2, abs=1e-5)
    random = np.random.default_rng(0)
    lesson, logits = (random.normal(0, 3, (2, 4, 6, 5)).astype(np.float32) for _ in range(2))
    said, thought = (_log_softmax(x / 2.5) for x in (lesson, logits))
    expected = 2.5**2 * (np.exp(said) * (said - thought)).sum(-1).mean()
    assert float(distillation.divergence(lesson, logits, temperature=2.5)) == pytest.approx(expected, rel=1e-5)
    assert float(distillation.divergence(lesson, lesson + 7, temperature=1.0)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize(("theirs", "ours"), [(4, 1), (1, 4), (4, 4)])
def test_the_coarser_logits_are_resized_to_the_finer(theirs, ours):
    random = np.random.default_rng(0)
    lesson, logits = (random.normal(0, 3, (2, 16 // stride, 24 // stride, 3)).astype(np.float32) for stride in (theirs, ours))
    size = (16 // min(theirs, ours), 24 // min(theirs, ours))
    fine = [np.array(ops.image.resize(x, size, interpolation="bilinear")) for x in (lesson, logits)]
    found, expected = (distillation.divergence(*pair, temperature=1.0) for pair in ((lesson, logits), fine))
    assert float(found) == pytest.approx(float(expected), rel=1e-6)


def test_grey_made_in_a_step_is_the_pipelines():
    every = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), np.uint8)
    found = distillation.as_taken(ops.convert_to_tensor(every, "float32"), 1)
    np.testing.assert_array_equal(np.array(found), grey.fitted(every, 1))
    assert distillation.as_taken(every, 3) is every


def _network(*, channels=3, stride=1, seed=0):
    """Logits of five classes, with a batch norm: training and asking are two things."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((8, 8, channels))
    x = keras.layers.Conv2D(4, 3, padding="same")(keras.layers.Rescaling(1 / 127.5, offset=-1)(image))
    x = keras.layers.Activation("relu")(keras.layers.BatchNormalization()(x))
    return keras.Model(image, keras.layers.Conv2D(5, stride, strides=stride)(x))


def _taught(network, *, by, weight=1.0, temperature=2.0, loss=None):
    by.trainable = False
    model = distillation.student(network, Teacher(by, (), weight=weight, temperature=temperature))
    optimizer = keras.optimizers.Adam(0.02)
    optimizer.build(model.trainable_variables)
    model.averaging(optimizer, decay=0.9)
    model.compile(optimizer, loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


@pytest.mark.parametrize(("channels", "theirs"), [(3, 3), (1, 3), (3, 1), (1, 1)])
def test_a_student_learns_and_its_teacher_does_not(channels, theirs):
    """The loss is that of the labels plus weight times divergence; grey is made for whichever of the two takes it."""
    teacher, network = _network(channels=theirs, stride=2), _network(channels=channels, seed=1)
    before = teacher.get_weights()
    model = _taught(network, by=teacher, weight=0.5)
    assert isinstance(model, DistillingModel)
    assert [id(weight) for weight in model.weights] == [id(weight) for weight in network.weights]
    assert model.count_params() == network.count_params()
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (16, 8, 8, max(channels, theirs)), np.uint8).astype(np.float32)
    labels = random.integers(0, 5, (16, 8, 8)).astype(np.uint8)
    fitted = model.fit(images, labels, batch_size=16, epochs=30, verbose=0, shuffle=False).history
    keras.utils.set_random_seed(1)
    logits = _network(channels=channels, seed=1)(grey.fitted(images, channels).astype(np.float32), training=True)
    lesson = teacher(grey.fitted(images, theirs).astype(np.float32), training=False)
    apart = ops.convert_to_numpy(distillation.divergence(lesson, logits, temperature=2.0))
    wrong = ops.convert_to_numpy(keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits))
    assert fitted["divergence"][0] == pytest.approx(apart, rel=1e-4)
    assert fitted["loss"][0] == pytest.approx(wrong + 0.5 * apart, rel=1e-4)
    assert fitted["divergence"][-1] < 0.5 * fitted["divergence"][0]
    for value, there in zip(teacher.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, there)
    assert len(model.averages) == len(network.weights)


def _finished(folder, *, names=NAMES, output_stride=16):
    """What a finished run leaves, as far as it is looked at before its weights are read."""
    run = Run(RunDir(folder), TrainConfig(model="tiny"), names, (64, 64), output_stride)
    directory.create(run)
    run.directory.best_weights.write_bytes(b"weights")
    files.write_json(run.directory.report, {})
    return run


def _found(teacher, workdir, **settings):
    config = TrainConfig(**({"model": "tiny", "size": (48, 64), "teacher": str(teacher)} | settings))
    return distillation.find(config, datasets.load_dataset("shapes"), workdir=workdir, log=lambda line: None)


def test_a_finished_run_may_teach(tmp_path):
    _finished(tmp_path / "a")
    sha256 = files.sha256(tmp_path / "a" / "best.weights.h5")
    assert _found(tmp_path / "a", tmp_path / "b") == {"model": "tiny", "weights_sha256": sha256}
    assert _found("", tmp_path / "b") is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"names": NAMES[:5]}, r"^--teacher=\S+ has 5 classes and the data 6; give a run of the same classes$"),
        ({"names": (*NAMES[:4], "stick", "ring")}, "has stick as class 4 where the data has ring; .* in the same order"),
        ({"output_stride": 32}, "cannot see these crops: size 48,64 does not work at output stride 32"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused(tmp_path, changes, message):
    _finished(tmp_path / "a", **changes)
    with pytest.raises(InputError, match=message):
        _found(tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize("missing", ["best.weights.h5", "report.json"])
def test_a_teacher_that_is_not_finished_is_refused(tmp_path, missing):
    _finished(tmp_path / "a")
    (tmp_path / "a" / missing).unlink()
    with pytest.raises(InputError, match=rf"is not finished \(no {missing}\); finish `kerasseg train --workdir="):
        _found(tmp_path / "a", tmp_path / "b")


def test_what_is_no_other_run_is_refused(tmp_path):
    _finished(tmp_path / "a")
    with pytest.raises(InputError, match="is the run's own --workdir; give the directory of another, finished run"):
        _found(tmp_path / "a", tmp_path / "b" / ".." / "a")
    with pytest.raises(InputError, match="is no run directory"):
        _found(tmp_path / "c", tmp_path / "a")


def test_settings_without_a_teacher_are_refused():
    for settings in ({"distill_weight": 0.5}, {"distill_temperature": 2.0}):
        with pytest.raises(InputError, match="need a teacher; give --teacher=RUN_DIR, or leave them out"):
            TrainConfig(**settings)
    with pytest.raises(InputError, match=r"distill_temperature=0.0 is not positive; give one such as 1 or 2"):
        TrainConfig(teacher="a", distill_temperature=0.0)
    with pytest.raises(InputError, match=r"distill_weight=-1.0 is too small"):
        TrainConfig(teacher="a", distill_weight=-1.0)


def test_data_that_the_teacher_was_not_trained_on_is_said(tmp_path):
    run = _finished(tmp_path / "a")
    stored = files.read_json(run.directory.config)
    files.write_json(run.directory.config, stored | {"data": {"val": {"examples": 7, "fingerprint": "x"}}})
    lines = []
    config = TrainConfig(model="tiny", size=(64, 64), teacher=str(tmp_path / "a"))
    distillation.find(config, datasets.load_dataset("shapes"), workdir=tmp_path / "b", log=lines.append)
    assert lines == [
        "the teacher was trained on other data: val has 100 examples, and had 7; pictures of this val may be among what it has "
        "seen"
    ]


@pytest.fixture(scope="module")
def taught(short, short_run):
    """Settings of a run that `short_run` teaches."""
    return dataclasses.replace(short, val_examples=2, eval_size=(64, 64), teacher=str(short_run))


@pytest.mark.slow
def test_a_taught_run_goes_on_with_its_teacher_alone(taught, short_run, tmp_path):
    """Refused with no teacher, or another; the same one may lie elsewhere."""
    workdir = tmp_path / "run"
    training.train(taught, workdir=workdir)
    for other in (dataclasses.replace(taught, teacher=""), _copied(taught, tmp_path / "changed", changed=True)):
        with pytest.raises(
            InputError, match=r"was begun with another teacher \(weights .*; give --teacher=.* as it was to resume"
        ):
            training.train(other, workdir=workdir)
    lines = []
    training.train(_copied(taught, tmp_path / "moved", changed=False), workdir=workdir, log=lines.append)
    assert "resuming after epoch 1 of 1" in lines
    with np.load(workdir / "checkpoint.npz") as ours, np.load(short_run / "checkpoint.npz") as theirs:
        assert set(ours) == set(theirs)  # nothing of the teacher
    report = files.read_json(workdir / "report.json")
    assert report["teacher"]["weights_sha256"] == files.sha256(short_run / "best.weights.h5")
    assert report["config"]["teacher"] == "moved"
    assert report["history"][0]["divergence"] > 0
    with pytest.raises(
        InputError, match=r"with another teacher \(no teacher there, weights .* asked\); give no --teacher to resume"
    ):
        training.train(dataclasses.replace(open_run(short_run).config, teacher=str(workdir)), workdir=short_run)


def _copied(config, folder, *, changed):
    """The settings with a copy of their teacher, its weights as they were or not."""
    shutil.copytree(config.teacher, folder)
    if changed:
        with (folder / "best.weights.h5").open("ab") as file:
            file.write(b"another")
    return dataclasses.replace(config, teacher=str(folder))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_grey_student_learns_from_colours_under_every_backend(backend, short_run, tmp_path):
    """Under JAX on two devices, in bfloat16; the teacher was trained under TensorFlow."""
    pytest.importorskip(backend)
    flags = (
        "train", "--model=short", "--dataset=shapes", "--size=64,64", "--eval_size=64,64", "--backbone_weights=none",
        "--epochs=1", "--train_examples=8", "--val_examples=2", "--batch_size=4", "--channels=1", f"--teacher={short_run}",
        f"--workdir={tmp_path / 'run'}",
        *(("--devices=all", "--precision=mixed_bfloat16", f"--compile_cache={tmp_path}") if backend == "jax" else ()),
    )  # fmt: skip
    result = command(
        "-c", WITH_SHORT, *flags, KERAS_BACKEND=backend, XLA_FLAGS="--xla_force_host_platform_device_count=2"
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "epoch 1/1: loss" in result.stdout
    assert files.read_json(tmp_path / "run" / "report.json")["history"][0]["divergence"] > 0
