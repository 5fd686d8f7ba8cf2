"""FLOPs of one training step per image, worked out from the sizes alone. No torch here.

Matrix products of forward and backward pass, 2 for each multiply-add, attention whole, masked or
not: what `torch.utils.flop_counter` counts, known before anything runs. A linear map costs the same
again for its input's gradient and for its weights'; pixels need no gradient. N tokens, M memory
tokens, D width, E decoder width, C token width or number of codes.
"""

from collections.abc import Callable, Mapping

from digpt.errors import pick
from digpt.recipe import Student, default_taps


def training_flops(method: str, student: Student, *, token_dim: int, mask_share: float) -> float:
    """FLOPs per image of one training step of a method; `mask_share` counts for `masked` only."""
    return pick(_METHODS, method, "method")(student, token_dim, mask_share)


def _digpt(student: Student, token_dim: int, _: float, decoders: int = 2) -> float:
    clusters = student.clusters[0] * student.clusters[1]
    seen = _patches(student) // clusters * (clusters - 1)
    read = seen + 1  # with the class token; as many queries, with the one for the whole image
    taps = len(student.taps or default_taps(student.depth))
    dim, depth = student.decoder_dim, student.decoder_depth
    decoder = (
        _linear(read, taps * student.dim, dim * depth)
        + depth * _decoder_block(read, read, dim, student.mlp_ratio)
        + _linear(read, dim, token_dim)
    )
    return _encoder(student, seen, read) + decoders * decoder


def _digpt_ar(student: Student, token_dim: int, mask_share: float) -> float:
    return _digpt(student, token_dim, mask_share, decoders=1)


def _igpt(student: Student, token_dim: int, _: float) -> float:
    patches = _patches(student)
    hidden = int(student.decoder_dim * student.mlp_ratio)
    head = _linear(patches, student.dim, hidden) + _linear(patches, hidden, token_dim)
    return _encoder(student, patches - 1, patches) + head


def _masked(student: Student, token_dim: int, mask_share: float) -> float:
    patches = _patches(student)
    seen = round(patches * (1 - mask_share))
    decoder = (
        _linear(1 + seen, student.dim, student.decoder_dim)
        + student.decoder_depth * _block(1 + patches, student.decoder_dim, student.mlp_ratio)
        + _linear(patches - seen, student.decoder_dim, token_dim)
    )
    return _encoder(student, seen, 1 + seen) + decoder


_METHODS: Mapping[str, Callable[[Student, int, float], float]] = {
    "digpt": _digpt,
    "digpt-ar": _digpt_ar,
    "igpt": _igpt,
    "masked": _masked,
}


def _patches(student: Student) -> int:
    return (student.image_size // student.patch_size) ** 2


def _encoder(student: Student, patches: int, tokens: int) -> float:
    """All blocks on `tokens` of which `patches` are embedded; pixels get no gradient."""
    embed = _linear(patches, 3 * student.patch_size**2, student.dim) * 2 / 3
    return embed + student.depth * _block(tokens, student.dim, student.mlp_ratio)


def _block(tokens: int, dim: int, mlp_ratio: float) -> float:
    maps = 4 * _linear(tokens, dim, dim) + 2 * _linear(tokens, dim, round(dim * mlp_ratio))
    return maps + _attention(tokens, tokens, dim)


def _decoder_block(queries: int, memory: int, dim: int, mlp_ratio: float) -> float:
    cross = 2 * _linear(queries, dim, dim) + 2 * _linear(memory, dim, dim)
    return _block(queries, dim, mlp_ratio) + cross + _attention(queries, memory, dim)


def _linear(tokens: int, inputs: int, outputs: int) -> float:
    return 3 * 2.0 * tokens * inputs * outputs


def _attention(queries: int, memory: int, dim: int) -> float:
    """Scores and weighted sums; backward the scores again, which are not kept, and four more."""
    return (2 + 5) * 2.0 * queries * memory * dim
