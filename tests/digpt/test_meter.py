"""The meter reads what the block used."""

import mmap
import time

import numpy as np
import pytest
import torch

from digpt.meter import SAMPLE_SECONDS, Meter, count_flops


def test_meter_reads_wall_time_times_devices():
    with Meter("cpu", devices=2) as meter:
        time.sleep(0.05)
    assert 0.1 <= meter.reading.device_seconds < 1
    assert meter.reading.cpu_seconds < meter.reading.device_seconds


def test_meter_counts_images_and_flops():
    with Meter("cpu") as meter:
        for _ in range(3):
            meter.images(8)
        meter.flops(100)
    reading = meter.reading
    assert (reading.images, reading.flops, reading.threads) == (24, 100, torch.get_num_threads())
    assert reading.images_per_second == pytest.approx(24 / reading.device_seconds)


def test_meter_leaves_out_what_was_not_counted():
    with Meter("cpu") as meter:
        pass
    assert meter.reading.flops is None
    assert meter.reading.images_per_second is None
    assert (meter.reading.energy_joules is None) == (meter.reading.energy_source == "none")


def test_meter_sees_memory_that_is_gone_at_the_end():
    with Meter("cpu") as before:
        pass
    with Meter("cpu") as meter:
        # pages of its own: a heap that other tests have grown may give what is resident already
        pages = mmap.mmap(-1, 240_000_000, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        np.frombuffer(pages, np.uint8).fill(1)
        time.sleep(10 * SAMPLE_SECONDS)  # on a busy machine the sampling thread comes late
        pages.close()
    grown = meter.reading.peak_memory_bytes - before.reading.peak_memory_bytes
    assert grown > 200e6


def test_meter_has_a_reading_after_an_error():
    meter = Meter("cpu")
    with pytest.raises(ValueError, match="broken"), meter:
        raise ValueError("broken")
    assert meter.reading.device_seconds > 0


def test_reading_a_running_meter_is_a_mistake():
    with Meter("cpu") as meter, pytest.raises(RuntimeError, match="still running"):
        _ = meter.reading


def test_flops_of_a_linear_layer_forward_and_backward():
    layer = torch.nn.Linear(16, 32, bias=False)
    images = torch.randn(8, 16, requires_grad=True)
    forward = 2 * 8 * 16 * 32
    assert count_flops(lambda: layer(images)) == forward
    assert count_flops(lambda: layer(images).sum().backward()) == 3 * forward


def test_flops_of_torchs_own_transformer_are_counted_when_it_takes_its_fast_path():
    layer = torch.nn.TransformerEncoderLayer(16, 2, 64, batch_first=True).eval()
    x = torch.randn(1, 5, 16)
    with torch.no_grad():
        counted = count_flops(lambda: layer(x))
    maps = 2 * 5 * 16 * (4 * 16 + 2 * 64)
    assert counted == maps + 2 * 2 * 5 * 5 * 16
    assert torch.backends.mha.get_fastpath_enabled()


def test_flops_of_attention_are_counted_on_this_device():
    q = torch.randn(1, 2, 16, 8)
    run = torch.nn.functional.scaled_dot_product_attention
    assert count_flops(lambda: run(q, q, q)) == 2 * (2 * 2 * 16 * 16 * 8)


@pytest.mark.gpu
def test_meter_reads_device_memory():
    with Meter("cuda") as meter:
        block = torch.ones(60_000_000, device="cuda")
        del block
    assert meter.reading.peak_memory_bytes >= 240e6


def test_package_energy_survives_its_counter_wrapping_around(tmp_path, monkeypatch):
    package = tmp_path / "intel-rapl:0"
    package.mkdir()
    (tmp_path / "intel-rapl:0:0").mkdir()  # a part of the package, already counted in it
    (package / "max_energy_range_uj").write_text("9999999\n")
    (package / "energy_uj").write_text("9000000\n")
    monkeypatch.setattr("digpt.meter._RAPL", tmp_path)
    with Meter("cpu") as meter:
        (package / "energy_uj").write_text("2000000\n")  # 3 J later, past the end
        sum(range(3_000_000))
    assert 0 < meter.reading.energy_joules <= 3
    assert meter.reading.energy_source.startswith("RAPL")


def test_unreadable_energy_counter_is_no_energy(tmp_path, monkeypatch):
    (tmp_path / "intel-rapl:0").mkdir()  # without its files, as for a user who may not read them
    monkeypatch.setattr("digpt.meter._RAPL", tmp_path)
    with Meter("cpu") as meter:
        pass
    assert (meter.reading.energy_joules, meter.reading.energy_source) == (None, "none")
