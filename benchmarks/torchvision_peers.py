"""python benchmarks/torchvision_peers.py --output_dir=DIR: torchvision's networks on MobileNetV3-Large as .tflite files.

In an environment of its own: pip install torch torchvision litert-torch ai-edge-quantizer, and this package.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasseg import cli, files
from kerasseg.config import setting
from kerasseg.errors import InputError

MODELS = ("lraspp_mobilenet_v3_large", "deeplabv3_mobilenet_v3_large")


@dataclass(frozen=True)
class TorchvisionOptions:
    """Writes MODEL_float32.tflite by litert-torch and MODEL_int8.tflite by ai-edge-quantizer's static recipe.

    For peers.py, which times them: weights and calibration are random, since neither changes what is computed.
    """

    output_dir: str = setting("", "where the files go", path=True)
    models: tuple[str, ...] = setting(MODELS, "names of torchvision.models.segmentation")
    side: int = setting(512, "side of the square inputs, in pixels", least=1)
    num_classes: int = setting(21, "classes", least=1)


def exported(name: str, options: TorchvisionOptions) -> bytes:
    """A float32 file of pictures (1, side, side, 3) to logits (1, side, side, classes)."""
    import litert_torch
    import torch
    import torchvision

    class Logits(torch.nn.Module):
        """The network without the dictionary around its output."""

        def __init__(self) -> None:
            super().__init__()
            build = getattr(torchvision.models.segmentation, name)
            self.network = build(weights=None, weights_backbone=None, num_classes=options.num_classes, aux_loss=None)

        def forward(self, image):
            return self.network(image)["out"]

    torch.manual_seed(0)
    network = litert_torch.to_channel_last_io(Logits().eval(), args=[0], outputs=[0])
    path = Path(options.output_dir, f"{name}_float32.tflite")
    litert_torch.convert(network.eval(), (torch.randn(1, options.side, options.side, 3),)).export(str(path))
    return path.read_bytes()


def quantized(content: bytes) -> bytes:
    """The same by ai-edge-quantizer's static int8 recipe, calibrated on two pictures of noise."""
    from ai_edge_quantizer import quantizer, recipe

    from kerasseg.lite.inspection import Reference

    (given,) = Reference(content).inputs
    random = np.random.default_rng(0)
    pictures = [random.normal(size=given.shape).astype(np.float32) for _ in range(2)]
    work = quantizer.Quantizer(bytearray(content), recipe.static_wi8_ai8())
    calibrated = work.calibrate({"serving_default": [{"args_0": picture} for picture in pictures]})
    return bytes(work.quantize(calibrated).quantized_model)


def main(options: TorchvisionOptions) -> None:
    if not options.output_dir:
        raise InputError("--output_dir is missing; give a folder")
    for name in options.models:
        content = exported(name, options)
        files.write_bytes(Path(options.output_dir, f"{name}_int8.tflite"), quantized(content))


if __name__ == "__main__":
    cli.run(main)
