/* Operations that move pixels, interpolated between neighbours, black outside; formulas stand in warping.py. */
#include "kernels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ONE = 1 << 15, CHUNK = 16, BATCH = 16 };

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
    uint8_t *lines = malloc(2 * room), *upper = lines, *lower = NULL;
    int done = runs && weights && lines ? 0 : -1, count = 0;
    for (int x = 0; x < width && done == 0; x++) {
        int16_t weight;
        int whole = split(shift + slope * ((2.0 * x + 1 - width) / 2), &weight);
        if (count == 0 || runs[count - 1].whole != whole) runs[count++].whole = whole;
        runs[count - 1].to = x + 1;
        weights[3 * x] = weights[3 * x + 1] = weights[3 * x + 2] = weight;
    }
    if (done == 0) lower = lines + room, gather(image, height, row, runs, 0, upper);
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

/* `interpolate` mixes the four pixels around each of two places by what their positions have behind the point. It writes
   two pixels, and may write a byte more. */
#if defined(__AVX2__) || defined(__ARM_NEON)

typedef uint64_t words __attribute__((vector_size(32)));
typedef uint8_t bytes __attribute__((vector_size(32)));
typedef int32_t wholes __attribute__((vector_size(32)));
typedef float lanes __attribute__((vector_size(32)));

/* Eight bytes: two pixels side by side, and two bytes that are not used. */
static inline uint64_t side_by_side(const uint8_t *at) {
    uint64_t found;
    memcpy(&found, at, sizeof found);
    return found;
}

/* The pixels side by side at two places, the first twice in the low half, the second twice in the high one. */
static inline bytes at_two(const uint8_t *first, const uint8_t *second) {
    const uint64_t a = side_by_side(first), b = side_by_side(second), used = 0xFFFFFFFFFFFF;
    return (bytes)((words){a, b, a, b} & used);
}

/* The left or the right ones of `at_two` as numbers: lanes 0 to 2 and 4 to 6. */
static inline lanes left_of(bytes two) {
    return __builtin_convertvector((wholes)__builtin_shufflevector(
        two, two, 0, 6, 6, 6, 1, 6, 6, 6, 2, 6, 6, 6, 6, 6, 6, 6,
        24, 30, 30, 30, 25, 30, 30, 30, 26, 30, 30, 30, 30, 30, 30, 30), lanes);
}

static inline lanes right_of(bytes two) {
    return __builtin_convertvector((wholes)__builtin_shufflevector(
        two, two, 3, 6, 6, 6, 4, 6, 6, 6, 5, 6, 6, 6, 6, 6, 6, 6,
        27, 30, 30, 30, 28, 30, 30, 30, 29, 30, 30, 30, 30, 30, 30, 30), lanes);
}

static inline lanes both(const float parts[2]) {
    return (lanes){parts[0], parts[0], parts[0], parts[0], parts[1], parts[1], parts[1], parts[1]};
}

static inline void interpolate(const uint8_t *first, const uint8_t *second, int stride, const float across[2],
                               const float down[2], uint8_t *out) {
    const bytes above = at_two(first, second), below = at_two(first + stride, second + stride);
    const lanes parts = both(down);
    const lanes left = left_of(above) + (left_of(below) - left_of(above)) * parts;
    const lanes right = right_of(above) + (right_of(below) - right_of(above)) * parts;
    const bytes mixed = (bytes)__builtin_convertvector(left + (right - left) * both(across) + 0.5f, wholes);
    const wholes packed = (wholes)__builtin_shufflevector(
        mixed, mixed, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12,
        16, 20, 24, 28, 16, 20, 24, 28, 16, 20, 24, 28, 16, 20, 24, 28);
    const int32_t pixels[2] = {packed[0], packed[4]};
    memcpy(out, &pixels[0], 4), memcpy(out + 3, &pixels[1], 4);
}

#else /* without instructions that shuffle bytes */

static inline void interpolate(const uint8_t *first, const uint8_t *second, int stride, const float across[2],
                               const float down[2], uint8_t *out) {
    for (int i = 0; i < 2; i++)
        for (int channel = 0; channel < 3; channel++) {
            const uint8_t *at = (i ? second : first) + channel, *below = at + stride;
            const float left = at[0] + (below[0] - at[0]) * down[i], right = at[3] + (below[3] - at[3]) * down[i];
            out[3 * i + channel] = (uint8_t)(int)(left + (right - left) * across[i] + 0.5f);
        }
}

#endif

/* A row of positions in the bordered image: those at x are first + step · (x - centre). */
typedef struct {
    double first, step, centre;
} positions;

static inline double position(const positions *p, int x) { return p->first + p->step * (x - p->centre); }

/* Narrow [*from, *to) to the x whose positions lie in [0, end). */
static void narrow(const positions *p, double end, int *from, int *to) {
    if (p->step != 0) { /* a guess, wide enough for what is rounded; elsewhere all lie inside or none */
        const double a = p->centre - p->first / p->step, b = p->centre + (end - p->first) / p->step;
        const double low = (a < b ? a : b) - 1, high = (a < b ? b : a) + 2;
        if (low > *from) *from = low < *to ? (int)low : *to;
        if (high < *to) *to = high > *from ? (int)high : *from;
    }
    while (*from < *to && !(position(p, *from) >= 0 && position(p, *from) < end)) ++*from;
    while (*from < *to && !(position(p, *to - 1) >= 0 && position(p, *to - 1) < end)) --*to;
}

/* Write the pixels of a row from x on. What is needed of their positions is computed first, for many at once. */
static void interpolate_row(const uint8_t *image, int stride, const positions *columns, const positions *rows, int x,
                            int to, uint8_t *out) {
    for (; x < to; x += BATCH, out += 3 * BATCH) {
        int32_t offsets[BATCH];
        float across[BATCH], down[BATCH];
        uint8_t line[3 * BATCH + 1];
        for (int i = 0; i < BATCH; i++) {
            const int at = x + i < to ? x + i : to - 1;
            const double column = position(columns, at), row = position(rows, at);
            const int32_t left = (int32_t)column, top = (int32_t)row;
            offsets[i] = top * stride + 3 * left;
            across[i] = (float)(column - left), down[i] = (float)(row - top);
        }
        for (int i = 0; i < BATCH; i += 2)
            interpolate(image + offsets[i], image + offsets[i + 1], stride, across + i, down + i, line + 3 * i);
        memcpy(out, line, 3 * (size_t)(to - x < BATCH ? to - x : BATCH));
    }
}

/* The image within a border of black pixels, with eight bytes to spare at the end; NULL without memory. */
static uint8_t *bordered(const uint8_t *image, int height, int width) {
    const size_t row = 3 * (size_t)width, stride = row + 6;
    uint8_t *made = malloc((height + 2) * stride + 8), *to = made;
    if (!made) return NULL;
    memset(to, 0, stride + 3), to += stride + 3;
    for (int y = 0; y < height; y++, image += row, to += stride) memcpy(to, image, row), memset(to + row, 0, 6);
    memset(to, 0, made + (height + 2) * stride + 8 - to);
    return made;
}

int rotate(const uint8_t *image, int height, int width, double degrees, uint8_t *out) {
    const double centre_x = (width - 1) / 2.0, centre_y = (height - 1) / 2.0;
    uint8_t *source = bordered(image, height, width);
    if (!source) return -1;
    double sine, cosine;
    sine_and_cosine(degrees, &sine, &cosine);
    memset(out, 0, 3 * (size_t)height * width);
    for (int y = 0; y < height; y++, out += 3 * (size_t)width) {
        const positions columns = {centre_x + 1 - sine * (y - centre_y), cosine, centre_x};
        const positions rows = {centre_y + 1 + cosine * (y - centre_y), sine, centre_x};
        int from = 0, to = width;
        narrow(&columns, width + 1, &from, &to);
        narrow(&rows, height + 1, &from, &to);
        interpolate_row(source, 3 * width + 6, &columns, &rows, from, to, out + 3 * from);
    }
    free(source);
    return 0;
}
