"""The generator's MLP on a GPU, in Triton: a row goes through all of it in registers, forward and backward.

A program takes a tile of rows ``[ROWS, h]`` (h filled up with zeros to ``WIDTH``, a power of two) and multiplies it by
the h x h weights, which stay in the cache of the GPU. :func:`trunk_forward` writes the values and the residual stream
after each block; :func:`block_backward` starts from the stream before its block, computes the inside again and writes
what the gradients of the weights need: normed inputs and inner gradients. :func:`rows_product` then sums their products
over rows: every program sums a part of the rows into memory of its own, and torch adds the parts, so that the order of
all sums is fixed and the same run gives the same bits. LayerNorms have no scale and shift: they are folded into the
linears. Products are bfloat16 or, in full precision, three of TF32 (:data:`PRECISION`); all else is float32.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _normed(x, inside, H: tl.constexpr, EPSILON: tl.constexpr):
    """LayerNorm of ReLU of ``x [ROWS, WIDTH]``, which is 0 in columns that are not ``inside``; and 1 / std."""
    rectified = tl.maximum(x, 0.0)
    mean = tl.sum(rectified, 1) / H
    centred = tl.where(inside[None, :], rectified - mean[:, None], 0.0)
    scale = 1.0 / tl.sqrt(tl.sum(centred * centred, 1) / H + EPSILON)
    return centred * scale[:, None], scale


@triton.jit
def _back(grad, normed, scale, x, H: tl.constexpr):
    """The gradient of ``x`` from that of ``normed, scale = _normed(x)``."""
    mean, along = tl.sum(grad, 1) / H, tl.sum(grad * normed, 1) / H
    return tl.where(x > 0, scale[:, None] * (grad - mean[:, None] - normed * along[:, None]), 0.0)


@triton.jit
def _square(places, inside, H: tl.constexpr):
    """A matrix ``[h, h]``, filled up with zeros."""
    if places.shape[0] == H:  # noqa: SIM108 - decided when compiled
        matrix = tl.load(places)
    else:
        matrix = tl.load(places, inside[None, :] & inside[:, None], 0.0)
    return matrix


@triton.jit
def _linear(x, weight, bias, col, inside, H: tl.constexpr, PRECISION: tl.constexpr):
    """``x @ weight.T + bias``."""
    turned = _square(weight + col[None, :] * H + col[:, None], inside, H)
    shift = tl.load(bias + col, inside, 0.0)
    return tl.dot(x.to(turned.dtype), turned, input_precision=PRECISION) + shift[None, :]


@triton.jit
def _times(grad, weight, col, inside, H: tl.constexpr, PRECISION: tl.constexpr):
    """``grad @ weight``."""
    matrix = _square(weight + col[:, None] * H + col[None, :], inside, H)
    return tl.dot(grad.to(matrix.dtype), matrix, input_precision=PRECISION)


@triton.jit(do_not_specialize=["n"])
def trunk_forward(
    rows, first_bias, weights, biases, features, readout, shift, streams, values, n, stride,
    H: tl.constexpr, WIDTH: tl.constexpr, LINES: tl.constexpr, BLOCKS: tl.constexpr, ROWS: tl.constexpr,
    PRECISION: tl.constexpr, EPSILON: tl.constexpr,
):  # fmt: skip
    """Values ``[LINES, n]`` of ``rows [n, h]`` without their bias; the stream after each block ``[BLOCKS, n, h]``."""
    row, col = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS), tl.arange(0, WIDTH)
    inside, real = col < H, row < n
    alive, place = real[:, None] & inside[None, :], row[:, None] * H + col[None, :]
    x = tl.load(rows + place, alive, 0.0).to(tl.float32) + tl.load(first_bias + col, inside, 0.0)[None, :]
    for block in range(BLOCKS):
        at = weights + 2 * block * H * H
        y = _linear(_normed(x, inside, H, EPSILON)[0], at, biases + 2 * block * H, col, inside, H, PRECISION)
        y = _normed(y, inside, H, EPSILON)[0]
        x += _linear(y, at + H * H, biases + (2 * block + 1) * H, col, inside, H, PRECISION)
        tl.store(streams + block * stride + place, x, alive)
    weight, constant = tl.load(readout + col, inside, 0.0), tl.load(shift)
    for line in range(LINES):
        z = tl.maximum(x + tl.load(features + line * H + col, inside, 0.0)[None, :], 0.0)
        tl.store(values + line * n + row, tl.sum(z * weight[None, :], 1) + constant, real)


@triton.jit(do_not_specialize=["n"])
def readout_backward(
    stream, first_bias, features, readout, upstream, gradient, sums, n,
    H: tl.constexpr, WIDTH: tl.constexpr, LINES: tl.constexpr, ROWS: tl.constexpr, SHIFTED: tl.constexpr,
):  # fmt: skip
    """Gradient of the last stream; per program the sums ``[1 + LINES, h]`` for the readout and each feature.

    ``SHIFTED``: the stream is the first layer's rows, still without their bias.
    """
    row, col = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS), tl.arange(0, WIDTH)
    inside, real = col < H, row < n
    alive, place = real[:, None] & inside[None, :], row[:, None] * H + col[None, :]
    x = tl.load(stream + place, alive, 0.0).to(tl.float32)
    if SHIFTED:
        x += tl.load(first_bias + col, inside, 0.0)[None, :]
    weight = tl.load(readout + col, inside, 0.0)
    grad, total = tl.zeros((ROWS, WIDTH), tl.float32), tl.zeros((WIDTH,), tl.float32)
    mine = sums + tl.program_id(0).to(tl.int64) * (1 + LINES) * H + col
    for line in range(LINES):
        z = x + tl.load(features + line * H + col, inside, 0.0)[None, :]
        up = tl.load(upstream + line * n + row, real, 0.0)
        part = tl.where(z > 0, up[:, None] * weight[None, :], 0.0)
        total += tl.sum(tl.maximum(z, 0.0) * up[:, None], 0)
        tl.store(mine + (1 + line) * H, tl.sum(part, 0), inside)
        grad += part
    tl.store(mine, total, inside)
    tl.store(gradient + place, grad.to(gradient.dtype.element_ty), alive)


@triton.jit(do_not_specialize=["n"])
def block_backward(
    stream, first_bias, weights, biases, upstream, normed, inner, gradient, sums, n, stride,
    H: tl.constexpr, WIDTH: tl.constexpr, ROWS: tl.constexpr, PRECISION: tl.constexpr, EPSILON: tl.constexpr,
    SHIFTED: tl.constexpr,
):  # fmt: skip
    """One block: gradient of the stream before it from that of the stream after it.

    Writes the normed inputs of both linears ``[2, n, h]``, the gradient of the inner rows ``[n, h]``, and per program
    the sums ``[3, h]`` of the gradients of inner rows, stream after and stream before. ``SHIFTED`` as above.
    """
    row, col = tl.program_id(0).to(tl.int64) * ROWS + tl.arange(0, ROWS), tl.arange(0, WIDTH)
    inside, real = col < H, row < n
    alive, place = real[:, None] & inside[None, :], row[:, None] * H + col[None, :]
    x = tl.load(stream + place, alive, 0.0).to(tl.float32)
    if SHIFTED:
        x += tl.load(first_bias + col, inside, 0.0)[None, :]
    normed1, scale1 = _normed(x, inside, H, EPSILON)
    tl.store(normed + place, normed1.to(normed.dtype.element_ty), alive)
    y = _linear(normed1, weights, biases, col, inside, H, PRECISION)
    normed2, scale2 = _normed(y, inside, H, EPSILON)
    tl.store(normed + stride + place, normed2.to(normed.dtype.element_ty), alive)
    after = tl.load(upstream + place, alive, 0.0)
    grad = _back(_times(after, weights + H * H, col, inside, H, PRECISION), normed2, scale2, y, H)
    tl.store(inner + place, grad.to(inner.dtype.element_ty), alive)
    mine = sums + tl.program_id(0).to(tl.int64) * 3 * H + col
    tl.store(mine, tl.sum(grad, 0), inside)
    tl.store(mine + H, tl.sum(after, 0), inside)
    grad = after + _back(_times(grad, weights, col, inside, H, PRECISION), normed1, scale1, x, H)
    tl.store(mine + 2 * H, tl.sum(grad, 0), inside)
    tl.store(gradient + place, grad.to(gradient.dtype.element_ty), alive)


@triton.jit(do_not_specialize=["n"])
def rows_product(
    a, b, sums, n,
    H: tl.constexpr, WIDTH: tl.constexpr, COLUMNS: tl.constexpr, PART: tl.constexpr, TILE: tl.constexpr,
    STEP: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """``a.T @ b`` for ``a [n, h]`` and ``b [n, COLUMNS]``: a program sums ``PART`` rows for ``TILE`` of the columns."""
    col, column = tl.arange(0, WIDTH), tl.program_id(0) * TILE + tl.arange(0, TILE)
    inside, within = col < H, column < COLUMNS
    total = tl.zeros((WIDTH, TILE), tl.float32)
    start = tl.program_id(1).to(tl.int64) * PART
    for at in range(0, PART, STEP):
        row = start + at + tl.arange(0, STEP)
        real = row < n
        left = tl.load(a + row[None, :] * H + col[:, None], real[None, :] & inside[:, None], 0.0)
        right = tl.load(b + row[:, None] * COLUMNS + column[None, :], real[:, None] & within[None, :], 0.0)
        total = tl.dot(left.to(right.dtype), right, total, input_precision=PRECISION)
    mine = sums + tl.program_id(1).to(tl.int64) * H * COLUMNS
    tl.store(mine + col[:, None] * COLUMNS + column[None, :], total, inside[:, None] & within[None, :])
