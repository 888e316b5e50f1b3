"""Streams are functions of (seed, name, counters) and of nothing else."""

from __future__ import annotations

import torch

from uhn.randomness import stream, stream_seed

PLACES = [(0, "dropout"), (1, "dropout"), (0, "shuffle"), (0, "dropout", 0), (0, "dropout", 1), (0, "dropout", 0, 1)]


def draw(*place: object) -> torch.Tensor:
    return torch.rand(4, generator=stream(*place))  # type: ignore[arg-type]


def test_the_same_place_gives_the_same_numbers_and_another_place_others() -> None:
    for place in PLACES:
        assert torch.equal(draw(*place), draw(*place))
    assert len({tuple(draw(*place).tolist()) for place in PLACES}) == len(PLACES)


def test_counters_do_not_run_into_each_other() -> None:
    seeds = [stream_seed(1, "a", 1, 23), stream_seed(1, "a", 12, 3), stream_seed(11, "a", 23), stream_seed(1, "a", 123)]
    assert len(set(seeds)) == 4
    many = {stream_seed(seed, "dropout", step) for seed in range(20) for step in range(500)}
    assert len(many) == 20 * 500 and all(0 <= seed < 2**63 for seed in many)


def test_global_generators_are_neither_read_nor_moved() -> None:
    torch.manual_seed(3)
    before, first = torch.random.get_rng_state(), draw(0, "dropout", 7)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(4)
    assert torch.equal(draw(0, "dropout", 7), first)


def test_streams_are_the_same_in_every_process_and_version() -> None:
    assert stream_seed(5, "x", 2) == 1036248924413240016
    numbers = torch.rand(3, generator=stream(5, "x", 2))
    torch.testing.assert_close(numbers, torch.tensor([0.37587744, 0.52321398, 0.11812562]), rtol=0, atol=1e-7)


def test_draws_of_neighbouring_steps_are_unrelated() -> None:
    rows = torch.stack([torch.randn(2000, generator=stream(0, "dropout", step)) for step in range(20)])
    off_diagonal = torch.corrcoef(rows) - torch.eye(20)
    assert float(off_diagonal.abs().max()) < 0.12
