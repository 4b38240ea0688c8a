/* The filter "up" of PNG: each row as its difference to the row above, modulo 256, behind a byte with its number. */
#include "kernels.h"

#include <string.h>

enum { UP = 2 };

/* From rows of `row` bytes to rows of one byte more. */
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

/* Back, for `count` images one behind the other. */
int lm_unfilter(const uint8_t *rows, int count, int height, int row, uint8_t *out) {
    for (int image = 0; image < count; image++)
        for (int y = 0; y < height; y++, rows += row, out += row) {
            rows++;
            if (y == 0)
                memcpy(out, rows, row);
            else
                for (int i = 0; i < row; i++) out[i] = (uint8_t)(rows[i] + out[i - row]);
        }
    return 0;
}
