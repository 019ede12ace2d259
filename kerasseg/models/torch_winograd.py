"""Winograd's way to a 3x3 convolution under PyTorch."""

import torch

from kerasseg.models.winograd import INPUT, KERNEL, OUTPUT, TILE, count_tiles


def convolve(inputs: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Convolution of stride 1 with as much padding as keeps the size, and its gradients, in float32 on a CPU.

    Args:
        inputs: (B, H, W, C).
        kernel: (3, 3, C, filters).

    Returns:
        (B, H, W, filters), within some 1e-5 of the largest value of what a direct convolution gives.
    """
    return _Convolution.apply(inputs, kernel)


class _Convolution(torch.autograd.Function):
    """Picture by picture: the 36 values of a tile take 36/16 of the memory of its pixels, and of one picture that is little."""

    @staticmethod
    def forward(ctx, inputs, kernel):
        ctx.save_for_backward(inputs, kernel)
        return _convolve(inputs, kernel)

    @staticmethod
    def backward(ctx, gradient):
        inputs, kernel = ctx.saved_tensors
        for_inputs = _convolve(gradient, kernel.flip(0, 1).transpose(2, 3)) if ctx.needs_input_grad[0] else None
        for_kernels = inputs.new_zeros(36, *kernel.shape[2:])
        for picture, outputs in zip(inputs.split(1), gradient.split(1), strict=True):
            products = torch.matmul(torch.from_numpy(OUTPUT).T, _split(outputs))
            for_kernels.baddbmm_(_transform_inputs(picture).permute(1, 2, 0), products.transpose(0, 1))
        return for_inputs, (torch.from_numpy(KERNEL).T @ for_kernels.view(36, -1)).view(kernel.shape)


def _convolve(inputs, kernel):
    """Without gradients."""
    height, width = inputs.shape[1:3]
    rows, columns = count_tiles(height), count_tiles(width)
    kernels = (torch.from_numpy(KERNEL) @ kernel.reshape(9, -1)).view(36, *kernel.shape[2:])
    outputs = inputs.new_empty(*inputs.shape[:3], kernel.shape[3])
    for picture, out in zip(inputs.split(1), outputs, strict=True):
        products = torch.bmm(_transform_inputs(picture).transpose(0, 1), kernels)
        tiles = torch.matmul(torch.from_numpy(OUTPUT), products.transpose(0, 1)).view(rows, columns, TILE, TILE, -1)
        out.copy_(tiles.transpose(1, 2).reshape(TILE * rows, TILE * columns, -1)[:height, :width])
    return outputs


def _transform_inputs(inputs):
    """(B, H, W, C) to (tiles, 36, C)."""
    tiles = _pad(inputs, before=1, after=1).unfold(1, TILE + 2, TILE).unfold(2, TILE + 2, TILE)  # (B, rows, columns, C, 6, 6)
    return torch.matmul(torch.from_numpy(INPUT), tiles.permute(0, 1, 2, 4, 5, 3).reshape(-1, 36, inputs.shape[3]))


def _split(outputs):
    """(B, H, W, filters) to (tiles, 16, filters)."""
    padded = _pad(outputs, before=0, after=0)
    batch, height, width, filters = padded.shape
    tiles = padded.view(batch, height // TILE, TILE, width // TILE, TILE, filters)
    return tiles.transpose(2, 3).reshape(-1, TILE * TILE, filters)


def _pad(images, *, before, after):
    """Zeros around, and as many more as fill the last tiles."""
    height, width = images.shape[1:3]
    bottom, right = (TILE * count_tiles(side) - side + after for side in (height, width))
    return torch.nn.functional.pad(images, (0, 0, before, right, before, bottom))
