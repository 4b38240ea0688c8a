/* Windows of scaled images, and crops of pictures: `scaling.py` in C. */
#include "kernels.h"
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

/* --- vectors ---------------------------------------------------------------------------------------------------- */

typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef int16_t shorts8 __attribute__((vector_size(16)));

#define LOAD(type, from) ({ type loaded; memcpy(&loaded, (from), sizeof loaded); loaded; })

/* Vectors have one lane of 16 bytes, or two; values change places within their lane only, which is cheap everywhere.
   INTERLEAVED has four values of `a` and `b` in turn, from number i on; NEIGHBOURS has values 0 and 3, 1 and 4, 2 and 5
   at `a` (and, in a second lane, at `b`): two neighbouring pixels, channel by channel. Three instructions are named, as
   compilers do not find them by themselves: `widened` makes bytes shorts, `products` is a[2i] b[2i] + a[2i+1] b[2i+1],
   and `narrowed` makes one vector of two of ints, which INTERLEAVED had separated. */
#if defined(__AVX2__)
enum { LANES = 2 };
#define INTERLEAVED(a, b, i)                                                                                           \
    __builtin_shufflevector(a, b, i, i + 16, i + 1, i + 17, i + 2, i + 18, i + 3, i + 19, i + 8, i + 24, i + 9,        \
                            i + 25, i + 10, i + 26, i + 11, i + 27)
#define NEIGHBOURS(a, b)                                                                                               \
    __builtin_shufflevector(LOAD(shorts8, a), LOAD(shorts8, b), 0, 3, 1, 4, 2, 5, 3, 6, 8, 11, 9, 12, 10, 13, 11, 14)
#define widened(from) ((shorts)_mm256_cvtepu8_epi16((__m128i)LOAD(bytes16, from)))
#define products(a, b) ((ints)_mm256_madd_epi16((__m256i)(a), (__m256i)(b)))
#define narrowed(a, b) ((shorts)_mm256_packs_epi32((__m256i)(a), (__m256i)(b)))
#else
enum { LANES = 1 };
#define INTERLEAVED(a, b, i) __builtin_shufflevector(a, b, i, i + 8, i + 1, i + 9, i + 2, i + 10, i + 3, i + 11)
#define NEIGHBOURS(a, b) ((void)(b), INTERLEAVED(LOAD(shorts, a), LOAD(shorts, (a) + 3), 0))
#define widened(from) __builtin_convertvector(LOAD(bytes, from), shorts)
#if defined(__SSE2__)
#define products(a, b) ((ints)_mm_madd_epi16((__m128i)(a), (__m128i)(b)))
#define narrowed(a, b) ((shorts)_mm_packs_epi32((__m128i)(a), (__m128i)(b)))
#else
#define products(a, b) (((ints)(a) << 16 >> 16) * ((ints)(b) << 16 >> 16) + ((ints)(a) >> 16) * ((ints)(b) >> 16))
#define narrowed(a, b) __builtin_shufflevector((shorts)(a), (shorts)(b), 0, 2, 4, 6, 8, 10, 12, 14)
#endif
#endif

enum { VALUES = 8 * LANES, PIXELS = 4 * LANES, SPILL = 4 * (LANES - 1) }; /* bytes written behind PIXELS of them */

typedef uint8_t bytes __attribute__((vector_size(8 * LANES)));
typedef int16_t shorts __attribute__((vector_size(16 * LANES)));
typedef int32_t ints __attribute__((vector_size(16 * LANES)));

/* --- weights ---------------------------------------------------------------------------------------------------- */

enum { UNIT_BITS = 14, ROW_BITS = 7 }; /* weights add up to 1 << 14; rows between the passes are in 1/128 */

/* An axis: `from` inputs are scaled to `to` outputs, of which `count` are made from `begin` on, perhaps backwards. */
typedef struct { int64_t from, to; int begin, count, backwards; } axis;

static axis inside(axis a) {
    int64_t end = a.begin + (int64_t)a.count < a.to ? a.begin + (int64_t)a.count : a.to;
    a.begin = a.begin > 0 ? a.begin : 0;
    a.count = end > a.begin ? (int)(end - a.begin) : 0;
    return a;
}

static int most_taps(axis a) { return a.from > a.to ? (int)((2 * a.from + a.to - 1) / a.to) : 2; }

/* The weights of output number i: as many as it returns, for the inputs from `*first` on. Running sums are rounded, not
   single weights: so all of them add up to the unit, however small they are. */
static int weigh(axis a, int i, int *first, int16_t *weights) {
    int64_t output = a.begin + (a.backwards ? a.count - 1 - i : i), step = 2 * a.to;
    int64_t centre = (2 * output + 1) * a.from, reach = 2 * (a.from > a.to ? a.from : a.to);
    int64_t low = centre + a.to > reach ? (centre + a.to - reach) / step : 0, high = (centre + reach + a.to - 1) / step;
    int64_t sum = 0, part = 0, before = 0;
    high = high < a.from ? high : a.from;
    for (int64_t k = low; k < high; k++) sum += reach - llabs(step * k + a.to - centre);
    for (int64_t k = low; k < high; k++) {
        part += reach - llabs(step * k + a.to - centre);
        int64_t now = (part << UNIT_BITS) / sum;
        weights[k - low] = (int16_t)(now - before);
        before = now;
    }
    *first = (int)low;
    return (int)(high - low);
}

/* --- passes ----------------------------------------------------------------------------------------------------- */

/* Half a unit of rows, to round them, and half a level, to round what is made of them. */
enum { HALVES = (1 << (ROW_BITS - 1)) + (1 << (UNIT_BITS - 1)) };

/* The next values of a row, from as many columns of `taps` rows. */
static inline shorts mixed(const uint8_t *at, ptrdiff_t stride, const int16_t *weights, int taps) {
    ints low = (ints){0} + HALVES, high = low;
    for (int k = 0; k < taps; k += 2) {
        shorts weight = (shorts)((ints){0} + LOAD(int32_t, weights + k)), a = widened(at + k * stride), b = a;
        if (k + 1 < taps) b = widened(at + (k + 1) * stride);
        low += products(INTERLEAVED(a, b, 0), weight);
        high += products(INTERLEAVED(a, b, 4), weight);
    }
    return narrowed(low >> ROW_BITS, high >> ROW_BITS);
}

/* A row of `count` values. The last step overlaps the one before, so that nothing outside is read. */
static inline void mix_rows(const uint8_t *source, ptrdiff_t stride, const int16_t *weights, int taps, int count,
                            int16_t *row) {
    if (count < VALUES)
        for (int j = 0; j < count; j++) {
            int sum = HALVES;
            for (int k = 0; k < taps; k++) sum += source[k * stride + j] * weights[k];
            row[j] = (int16_t)(sum >> ROW_BITS);
        }
    else
        for (int j = 0; j < count; j += VALUES) {
            int at = j < count - VALUES ? j : count - VALUES;
            shorts values = mixed(source + at, stride, weights, taps);
            memcpy(row + at, &values, sizeof values);
        }
}

/* The vertical pass for a row. Loops of a known length are unrolled. */
static void vertical(const uint8_t *source, ptrdiff_t stride, const int16_t *weights, int taps, int count,
                     int16_t *row) {
    if (taps == 1) mix_rows(source, stride, weights, 1, count, row);
    else if (taps == 2) mix_rows(source, stride, weights, 2, count, row);
    else if (taps == 3) mix_rows(source, stride, weights, 3, count, row);
    else if (taps == 4) mix_rows(source, stride, weights, 4, count, row);
    else mix_rows(source, stride, weights, taps, count, row);
}

/* Write pixels: in each lane four reds, four greens, four blues. */
static inline void write_pixels(ints planes, uint8_t *out) {
#if defined(__AVX2__)
    typedef uint8_t bytes32 __attribute__((vector_size(32)));
    bytes32 all = (bytes32)planes;
    bytes16 four = __builtin_shufflevector(all, all, 0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11, 12, 13, 14, 15);
    bytes16 next = __builtin_shufflevector(all, all, 16, 20, 24, 17, 21, 25, 18, 22, 26, 19, 23, 27, 28, 29, 30, 31);
    memcpy(out, &four, sizeof four);
    memcpy(out + 12, &next, sizeof next);
#else
    uint8_t all[16];
    memcpy(all, &planes, sizeof all);
    for (int i = 0; i < 4; i++)
        for (int c = 0; c < 3; c++) out[3 * i + c] = all[4 * c + i];
#endif
}

/* PIXELS pixels of `pairs` pairs of taps. Pixel i is in the first lane of a vector, pixel i + 4 in a second. */
static inline void mix_columns(const int16_t *row, const int *first, const int16_t *weights, int pairs, uint8_t *out) {
    ints planes = {0};
    for (int i = 0; i < 4; i++) {
        const int16_t *a = row + first[i], *b = row + first[i + PIXELS - 4];
        ints sum = {0};
        for (int k = 0; k < pairs; k++, weights += VALUES)
            sum += products(NEIGHBOURS(a + 6 * k, b + 6 * k), LOAD(shorts, weights));
        planes |= sum >> (UNIT_BITS + ROW_BITS) << (8 * i);
    }
    write_pixels(planes, out);
}

/* The weights of columns, each for three channels, in the order and the lanes in which `mix_columns` takes them. */
typedef struct { int count, pairs, *first; int16_t *weights; } columns;

/* The horizontal pass for a row. The last pixels go by way of a buffer, as some bytes too many are written. */
static void horizontal(const int16_t *row, columns x, uint8_t *out) {
    for (int j = 0; j < x.count; j += PIXELS, x.weights += 4 * x.pairs * VALUES) {
        uint8_t last[3 * PIXELS + SPILL], *to = 3 * (x.count - j) < (int)sizeof last ? last : out + 3 * j;
        if (x.pairs == 1) mix_columns(row, x.first + j, x.weights, 1, to);
        else if (x.pairs == 2) mix_columns(row, x.first + j, x.weights, 2, to);
        else mix_columns(row, x.first + j, x.weights, x.pairs, to);
        if (to == last) memcpy(out + 3 * j, last, 3 * (x.count - j < PIXELS ? x.count - j : PIXELS));
    }
}

/* --- copies ----------------------------------------------------------------------------------------------------- */

static inline void copy_row(const uint8_t *from, int count, int flip, uint8_t *out) {
    if (!flip) memcpy(out, from, 3 * count);
    else
        for (int x = 0; x < count; x++) memcpy(out + 3 * x, from + 3 * (count - 1 - x), 3);
}

static inline void spread_row(const uint8_t *gray, int step, int count, uint8_t *out) {
    for (int x = 0; x < count; x++, gray += step) out[3 * x] = out[3 * x + 1] = out[3 * x + 2] = *gray;
}

/* --- views ------------------------------------------------------------------------------------------------------ */

/* Scale; `source` begins with the box, `out` with the first pixel of the window that is inside. */
static int scale(const uint8_t *source, ptrdiff_t stride, axis y, axis x, int wide, uint8_t *out) {
    int groups = (x.count + PIXELS - 1) / PIXELS, pairs = (most_taps(x) + 1) / 2, taps = most_taps(y);
    size_t spread = (size_t)4 * VALUES * pairs * groups, places = (size_t)2 * PIXELS * groups;
    size_t of_output = 1 + (taps > 2 * pairs ? taps : 2 * pairs), of_row = 3 * (size_t)x.from + 6 * pairs + 8;
    int16_t *memory = calloc(spread + places + of_output + of_row, sizeof *memory);
    if (!memory) return -1;
    columns across = {x.count, pairs, (int *)(memory + spread), memory};
    int16_t *weights = memory + spread + places, *row = weights + of_output;

    int begin = (int)x.from, end = 0; /* the inputs that are needed */
    for (int i = 0; i < x.count; i++) {
        int first, count = weigh(x, i, &first, weights);
        int16_t *at = across.weights + ((size_t)i / PIXELS * 4 + i % 4) * pairs * VALUES + i % PIXELS / 4 * 8;
        for (int k = 0; k < count; k++)
            for (int c = 0; c < 3; c++) at[k / 2 * VALUES + 2 * c + k % 2] = weights[k];
        across.first[i] = first;
        begin = first < begin ? first : begin;
        end = first + count > end ? first + count : end;
    }
    for (int i = 0; i < x.count; i++) across.first[i] = 3 * (across.first[i] - begin);

    for (int i = 0; i < y.count; i++) {
        int first, count = weigh(y, i, &first, weights);
        weights[count] = 0; /* where their number is odd, the last row is paired with itself */
        vertical(source + first * stride + 3 * begin, stride, weights, count, 3 * (end - begin), row);
        horizontal(row, across, out + (size_t)3 * i * wide);
    }
    free(memory);
    return 0;
}

int lm_view(const uint8_t *source, ptrdiff_t stride, const lm_window *window, uint8_t *out) {
    lm_window w = *window;
    axis y = inside((axis){w.height, w.rows, w.top, w.tall, 0});
    axis x = inside((axis){w.width, w.columns, w.left, w.wide, w.flip});
    if (y.count < w.tall || x.count < w.wide) memset(out, 0, (size_t)3 * w.tall * w.wide);
    if (!y.count || !x.count) return 0;
    out += 3 * ((size_t)(y.begin - w.top) * w.wide + (w.flip ? w.left + w.wide - x.begin - x.count : x.begin - w.left));
    if (w.height != w.rows || w.width != w.columns) return scale(source, stride, y, x, w.wide, out);
    source += y.begin * stride + 3 * x.begin;
    for (int i = 0; i < y.count; i++, out += 3 * w.wide) copy_row(source + i * stride, x.count, w.flip, out);
    return 0;
}

/* --- pictures --------------------------------------------------------------------------------------------------- */

int lm_picture(const uint8_t *picture, int side, int channels, int top, int left, int flip_h, int flip_v, int size,
               uint8_t *out) {
    for (int y = 0; y < size; y++, out += 3 * size) {
        const uint8_t *row = picture + ((size_t)(top + (flip_v ? size - 1 - y : y)) * side + left) * channels;
        if (channels == 3) copy_row(row, size, flip_h, out);
        else if (flip_h) spread_row(row + size - 1, -1, size, out);
        else spread_row(row, 1, size, out);
    }
    return 0;
}
