"""Filters: a Gabor and colour filter bank per patch, PCA-whitened. Needs no weights.

Rectified responses at several wavelengths and orientations, as in the classic texture descriptors
(Jain and Farrokhnia 1991), pooled inside each patch by mean and maximum; then principal components
of the training images' patches, each scaled to unit variance.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from digpt.tokenizers.base import Tokenizer, Tokens
from digpt.tokenizers.grid import pool_patches

WAVELENGTHS = (3.0, 5.0, 8.0)  # pixels
ORIENTATIONS = 6
SIGMA = 0.5  # of the wavelength: about one and a half octaves wide
SCALES = (1.0, 2.0)  # of the centre-surround filters, pixels
COMPONENTS = 32
AT_ONCE = 2**21  # pixels; their maps, some 70 numbers for each, take 600 MB
LEAST_VARIANCE = 1e-6  # of the largest: components below carry only rounding


class Filters(Tokenizer):
    """Tokens (B, h, w, D): whitened principal components of pooled filter responses."""

    def __init__(
        self, *, name: str, image_size: int, patch_size: int, components: int = COMPONENTS
    ) -> None:
        super().__init__()
        self.name, self.image_size, self.patch_size = name, image_size, patch_size
        self.grid_size = (image_size // patch_size, image_size // patch_size)
        self.dim = components
        self.register_buffer("gabor", _gabor_bank())  # (2 F, 1, k, k): even filters, then odd
        self.register_buffer("rings", _rings())  # (R, 1, k, k)
        responses = 2 * (self.gabor.shape[0] // 2 + 3 * self.rings.shape[0] + 3)
        self.register_buffer("mean", torch.zeros(responses))
        self.register_buffer("whitening", torch.zeros(responses, components))

    gabor: Tensor
    rings: Tensor
    mean: Tensor
    whitening: Tensor

    def config(self) -> dict[str, object]:
        return {
            "name": self.name,
            "image_size": self.image_size,
            "patch_size": self.patch_size,
            "components": self.dim,
        }

    def forward(self, images: Tensor) -> Tokens:
        return Tokens((self.responses(images) - self.mean) @ self.whitening, None)

    def responses(self, images: Tensor) -> Tensor:
        """Pooled responses before PCA, (B, h, w, R)."""
        few = max(AT_ONCE // (images.shape[2] * images.shape[3]), 1)
        return torch.cat([self._responses(part) for part in images.split(few)])

    def _responses(self, images: Tensor) -> Tensor:
        opponent = _opponent(images)  # (B, 3, H, W): light, red-green, blue-yellow
        both = _filtered(opponent[:, :1], self.gabor)  # (B, 2 F, H, W)
        even, odd = both.chunk(2, dim=1)
        energy = (even**2 + odd**2).sqrt()  # (B, F, H, W)
        surround = [_filtered(opponent[:, c : c + 1], self.rings).abs() for c in range(3)]
        maps = torch.cat([energy, *surround, opponent], dim=1)
        return pool_patches(maps, self.patch_size)

    def fit(self, covariance: Tensor, mean: Tensor) -> None:
        """Set the principal components from the responses' covariance (R, R) and mean (R,)."""
        values, vectors = torch.linalg.eigh(covariance)  # ascending
        values, vectors = values.flip(0)[: self.dim], vectors.flip(1)[:, : self.dim]
        signs = vectors.gather(0, vectors.abs().argmax(0, keepdim=True)).sign()
        kept = values > LEAST_VARIANCE * values[0]
        scale = torch.where(kept, values.clamp_min(1e-12).rsqrt(), torch.zeros_like(values))
        self.mean.copy_(mean)
        self.whitening.copy_(vectors * signs * scale)


def _opponent(images: Tensor) -> Tensor:
    red, green, blue = images.unbind(1)
    light = images.mean(dim=1)
    return torch.stack([light, red - green, blue - (red + green) / 2], dim=1)


def _filtered(maps: Tensor, kernels: Tensor) -> Tensor:
    """(B, 1, H, W) with kernels (F, 1, k, k) -> (B, F, H, W); edges are mirrored."""
    half = kernels.shape[-1] // 2
    return F.conv2d(F.pad(maps, (half,) * 4, mode="reflect"), kernels)


def _axes(half: int) -> tuple[Tensor, Tensor]:
    line = torch.arange(-half, half + 1, dtype=torch.float32)
    y, x = torch.meshgrid(line, line, indexing="ij")
    return y, x


def _gabor_bank() -> Tensor:
    half = math.ceil(2.5 * SIGMA * max(WAVELENGTHS))
    y, x = _axes(half)
    even, odd = [], []
    for wavelength in WAVELENGTHS:
        window = torch.exp(-(x**2 + y**2) / (2 * (SIGMA * wavelength) ** 2))
        for n in range(ORIENTATIONS):
            angle = math.pi * n / ORIENTATIONS
            phase = 2 * math.pi / wavelength * (x * math.cos(angle) + y * math.sin(angle))
            even.append(_normed(window * phase.cos()))
            odd.append(_normed(window * phase.sin()))
    return torch.stack(even + odd)[:, None]


def _rings() -> Tensor:
    half = math.ceil(3 * 1.6 * max(SCALES))
    y, x = _axes(half)
    square = x**2 + y**2

    def bell(sigma: float) -> Tensor:
        kernel = torch.exp(-square / (2 * sigma**2))
        return kernel / kernel.sum()

    return torch.stack([_normed(bell(s) - bell(1.6 * s)) for s in SCALES])[:, None]


def _normed(kernel: Tensor) -> Tensor:
    """Zero mean, so that even light says nothing, and unit length."""
    kernel = kernel - kernel.mean()
    return kernel / kernel.norm()
