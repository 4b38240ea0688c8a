/* The filters of PNG: each row as its difference, modulo 256, to a prediction, behind a byte with the filter's number. */
#include "kernels.h"

#include <stdlib.h>
#include <string.h>

enum { NONE, SUB, UP, AVERAGE, PAETH };

/* By the filter "up", from rows of `row` bytes to rows of one byte more. */
int lm_filter(const uint8_t *pixels, int height, int row, uint8_t *out) {
    for (int y = 0; y < height; y++, pixels += row) {
        *out++ = UP;
        if (y == 0)
            memcpy(out, pixels, row);
        else
            for (int i = 0; i < row; i++) out[i] = (uint8_t)(pixels[i] - pixels[i - row]);
        out += row;
    }
    return 0;
}

/* The one of three neighbours that is nearest to left + above - corner; the first of those that are as near. */
static inline uint8_t paeth(int left, int above, int corner) {
    const int to_left = abs(above - corner), to_above = abs(left - corner), to_corner = abs(left + above - 2 * corner);
    if (to_left <= to_above && to_left <= to_corner) return (uint8_t)left;
    return (uint8_t)(to_above <= to_corner ? above : corner);
}

/* Undo a filter: of each byte, its left neighbour lies `step` bytes before, and is 0 at the row's begin. */
static int undo(int filter, const uint8_t *in, const uint8_t *above, int row, int step, uint8_t *out) {
    switch (filter) {
        case NONE: memcpy(out, in, row); return 0;
        case SUB:
            memcpy(out, in, step);
            for (int i = step; i < row; i++) out[i] = (uint8_t)(in[i] + out[i - step]);
            return 0;
        case UP:
            for (int i = 0; i < row; i++) out[i] = (uint8_t)(in[i] + above[i]);
            return 0;
        case AVERAGE:
            for (int i = 0; i < step; i++) out[i] = (uint8_t)(in[i] + above[i] / 2);
            for (int i = step; i < row; i++) out[i] = (uint8_t)(in[i] + (out[i - step] + above[i]) / 2);
            return 0;
        case PAETH:
            for (int i = 0; i < step; i++) out[i] = (uint8_t)(in[i] + above[i]);
            for (int i = step; i < row; i++) out[i] = (uint8_t)(in[i] + paeth(out[i - step], above[i], above[i - step]));
            return 0;
        default: return 1;
    }
}

int lm_unfilter(const uint8_t *rows, int count, int height, int row, int step, uint8_t *out) {
    uint8_t *zeros = calloc(row, 1); /* above the first row */
    int done = zeros ? 0 : -1;
    for (int image = 0; image < count; image++)
        for (int y = 0; y < height && done == 0; y++, rows += row + 1, out += row)
            done = undo(rows[0], rows + 1, y ? out - row : zeros, row, step, out);
    free(zeros);
    return done;
}
