/* The first layer along one grid of indices whose columns come in windows of frequencies (uhn/descriptors/windows.py).
 *
 * Of the quarter grid, BLOCK rows at a time: per axis (cosines, sines) and window, the rows' factors times V are an
 * operand [rank * BLOCK, frequencies] that meets the window's weights; the sums and differences of the two halves meet U,
 * and what comes out are the four mirror images. Weights are transposed, [frequencies, h], turned by the layer's phase and
 * in the order of the windows, whose sizes are padded with zeros to a multiple of 16. `parts` as in trunk.c.
 */
#include "tile.h"

#define BLOCK 6
#define COLUMNS 48

typedef struct {
    const int64_t *ranks;          /* of each window */
    const float *values;           /* V of each window, [rank, size] */
    const unit *left, *left_pairs; /* U [half, total] in units along total, and along half (made even) */
    long total;                    /* sum of the ranks, made even */
} Axis;

typedef struct {
    long h, width, windows, half, rows, skip_row, skip_column; /* width: of all windows; half: columns of the quarter */
    const int64_t *sizes;
    const float *factors[2]; /* cosines and sines of the rows [rows, width] */
    Axis axes[2];
} Grid;

static long largest(const int64_t *values, long count) {
    long found = 0;
    for (long i = 0; i < count; i++)
        if (values[i] > found) found = values[i];
    return found;
}

/* Floats that one part works with: 4 inner products, 4 images of some columns, and two operands. */
static long cells(const Grid *g, long *inner, long *scaled) {
    const long ranks0 = largest(g->axes[0].ranks, g->windows), ranks1 = largest(g->axes[1].ranks, g->windows);
    *inner = (g->axes[0].total > g->axes[1].total ? g->axes[0].total : g->axes[1].total) * BLOCK * g->h;
    *scaled = (ranks0 > ranks1 ? ranks0 : ranks1) * BLOCK * largest(g->sizes, g->windows);
    return 5 * *inner + 8 * COLUMNS * g->h + 2 * *scaled;
}

/* V of a window times the factors of rows first .. first + count: [rank * count, size]; rows beyond the grid are zero. */
static void scale(const Grid *g, const float *v, long rank, long size, const float *factors, long first, long count, stored *at) {
    for (long k = 0; k < rank; k++, v += size)
        for (long r = first; r < first + count; r++, at += size)
            for (long j = 0; j < size; j += LANES)
                put(at + j, load(v + j) * (r < g->rows ? load(factors + r * g->width + j) : (vec){0}));
}

/* Where image s (0: ++, 1: +-, 2: -+, 3: --) of a quarter's cell stands among the rows of a piece, or -1. */
static long place(const Grid *g, int s, long row, long column) {
    const long up = s / 2 * g->skip_row, right = s % 2 * g->skip_column, wide = g->half, odd = g->half - g->skip_column;
    const long before[4] = {0, g->rows * wide, g->rows * (wide + odd), g->rows * (wide + odd) + (g->rows - g->skip_row) * wide};
    return row < up || column < right ? -1 : before[s] + (row - up) * (wide - right) + column - right;
}

/* Weights [2, m, h] turned by a layer's phase (cosine and sine, [width]) into two operands [width / PER, h]. */
int windows_turn(long h, long width, long m, const int64_t *order, const float *cosine, const float *sine,
                 const float *weight, unit *turned) {
    stored low[2][2 * h];
    for (long f = 0; f < width; f++) {
        const float *c = weight + order[f] * h, *s = c + m * h;
        for (long j = 0; j < h; j += LANES) {
            const int there = order[f] >= 0;
            const vec x = there ? load(c + j) : splat(0), y = there ? load(s + j) : splat(0);
            put(low[0] + f % PER * h + j, x * cosine[f] + y * sine[f]);
            put(low[1] + f % PER * h + j, y * cosine[f] - x * sine[f]);
        }
        for (int which = 0; which < 2 && f % PER == PER - 1; which++) {
            unit *at = turned + (which * width + f) / PER * h;
#if HALF
            pair_rows(at, low[which], 2, h);
#else
            memcpy(at, low[which], 4 * h);
#endif
        }
    }
    return 1;
}

/* Add the gradients of the turned weights, [parts][2, width, h], turned back, to those of the weights [2, m, h]. */
int windows_return(long h, long width, long m, const int64_t *order, const float *cosine, const float *sine, long parts,
                   const float *turned, float *grad) {
    for (long f = 0; f < width; f++)
        for (long j = 0; j < h && order[f] >= 0; j += LANES) {
            vec c = splat(0), s = splat(0);
            for (long part = 0; part < parts; part++) {
                c += load(turned + (part * 2 * width + f) * h + j);
                s += load(turned + ((part * 2 + 1) * width + f) * h + j);
            }
            float *at = grad + order[f] * h + j;
            store(at, load(at) + c * cosine[f] - s * sine[f]);
            store(at + m * h, load(at + m * h) + c * sine[f] + s * cosine[f]);
        }
    return 1;
}

/* Rows of the piece [.., h] from turned weights; returns 0 if there was no memory. */
int windows_forward(const Grid *g, long parts, const unit *weights, const float *bias, float *out) {
    int good = 1;
    const long h = g->h, blocks = (g->rows + BLOCK - 1) / BLOCK;
#pragma omp parallel for num_threads(parts) schedule(static, 1) reduction(& : good) if (parts > 1)
    for (long part = 0; part < parts; part++) {
        long inner, scaled;
        float *work = room(4 * cells(g, &inner, &scaled));
        float *sums[4] = {work, work + inner, work + 2 * inner, work + 3 * inner}, *images = work + 5 * inner;
        stored *operand = (stored *)(images + 8 * COLUMNS * h);
        if (!work) good = 0;
        for (long b = blocks * part / parts; good && b < blocks * (part + 1) / parts; b++) {
            const long first = b * BLOCK, left = g->rows - first, count = left < BLOCK ? (left + 1) / 2 * 2 : BLOCK;
            for (int a = 0; a < 2; a++) {
                const Axis *axis = g->axes + a;
                const float *v = axis->values;
                long rank = 0, from = 0;
                for (long w = 0; w < g->windows; w++) {
                    for (int which = 0; which < 2; which++) { /* cosines of the rows, then sines */
                        const unit *b_operand = weights + (((a ^ which) * g->width + from) / PER) * h;
                        scale(g, v, axis->ranks[w], g->sizes[w], g->factors[which] + from, first, count, operand);
                        product(axis->ranks[w] * count, h, g->sizes[w] / PER, (unit *)operand, g->sizes[w] / PER, 1, b_operand, h,
                                sums[2 * a + which] + rank * count * h, h, 0, 0);
                    }
                    v += axis->ranks[w] * g->sizes[w], rank += axis->ranks[w], from += g->sizes[w];
                }
                float *one = sums[2 * a], *two = sums[2 * a + 1];
                memset(one + rank * count * h, 0, 4 * (axis->total - rank) * count * h);
                memset(two + rank * count * h, 0, 4 * (axis->total - rank) * count * h);
                for (long j = 0; j < axis->total * count * h; j += LANES) {
                    const vec x = load(one + j), y = load(two + j);
                    store(one + j, x + y), store(two + j, x - y);
                }
#if HALF /* pairs along the ranks, in the lower half of each array */
                for (int which = 0; which < 2; which++)
                    pack(sums[2 * a + which], work + 4 * inner, axis->total, count * h);
#endif
            }
            for (long r = 0; r < count && first + r < g->rows; r++)
                for (long i = 0; i < g->half; i += COLUMNS) {
                    const long some = g->half - i < COLUMNS ? g->half - i : COLUMNS;
                    for (int s = 0; s < 4; s++) {
                        const Axis *axis = g->axes + s / 2;
                        const long units = axis->total / PER;
                        product(some, h, units, axis->left + i * units, units, 1, (unit *)sums[s] + r * h, count * h,
                                images + s * COLUMNS * h, h, s < 2 ? bias : 0, 0);
                    }
                    for (long c = 0; c < some; c++)
                        for (int s = 0; s < 4; s++) { /* ++ and +-: cosine sum +- sine difference; -+ and --: the others */
                            const long at = place(g, s, first + r, i + c);
                            const float *even = images + (s / 2 * COLUMNS + c) * h, *odd = images + ((3 - s / 2) * COLUMNS + c) * h;
                            for (long j = 0; at >= 0 && j < h; j += LANES)
                                store(out + at * h + j, s % 2 ? load(even + j) - load(odd + j) : load(even + j) + load(odd + j));
                        }
                }
        }
        free(work);
    }
    return good;
}

/* Add to the gradients of the turned weights, [parts][2, width, h], those from `grad`, the gradient of the piece's rows. */
int windows_backward(const Grid *g, long parts, const float *grad, float *turned) {
    int good = 1;
    const long h = g->h, blocks = (g->rows + BLOCK - 1) / BLOCK;
#pragma omp parallel for num_threads(parts) schedule(static, 1) reduction(& : good) if (parts > 1)
    for (long part = 0; part < parts; part++) {
        long inner, scaled;
        float *work = room(4 * cells(g, &inner, &scaled)), *images = work + 5 * inner;
        stored *operand = (stored *)(images + 8 * COLUMNS * h);
        if (!work) good = 0;
        for (long b = blocks * part / parts; good && b < blocks * (part + 1) / parts; b++) {
            const long first = b * BLOCK, left = g->rows - first, count = left < BLOCK ? (left + 1) / 2 * 2 : BLOCK;
            memset(work, 0, 16 * inner);
            for (long r = 0; r < count && first + r < g->rows; r++)
                for (long i = 0; i < g->half; i += COLUMNS) {
                    const long some = g->half - i < COLUMNS ? g->half - i : COLUMNS, even = (some + 1) / 2 * 2;
                    memset(images, 0, 16 * COLUMNS * h);
                    for (long c = 0; c < some; c++) {
                        const float *at[4];
                        for (int s = 0; s < 4; s++) at[s] = place(g, s, first + r, i + c) < 0 ? 0 : grad + place(g, s, first + r, i + c) * h;
                        for (long j = 0; j < h; j += LANES) {
                            const vec pp = load(at[0] + j), pm = at[1] ? load(at[1] + j) : splat(0);
                            const vec mp = at[2] ? load(at[2] + j) : splat(0), mm = at[3] ? load(at[3] + j) : splat(0);
                            float *to = images + c * h + j;
                            store(to, pp + pm + (mp + mm)), store(to + COLUMNS * h, pp + pm - (mp + mm));
                            store(to + 2 * COLUMNS * h, pp - pm + (mp - mm)), store(to + 3 * COLUMNS * h, mp - mm - (pp - pm));
                        }
                    }
                    for (int s = 0; s < 4; s++) {
                        const Axis *axis = g->axes + s / 2;
                        float *rows = images + s * COLUMNS * h;
#if HALF
                        pack(rows, images + 4 * COLUMNS * h, even, h);
#endif
                        product(axis->total, h, even / PER, axis->left_pairs + i / PER * axis->total, 1, axis->total, (unit *)rows, h,
                                work + s * inner + r * h, count * h, 0, 1);
                    }
                }
            for (int s = 0; s < 4; s++) {
                const Axis *axis = g->axes + s / 2;
                const float *v = axis->values;
                float *rows = work + s * inner;
                long from = 0;
                for (long w = 0; w < g->windows; w++) {
                    const long size = g->sizes[w], deep = axis->ranks[w] * count;
                    const unit *a_operand = (unit *)operand;
                    scale(g, v, axis->ranks[w], size, g->factors[s % 2] + from, first, count, operand);
#if HALF
                    pair_rows((unit *)(operand + 2 * scaled), operand, deep, size), a_operand = (unit *)(operand + 2 * scaled);
                    pack(rows, work + 4 * inner, deep, h);
#endif
                    product(size, h, deep / PER, a_operand, 1, size, (unit *)rows, h,
                            turned + ((part * 2 + (s / 2 ^ s % 2)) * g->width + from) * h, h, 0, 1);
                    v += axis->ranks[w] * size, from += size, rows += deep * h;
                }
            }
        }
        free(work);
    }
    return good;
}
