"""What JAX is told before it starts."""

import os
from pathlib import Path

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
