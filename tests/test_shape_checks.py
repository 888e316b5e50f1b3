"""The checks that the tests put on the library notice what is wrong, whatever was right before."""

from __future__ import annotations

from typing import Literal

import pytest
import shape_checks
import torch
from jaxtyping import Float
from torch import Tensor

from uhn.randomness import stream

ROWS = torch.zeros(3, 2)


@shape_checks.jaxtyped(typechecker=shape_checks.check)
def first(a: Float[Tensor, "n m"], b: Float[Tensor, " n"], columns: bool = False) -> Float[Tensor, " m"]:
    return a[:, 0] if columns else a[0]


def test_another_shape_type_number_or_order_is_checked_after_a_good_call() -> None:
    for _ in range(2):
        first(ROWS, ROWS[:, 0])
    wrong = [(ROWS, ROWS[0]), (ROWS[0], ROWS[:, 0]), (ROWS.long(), ROWS[:, 0]), (ROWS, ROWS[:, 0], True)]
    for call in wrong:
        with pytest.raises(Exception, match="[Tt]ype"):
            first(*call)
        with pytest.raises(Exception, match="[Tt]ype"):
            first(*call)


def test_where_no_tensor_is_declared_every_type_is_checked_and_what_comes_back() -> None:
    @shape_checks.jaxtyped(typechecker=shape_checks.check)
    def plain(value: object, of: list[int], by: dict[str, int]) -> int | None:
        return value  # type: ignore[return-value]

    plain(1, [1], {"a": 1})
    for wrong in (("1", [1], {"a": 1}), (1, ["1"], {"a": 1}), (1, [1], {"a": "1"}), (1, [1], {1: 1}), (1, (1,), {})):
        for _ in range(2):
            with pytest.raises(Exception, match="[Tt]ype"):
                plain(*wrong)  # type: ignore[arg-type]


def test_a_text_that_is_none_of_those_declared_is_noticed_after_a_good_one() -> None:
    @shape_checks.jaxtyped(typechecker=shape_checks.check)
    def plain(split: Literal["train", "test"]) -> None: ...

    plain("train")
    with pytest.raises(Exception, match="[Tt]ype"):
        plain("val")  # type: ignore[arg-type]


def test_a_function_within_another_is_checked_where_it_is_first_made() -> None:
    def make() -> object:
        @shape_checks.jaxtyped(typechecker=shape_checks.check)
        def inner(a: Float[Tensor, "n m"]) -> None: ...

        return inner

    with pytest.raises(Exception, match="[Tt]ype"):
        make()(ROWS[0])  # type: ignore[operator]


def test_the_library_is_checked() -> None:
    with pytest.raises(Exception, match="[Tt]ype"):
        stream("7", "name")  # type: ignore[arg-type]
