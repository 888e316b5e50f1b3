"""The vocabulary against Tables 6-9 and the category codes, typed out by hand."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from uhn import vocabulary as voc

INDEX = "layer_idx layer_type param_type out_idx in_idx kernel_h kernel_w embedding_idx sequence_idx grid_idx"
GLOBAL = "model_type task_type dataset_type num_layers cnn_stage_num num_encoders num_structure_freqs num_index_freqs"
LOCAL = (
    "layer_idx layer_type bias_type norm_type shortcut_type output_size input_size activation_type activation_param "
    "dropout_rate input_pooling_reshape_type group_num kernel_size stage_wise_pooling_type num_heads head_concat_type "
    "embedding_num max_sequence_length grid_size spline_order initialization_type"
)
CODES = {
    voc.LayerType: "LINEAR CONV GCN GAT EMBEDDING MHA KAN",
    voc.Bias: "NONE WITH",
    voc.Norm: "NONE NORM",
    voc.Shortcut: "NONE STRAIGHT",
    voc.Activation: "NONE LEAKY_RELU ELU SILU",
    voc.InputPooling: "NONE AVG_POOL MAX_POOL RESHAPE_TO_2D AVG_SEQUENCE FIRST_TOKEN",
    voc.StagePooling: "NONE AVG MAX CONV",
    voc.HeadConcat: "CONCAT AVG",
    voc.Initialization: "DEFAULT ZERO",
    voc.ModelType: "MLP CNN GCN GAT TRANSFORMER KAN RECURSIVE",
    voc.TaskType: "IMAGE GRAPH TEXT FORMULA RECURSIVE",
    voc.DatasetType: "MNIST CIFAR10 CITESEER CORA PUBMED AG_NEWS IMDB ELLIPJ ELLIPKINC ELLIPEINC JV YV KV IV LPMV0 "
    "LPMV1 LPMV2 SPH_HARM01 SPH_HARM11 SPH_HARM02 SPH_HARM12 SPH_HARM22 RECURSIVE_IMAGE RECURSIVE_GRAPH RECURSIVE_TEXT "
    "RECURSIVE_FORMULA",
}


def test_fields_and_their_order() -> None:
    assert list(voc.INDEX_NAMES) == INDEX.split()
    assert list(voc.GLOBAL_NAMES) == GLOBAL.split()
    assert list(voc.LOCAL_NAMES) == LOCAL.split()
    assert [field.name for field in voc.STRUCTURE_FIELDS] == GLOBAL.split() + LOCAL.split()
    assert (len(voc.INDEX_FIELDS), len(voc.STRUCTURE_FIELDS)) == (10, 29)
    assert (voc.INDEX_FILLER, voc.STRUCTURE_FILLER) == (-1, 0)


@pytest.mark.parametrize("kind", CODES, ids=lambda kind: kind.__name__)
def test_codes(kind: type) -> None:
    assert {member.name: member.value for member in kind} == {n: c for c, n in enumerate(CODES[kind].split())}


def test_every_categorical_field_knows_its_codes() -> None:
    for fields in (voc.INDEX_FIELDS, voc.GLOBAL_FIELDS, voc.LOCAL_FIELDS):
        for field in fields:
            by_code = field.name.endswith("_type") and field.name != "param_type"
            assert (field.categories is not None) == by_code, field.name
            assert field.description


def test_it_imports_nothing_of_the_package() -> None:
    tree = ast.parse(Path(voc.__file__).read_text(encoding="utf-8"))
    modules = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    modules += [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    assert not [name for name in modules if name.split(".")[0] == "uhn"]
