"""Cluster bookkeeping and masks, against rules written out position by position."""

import pytest
import torch

from digpt.errors import UserError
from digpt.models.clusters import (
    block_causal_mask,
    check_clusters,
    draw_order,
    in_clusters,
    resize_clusters,
    resize_tokens,
    take_clusters,
)


@pytest.mark.parametrize(("blocks", "size"), [(1, 1), (1, 4), (3, 4), (8, 1), (5, 2)])
def test_block_causal_mask_follows_the_rule_at_every_position(blocks: int, size: int) -> None:
    mask = block_causal_mask(blocks, size)
    cls = blocks * size
    assert mask.shape == (cls + 1, cls + 1)
    for row in range(cls + 1):
        for column in range(cls + 1):
            if row == cls:
                allowed = True  # the class token sees everything
            elif column == cls:
                allowed = row // size == blocks - 1  # only the last cluster sees it
            else:
                allowed = column // size <= row // size  # own and earlier clusters
            assert bool(mask[row, column]) == allowed, (row, column)


def test_without_class_token_the_mask_is_the_same_less_one_row_and_column() -> None:
    assert torch.equal(block_causal_mask(3, 4, with_class=False), block_causal_mask(3, 4)[:-1, :-1])
    assert torch.equal(block_causal_mask(6, 1, with_class=False), torch.ones(6, 6).tril().bool())


@pytest.mark.parametrize(
    ("clusters", "grid"), [((2, 2), (4, 4)), ((1, 2), (3, 4)), ((3, 2), (6, 4)), ((4, 4), (4, 4))]
)
def test_every_patch_lands_in_its_cluster_at_its_place(
    clusters: tuple[int, int], grid: tuple[int, int]
) -> None:
    x = torch.arange(2 * grid[0] * grid[1] * 3).view(2, *grid, 3)
    clustered = in_clusters(x, clusters)
    height, width = grid[0] // clusters[0], grid[1] // clusters[1]
    for row in range(grid[0]):
        for column in range(grid[1]):
            cluster = (row // height) * clusters[1] + column // width
            place = (row % height) * width + column % width
            assert torch.equal(clustered[:, cluster, place], x[:, row, column])
    assert torch.equal(in_clusters(x[..., 0], clusters), clustered[..., 0])  # codes: no channels


def test_take_clusters_reads_each_image_in_its_own_order() -> None:
    x = torch.randn(3, 4, 5, 2)
    order = torch.tensor([[2, 0, 1], [3, 1, 0], [0, 1, 2]])
    taken = take_clusters(x, order)
    for image in range(3):
        for place in range(3):
            assert torch.equal(taken[image, place], x[image, order[image, place]])


def test_orders_are_permutations_set_by_the_generator() -> None:
    first = draw_order(50, 9, torch.Generator().manual_seed(3), torch.device("cpu"))
    again = draw_order(50, 9, torch.Generator().manual_seed(3), torch.device("cpu"))
    assert torch.equal(first, again)
    assert torch.equal(first.sort(dim=1).values, torch.arange(9).expand(50, 9))
    assert len({tuple(order.tolist()) for order in first}) > 40


def test_clusters_that_do_not_divide_the_grid_are_refused_with_the_valid_ones() -> None:
    with pytest.raises(UserError, match="3×3 do not divide the patch grid 4×4") as error:
        check_clusters((3, 3), (4, 4))
    assert "2×2" in str(error.value)
    assert "1×2" in str(error.value)
    assert "1×1" not in str(error.value)
    with pytest.raises(UserError):
        check_clusters((1, 1), (4, 4))
    with pytest.raises(UserError, match="single patch"):
        check_clusters((1, 1), (1, 1))


def test_predictions_are_resized_within_their_cluster_only() -> None:
    x = torch.randn(2, 3, 4, 5)
    resized = resize_clusters(x, (2, 2), (3, 3))
    assert resized.shape == (2, 3, 9, 5)
    changed = x.clone()
    changed[:, 1] += 1
    difference = (resize_clusters(changed, (2, 2), (3, 3)) - resized).abs().sum(dim=(0, 2, 3))
    assert (difference > 0).tolist() == [False, True, False]
    assert torch.allclose(resized[:, :, 4], x.mean(dim=2), atol=1e-6)  # the middle of four


def test_codes_are_resampled_by_nearest_and_stay_codes() -> None:
    codes = torch.arange(16).view(1, 4, 4)
    assert torch.equal(resize_tokens(codes, (4, 4)), codes)
    assert resize_tokens(codes, (2, 2)).tolist() == [[[5, 7], [13, 15]]]
    doubled = codes.repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert torch.equal(resize_tokens(codes, (8, 8)), doubled)


def test_continuous_tokens_keep_their_mean_when_resampled() -> None:
    tokens = torch.randn(2, 6, 6, 3)
    smaller = resize_tokens(tokens, (3, 3))
    assert smaller.shape == (2, 3, 3, 3)
    assert torch.allclose(resize_tokens(torch.ones(1, 5, 5, 2), (3, 3)), torch.ones(1, 3, 3, 2))


@pytest.mark.parametrize("window", [1, 2, 9])
def test_a_window_hides_clusters_that_are_further_back(window: int) -> None:
    blocks, size = 5, 3
    mask, cls = block_causal_mask(blocks, size, window=window), blocks * size
    for row in range(cls):
        for column in range(cls):
            back = row // size - column // size
            assert bool(mask[row, column]) == (0 <= back <= window), (row, column)
    assert mask[cls].all()  # the class token sees everything all the same
    assert mask[:, cls].nonzero().flatten().tolist() == [*range(cls - size, cls), cls]
