"""FLOPs of one training step per image, worked out from the sizes alone. No torch here.

Matrix products of forward and backward pass, 2 for each multiply-add, attention with a mask whole:
what `torch.utils.flop_counter` counts, known before anything runs. A linear map costs the same
again for its input's gradient and for its weights'; pixels need no gradient. N tokens, M memory
tokens, D width, E decoder width, C token width or number of codes.
"""

from collections.abc import Callable, Mapping

from digpt.errors import pick
from digpt.recipe import Recipe, Student, default_taps

# Patches per cluster from which D-iGPT computes attention cluster by cluster, and nothing that is
# masked. That is several calls, which smaller clusters are not worth: benchmarks/attention_mask.py.
GROUPED_FROM = 49


def training_flops(method: str, recipe: Recipe, *, token_dim: int) -> float:
    """FLOPs per image of one training step of a method."""
    return pick(_METHODS, method, "method")(recipe, token_dim)


def encoder_flops(student: Student) -> float:
    """About the FLOPs of one forward pass of one image through the encoder."""
    tokens = _patches(student) + 1
    block = 2 * tokens * student.dim**2 * (4 + 2 * student.mlp_ratio) + 4 * tokens**2 * student.dim
    return student.depth * block


def asked_places(target_share: float, places: int) -> int:
    """Of how many of a cluster's places a decoder predicts the tokens."""
    return max(1, round(target_share * places))


def _digpt(recipe: Recipe, token_dim: int, decoders: int = 2) -> float:
    student = recipe.student
    clusters = student.clusters[0] * student.clusters[1]
    places = _patches(student) // clusters
    seen = places * (clusters - 1)
    read = seen + 1  # with the class token
    asked = asked_places(recipe.target_share, places) * (clusters - 1) + 1
    taps = len(student.taps or default_taps(student.depth))
    dim, depth = student.decoder_dim, student.decoder_depth
    visible = _visible(clusters - 1, recipe.window) if places >= GROUPED_FROM else 1.0
    decoder = (
        _linear(read, taps * student.dim, dim * depth)
        + depth * _decoder_block(asked, read, dim, student.mlp_ratio, visible)
        + _linear(asked, dim, token_dim)
    )
    return _encoder(student, seen, read, visible) + decoders * decoder


def _visible(read: int, window: int) -> float:
    """Share of the pairs of `read` clusters in which one sees the other."""
    return sum(min(i, window or i) + 1 for i in range(read)) / read**2


def _digpt_one(recipe: Recipe, token_dim: int) -> float:
    """Either of the two decoders alone."""
    return _digpt(recipe, token_dim, decoders=1)


def _igpt(recipe: Recipe, token_dim: int) -> float:
    student = recipe.student
    patches = _patches(student)
    hidden = int(student.decoder_dim * student.mlp_ratio)
    head = _linear(patches, student.dim, hidden) + _linear(patches, hidden, token_dim)
    return _encoder(student, patches - 1, patches) + head


def _masked(recipe: Recipe, token_dim: int) -> float:
    student = recipe.student
    patches = _patches(student)
    seen = round(patches * (1 - recipe.mask_share))
    decoder = (
        _linear(1 + seen, student.dim, student.decoder_dim)
        + student.decoder_depth * _block(1 + patches, student.decoder_dim, student.mlp_ratio)
        + _linear(patches - seen, student.decoder_dim, token_dim)
    )
    return _encoder(student, seen, 1 + seen) + decoder


_METHODS: Mapping[str, Callable[[Recipe, int], float]] = {
    "digpt": _digpt,
    "digpt-ar": _digpt_one,
    "digpt-visible": _digpt_one,
    "igpt": _igpt,
    "masked": _masked,
}


def _patches(student: Student) -> int:
    return (student.image_size // student.patch_size) ** 2


def _encoder(student: Student, patches: int, tokens: int, visible: float = 1.0) -> float:
    """All blocks on `tokens` of which `patches` are embedded; pixels get no gradient. `visible`:
    the share of attention that is computed."""
    embed = _linear(patches, 3 * student.patch_size**2, student.dim) * 2 / 3
    return embed + student.depth * _block(tokens, student.dim, student.mlp_ratio, visible)


def _block(tokens: int, dim: int, mlp_ratio: float, visible: float = 1.0) -> float:
    maps = 4 * _linear(tokens, dim, dim) + 2 * _linear(tokens, dim, round(dim * mlp_ratio))
    return maps + visible * _attention(tokens, tokens, dim)


def _decoder_block(queries: int, memory: int, dim: int, mlp_ratio: float, visible: float) -> float:
    cross = 2 * _linear(queries, dim, dim) + 2 * _linear(memory, dim, dim)
    seen = visible * _attention(queries, memory, dim)
    return _block(queries, dim, mlp_ratio, visible) + cross + seen


def _linear(tokens: int, inputs: int, outputs: int) -> float:
    return 3 * 2.0 * tokens * inputs * outputs


def _attention(queries: int, memory: int, dim: int) -> float:
    """Scores and weighted sums; backward the scores again, which are not kept, and four more."""
    return (2 + 5) * 2.0 * queries * memory * dim
