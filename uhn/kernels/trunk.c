/* The residual MLP of the generator: rows [n, h] -> values [k, n], one line of values per feature, and the way back.
 *
 * A tile of rows goes through all linears before the next one starts: its normed inputs stay in the core's cache, and
 * the way back makes them again there. In between the rows are kept, and `open` [k, n, h / 16], a bit per value that
 * passes the last ReLU: for no more than these bits the way back would need the last linear. The readout's gradient is a
 * sum of g x over rows, and x = x' + W n + b makes it that of g x', and W times the gradient of W, and b times that of b,
 * if g leaves the readout out. Each of `parts` contiguous parts of the tiles sums gradients of its own, which the caller
 * adds up in order: a result depends on the number of parts, never on which thread did what. Weights come as B operands
 * (tile.h): `down` [in, out] for the way forward, `up` [out, in] for the way back, h * h / PER units per linear.
 */
#include "tile.h"

typedef struct {
    long h, linears, tile;
    float epsilon;
    const unit *down, *up;
    const float *biases;
    float *x, *z, *g, *inner, *scale; /* stream; output or gradient of a linear; gradients; 1 / std of every norm */
    unit *pairs;                      /* HALF: the operands of a weight's gradient, paired along the rows, and g itself */
    stored *normed;
    int8_t *open; /* which ReLUs let their input through */
} Work;

/* Carve the arrays of a part out of one allocation, which is x; an odd last row of a tile has a row of zeros beside it. */
static int make(Work *w) {
    const long cells = (w->tile + 1) * w->h;
    char *at = room(cells * (28 + w->linears * (sizeof(stored) + 1)) + 8 * w->tile * w->linears);
    w->x = (float *)at, w->z = w->x + cells, w->g = w->z + cells, w->inner = w->g + cells;
    w->pairs = (unit *)(w->inner + cells), w->scale = w->inner + 3 * cells;
    w->normed = (stored *)(w->scale + 2 * w->tile * w->linears), w->open = (int8_t *)(w->normed + w->linears * cells);
    return at != 0;
}

/* normed = LN(ReLU(x)), row by row, without scale and shift (they are folded into the linears). */
static void norm(const Work *w, const float *restrict x, long linear, long rows) {
    const long h = w->h;
    float held[h];
    for (long r = 0; r < rows; r++, x += h) {
        const long at = linear * (w->tile + 1) + r;
        vec sum = splat(0), squares = splat(0);
        for (long j = 0; j < h; j += LANES) {
            const ivec open = load(x + j) > splat(0);
            const vec value = keep(open, load(x + j));
            *(bvec *)(w->open + at * h + j) = __builtin_convertvector(open, bvec);
            store(held + j, value), sum += value;
        }
        const float mean = total(sum) / h;
        for (long j = 0; j < h; j += LANES) {
            const vec value = load(held + j) - mean;
            store(held + j, value), squares += value * value;
        }
        const float scale = w->scale[at] = 1.0f / sqrtf(total(squares) / h + w->epsilon);
        for (long j = 0; j < h; j += LANES) put(w->normed + at * h + j, load(held + j) * scale);
    }
}

/* g = the gradient before the LayerNorm and ReLU of a linear, from z, that of its normed input; added to g if add. */
static void norm_back(const Work *w, float *restrict g, int add, long linear, long rows) {
    const long h = w->h;
    const float *z = w->z;
    for (long r = 0; r < rows; r++, z += h, g += h) {
        const long at = linear * (w->tile + 1) + r;
        const stored *y = w->normed + at * h;
        vec sum = splat(0), along = splat(0);
        for (long j = 0; j < h; j += LANES) sum += load(z + j), along += load(z + j) * get(y + j);
        const float mean = total(sum) / h, part = total(along) / h, scale = w->scale[at];
        for (long j = 0; j < h; j += LANES) {
            const ivec open = __builtin_convertvector(*(const bvec *)(w->open + at * h + j), ivec);
            vec value = keep(open, scale * (load(z + j) - mean - get(y + j) * part));
            if (add) value += load(g + j);
            store(g + j, value);
        }
    }
}

/* Up to the normed input of linear `last`, or to the end of the blocks; x becomes the residual stream there. */
static void tile_forward(const Work *w, const float *rows, long count, long even, long last) {
    const long h = w->h, units = h / PER;
    memcpy(w->x, rows, 4 * count * h);
    memset(w->x + count * h, 0, 4 * (even - count) * h);
    for (long i = 0; i < w->linears; i++) {
        const unit *normed = (const unit *)(w->normed + i * (w->tile + 1) * h);
        norm(w, i % 2 ? w->z : w->x, i, even);
        if (i == last) return;
        product(even, h, units, normed, units, 1, w->down + i * h * units, h, i % 2 ? w->x : w->z, h, w->biases + i * h, i % 2);
    }
}

/* Through linear i: the gradients of its weight and bias from g [rows, h], and z, that of its normed input. */
static void linear_back(const Work *w, long i, const float *g, float *grad, float *grad_bias, long rows) {
    const long h = w->h, units = h / PER;
    const stored *normed = w->normed + i * (w->tile + 1) * h;
    add_rows(grad_bias, g, rows, h);
#if HALF
    unit *low = w->pairs, *first = low + rows * units, *second = first + rows * units;
    for (long at = 0; at < rows * h; at += LANES) put((stored *)low + at, load(g + at));
    pair_rows(first, (stored *)low, rows, h), pair_rows(second, normed, rows, h);
    product(h, h, rows / 2, first, 1, h, second, h, grad, h, 0, 1);
#else
    const unit *low = g;
    product(h, h, rows, g, 1, h, normed, h, grad, h, 0, 1);
#endif
    product(rows, h, units, low, units, 1, w->up + i * h * units, h, w->z, h, 0, 0);
}

/* values [k, n] of rows [n, h] and the features [k, h] that are added before the readout; 0 if there was no memory. */
int trunk_forward(long h, long linears, long tile, float epsilon, long parts, long n, const float *rows, long k, const float *features,
                  const unit *down, const float *biases, uint16_t *open, const float *readout, float shift, float *values) {
    int good = 1;
    const long tiles = (n + tile - 1) / tile;
#pragma omp parallel for num_threads(parts) schedule(static, 1) reduction(& : good) if (parts > 1)
    for (long part = 0; part < parts; part++) {
        Work w = {.h = h, .linears = linears, .tile = tile, .epsilon = epsilon, .down = down, .biases = biases};
        if (!make(&w)) good = 0;
        for (long t = tiles * part / parts; good && t < tiles * (part + 1) / parts; t++) {
            const long first = t * tile, count = n - first < tile ? n - first : tile;
            tile_forward(&w, rows + first * h, count, (count + 1) / 2 * 2, linears);
            for (long c = 0; c < k; c++)
                for (long r = 0; r < count; r++) {
                    vec sum = splat(0);
                    for (long j = 0; j < h; j += 16) {
                        uint32_t passed = 0;
                        for (long i = 0; i < 16; i += LANES) {
                            const vec value = load(w.x + r * h + j + i) + load(features + c * h + j + i);
                            const ivec above = value > splat(0);
                            sum += keep(above, value) * load(readout + j + i), passed |= bits(above) << i;
                        }
                        if (open) open[((c * n + first + r) * h + j) / 16] = passed;
                    }
                    values[c * n + first + r] = total(sum) + shift;
                }
        }
        free(w.x);
    }
    return good;
}

/* Gradient of the rows [n, h] from that of the values [k, n]. All others are added to `grads` [parts]: of the linears
 * [linears][out, in], their biases [linears][h], the readout [h] and the features [k, h]. The readout is left out of those
 * of the last linear, its bias and the features, which it multiplies, and what these add to its own is too (see above);
 * the rows of the last `up` have it in them. Without `open` the last linear is computed again. */
int trunk_backward(long h, long linears, long tile, float epsilon, long parts, long n, const float *rows, long k, const float *features,
                   const unit *down, const float *biases, const uint16_t *open, const unit *up, const float *readout, const float *upstream,
                   float *grad_rows, float *grads) {
    int good = 1;
    const long tiles = (n + tile - 1) / tile, units = h / PER, end = linears - 1;
#pragma omp parallel for num_threads(parts) schedule(static, 1) reduction(& : good) if (parts > 1)
    for (long part = 0; part < parts; part++) {
        Work w = {.h = h, .linears = linears, .tile = tile, .epsilon = epsilon, .down = down, .up = up, .biases = biases};
        float *weights = grads + part * (linears * h * (h + 1) + (k + 1) * h), *shifts = weights + linears * h * h;
        float *last = shifts + linears * h, own[h], sums[h];
        if (!make(&w)) good = 0;
        for (long t = tiles * part / parts; good && t < tiles * (part + 1) / parts; t++) {
            const long first = t * tile, count = n - first < tile ? n - first : tile, even = (count + 1) / 2 * 2;
            tile_forward(&w, rows + first * h, count, even, end);
            if (!open) memcpy(w.inner, w.x, 4 * even * h);
            if (!open && linears) {
                const unit *normed = (const unit *)(w.normed + end * (tile + 1) * h);
                product(even, h, units, normed, units, 1, down + end * h * units, h, w.inner, h, biases + end * h, 1);
            }
            memset(sums, 0, sizeof sums);
            for (long c = 0; c < k; c++) {
                memset(own, 0, sizeof own);
                for (long r = 0; r < count; r++) { /* inner: the gradient without the readout, g: with it */
                    float *g = w.g + r * h, *inner = w.inner + r * h;
                    const vec up = splat(upstream[c * n + first + r]);
                    for (long j = 0; j < h; j += LANES) {
                        vec all;
                        if (open) all = keep(mask(open[((c * n + first + r) * h + j) / 16] >> j % 16), up);
                        else all = keep(load(inner + j) + load(features + c * h + j) > splat(0), up);
                        store(own + j, load(own + j) + all);
                        if (c) all += load(g + j);
                        store(g + j, all);
                        if (c < k - 1) continue;
                        store(inner + j, all), store(g + j, all * load(readout + j));
                        store(sums + j, load(sums + j) + all * load(w.x + r * h + j));
                    }
                }
                add_rows(last + (c + 1) * h, own, 1, h);
            }
            add_rows(last, sums, 1, h);
            memset(w.g + count * h, 0, 4 * (even - count) * h), memset(w.inner + count * h, 0, 4 * (even - count) * h);
            for (long i = end; i >= 0; i--) { /* a block's second linear, then its first */
                linear_back(&w, i, i % 2 && i < end ? w.g : w.inner, weights + i * h * h, shifts + i * h, even);
                norm_back(&w, i % 2 ? w.inner : w.g, !(i % 2), i, even);
            }
            memcpy(grad_rows + first * h, w.g, 4 * count * h);
        }
        free(w.x);
    }
    return good;
}
