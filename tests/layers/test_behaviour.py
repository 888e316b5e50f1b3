"""What layers do beside their formula: dropout, sparse features, precision, and refusing bad input."""

from __future__ import annotations

import importlib
import warnings
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from layer_cases import CASES, EDGES, GRAPH, NODES, PADDING, SEQUENCE, TOKENS, Case, normal, weights_of
from torch import Tensor

from uhn.layers import GAT, GCN, KAN, Attention, Conv, Embedding, Linear, attention_dropout
from uhn.layers.graphs import gcn_norm
from uhn.layers.kan import bspline_basis, knot_grid
from uhn.models import Inputs
from uhn.randomness import stream
from uhn.vocabulary import Activation

DROPPING = [replace(case, layer=replace(case.layer, dropout=0.4)) for case in CASES if hasattr(case.layer, "dropout")]
each_dropping = pytest.mark.parametrize("case", DROPPING, ids=lambda case: case.name)


def apply(case: Case, **kwargs) -> Tensor:
    return case.layer.apply(weights_of(case.layer), case.x, case.inputs(case.x), **kwargs)


@each_dropping
def test_dropout_needs_a_generator_and_follows_it(case: Case) -> None:
    with pytest.raises(ValueError, match="rng"):
        apply(case, training=True)
    one, again = (apply(case, training=True, rng=stream(1, "dropout", 5)) for _ in range(2))
    other = apply(case, training=True, rng=stream(1, "dropout", 6))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert torch.equal(apply(case), apply(replace(case, layer=replace(case.layer, dropout=0.0)), training=True))


# where dropout acts: the shape of what it is given, in order, and the number of calls
PLACES = {
    "linear-full": [(5, 7)],
    "conv-full": [(2, 4, 6, 6)],
    "gcn-full": [(6, 5)],
    "gat-concat": [(6, 5), (13, 2)],  # input, then one coefficient an edge (and self-loop) and head
    "embedding": [(2, 3, 4)],
    "attention-full": [(3, 2, 5, 5), (3, 5, 8)],  # probabilities, then the output
}


@pytest.mark.parametrize("name", PLACES)
def test_where_dropout_acts(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With dropout replaced by a recorder, training equals evaluation: nothing else changes."""
    case = next(case for case in DROPPING if case.name == name)
    seen: list[tuple[int, ...]] = []

    def recorder(x: Tensor, p: float, *, training: bool, rng: object) -> Tensor:
        assert p == 0.4 and training
        seen.append(tuple(x.shape))
        return x

    def drop_nothing(shape: tuple[int, ...], p: float, rng: object) -> tuple[Tensor, float]:
        seen.append(shape)
        return torch.zeros(shape, dtype=torch.bool), 1.0

    monkeypatch.setattr("uhn.layers.attention_dropout.drop_mask", drop_nothing)
    for module in ("linear", "conv", "graphs", "gat", "embedding", "attention"):
        monkeypatch.setattr(importlib.import_module(f"uhn.layers.{module}"), "dropout", recorder)
    trained = apply(case, training=True, rng=torch.Generator())
    monkeypatch.undo()
    torch.testing.assert_close(trained, apply(case), rtol=1e-12, atol=1e-12)
    assert seen == PLACES[name]


def test_gcn_dropout_is_on_its_input_and_the_output_of_a_linear_layer_is_dropped_before_the_shortcut() -> None:
    x = torch.ones(4, 3, dtype=torch.float64)
    layer = Linear(3, 3, shortcut=True, dropout=0.5)
    weights = {"weight": torch.zeros(3, 3, dtype=torch.float64), "bias": torch.ones(3, dtype=torch.float64)}
    y = layer.apply(weights, x, Inputs(x), training=True, rng=torch.Generator().manual_seed(0))
    assert set(y.flatten().tolist()) == {1.0, 3.0}  # the shortcut survives where the bias is dropped
    graph = GCN(3, 3, dropout=0.5)
    loops = Inputs(x, edges=torch.zeros(2, 0, dtype=torch.int64), edge_weight=torch.ones(4, dtype=torch.float64))
    y = graph.apply(weights, x, loops, training=True, rng=torch.Generator().manual_seed(0))
    assert set(y.flatten().tolist()) == {1.0}  # nothing of the bias is dropped


SPARSE = NODES * (normal(6, 5, seed=11) > 0)


@pytest.mark.parametrize("layer", [GCN(5, 4), GAT(5, 3, 2)], ids=["gcn", "gat"])
@pytest.mark.parametrize("layout", ["csr", "coo"])
def test_sparse_features_give_what_dense_ones_give(layer: GCN | GAT, layout: str) -> None:
    features = to_sparse(SPARSE, layout)
    results = []
    for x in (features, SPARSE):
        weights = {name: value.requires_grad_() for name, value in weights_of(layer).items()}
        y = layer.apply(weights, x, Inputs(x, **GRAPH))
        (y * normal(*y.shape, seed=12)).sum().backward()
        results.append([y.detach(), *(weight.grad for weight in weights.values())])
    for got, wanted in zip(*results, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("layout", ["csr", "coo"])
def test_sparse_dropout_draws_among_the_stored_entries(layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = GCN(5, 5, bias=False, dropout=0.5)
    x = to_sparse(torch.diag(torch.arange(1.0, 6.0, dtype=torch.float64)), layout)
    eye = {"weight": torch.eye(5, dtype=torch.float64)}
    ctx = Inputs(x, edges=torch.zeros(2, 0, dtype=torch.int64), edge_weight=torch.ones(5, dtype=torch.float64))
    sizes: list[int] = []
    rand = torch.rand
    monkeypatch.setattr(torch, "rand", lambda shape, **kwargs: sizes.append(tuple(shape)) or rand(shape, **kwargs))
    y = layer.apply(eye, x, ctx, training=True, rng=torch.Generator().manual_seed(5))
    assert sizes == [(5,)]
    assert torch.count_nonzero(y - torch.diag(y.diag())) == 0
    assert {float(v) for v in y.diag() / torch.arange(1.0, 6.0, dtype=torch.float64)} == {0.0, 2.0}


def test_sparse_features_are_never_made_dense(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a sparse matrix was made dense")

    monkeypatch.setattr(torch.Tensor, "to_dense", refuse)
    layer, x = GCN(5, 4, dropout=0.5), SPARSE.to_sparse_coo()
    weights = {name: value.requires_grad_() for name, value in weights_of(layer).items()}
    layer.apply(weights, x, Inputs(x, **GRAPH), training=True, rng=torch.Generator()).sum().backward()


def test_sparse_features_are_refused_where_they_would_have_to_become_dense() -> None:
    x = SPARSE.to_sparse_coo()
    with pytest.raises(ValueError, match="sparse node features"):
        GCN(5, 4, norm=True).apply(weights_of(GCN(5, 4)), x, Inputs(x, **GRAPH))


def test_edges_that_are_written_into_are_sorted_again() -> None:
    layer, edges = GCN(5, 4), EDGES.clone()
    for change in (lambda: None, lambda: edges.copy_(edges.flip(0)), lambda: edges[0].copy_(edges[0].roll(1))):
        change()
        found = [
            layer.apply(weights_of(layer), NODES, Inputs(NODES, edges=kept, edge_weight=GRAPH["edge_weight"]))
            for kept in (edges, edges.clone())
        ]
        assert torch.equal(*found)


def test_a_graph_that_was_first_seen_under_inference_mode_trains() -> None:
    layer, x = GCN(5, 4), to_sparse(SPARSE, "coo")
    weights, edges = weights_of(layer), EDGES.clone()
    with torch.inference_mode():
        ctx = Inputs(x, edges=edges, edge_weight=GRAPH["edge_weight"])
        seen = layer.apply(weights, x, ctx)
        inside = EDGES.clone()
        layer.apply(weights, x, Inputs(x, edges=inside, edge_weight=GRAPH["edge_weight"]))
        inside.copy_(inside.flip(0))
        turned = layer.apply(weights, x, Inputs(x, edges=inside, edge_weight=GRAPH["edge_weight"]))
    flipped = Inputs(x, edges=edges.flip(0), edge_weight=GRAPH["edge_weight"])
    assert torch.equal(turned, layer.apply(weights, x, flipped))
    trained = layer.apply({name: value.requires_grad_() for name, value in weights.items()}, x, ctx)
    trained.sum().backward()
    assert torch.equal(trained, seen) and all(value.grad is not None for value in weights.values())


def to_sparse(x: Tensor, layout: str) -> Tensor:
    if layout == "coo":
        return x.to_sparse_coo()
    rows, columns = x.nonzero(as_tuple=True)
    pointers = torch.zeros(len(x) + 1, dtype=torch.int64)
    pointers[1:] = torch.bincount(rows, minlength=len(x)).cumsum(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch says once that its CSR support is in beta
        return torch.sparse_csr_tensor(pointers, columns, x[rows, columns], x.shape)


def test_gcn_norm_is_the_normalised_adjacency() -> None:
    """D^-1/2 (A + I) D^-1/2 as a dense matrix, degrees by column sums (incoming edges)."""
    adjacency = torch.eye(6, dtype=torch.float64)
    adjacency[EDGES[1], EDGES[0]] = 1
    scale = torch.diag(adjacency.sum(1).rsqrt())
    dense = scale @ adjacency @ scale
    weight = gcn_norm(EDGES, 6, torch.float64)
    torch.testing.assert_close(weight[:7], dense[EDGES[1], EDGES[0]])
    torch.testing.assert_close(weight[7:], dense.diag())


def test_kan_computes_in_float32_whatever_the_run_precision() -> None:
    layer = KAN(3, 2)
    weights = {name: value.float() for name, value in weights_of(layer).items()}
    x = normal(6, 3, seed=5).tanh().float()
    wanted = layer.apply(weights, x, Inputs(x))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = layer.apply(weights, x, Inputs(x))
    assert got.dtype == torch.float32
    assert torch.equal(got, wanted)


def test_knots_at_the_target_initialisation() -> None:
    """lb = -1, len = log 2, knots = 0, G = 5, k = 3: twelve knots from -0.833 to exactly 1."""
    knots = knot_grid(torch.tensor([-1.0]), torch.tensor([2.0]).log(), torch.zeros(1, 12))
    wanted = torch.tensor([-1 + 2 * (j + 1) / 12 for j in range(12)])
    torch.testing.assert_close(knots[0], wanted, rtol=0, atol=1e-6)
    inside = torch.tensor([[-0.9], [-0.3], [0.0], [0.45], [1.0]])
    sums = bspline_basis(inside, knots, 3).sum(-1).flatten()
    torch.testing.assert_close(sums, torch.tensor([0.0, 1.0, 1.0, 1.0, 0.0]), rtol=0, atol=1e-5)


def test_coinciding_knots_give_finite_values_and_gradients() -> None:
    """A softmax that underflows makes knots coincide; their basis functions are empty, not NaN."""
    raw = torch.zeros(1, 12)
    raw[0, 3:6] = -200.0
    raw.requires_grad_()
    basis = bspline_basis(
        torch.linspace(-1, 1, 50)[:, None], knot_grid(torch.tensor([-1.0]), torch.tensor([0.7]), raw), 3
    )
    basis.square().sum().backward()
    assert basis.isfinite().all() and raw.grad is not None and raw.grad.isfinite().all()


@pytest.mark.parametrize("bias", [True, False])
def test_a_kan_written_out_is_the_kan_in_the_open(bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values and every gradient, where knots coincide, where an input lies on one, and outside the grid."""
    layer = KAN(3, 2, bias=bias, activation=Activation.SILU)
    weights = weights_of(layer)
    weights["grid_knots"][0, 3:6] = weights["grid_knots"][1, :3] = -800.0
    weights["grid_lower"][1] = -1.0
    x = torch.cat([torch.linspace(-4, 4, 60, dtype=torch.float64), -torch.ones(3, dtype=torch.float64)]).view(-1, 3)
    found = []
    for traced in (False, True):
        monkeypatch.setattr("uhn.layers.kan.traced", lambda traced=traced: traced)
        held = {name: value.clone().requires_grad_() for name, value in weights.items()}
        inputs = x.clone().requires_grad_()
        out = layer.apply(held, inputs, Inputs(inputs))
        found.append([out, *torch.autograd.grad(out.square().sum(), [*held.values(), inputs])])
    for written, plain in zip(*found, strict=True):
        assert written.isfinite().all()
        torch.testing.assert_close(written, plain, rtol=1e-9, atol=1e-9)


REFUSED = {
    "edge too large": (
        GCN(5, 4),
        NODES,
        GRAPH | {"edges": EDGES + 2},
        r"edges must lie in \[0, 6\), got values from 2 to 6",
    ),
    "edge negative": (GAT(5, 4), NODES, {"edges": EDGES - 1}, r"edges must lie in \[0, 6\), got values from -1"),
    "edges missing": (GAT(5, 4), NODES, {}, "needs Inputs.edges"),
    "edges of a wrong shape": (GAT(5, 4), NODES, {"edges": EDGES.t()}, r"shape \[2, E\]"),
    "edges of a wrong type": (GAT(5, 4), NODES, {"edges": EDGES.float()}, "int64"),
    "edge weights missing": (GCN(5, 4), NODES, {"edges": EDGES}, r"edge_weight of shape \[13\]"),
    "edge weights without self-loops": (
        GCN(5, 4),
        NODES,
        {"edges": EDGES, "edge_weight": torch.ones(7)},
        r"edge_weight of shape \[13\].*got \(7,\)",
    ),
    "features of a wrong width": (GCN(4, 4), NODES, GRAPH, "wants 4 inputs"),
    "token too large": (Embedding(6, 4, 5), TOKENS, {}, r"token ids must lie in \[0, 6\), got values from 0 to 6"),
    "token negative": (Embedding(7, 4, 5), TOKENS - 1, {}, "got values from -1"),
    "tokens as floats": (Embedding(7, 4, 5), TOKENS.float(), {}, "int64"),
    "sequence too long": (Embedding(7, 4, 2), TOKENS, {}, "1 <= T <= 2"),
    "tokens of a wrong shape": (Embedding(7, 4, 5), TOKENS[0], {}, r"\[B, T\]"),
    "padding hides a sequence": (
        Attention(8, 2),
        SEQUENCE,
        {"padding": PADDING | torch.tensor([[False], [True], [False]])},
        "hides every token of 1 sequence.*row 1",
    ),
    "padding of a wrong shape": (Attention(8, 2), SEQUENCE, {"padding": PADDING[:2]}, r"bool of shape \(3, 5\)"),
    "padding as integers": (Attention(8, 2), SEQUENCE, {"padding": PADDING.long()}, "bool"),
    "attention on rows": (Attention(8, 2), normal(3, 8), {}, r"\[B, T, 8\]"),
    "attention of a wrong width": (Attention(6, 2), SEQUENCE, {}, "wants 6 inputs"),
    "linear of a wrong width": (Linear(6, 2), SEQUENCE, {}, "wants 6 inputs"),
    "image without batch": (Conv(4, 4), normal(4, 6, 6), {}, r"\[B, 4, H, W\]"),
    "image of wrong channels": (Conv(3, 4), normal(2, 4, 6, 6), {}, r"\[B, 3, H, W\]"),
    "kan of a wrong width": (KAN(3, 1), normal(4, 2), {}, "wants 3 inputs"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_bad_input_is_refused_with_what_was_wanted(what: str) -> None:
    layer, x, ctx, words = REFUSED[what]
    with pytest.raises(ValueError, match=words):
        layer.apply(weights_of(layer), x, Inputs(x, **ctx))


def test_gcn_norm_refuses_self_loops_and_unknown_nodes() -> None:
    with pytest.raises(ValueError, match="self-loops"):
        gcn_norm(torch.tensor([[0, 1], [0, 2]]), 3)
    with pytest.raises(ValueError, match=r"\[0, 3\)"):
        gcn_norm(torch.tensor([[0, 1], [1, 3]]), 3)


def test_attention_equals_its_definition_for_one_head() -> None:
    """Written out from Eq 19-20 for a single head and sample, with one key hidden."""
    layer, x = Attention(4, 1), normal(1, 3, 4, seed=20)
    w = weights_of(layer)
    q, k, v = (x[0] @ w[f"{n}_weight"].T + w[f"{n}_bias"] for n in ("query", "key", "value"))
    scores = q @ k.T / 2
    scores[:, 2] = -torch.inf
    wanted = F.softmax(scores, -1) @ v @ w["out_weight"].T + w["out_bias"]
    got = layer.apply(w, x, Inputs(x, padding=torch.tensor([[False, False, True]])))
    torch.testing.assert_close(got[0], wanted)


def test_dropped_attention_equals_autograd_through_the_same_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output and gradients of the piecewise form against the plain formula, in pieces of two samples and one."""
    monkeypatch.setattr(attention_dropout, "SCORES_AT_A_TIME", 2 * 2 * 25)
    visible = ~PADDING[:, None, None, :]
    held = [normal(3, 2, 5, 4, seed=30 + n).requires_grad_() for n in range(3)]
    upstream = normal(3, 2, 5, 4, seed=40)
    got = attention_dropout.attend_with_dropout(*held, visible, 0.3, torch.Generator().manual_seed(1))
    got_grads = torch.autograd.grad((got * upstream).sum(), held)
    rng, parts = torch.Generator().manual_seed(1), []
    for rows in (2, 1):
        parts.append(attention_dropout.drop_mask((rows, 2, 5, 5), 0.3, rng))
    mask, kept = torch.cat([part[0] for part in parts]), parts[0][1]
    query, key, value = held
    scores = (query @ key.transpose(-2, -1) / 2).masked_fill(~visible, -torch.inf)
    wanted = (scores.softmax(-1) * ~mask / kept) @ value
    torch.testing.assert_close(got, wanted)
    torch.testing.assert_close(got_grads, torch.autograd.grad((wanted * upstream).sum(), held))


def test_the_share_of_kept_probabilities_is_what_was_asked_for() -> None:
    mask, kept = attention_dropout.drop_mask((501, 401), 0.4, torch.Generator().manual_seed(2))
    assert abs(kept - 0.6) < 1e-5
    assert abs(float(mask.double().mean()) - 0.4) < 5 * (0.24 / mask.numel()) ** 0.5
    rows = mask[:500].double().view(500, -1)
    assert abs(float(torch.corrcoef(torch.stack([rows[:, 0], rows[:, 1]]))[0, 1])) < 0.2


@pytest.mark.parametrize("training", [False, True])
def test_attention_in_half_precision_stays_close(training: bool) -> None:
    layer = Attention(8, 2, norm=True, shortcut=True, dropout=0.3)
    held = {name: value.float().requires_grad_() for name, value in weights_of(layer).items()}
    x, results = SEQUENCE.float(), []
    for half in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            y = layer.apply(
                held, x, Inputs(x, padding=PADDING), training=training, rng=torch.Generator().manual_seed(0)
            )
        grads = torch.autograd.grad((y.float() * normal(*y.shape, seed=9).float()).sum(), list(held.values()))
        results.append([y.detach().float(), torch.cat([grad.flatten() for grad in grads])])
    for wide, narrow in zip(*results, strict=True):
        assert float((narrow - wide).norm() / wide.norm()) < 0.05
