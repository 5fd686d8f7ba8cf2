"""D-iGPT against a reference written from the article's description, image by image, token by
token, sharing no code with the package; and what each prediction may depend on."""

import math
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from digpt.errors import UserError
from digpt.models.digpt import DiGPT, default_taps
from digpt.models.losses import token_loss
from digpt.models.vit import ViT

Weights = Mapping[str, Tensor]


def make(
    clusters: tuple[int, int] = (2, 2),
    *,
    image_size: int | tuple[int, int] = 24,
    patch_size: int = 4,
    codes: int | None = None,
    has_global: bool = True,
    depth: int = 3,
    taps: tuple[int, ...] | None = None,
    decoder_depth: int = 2,
    target_share: float = 1.0,
    with_ar: bool = True,
    with_visible: bool = True,
    window: int = 0,
) -> DiGPT:
    torch.manual_seed(0)
    vit = ViT(image_size=image_size, patch_size=patch_size, dim=16, depth=depth, heads=2)
    model = DiGPT(
        vit,
        token_dim=codes or 6,
        token_loss=token_loss("cross-entropy" if codes else "cosine", codes),
        has_global=has_global,
        clusters=clusters,
        taps=taps,
        decoder_dim=12,
        decoder_depth=decoder_depth,
        decoder_heads=3,
        target_share=target_share,
        with_ar=with_ar,
        with_visible=with_visible,
        window=window,
    )
    with torch.no_grad():  # norms and biases away from their neutral start, or they test nothing
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def linear(w: Weights, name: str, x: Tensor) -> Tensor:
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def norm(w: Weights, name: str, x: Tensor, eps: float = 1e-6) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    scaled = centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt()
    return scaled * w[f"{name}.weight"] + w[f"{name}.bias"]


def mlp(w: Weights, name: str, x: Tensor) -> Tensor:
    hidden = linear(w, f"{name}.fc1", x)
    return linear(w, f"{name}.fc2", hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2))))


def attend(q: Tensor, k: Tensor, v: Tensor, heads: int, sees: list[list[bool]]) -> Tensor:
    size = q.shape[1] // heads
    out = torch.zeros_like(q)
    for head in range(heads):
        part = slice(head * size, (head + 1) * size)
        for i in range(len(q)):
            seen = [j for j in range(len(k)) if sees[i][j]]
            scores = torch.stack([q[i, part] @ k[j, part] for j in seen]) / math.sqrt(size)
            out[i, part] = scores.softmax(0) @ v[seen, part]
    return out


def self_attention(w: Weights, name: str, x: Tensor, heads: int, sees: list[list[bool]]) -> Tensor:
    q, k, v = linear(w, f"{name}.qkv", x).chunk(3, dim=-1)
    return linear(w, f"{name}.proj", attend(q, k, v, heads, sees))


def cross_attention(
    w: Weights, name: str, x: Tensor, memory: Tensor, heads: int, sees: list[list[bool]]
) -> Tensor:
    k, v = linear(w, f"{name}.kv", memory).chunk(2, dim=-1)
    q = linear(w, f"{name}.q", x)
    return linear(w, f"{name}.proj", attend(q, k, v, heads, sees))


class Reference:
    """One image through D-iGPT, as METHOD §1 tells it."""

    def __init__(self, model: DiGPT, clusters: tuple[int, int], heads: int, decoder_heads: int):
        self.w = {name: value.detach() for name, value in model.state_dict().items()}
        self.taps, self.heads, self.decoder_heads = model.taps, heads, decoder_heads
        self.has_global = model.has_global
        self.patch = model.encoder.patch_size
        height, width = both(model.encoder.image_size)
        self.grid = (height // self.patch, width // self.patch)
        self.rows, self.columns = clusters
        self.count = self.rows * self.columns

    def places(self, cluster: int, grid: tuple[int, int]) -> list[tuple[int, int]]:
        """(row, column) of a cluster's places in a grid, in raster order."""
        height, width = grid[0] // self.rows, grid[1] // self.columns
        top, left = cluster // self.columns * height, cluster % self.columns * width
        return [(top + r, left + c) for r in range(height) for c in range(width)]

    def sees(self, size: int) -> list[list[bool]]:
        """Who sees whom among (K - 1) clusters of `size`, and the class token last."""
        last = self.count - 2
        turn = [k for k in range(self.count - 1) for _ in range(size)]
        table = [[b <= a for b in turn] + [a == last] for a in turn]
        return [*table, [True] * (len(turn) + 1)]

    def position(self, table: str, place: tuple[int, int]) -> Tensor:
        return self.w[table][1 + place[0] * self.grid[1] + place[1]]

    def encode(self, image: Tensor, order: list[int]) -> list[Tensor]:
        w, p, x = self.w, self.patch, []
        for cluster in order[:-1]:
            for row, column in self.places(cluster, self.grid):
                pixels = image[:, row * p : (row + 1) * p, column * p : (column + 1) * p]
                weight = w["encoder.patch_embed.proj.weight"]
                embedded = (weight * pixels).sum(dim=(1, 2, 3)) + w["encoder.patch_embed.proj.bias"]
                x.append(embedded + self.position("encoder.positions", (row, column)))
        tokens = torch.stack([*x, w["encoder.cls_token"] + w["encoder.positions"][0]])
        sees = self.sees(len(x) // (self.count - 1))
        tapped = []
        for block in range(max(self.taps)):
            name = f"encoder.blocks.{block}"
            normed = norm(w, f"{name}.norm1", tokens)
            tokens = tokens + self_attention(w, f"{name}.attn", normed, self.heads, sees)
            tokens = tokens + mlp(w, f"{name}.mlp", norm(w, f"{name}.norm2", tokens))
            if block + 1 in self.taps:
                tapped.append(tokens)
        return tapped

    def decode(
        self,
        side: str,
        tapped: list[Tensor],
        clusters: list[int],
        asked: list[list[int]] | None = None,  # of each cluster the places, else all
    ) -> Tensor:
        w, heads = self.w, self.decoder_heads
        normed = [norm(w, f"{side}.tap_norm", tap, eps=1e-5) for tap in tapped]
        memory = linear(w, f"{side}.memory", torch.cat(normed, dim=-1))
        depth = memory.shape[-1] // w[f"{side}.token"].shape[0]
        x, turn = [], []  # each query, and after how many more clusters than one it is asked
        for number, cluster in enumerate(clusters):
            places = self.places(cluster, self.grid)
            for index in asked[number] if asked else range(len(places)):
                x.append(w[f"{side}.token"] + self.position("positions", places[index]))
                turn.append(number)
        if self.has_global:
            x.append(w[f"{side}.token"] + w["positions"][0])
            turn.append(self.count - 2)
        queries, sees = torch.stack(x), self.sees(len(tapped[0]) // (self.count - 1))
        asks = [sees[number * (len(tapped[0]) // (self.count - 1))] for number in turn]
        among = [[b <= a for b in turn] for a in turn]
        for block in range(depth):
            name, own = f"{side}.blocks.{block}", memory[:, block::depth]
            normed_queries = norm(w, f"{name}.self_norm", queries)
            queries = queries + self_attention(
                w, f"{name}.self_attention", normed_queries, heads, among
            )
            queries = queries + cross_attention(
                w,
                f"{name}.cross_attention",
                norm(w, f"{name}.query_norm", queries),
                norm(w, f"{name}.memory_norm", own),
                heads,
                asks,
            )
            queries = queries + mlp(w, f"{name}.mlp", norm(w, f"{name}.mlp_norm", queries))
        return linear(w, f"{side}.predict", norm(w, f"{side}.norm", queries))

    def loss(
        self, said: Tensor, clusters: list[int], tokens: Tensor, whole: Tensor | None
    ) -> float:
        """Mean token loss of one image; `tokens` (h, w, C) or (h, w) on a grid clusters divide."""
        grid = (tokens.shape[0], tokens.shape[1])
        size = math.prod(self.grid) // self.count
        total, number = 0.0, 0
        for turn, cluster in enumerate(clusters):
            targets = [tokens[place] for place in self.places(cluster, grid)]
            own = said[turn * size : (turn + 1) * size]
            for index, target in enumerate(targets):
                total += self.token_loss(self.at(own, index, grid), target)
                number += 1
        if whole is not None:
            total, number = total + self.token_loss(said[-1], whole), number + 1
        return total / number

    def at(self, own: Tensor, index: int, grid: tuple[int, int]) -> Tensor:
        """A cluster's predictions at a teacher place: bilinear, align_corners=False."""
        height, width = self.grid[0] // self.rows, self.grid[1] // self.columns
        tall, wide = grid[0] // self.rows, grid[1] // self.columns
        y = min(max((index // wide + 0.5) * height / tall - 0.5, 0), height - 1)
        x = min(max((index % wide + 0.5) * width / wide - 0.5, 0), width - 1)
        value = torch.zeros_like(own[0])
        for row in range(height):
            for column in range(width):
                share = max(0.0, 1 - abs(y - row)) * max(0.0, 1 - abs(x - column))
                value = value + share * own[row * width + column]
        return value

    @staticmethod
    def token_loss(said: Tensor, target: Tensor) -> float:
        if target.ndim == 0:
            return float(said.exp().sum().log() - said[int(target)])
        return float(2 - 2 * (said / said.norm()) @ (target / target.norm()))


CASES = {
    "published": ((2, 2), 8, 24, None, True),
    "teacher twice as fine": ((2, 2), 12, 24, None, True),
    "teacher coarser": ((2, 2), 4, 24, None, True),
    "no global token": ((2, 2), 6, 24, None, False),
    "two clusters": ((1, 2), 6, 24, None, True),
    "nine clusters": ((3, 3), 6, 24, None, True),
    "one patch per cluster": ((4, 4), 4, 16, None, True),
    "codes": ((2, 2), 6, 24, 7, False),
    "codes on a finer grid": ((3, 2), 12, 24, 7, False),
    "sixteen clusters, a finer teacher": ((4, 4), 12, 32, None, True),
    "other depths": ((2, 4), 4, 32, None, True, {"depth": 6, "taps": (1, 2, 4, 5, 6)}),
    "wide images, a tall teacher": ((3, 2), (9, 4), (12, 24), None, True),
    "wide images, codes": ((1, 3), (4, 6), (16, 24), 7, False),
    "deep decoders": ((2, 2), 6, 16, None, False, {"decoder_depth": 4, "depth": 1}),
}


def both(side: int | tuple[int, int]) -> tuple[int, int]:
    return (side, side) if isinstance(side, int) else side


@pytest.fixture(params=["with a mask", "by groups"])
def attention(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of attention, of which the sizes of these tests would take the first alone."""
    monkeypatch.setattr(
        "digpt.models.digpt.GROUPED_FROM", 1 if request.param == "by groups" else 99
    )


@pytest.mark.usefixtures("attention")
@pytest.mark.parametrize("case", CASES)
def test_losses_equal_those_of_the_plain_reference(case: str) -> None:
    clusters, grid, image_size, codes, has_global, *more = CASES[case]
    sizes = {"image_size": image_size, "codes": codes, "has_global": has_global}
    model = make(clusters, **sizes, **dict(*more))
    images = torch.randn(2, 3, *both(image_size))
    tokens = torch.randint(codes, (2, *both(grid))) if codes else torch.randn(2, *both(grid), 6)
    whole = torch.randn(2, 6) if has_global else None
    count = clusters[0] * clusters[1]
    order = torch.stack([torch.randperm(count) for _ in range(2)])

    with torch.no_grad():
        losses = model(images, tokens, whole, order)

    reference = Reference(model, clusters, heads=2, decoder_heads=3)
    ar, visible = [], []
    for image, target, turn, index in zip(images, tokens, order.tolist(), range(2), strict=True):
        tapped = reference.encode(image, turn)
        own = whole[index] if whole is not None else None
        said = reference.decode("ar_decoder", tapped, turn[1:])
        ar.append(reference.loss(said, turn[1:], target, own))
        said = reference.decode("visible_decoder", tapped, turn[:-1])
        visible.append(reference.loss(said, turn[:-1], target, own))
    assert float(losses.ar_loss) == pytest.approx(sum(ar) / 2, abs=1e-5)
    assert float(losses.visible_loss) == pytest.approx(sum(visible) / 2, abs=1e-5)
    assert float(losses.loss) == pytest.approx((sum(ar) + sum(visible)) / 2, abs=2e-5)


@pytest.mark.usefixtures("attention")
@pytest.mark.parametrize("has_global", [True, False])
def test_a_share_of_the_targets_is_what_the_reference_says_of_these_places(
    has_global: bool,
) -> None:
    model = make(has_global=has_global, target_share=0.4)  # 4 of 9 places
    images, tokens = torch.randn(2, 3, 24, 24), torch.randn(2, 6, 6, 6)
    whole = torch.randn(2, 6) if has_global else None
    order, *places = model._draw(images, None, torch.Generator().manual_seed(4))
    with torch.no_grad():
        found = model(images, tokens, whole, generator=torch.Generator().manual_seed(4))

    reference = Reference(model, (2, 2), heads=2, decoder_heads=3)
    sides = ("ar_decoder", slice(1, None)), ("visible_decoder", slice(-1))
    for (side, part), asked, loss in zip(
        sides, places, (found.ar_loss, found.visible_loss), strict=True
    ):
        assert asked.shape == (2, 3, 4)
        total = 0.0
        for index, turn in enumerate(order.tolist()):
            tapped = reference.encode(images[index], turn)
            said = reference.decode(side, tapped, turn[part], asked[index].tolist())
            targets = [
                tokens[index][reference.places(cluster, (6, 6))[place]]
                for cluster, chosen in zip(turn[part], asked[index].tolist(), strict=True)
                for place in chosen
            ]
            targets += [whole[index]] if whole is not None else []
            pairs = zip(said, targets, strict=True)
            total += sum(reference.token_loss(a, b) for a, b in pairs) / len(targets)
        assert float(loss) == pytest.approx(total / 2, abs=1e-5)


def test_each_place_is_asked_for_equally_often_and_never_twice() -> None:
    model = make(target_share=0.34)  # 3 of 9
    _, ar, visible = model._draw(torch.empty(600, 1), None, torch.Generator().manual_seed(0))
    for places in (ar, visible):
        assert all(len(set(asked)) == 3 for asked in places.flatten(0, 1).tolist())
        shares = torch.bincount(places.flatten(), minlength=9) / (600 * 3)
        assert torch.allclose(shares, torch.full((9,), 1 / 3), atol=0.05)
    assert not torch.equal(ar, visible)


def test_a_target_share_that_is_no_part_is_refused() -> None:
    for share in (0.0, 1.5):
        with pytest.raises(UserError, match="not a part of a cluster"):
            make(target_share=share)


def predictions(model: DiGPT, images: Tensor, order: Tensor) -> tuple[Tensor, ...]:
    """AR, visible (K - 1 clusters, flattened) and both global predictions."""
    side = model.encoder.grid_size[0]
    tokens = torch.ones(len(images), side, side, 6)
    with torch.no_grad():
        losses = model(images, tokens, torch.ones(len(images), 6), order, predictions=True)
    ar, visible = losses.ar_prediction, losses.visible_prediction
    return ar.patches[0], visible.patches[0], ar.global_token[0], visible.global_token[0]


@pytest.mark.usefixtures("attention")
@pytest.mark.parametrize("position", [0, 1, 2, 3])
def test_a_prediction_depends_on_the_clusters_seen_and_on_no_other(position: int) -> None:
    model, order = make(), torch.tensor([[2, 0, 3, 1]])
    images = torch.randn(1, 3, 24, 24)
    changed = images.clone()
    row, column = divmod(int(order[0, position]), 2)
    changed[:, :, row * 12 : row * 12 + 12, column * 12 : column * 12 + 12] += 1
    before, after = predictions(model, images, order), predictions(model, changed, order)
    for seen in range(3):  # both decoders' clusters after `seen` + 1 clusters have been read
        for decoder in (0, 1):
            same = torch.equal(before[decoder][seen], after[decoder][seen])
            assert same == (position > seen), (decoder, seen)
    for whole in (2, 3):
        assert torch.equal(before[whole], after[whole]) == (position == 3)


@pytest.mark.usefixtures("attention")
def test_only_the_last_cluster_in_view_sees_the_class_token() -> None:
    model, order, images = make(), torch.tensor([[1, 3, 0, 2]]), torch.randn(1, 3, 24, 24)
    before = predictions(model, images, order)
    with torch.no_grad():
        model.encoder.cls_token.add_(1)
    after = predictions(model, images, order)
    for decoder in (0, 1):
        assert torch.equal(before[decoder][:2], after[decoder][:2])
        assert not torch.equal(before[decoder][2], after[decoder][2])


def test_without_an_order_one_is_drawn_per_image_from_the_generator() -> None:
    model, images = make(), torch.randn(4, 3, 24, 24)
    tokens, whole = torch.randn(4, 6, 6, 6), torch.randn(4, 6)

    def loss(seed: int) -> float:
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            return float(model(images, tokens, whole, generator=generator).loss)

    assert loss(1) == loss(1)
    assert loss(1) != loss(2)


def test_a_teacher_grid_that_clusters_do_not_divide_comes_to_the_students_grid() -> None:
    model = make(has_global=False)
    images, order = torch.randn(1, 3, 24, 24), torch.tensor([[0, 1, 2, 3]])
    with torch.no_grad():
        odd = model(images, torch.randn(1, 5, 5, 6), None, order, predictions=True)
    assert odd.ar_prediction is not None
    assert odd.ar_prediction.patches.shape == (1, 3, 9, 6)
    assert odd.loss.isfinite()


def test_taps_follow_the_depth() -> None:
    assert default_taps(12) == (6, 8, 10, 12)
    assert default_taps(24) == (12, 16, 20, 24)
    assert default_taps(4) == (2, 3, 4)
    assert default_taps(1) == (1,)


def test_taps_that_are_no_blocks_are_refused() -> None:
    for taps in ((2, 1), (0, 3), (1, 4), (2, 2)):
        with pytest.raises(UserError, match="ascending block numbers from 1 to 3"):
            make(taps=taps)


@pytest.mark.parametrize("kept", ["ar", "visible"])
def test_one_decoder_alone_says_what_it_says_beside_the_other(kept: str) -> None:
    both = make(has_global=False)
    alone = make(has_global=False, with_ar=kept == "ar", with_visible=kept == "visible")
    alone.load_state_dict({n: v for n, v in both.state_dict().items() if n in alone.state_dict()})
    images, tokens = torch.randn(2, 3, 24, 24), torch.randn(2, 6, 6, 6)
    order = torch.stack([torch.randperm(4) for _ in range(2)])
    of_both, of_one = both(images, tokens, order=order), alone(images, tokens, order=order)
    own, other = f"{kept}_loss", f"{'visible' if kept == 'ar' else 'ar'}_loss"
    assert torch.equal(getattr(of_one, own), getattr(of_both, own))
    assert torch.equal(of_one.loss, getattr(of_one, own))
    assert getattr(of_one, other) is None
    assert torch.equal(of_both.loss, of_both.ar_loss + of_both.visible_loss)


def test_a_window_over_all_clusters_changes_nothing() -> None:
    images, tokens = torch.randn(2, 3, 24, 24), torch.randn(2, 6, 6, 6)
    order = torch.stack([torch.randperm(9) for _ in range(2)])
    wide, plain = (make((3, 3), has_global=False, window=w) for w in (8, 0))
    assert torch.equal(
        wide(images, tokens, order=order).loss, plain(images, tokens, order=order).loss
    )


def test_in_a_window_of_one_each_block_reaches_one_cluster_further_back() -> None:
    model = make((3, 3), has_global=False, depth=2, taps=(1, 2), window=1)
    images, order = torch.randn(1, 3, 24, 24), torch.arange(9)[None]
    changed = images.clone()
    changed[:, :, :8, :8] += 1  # the first cluster
    moved = (model.encode(images, order[:, :-1]) != model.encode(changed, order[:, :-1])).any(-1)
    first, second = moved[0, :-1].unflatten(0, (8, 4)).any(1).T  # of the 8 clusters, by tap
    assert first.tolist() == [k <= 1 for k in range(8)]
    assert second[:3].all()
    # the last cluster sees the class token, which has seen everything
    assert second[3:].tolist() == [False, False, False, False, True]
