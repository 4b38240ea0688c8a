/* Operations that mix the channels or the neighbours of a pixel. */
#include "kernels.h"

#include <string.h>

void grayscale(const uint8_t *image, size_t pixels, uint8_t *out) {
    for (size_t i = 0; i < pixels; i++) {
        uint32_t gray = 19589u * image[3 * i] + 38470u * image[3 * i + 1] + 7471u * image[3 * i + 2] + 32768u;
        out[3 * i] = out[3 * i + 1] = out[3 * i + 2] = gray >> 16;
    }
}

void color(const uint8_t *image, size_t pixels, double factor, uint8_t *out) {
    float own = (float)factor, rest = (float)(1 - factor);
    for (size_t i = 0; i < pixels; i++, image += 3, out += 3) {
        float gray = (image[0] * 0.2989f + image[1] * 0.587f + image[2] * 0.114f) * rest;
        for (int channel = 0; channel < 3; channel++) out[channel] = rounded(image[channel] * own + gray);
    }
}

void sharpness(const uint8_t *image, int height, int width, double factor, uint8_t *out) {
    const size_t row = 3 * (size_t)width;
    float own = (float)factor, blurred = (float)((1 - factor) / 13);
    memcpy(out, image, height * row);
    for (int y = 1; y < height - 1 && width >= 3; y++) {
        const uint8_t *middle = image + y * row, *above = middle - row, *below = middle + row;
        uint8_t *to = out + y * row;
        for (size_t i = 3; i < row - 3; i++) {
            int sum = above[i - 3] + above[i] + above[i + 3] + middle[i - 3] + 5 * middle[i] + middle[i + 3] +
                      below[i - 3] + below[i] + below[i + 3];
            to[i] = rounded(middle[i] * own + sum * blurred);
        }
    }
}

void mirror(const uint8_t *image, int height, int width, uint8_t *out) {
    for (int y = 0; y < height; y++, image += 3 * (size_t)width, out += 3 * (size_t)width)
        for (int x = 0; x < width; x++) memcpy(out + 3 * (size_t)x, image + 3 * (size_t)(width - 1 - x), 3);
}
