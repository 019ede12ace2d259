"""Several devices and several processes, on this machine: JAX makes devices of processors, and Gloo joins processes."""

import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from kerasseg.errors import InputError
from kerasseg.training import compilation, hosts
from tests.conftest import REPOSITORY, WITH_SHORT, assert_one_line, command

FLAGS = (
    "train", "--model=short", "--dataset=shapes", "--size=64,64", "--eval_size=64,64", "--backbone_weights=none", "--epochs=2",
    "--train_examples=8", "--val_examples=2", "--batch_size=4", "--class_weights=sqrt",
)  # fmt: skip


def _weights(workdir):
    with np.load(workdir / "checkpoint.npz") as stored:
        return {key: stored[key] for key in stored if key != "progress"}


def _losses(workdir):
    return [float(row.split(",")[1]) for row in (workdir / "history.csv").read_text().splitlines()[1:]]


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """What is compiled, kept from run to run."""
    return f"--compile_cache={tmp_path_factory.mktemp('compiled')}"


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """PYTHONPATH of processes to which TensorFlow is not installed: they start seconds sooner. The first run has it."""
    folder = tmp_path_factory.mktemp("bare")
    (folder / "tensorflow.py").write_text("raise ImportError('not installed')")
    return str(folder)


@pytest.fixture(scope="module")
def alone(cache, tmp_path_factory):
    """Two epochs on one device."""
    workdir = tmp_path_factory.mktemp("alone") / "run"
    result = command("-c", WITH_SHORT, *FLAGS, cache, f"--workdir={workdir}", KERAS_BACKEND="jax")
    assert result.returncode == 0, result.stderr
    return workdir


@pytest.fixture(scope="module")
def devices(cache, bare, tmp_path_factory):
    """The same on two devices of one process."""
    workdir = tmp_path_factory.mktemp("devices") / "run"
    flags = (*FLAGS, cache, f"--workdir={workdir}", "--devices=all")
    environment = {"XLA_FLAGS": "--xla_force_host_platform_device_count=2", "PYTHONPATH": bare}
    result = command("-c", WITH_SHORT, *flags, KERAS_BACKEND="jax", **environment)
    assert result.returncode == 0, result.stderr
    assert "2 devices of 1 process\n" in result.stdout
    return workdir


@pytest.mark.slow
def test_two_devices_train_as_one(alone, devices):
    """Sums over halves of a batch round otherwise, and Adam moves a weight whose gradient is next to nothing by the sign of it.

    Seen: a mean difference of 1.3e-5 after four steps, and a second epoch's loss that differs by 4e-6 of itself; with two of
    its batches exchanged it differed by 2e-3.
    """
    expected, found = _weights(alone), _weights(devices)
    assert expected.keys() == found.keys()
    differences = np.concatenate([np.abs(found[key] - expected[key].astype(float)).ravel() for key in expected])
    assert differences.mean() < 5e-5
    np.testing.assert_allclose(_losses(devices), _losses(alone), rtol=2e-5)


def _together(*flags, path):
    """Both processes of a training, and a port that is free for them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        where = f"--coordinator=127.0.0.1:{free.getsockname()[1]}"
    return [_process(*flags, where, "--processes=2", f"--process_id={number}", path=path) for number in range(2)]


def _by_slurm(*flags, path):
    """The same, with what srun tells each."""
    job = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": "2"}
    numbers = ({"SLURM_PROCID": str(number), "SLURM_LOCALID": str(number)} for number in range(2))
    return [_process(*flags, "--coordinator=auto", path=path, **job, **number) for number in numbers]


def _process(*flags, path, **environment):
    return subprocess.Popen(
        [sys.executable, "-c", WITH_SHORT, *FLAGS, *flags],
        cwd=REPOSITORY, env=os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": path} | environment,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.slow
def test_two_processes_train_as_two_devices_though_one_is_killed(devices, cache, bare, tmp_path):
    """To the bit: one is killed in the second epoch, the other says so in one line within a minute, and both go on by SLURM."""
    flags = (cache, f"--workdir={tmp_path / 'run'}")
    first, second = _together(*flags, path=bare)
    for line in first.stdout:
        if line.startswith("Epoch 2/2"):
            break
    second.kill()
    _, said = first.communicate(timeout=60)
    second.communicate()
    lines = [line for line in said.splitlines() if line.startswith("error")]
    assert (first.returncode, len(lines)) == (2, 1), said
    assert "lost another one" in lines[0]
    assert "start all of them again with the same commands" in lines[0]
    again = _by_slurm(*flags, path=bare)
    outputs = [process.communicate(timeout=500) for process in again]
    assert [process.returncode for process in again] == [0, 0], outputs
    assert "resuming after epoch 1 of 2" in outputs[0][0]
    assert "2 devices of 2 processes\n" in outputs[0][0]
    assert "epoch" not in outputs[1][0]  # the first alone speaks
    expected, found = _weights(devices), _weights(tmp_path / "run")
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value, err_msg=key)


@pytest.mark.parametrize(
    ("coordinator", "processes", "process_id"), [("host", 2, 0), ("host:1", 1, 0), ("host:1", 2, 2), ("host:1", 0, -1)]
)
def test_what_is_no_set_of_processes_is_refused(coordinator, processes, process_id):
    with pytest.raises(InputError, match="is no set of processes; give HOST:PORT of the first one"):
        compilation.join(coordinator=coordinator, processes=processes, process_id=process_id)


def test_what_the_others_could_never_join_is_refused_at_once():
    with pytest.raises(InputError, match="auto reads these from SLURM, Open MPI or a Cloud TPU; leave them out"):
        compilation.join(coordinator="auto", processes=2, process_id=0)
    with pytest.raises(InputError, match="--coordinator=host:http has no port from 1 to 65535"):
        compilation.join(coordinator="host:http", processes=2, process_id=0)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=rf"port {port} is taken here .*, by another program, or --process_id=0 was given"):
            compilation.join(coordinator=f"127.0.0.1:{port}", processes=2, process_id=0)


def test_auto_where_no_job_is_says_so():
    pytest.importorskip("jax")
    flags = ("-m", "kerasseg", "train", "--dataset=shapes", "--coordinator=auto", "--workdir=gone/run")
    assert_one_line(command(*flags, KERAS_BACKEND="jax"), "--coordinator=auto finds no job of SLURM or Open MPI and no Cloud")


def test_several_devices_need_jax():
    with pytest.raises(InputError, match="--devices=2 needs KERAS_BACKEND=jax"):
        hosts.use("2")


def test_all_processes_hear_of_an_error_of_this_one():
    with pytest.raises(InputError, match="as it was"), hosts.together("testing"):
        raise InputError("as it was")


def test_what_jax_says_of_a_lost_process_is_one_line_and_others_errors_stay(monkeypatch):
    monkeypatch.setattr(hosts, "process", lambda: (1, 2))
    for error in (RuntimeError("anything"), ValueError("UNKNOWN: Gloo AllGather failed: Connection closed by peer")):
        with pytest.raises(InputError, match="process 1 of 2 lost another one"), hosts.noticing():
            raise error
    with pytest.raises(ValueError, match="^shapes differ$"), hosts.noticing():
        raise ValueError("shapes differ")
