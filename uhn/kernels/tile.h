/* Small matrix products on tiles that stay in a core's cache; included by every kernel.
 *
 * C [M, N] += A [M, K] B [K, N], all sums in float32. A micro-tile of 6 rows by PANEL columns of C stays in registers
 * while K runs; PANEL is as wide as the processor's registers allow (AVX-512: 24 of 32 registers, AVX: 12 of 16).
 * An operand is an array of 32-bit *units*: a float, or, with HALF, two bfloat16 that are neighbours along K (which is
 * then counted in pairs). So one loop serves both, and a bfloat16 product is one instruction where there is one.
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__AVX512F__)
#include <immintrin.h>
#define LANES 16
#define WIDE 4
#elif defined(__AVX__)
#define LANES 8
#define WIDE 2
#else /* SSE2, NEON, or whatever the compiler makes of four lanes */
#define LANES 4
#define WIDE 4
#endif
#define PANEL (LANES * WIDE)
#define INLINE static inline __attribute__((always_inline))

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t ivec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint32_t uvec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef uint16_t hvec __attribute__((vector_size(2 * LANES), aligned(2), may_alias));
typedef int8_t bvec __attribute__((vector_size(LANES), aligned(1), may_alias));

INLINE vec load(const float *at) {
    const vec value = *(const vec *)at;
    return value;
}
INLINE void store(float *at, vec value) { *(vec *)at = value; }
INLINE vec splat(float value) { return value - (vec){0}; }
INLINE vec keep(ivec mask, vec value) { return (vec)(mask & (ivec)value); }
/* A bit for every lane of a mask, and back; more bits than lanes may be given. */
INLINE ivec each(void) {
    ivec bit;
    for (int i = 0; i < LANES; i++) bit[i] = 1 << i;
    return bit;
}
INLINE uint32_t bits(ivec mask) {
#if defined(__AVX512F__)
    return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask);
#else
    const ivec one = mask & each();
    uint32_t found = 0;
    for (int i = 0; i < LANES; i++) found |= one[i];
    return found;
#endif
}
INLINE ivec mask(uint32_t found) { return (((int32_t)found | (ivec){0}) & each()) != 0; }
INLINE float total(vec value) {
#if defined(__AVX512F__)
    return _mm512_reduce_add_ps((__m512)value);
#else
    float sum = 0;
    for (int i = 0; i < LANES; i++) sum += value[i];
    return sum;
#endif
}
INLINE void *room(size_t bytes) { return aligned_alloc(64, (bytes + 127) / 64 * 64); }

#if HALF
#define PER 2
typedef uint32_t unit;
typedef uint16_t stored; /* an operand with rows of n bfloat16, that is n / 2 units along the row */
typedef uvec units;
#if defined(__AVX512BF16__)
INLINE vec step(vec sum, unit a, uvec b) {
    union { uvec u; __m512bh h; } x = {a | (uvec){0}}, y = {b};
    return (vec)_mm512_dpbf16_ps((__m512)sum, x.h, y.h);
}
#else
INLINE vec step(vec sum, unit a, uvec b) {
    const uvec x = a | (uvec){0};
    return sum + (vec)(x << 16) * (vec)(b << 16) + (vec)(x & 0xffff0000u) * (vec)(b & 0xffff0000u);
}
#endif
/* Stored as the nearest bfloat16, and read again. */
INLINE void put(uint16_t *at, vec value) {
    const uvec bits = (uvec)value;
    *(hvec *)at = __builtin_convertvector((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16, hvec);
}
INLINE vec get(const uint16_t *at) { return (vec)(__builtin_convertvector(*(const hvec *)at, uvec) << 16); }
/* Neighbouring rows side by side: units for sums along an even number of rows. */
static void pair_rows(unit *at, const uint16_t *rows, long count, long h) {
    for (long r = 0; r < count; r += 2, rows += 2 * h)
        for (long j = 0; j < h; j += LANES, at += LANES)
            *(uvec *)at = (uvec)get(rows + j) >> 16 | (uvec)get(rows + h + j);
}
/* Turn rows of floats [count, h] into such units [count / 2, h], in place; `spare` has room for as many floats. */
static void pack(float *rows, float *spare, long count, long h) {
    for (long j = 0; j < count * h; j += LANES) put((stored *)spare + j, load(rows + j));
    pair_rows((unit *)rows, (stored *)spare, count, h);
}
#else
#define PER 1
typedef float unit;
typedef float stored;
typedef vec units;
INLINE vec step(vec sum, unit a, vec b) { return sum + a * b; }
INLINE void put(float *at, vec value) { store(at, value); }
INLINE vec get(const float *at) { return load(at); }
#endif

/* M rows (6, 2 or 1) by W vectors of C; A at (i, k) is a[i * ai + k * ak], B at (k, n) is b[k * ldb + n]. */
INLINE void micro(const int M, const int W, long K, const unit *restrict a, long ai, long ak, const unit *restrict b,
                  long ldb, float *restrict c, long ldc, const float *bias, int add) {
    vec sum[6][WIDE];
#pragma GCC unroll 6
    for (int i = 0; i < M; i++)
#pragma GCC unroll 4
        for (int j = 0; j < W; j++) sum[i][j] = bias ? load(bias + j * LANES) : splat(0);
    for (long k = 0; k < K; k++, a += ak, b += ldb) {
        units row[WIDE];
#pragma GCC unroll 4
        for (int j = 0; j < W; j++) row[j] = *(const units *)(b + j * LANES);
#pragma GCC unroll 6
        for (int i = 0; i < M; i++)
#pragma GCC unroll 4
            for (int j = 0; j < W; j++) sum[i][j] = step(sum[i][j], a[i * ai], row[j]);
    }
#pragma GCC unroll 6
    for (int i = 0; i < M; i++)
#pragma GCC unroll 4
        for (int j = 0; j < W; j++) {
            if (add) sum[i][j] += load(c + i * ldc + j * LANES); /* last: small sums lose less than a long one */
            store(c + i * ldc + j * LANES, sum[i][j]);
        }
}

#define BAND(W)                                                                                               \
    for (; n + W * LANES <= N; n += W * LANES) {                                                              \
        const float *shift = bias ? bias + n : 0;                                                             \
        long i = 0;                                                                                           \
        for (; i + 6 <= M; i += 6)                                                                            \
            micro(6, W, K, a + i * ai, ai, ak, b + n, ldb, c + i * ldc + n, ldc, shift, add);                 \
        for (; i + 2 <= M; i += 2)                                                                            \
            micro(2, W, K, a + i * ai, ai, ak, b + n, ldb, c + i * ldc + n, ldc, shift, add);                 \
        if (i < M) micro(1, W, K, a + i * ai, ai, ak, b + n, ldb, c + i * ldc + n, ldc, shift, add);          \
    }

/* C = A B (+ bias per column) (+ C if add); N is a multiple of 16, K counts units. */
static __attribute__((noinline)) void product(long M, long N, long K, const unit *a, long ai, long ak, const unit *b,
                                              long ldb, float *c, long ldc, const float *bias, int add) {
    long n = 0;
    BAND(WIDE)
#if LANES == 16
    BAND(2)
    BAND(1)
#endif
}

/* sum [h] += every one of rows [count, h]. */
static void add_rows(float *sum, const float *rows, long count, long h) {
    for (long j = 0; j < h; j += LANES) {
        vec value = splat(0);
        for (long r = 0; r < count; r++) value += load(rows + r * h + j);
        store(sum + j, load(sum + j) + value);
    }
}
