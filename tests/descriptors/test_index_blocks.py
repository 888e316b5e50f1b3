"""Index descriptors three ways: blocks and the table of the library, a numpy loop, and ``spec.explain``."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dense_oracle import different, rows_of

from uhn import vocabulary as voc
from uhn.descriptors.blocks import index_blocks, index_table
from uhn.descriptors.structure import global_fields, local_fields, structure_tokens
from uhn.layers import Linear
from uhn.models import ModelSpec, zoo

SHAPES = ("mlp-mnist", "cnn20-cifar10", "gcn-cora", "gat-pubmed", "transformer2-agnews", "kan-g10-jv", "uhn-generated")


@pytest.mark.parametrize("name", different())
def test_table_blocks_and_loop_agree(name: str) -> None:
    spec = zoo(name)
    table = index_table(spec)
    assert table.dtype == torch.int32 and table.shape == (spec.num_params, 10)
    assert np.array_equal(table.numpy(), rows_of(spec))
    blocks = index_blocks(spec)
    assert sum(block.numel for block in blocks) == spec.num_params
    assert [block.offset for block in blocks] == np.cumsum([0] + [block.numel for block in blocks[:-1]]).tolist()
    for block in blocks:
        first = table[block.offset].tolist()
        assert first == list(block.constants), "a block begins at the origin of its grid"
        last = list(block.constants)
        for position, size in block.axes:
            last[position] = size - 1
        assert table[block.offset + block.numel - 1].tolist() == last


@pytest.mark.parametrize("name", SHAPES)
def test_explain_says_what_the_table_says(name: str) -> None:
    spec = zoo(name)
    table = index_table(spec)
    ends = [end for slot in spec.layout for end in (slot.offset, slot.offset + slot.numel - 1)]
    for index in [*ends, *range(0, spec.num_params, max(1, spec.num_params // 200))]:
        info = spec.explain(index)
        assert [info.descriptor[field] for field in voc.INDEX_NAMES] == table[index].tolist()
        slot = spec.slot_of(index)
        assert info.position == np.unravel_index(index - slot.offset, slot.shape)
        assert (info.name, info.component, info.target) == (slot.name, slot.param.name, slot.param.init)


@pytest.mark.parametrize("name", SHAPES)
def test_no_two_weights_share_a_row(name: str) -> None:
    rows = rows_of(zoo(name)).astype(np.int64) + 1
    code = np.zeros(len(rows), dtype=np.int64)
    for column, size in zip(rows.T, rows.max(0) + 1, strict=True):
        code = code * size + column
    assert len(np.unique(code)) == len(rows)


def test_rows_of_the_mlp_by_hand() -> None:
    table = index_table(zoo("mlp-mnist")).tolist()
    assert table[0] == [0, 0, 0, 0, 0, -1, -1, -1, -1, -1]
    assert table[785] == [0, 0, 0, 1, 1, -1, -1, -1, -1, -1]
    assert table[784 * 128] == [0, 0, 1, 0, -1, -1, -1, -1, -1, -1]
    assert table[-1] == [2, 0, 1, 9, -1, -1, -1, -1, -1, -1]


def test_structure_tokens_of_the_mlp_by_hand() -> None:
    spec = zoo("mlp-mnist")
    assert global_fields(spec)[:4] == [1, 0, 0, 3], "an MLP is described as a CNN without stages (facts 2.4)"
    first = dict(zip(voc.LOCAL_NAMES, local_fields(spec, 0), strict=True))
    second = dict(zip(voc.LOCAL_NAMES, local_fields(spec, 1), strict=True))
    active = {"bias_type": 1, "output_size": 128, "input_size": 784, "input_pooling_reshape_type": 3}
    assert {key: value for key, value in first.items() if value} == active
    active = {"layer_idx": 1, "bias_type": 1, "norm_type": 1, "shortcut_type": 1, "output_size": 128}
    active |= {"input_size": 128, "activation_type": 1, "activation_param": 0.1}
    assert {key: value for key, value in second.items() if value} == active
    tokens = structure_tokens(spec)
    assert tokens.shape == (3, 29) and tokens.dtype == torch.float64
    assert tokens[1].tolist() == global_fields(spec) + local_fields(spec, 1)


def test_a_local_field_that_table_8_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Linear, "structure", lambda self: {"outptu_size": 1})
    spec = ModelSpec("mlp", voc.ModelType.CNN, (Linear(2, 2),))
    with pytest.raises(ValueError, match="outptu_size"):
        structure_tokens(spec)
