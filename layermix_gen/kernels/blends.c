/* Blends of two images, value by value. */
#include "kernels.h"

#include <stdlib.h>
#include <string.h>

#define LEAST -122.9113395108324 /* the logarithm of 1e-37 */
#define MOST 2097152.0
enum { RUN = 128 };

void weighted_sum(const uint8_t *x, const uint8_t *y, size_t count, double a, double b, double constant, uint8_t *out) {
    float of_x = (float)a, of_y = (float)b, offset = (float)constant;
    for (size_t i = 0; i < count; i++) out[i] = rounded(x[i] * of_x + y[i] * of_y + offset);
}

/* Tables of the two factors (2x)^a / 2 and max(2y, 1e-37)^b; the product is in units of 1/255. */
void powers(double a, double b, float of_x[256], float of_y[256]) {
    double exponents_x[256] = {0}, exponents_y[256] = {b * LEAST}, x[256], y[256];
    const double shift = 1 - logarithms[255];
    for (int level = 1; level < 256; level++) {
        exponents_x[level] = a * (logarithms[level] + shift);
        exponents_y[level] = b * (logarithms[level] + shift);
    }
    exp2_of(exponents_x, 256, x), exp2_of(exponents_y, 256, y);
    for (int level = 0; level < 256; level++) {
        of_x[level] = (float)(127.5 * x[level]);
        of_y[level] = (float)(y[level] < MOST ? y[level] : MOST);
    }
    if (a >= SMALLEST) of_x[0] = 0;
}

/* Lookups come one by one: compilers may make vectors of them, which take longer. What they give is rounded in vectors. */
#define ONE_BY_ONE __asm__ volatile("")

static inline void round_all(const float *values, size_t count, uint8_t *out) {
    for (size_t i = 0; i < count; i++) out[i] = rounded(values[i]);
}

void multiply(const uint8_t *x, const uint8_t *y, size_t pixels, float of_x[3][256], float of_y[3][256], uint8_t *out) {
    float products[3 * RUN];
    for (size_t i = 0; i < 3 * pixels; i += 3 * RUN) {
        const size_t most = 3 * pixels - i < 3 * RUN ? 3 * pixels - i : 3 * RUN;
        for (size_t k = 0; k < most; k += 3)
            for (int c = 0; c < 3; c++) products[k + c] = of_x[c][x[i + k + c]] * of_y[c][y[i + k + c]];
        round_all(products, most, out + i);
    }
}

/* The same where all channels share their factors: for many values by a table of all pairs of levels, which saves half
   of the lookups. */
void multiply_alike(const uint8_t *x, const uint8_t *y, size_t count, const float *of_x, const float *of_y, uint8_t *out) {
    uint8_t pairs[256][256];
    if (count <= sizeof pairs) {
        float products[RUN];
        for (size_t i = 0; i < count; i += RUN) {
            const size_t most = count - i < RUN ? count - i : RUN;
            for (size_t k = 0; k < most; k++) {
                products[k] = of_x[x[i + k]] * of_y[y[i + k]];
                ONE_BY_ONE;
            }
            round_all(products, most, out + i);
        }
        return;
    }
    for (int i = 0; i < 256; i++)
        for (int j = 0; j < 256; j++) pairs[i][j] = rounded(of_x[i] * of_y[j]);
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        for (int k = 0; k < 4; k++) out[i + k] = pairs[x[i + k]][y[i + k]];
    for (; i < count; i++) out[i] = pairs[x[i]][y[i]];
}

typedef uint8_t bytes __attribute__((vector_size(16)));

/* Sixteen values chosen by those bits of `of_x` that are set. */
static inline void choose_sixteen(const uint8_t *x, const uint8_t *y, bytes of_x, uint8_t *out) {
    bytes left, right;
    memcpy(&left, x, sizeof left), memcpy(&right, y, sizeof right);
    left = (left & of_x) | (right & ~of_x);
    memcpy(out, &left, sizeof left);
}

/* Sixteen pixels at a time: each byte of the mask serves three values. */
static void choose_pixels(const uint8_t *x, const uint8_t *y, const uint8_t *mask, uint8_t last, size_t pixels,
                          uint8_t *out) {
    size_t i = 0;
    for (; i + 16 <= pixels; i += 16) {
        bytes m;
        memcpy(&m, mask + i, sizeof m);
        m = (bytes)(m <= last);
        choose_sixteen(x + 3 * i, y + 3 * i,
                       __builtin_shufflevector(m, m, 0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5), out + 3 * i);
        choose_sixteen(x + 3 * i + 16, y + 3 * i + 16,
                       __builtin_shufflevector(m, m, 5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10), out + 3 * i + 16);
        choose_sixteen(x + 3 * i + 32, y + 3 * i + 32,
                       __builtin_shufflevector(m, m, 10, 11, 11, 11, 12, 12, 12, 13, 13, 13, 14, 14, 14, 15, 15, 15),
                       out + 3 * i + 32);
    }
    for (; i < pixels; i++) memcpy(out + 3 * i, (mask[i] <= last ? x : y) + 3 * i, 3);
}

/* Take x where a random byte is below `cut`, else y: one byte for each value, or for each pixel. */
int choose(const uint8_t *x, const uint8_t *y, size_t pixels, int each, int cut, uint64_t seed, uint8_t *out) {
    size_t count = 3 * pixels, bytes = each ? count : pixels, blocks = bytes / 32 + 1;
    if (cut == 0) return memcpy(out, y, count), 0;
    uint8_t *mask = malloc(32 * blocks), last = (uint8_t)(cut - 1);
    if (!mask) return -1;
    random_bytes(seed, blocks, mask);
    if (each)
        for (size_t i = 0; i < count; i++) {
            const uint8_t of_x = x[i], of_y = y[i]; /* both, so that compilers may take many at once */
            out[i] = mask[i] <= last ? of_x : of_y;
        }
    else
        choose_pixels(x, y, mask, last, pixels, out);
    free(mask);
    return 0;
}
