"""Numbers a device computes well with."""

import contextlib
from typing import Any

import torch

from digpt.errors import UserError


def resolve_precision(precision: str, device: torch.device) -> str:
    """fp32, bf16 or fp16; "auto" is what the device does well."""
    if precision not in ("auto", "fp32", "bf16", "fp16"):
        raise UserError(
            f"Unknown precision {precision!r}. Available: auto, bf16, fp16, fp32.",
            field="precision",
        )
    if precision == "fp16" and device.type != "cuda":
        raise UserError("Precision fp16 needs a CUDA device. Use fp32 or auto.", field="precision")
    if precision != "auto":
        return precision
    if device.type != "cuda":
        return "fp32"  # bf16 without the instructions for it is 20 times slower on a CPU
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    if precision == "fp32":
        return contextlib.nullcontext()
    dtype = torch.bfloat16 if precision == "bf16" else torch.float16
    return torch.autocast(device.type, dtype=dtype)
