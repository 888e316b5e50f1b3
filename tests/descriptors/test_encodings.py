"""Encodings against float64 loops (Eq 3, Table 23)."""

from __future__ import annotations

import math

import pytest
import torch

from uhn.descriptors.encodings import GaussianFourier, Positional, Raw, make_encoding, reduce_phase
from uhn.randomness import stream


def rows(count: int = 50, fields: int = 10) -> torch.Tensor:
    return (torch.rand(count, fields, generator=stream(1, "rows"), dtype=torch.float64) * 2 - 1) * math.sqrt(3)


def test_gaussian_fourier_by_a_loop() -> None:
    encoding, x = GaussianFourier(10, 7, generator=stream(2, "w")), rows()
    got = encoding(x)
    assert got.shape == (50, 14) and got.dtype == torch.float32 and encoding.width == 14
    for i in range(50):
        for j in range(7):
            phase = sum(float(x[i, a]) * float(encoding.matrix[a, j]) for a in range(10))
            assert float(got[i, j]) == pytest.approx(math.cos(phase), abs=3e-7), "cosines first"
            assert float(got[i, 7 + j]) == pytest.approx(math.sin(phase), abs=3e-7)


def test_the_matrix_is_normal_with_the_asked_scale_frozen_and_a_function_of_its_generator() -> None:
    encoding = GaussianFourier(10, 4000, 100.0, stream(3, "w"))
    assert abs(float(encoding.matrix.std()) / 100 - 1) < 0.02
    assert abs(float(encoding.matrix.mean())) < 2
    assert list(encoding.parameters()) == [] and set(encoding.state_dict()) == {"matrix"}
    assert torch.equal(encoding.matrix, GaussianFourier(10, 4000, 100.0, stream(3, "w")).matrix)
    assert not torch.equal(encoding.matrix, GaussianFourier(10, 4000, 100.0, stream(4, "w")).matrix)


def test_positional_by_a_loop() -> None:
    encoding, x = Positional(10), rows()
    got = encoding(x)
    assert got.shape == (50, 640) and encoding.width == 640
    for i in (0, 17, 49):
        for a in range(10):
            for j in range(32):
                phase = float(x[i, a]) * 100 ** (j / 32)
                assert float(got[i, a * 32 + j]) == pytest.approx(math.sin(phase), abs=2e-5), "sines first"
                assert float(got[i, 320 + a * 32 + j]) == pytest.approx(math.cos(phase), abs=2e-5)


def test_raw_is_the_rows_themselves() -> None:
    x = rows()
    assert torch.equal(Raw(10)(x), x.float()) and Raw(10).width == 10


def test_phases_are_not_formed_in_float32() -> None:
    """Every step of a float32 product would lose 1e-5 here; the float64 phase loses nothing visible."""
    encoding, x = GaussianFourier(10, 512, generator=stream(5, "w")), rows(200)
    phase = x @ encoding.matrix.double()
    wanted = torch.cat([phase.cos(), phase.sin()], dim=1)
    assert float((encoding(x) - wanted).abs().max()) < 3e-7
    naive = x.float() @ encoding.matrix
    assert float((naive.cos() - phase.cos()).abs().max()) > 1e-5


def test_autocast_and_low_matmul_precision_leave_phases_alone() -> None:
    encoding, x = GaussianFourier(10, 64, generator=stream(6, "w")), rows()
    plain = encoding(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(encoding(x), plain)


def test_reduced_phases_are_the_same_angle_within_pi() -> None:
    phase = torch.linspace(-2000, 2000, 4001, dtype=torch.float64)
    reduced = reduce_phase(phase)
    assert float(reduced.abs().max()) <= math.pi + 1e-12
    torch.testing.assert_close(reduced.cos(), phase.cos(), rtol=0, atol=1e-12)
    torch.testing.assert_close(reduced.sin(), phase.sin(), rtol=0, atol=1e-12)


def test_encodings_by_name() -> None:
    kinds = {name: type(make_encoding(name, 10, 4, 100.0, stream(0, "w"))) for name in ("gff", "positional", "raw")}
    assert kinds == {"gff": GaussianFourier, "positional": Positional, "raw": Raw}
    with pytest.raises(ValueError, match="gff, positional, hash, raw, got 'fourier'"):
        make_encoding("fourier", 10, 4, 100.0, None)
    for frequencies, scale in ((0, 1.0), (4, 0.0), (4, -1.0)):
        with pytest.raises(ValueError, match="frequencies to be an integer >= 1|scale to be a finite number > 0"):
            GaussianFourier(10, frequencies, scale)
