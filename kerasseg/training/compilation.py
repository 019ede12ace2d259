"""What JAX is told before it starts."""

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasseg.errors import InputError

WAIT_SECONDS = 300  # for all processes to be there
HEARTBEAT_SECONDS = 20  # without one from a process for so long, JAX ends the others
# Of kernels that libraries bring, XLA tries all on a GPU, some 170 convolutions and matrix products a network: on an H100 no
# first step within 95 s, and one after 31 s with these. models/jax_kernels leaves next to no convolution that would need it.
_FLAGS = "--xla_gpu_autotune_level=0 --xla_gpu_enable_triton_gemm=false"


def set_up_jax(*, cache: str) -> None:
    """Sets JAX's own variables of the environment, where they are not set; only before its import does that change anything.

    Args:
        cache: Folder that keeps what was compiled, so that the next run of the same network starts sooner; "" for none.
    """
    os.environ.setdefault("XLA_FLAGS", _FLAGS)
    if cache:
        os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(cache).expanduser()))
        os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")  # fresh weights: hundreds of small programs


def join(*, coordinator: str, processes: int, process_id: int, log: Callable[[str], None] = lambda line: None) -> None:
    """Makes this process one of several that train together; before anything else asks JAX for its devices.

    Args:
        coordinator: HOST:PORT of the first process, or "auto" for what SLURM, Open MPI or a Cloud TPU say.
        processes: How many; of no meaning with "auto".
        process_id: Of this one, from 0; likewise.
        log: Gets a line while the others are waited for.

    Raises:
        InputError: the settings do not fit together, or the others cannot be reached.
    """
    given: dict[str, Any] = {}
    if coordinator == "auto":
        if processes or process_id >= 0:
            raise InputError(
                f"--coordinator=auto --processes={processes} --process_id={process_id}: auto reads these from SLURM, Open MPI "
                "or a Cloud TPU; leave them out, or give --coordinator=HOST:PORT"
            )
    else:
        if ":" not in coordinator or processes < 2 or not 0 <= process_id < processes:
            raise InputError(
                f"--coordinator={coordinator} --processes={processes} --process_id={process_id} is no set of processes; give "
                "HOST:PORT of the first one, how many there are (2 or more), and which this is, from 0"
            )
        given = {"coordinator_address": coordinator, "num_processes": processes, "process_id": process_id}
        if process_id == 0:
            _refuse_taken(coordinator)
        others = f"{processes - 1} other process{'es' * (processes > 2)}"
        log(f"process {process_id} waits for {others}, at most {WAIT_SECONDS} s")
    import jax

    jax.config.update("jax_enable_recoverability", True)  # or it aborts with a stack trace where another process ends
    try:
        jax.distributed.initialize(
            **given,
            heartbeat_timeout_seconds=HEARTBEAT_SECONDS,
            shutdown_timeout_seconds=HEARTBEAT_SECONDS,
            initialization_timeout=WAIT_SECONDS,
        )
    except (RuntimeError, ValueError) as error:  # what XLA's errors are, and what an unknown cluster raises
        reason = " ".join(str(error).split())[:200]
        if coordinator == "auto":
            raise InputError(
                f"--coordinator=auto finds no job of SLURM or Open MPI and no Cloud TPU ({reason}); start it by srun or "
                "mpirun, or give --coordinator=HOST:PORT, --processes and --process_id"
            ) from error
        raise InputError(
            f"the processes of {coordinator} did not come together ({reason}); start all of them, each with an id of its own"
        ) from error


def _refuse_taken(coordinator: str) -> None:
    """Raises InputError where something listens on the first process' port: gRPC would share it, and wait."""
    port = coordinator.rpartition(":")[2]
    if not port.isdigit() or not 0 < int(port) < 65536:
        raise InputError(f"--coordinator={coordinator} has no port from 1 to 65535; write HOST:PORT")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what ended a moment ago is no matter
        try:
            probe.bind(("", int(port)))
        except OSError as error:
            raise InputError(
                f"--coordinator={coordinator}: port {port} is taken here ({error.strerror}), by another program, or "
                "--process_id=0 was given twice; give another port, and each process its own id"
            ) from None
