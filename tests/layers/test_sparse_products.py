"""The sparse products of graph layers against dense ones, whatever bands they are cut into."""

from __future__ import annotations

import pytest
import torch
from layer_cases import normal

from uhn.layers.graphs import Pattern, sparse_product


@pytest.mark.parametrize("shape", [(5, 7000), (7000, 5), (50, 40), (3, 4)])
def test_a_sparse_product_and_its_gradients_are_the_dense_ones(shape: tuple[int, int]) -> None:
    entries = 900 if sum(shape) > 10 else 0
    draws = torch.Generator().manual_seed(1)
    rows, columns = (torch.randint(size, (entries,), generator=draws) for size in shape)
    values, right = normal(entries, seed=2).requires_grad_(), normal(shape[1], 3, seed=3).requires_grad_()
    pattern = Pattern.of(rows, columns, shape)
    assert (pattern.by_row.bands, pattern.by_column.bands) == (
        4 if shape[1] == 7000 else 1,
        4 if shape[0] == 7000 else 1,
    )
    dense = torch.zeros(shape, dtype=values.dtype).index_put((rows, columns), values, accumulate=True) @ right
    product = sparse_product(values, right, pattern)
    upstream = normal(*product.shape, seed=4)
    torch.testing.assert_close(product, dense, rtol=1e-12, atol=1e-12)
    found, wanted = (torch.autograd.grad(y, (values, right), upstream) for y in (product, dense))
    torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-12)
