"""How many images a network is tuned on at once, where memory is the limit."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

KEPT_BYTES = 2**30  # for the backward pass on a CPU; 32 images of the quick student keep 20 MB


def images_at_once(network: nn.Module, image: Tensor, batch: int) -> int:
    """Of a batch, how many images are computed at once: all of them, or on a CPU what fits, by what
    one `image` (1, 3, H, W) keeps; a process that runs out of memory there is ended and cannot go
    on. A network with batch norm learns from whole batches. It is left in training mode."""
    if image.device.type != "cpu" or any(isinstance(m, _BatchNorm) for m in network.modules()):
        return batch
    kept: dict[int, int] = {}  # bytes by address

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    network.eval()  # so that nothing random is drawn, and no statistics move
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = network(image)  # held, or an address might be used again
    network.train()
    weights = {p.untyped_storage().data_ptr() for p in network.parameters()}
    of_image = sum(size for address, size in kept.items() if address not in weights)
    del out
    return max(1, min(batch, KEPT_BYTES // max(of_image, 1)))
