/* Operations that move pixels, interpolated between neighbours, black outside; formulas stand in warping.py. */
#include "kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ONE = 1 << 15, PLACES = 33, CHUNK = 16, BATCH = 32 };

/* --- shifts along an axis ---------------------------------------------------------------------------------------- */

/* The whole pixels of a shift, and the rest as a weight below ONE. */
static int split(double shift, int16_t *weight) {
    const double far = 1 << 30;
    shift = shift < -far ? -far : shift > far ? far : shift;
    double whole = floor(shift);
    int rest = (int)floor((shift - whole) * ONE + 0.5);
    *weight = (int16_t)(rest % ONE);
    return (int)whole + rest / ONE;
}

/* near + (far - near) · weight / ONE, with 7 bits behind the point before it is rounded. */
static inline uint8_t mixed(uint8_t near, uint8_t far, int16_t weight) {
    int16_t difference = (int16_t)((far - near) * 128), sum = (int16_t)(near * 128);
    sum += (int16_t)((((int32_t)difference * weight >> 14) + 1) >> 1);
    return (uint8_t)((int16_t)(sum + 64) >> 7);
}

/* Take each pixel from `shift`, and from `slope` times the distance below the centre, to the right. */
int shift_rows(const uint8_t *image, int height, int width, double shift, double slope, uint8_t *out) {
    const size_t row = 3 * (size_t)width;
    uint8_t *line = malloc(row + 3);
    if (!line) return -1;
    for (int y = 0; y < height; y++, image += row, out += row) {
        int16_t weight;
        int whole = split(shift + slope * ((2.0 * y + 1 - height) / 2), &weight);
        int from = whole < 0 ? (-whole < width + 1 ? -whole : width + 1) : 0, to = width - whole < 0 ? 0 : width - whole;
        to = to > width + 1 ? width + 1 : to;
        memset(line, 0, row + 3);
        if (from < to) memcpy(line + 3 * from, image + 3 * (from + whole), 3 * (size_t)(to - from));
        if (weight == 0)
            memcpy(out, line, row);
        else
            for (size_t i = 0; i < row; i++) out[i] = mixed(line[i], line[i + 3], weight);
    }
    free(line);
    return 0;
}

typedef struct {
    int to, whole; /* columns before `to` are taken from `whole` rows below */
} run;

/* Write the row of which each column lies its own `whole` rows below row `y`. `line` has room for a chunk more. */
static void gather(const uint8_t *image, int height, size_t row, const run *runs, int y, uint8_t *line) {
    const uint8_t *end = image + height * row;
    for (size_t at = 0; at < row; runs++) {
        size_t to = 3 * (size_t)runs->to;
        int from = y + runs->whole;
        if (from < 0 || from >= height) {
            memset(line + at, 0, to - at);
        } else {
            const uint8_t *source = image + from * row;
            size_t i = at;
            for (; i < to && source + i + CHUNK <= end; i += CHUNK) memcpy(line + i, source + i, CHUNK);
            if (i < to) memcpy(line + i, source + i, to - i);
        }
        at = to;
    }
}

/* Take each pixel from `shift`, and from `slope` times the distance right of the centre, below. */
int shift_columns(const uint8_t *image, int height, int width, double shift, double slope, uint8_t *out) {
    const size_t row = 3 * (size_t)width, room = row + CHUNK;
    run *runs = malloc(width * sizeof(run));
    int16_t *weights = malloc(row * sizeof(int16_t));
    uint8_t *lines = malloc(2 * room), *upper = lines, *lower = lines + room;
    int done = runs && weights && lines ? 0 : -1, count = 0;
    for (int x = 0; x < width && done == 0; x++) {
        int16_t weight;
        int whole = split(shift + slope * ((2.0 * x + 1 - width) / 2), &weight);
        if (count == 0 || runs[count - 1].whole != whole) runs[count++].whole = whole;
        runs[count - 1].to = x + 1;
        weights[3 * x] = weights[3 * x + 1] = weights[3 * x + 2] = weight;
    }
    if (done == 0) gather(image, height, row, runs, 0, upper);
    for (int y = 0; y < height && done == 0; y++, out += row) {
        gather(image, height, row, runs, y + 1, lower);
        for (size_t i = 0; i < row; i++) out[i] = mixed(upper[i], lower[i], weights[i]);
        uint8_t *swap = upper;
        upper = lower, lower = swap;
    }
    free(runs), free(weights), free(lines);
    return done;
}

/* --- rotation ---------------------------------------------------------------------------------------------------- */

typedef uint64_t words __attribute__((vector_size(16)));
typedef uint8_t bytes __attribute__((vector_size(16)));
typedef int32_t wholes __attribute__((vector_size(16)));
typedef float lanes __attribute__((vector_size(16)));

/* Two pixels side by side, a float for each channel. */
typedef struct {
    lanes left, right;
} pair;

/* The pixels in the first six of eight bytes. */
static inline pair unpacked(uint64_t packed) {
    const bytes all = (bytes)(words){packed, 0};
    bytes left = __builtin_shufflevector(all, all, 0, 8, 8, 8, 1, 8, 8, 8, 2, 8, 8, 8, 8, 8, 8, 8);
    bytes right = __builtin_shufflevector(all, all, 3, 8, 8, 8, 4, 8, 8, 8, 5, 8, 8, 8, 8, 8, 8, 8);
    return (pair){__builtin_convertvector((wholes)left, lanes), __builtin_convertvector((wholes)right, lanes)};
}

/* Mix the pixels above and below a position by the fractions of it, to a pixel in the low three bytes. */
static inline uint32_t interpolated(uint64_t above, uint64_t below, float across, float down) {
    const pair upper = unpacked(above), lower = unpacked(below);
    lanes left = upper.left + (lower.left - upper.left) * down, right = upper.right + (lower.right - upper.right) * down;
    bytes levels = (bytes)__builtin_convertvector(left + (right - left) * across + 0.5f, wholes);
    levels = __builtin_shufflevector(levels, levels, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
    return (uint32_t)((wholes)levels)[0];
}

/* Two pixels side by side, of which none, one or both may lie outside, where all is black. */
static uint64_t packed_or_black(const uint8_t *image, int height, int width, int64_t y, int64_t x) {
    uint64_t found = 0;
    for (int side = 0; side < 2; side++)
        if (y >= 0 && y < height && x + side >= 0 && x + side < width)
            memcpy((uint8_t *)&found + 3 * side, image + 3 * (y * width + x + side), 3);
    return found;
}

/* The same inside; two bytes more are read. */
static inline uint64_t packed(const uint8_t *at) {
    uint64_t found;
    memcpy(&found, at, sizeof found);
    return found;
}

/* What a position has behind the point, in 24 bits. */
static inline float fraction(uint64_t place) { return (float)(int32_t)(place >> (PLACES - 24) & 0xFFFFFF) * 0x1p-24f; }

/* Write pixels whose positions and neighbours lie inside. What is needed of the positions comes first, by itself. */
static void interpolate_inside(const uint8_t *image, size_t stride, uint64_t column, uint64_t row, int64_t across,
                               int64_t down, int count, uint8_t *out) {
    for (int begin = 0; begin < count; begin += BATCH) {
        const int n = count - begin < BATCH ? count - begin : BATCH;
        uint32_t left[BATCH], top[BATCH];
        float right_part[BATCH], low_part[BATCH];
        for (int i = 0; i < BATCH; i++) {
            const uint64_t u = column + (uint64_t)across * i, v = row + (uint64_t)down * i;
            left[i] = (uint32_t)(u >> PLACES), top[i] = (uint32_t)(v >> PLACES);
            right_part[i] = fraction(u), low_part[i] = fraction(v);
        }
        for (int i = 0; i < n; i++, out += 3) {
            const uint8_t *at = image + top[i] * stride + 3 * (size_t)left[i];
            uint32_t pixel = interpolated(packed(at), packed(at + stride), right_part[i], low_part[i]);
            memcpy(out, &pixel, begin + i + 1 < count ? 4 : 3); /* the fourth byte is of the next pixel */
        }
        column += (uint64_t)across * BATCH, row += (uint64_t)down * BATCH;
    }
}

static int64_t floor_divided(int64_t number, int64_t by) { return number / by - (number % by < 0); }

/* Narrow [*from, *to) to where first + step · x lies in [low, high). */
static void narrow(int64_t first, int64_t step, int64_t low, int64_t high, int *from, int *to) {
    int64_t begin = *from, end = *to;
    if (step == 0) {
        if (first < low || first >= high) end = begin;
    } else { /* ceil((low - first) / step) and so on, for a step of either sign */
        int64_t size = step < 0 ? -step : step, a = step < 0 ? first - high + 1 : low - first;
        int64_t b = step < 0 ? first - low + 1 : high - first;
        int64_t least = floor_divided(a + size - 1, size), beyond = floor_divided(b + size - 1, size);
        begin = least > begin ? least : begin, end = beyond < end ? beyond : end;
    }
    *from = (int)begin, *to = (int)(end < begin ? begin : end);
}

int rotate(const uint8_t *image, int height, int width, double degrees, uint8_t *out) {
    const int64_t one = 1ll << PLACES, unit = one / 2;
    const size_t stride = 3 * (size_t)width;
    double sine, cosine;
    sine_and_cosine(degrees, &sine, &cosine);
    const int64_t across = (int64_t)floor(cosine * unit + 0.5), down = (int64_t)floor(sine * unit + 0.5);
    memset(out, 0, height * stride);
    for (int y = 0; y < height; y++, out += stride) {
        int64_t column = (width - 1) * unit + across * (1 - width) - down * (2ll * y + 1 - height);
        int64_t row = (height - 1) * unit + down * (1 - width) + across * (2ll * y + 1 - height);
        int from = 0, to = width; /* not wholly outside */
        narrow(column, 2 * across, -one, width * one, &from, &to);
        narrow(row, 2 * down, -one, height * one, &from, &to);
        int begin = from, end = to; /* all neighbours inside, and two bytes more */
        narrow(column, 2 * across, 0, (width - 2) * one, &begin, &end);
        narrow(row, 2 * down, 0, (height - 1) * one, &begin, &end);
        for (int x = from; x < to; x++) {
            const int64_t u = column + 2 * across * x, v = row + 2 * down * x, left = u >> PLACES, top = v >> PLACES;
            if (x == begin && begin < end) {
                interpolate_inside(image, stride, u, v, 2 * across, 2 * down, end - begin, out + 3 * x);
                x = end - 1;
            } else {
                uint32_t pixel = interpolated(packed_or_black(image, height, width, top, left),
                                              packed_or_black(image, height, width, top + 1, left), fraction(u), fraction(v));
                memcpy(out + 3 * x, &pixel, 3);
            }
        }
    }
    return 0;
}
