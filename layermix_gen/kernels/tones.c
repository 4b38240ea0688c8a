/* Lookup tables of operations that map each level to another, and the histograms that some depend on. */
#include "kernels.h"

#include <string.h>

void invert(uint8_t *table) {
    for (int level = 0; level < 256; level++) table[level] = 255 - level;
}

void posterize(int bits, uint8_t *table) {
    for (int level = 0; level < 256; level++) table[level] = level & (256 - (1 << (8 - bits)));
}

void solarize(double threshold, uint8_t *table) {
    for (int level = 0; level < 256; level++) table[level] = (float)threshold <= level / 255.0f ? 255 - level : level;
}

void brightness(double factor, uint8_t *table) {
    for (int level = 0; level < 256; level++) table[level] = quantized(level * factor);
}

void contrast(histograms counts, double factor, uint8_t *table) {
    uint64_t sums[3] = {0}, pixels = 0;
    for (int level = 0; level < 256; level++) {
        pixels += counts[0][level];
        for (int channel = 0; channel < 3; channel++) sums[channel] += (uint64_t)level * counts[channel][level];
    }
    double mean = (0.2989 * sums[0] + 0.587 * sums[1] + 0.114 * sums[2]) / pixels;
    for (int level = 0; level < 256; level++) table[level] = quantized(level * factor + mean * (1 - factor));
}

/* The lowest and the highest level that occur. */
static void ends(const uint32_t *counts, int *low, int *high) {
    for (*low = 0; !counts[*low];) ++*low;
    for (*high = 255; !counts[*high];) --*high;
}

void autocontrast(const uint32_t *counts, uint8_t *table) {
    int low, high;
    ends(counts, &low, &high);
    int span = high - low;
    for (int level = 0; level < 256; level++) {
        int inside = level < low ? low : level > high ? high : level;
        table[level] = span ? (510 * (inside - low) + span) / (2 * span) : level;
    }
}

void equalize(const uint32_t *counts, uint8_t *table) {
    int low, high;
    uint64_t pixels = 0, before = 0;
    ends(counts, &low, &high);
    for (int level = 0; level < 256; level++) pixels += counts[level];
    uint64_t step = (pixels - counts[high]) / 255;
    for (int level = 0; level < 256; before += counts[level++]) {
        uint64_t to = step ? (before + step / 2) / step : (uint64_t)level;
        table[level] = to > 255 ? 255 : to;
    }
}

/* Neighbours are often alike: four counters in turn spare waiting for the one before. */
void count_levels(const uint8_t *image, size_t pixels, histograms counts) {
    uint32_t parts[4][3][256];
    memset(parts, 0, sizeof parts);
    size_t i = 0;
    for (; i + 4 <= pixels; i += 4)
        for (int part = 0; part < 4; part++, image += 3)
            for (int channel = 0; channel < 3; channel++) parts[part][channel][image[channel]]++;
    for (; i < pixels; i++, image += 3)
        for (int channel = 0; channel < 3; channel++) parts[0][channel][image[channel]]++;
    for (int channel = 0; channel < 3; channel++)
        for (int level = 0; level < 256; level++)
            counts[channel][level] = parts[0][channel][level] + parts[1][channel][level] + parts[2][channel][level] +
                                     parts[3][channel][level];
}

void look_up(const uint8_t *image, size_t pixels, tables table, uint8_t *out) {
    for (size_t i = 0; i < pixels; i++, image += 3, out += 3)
        for (int channel = 0; channel < 3; channel++) out[channel] = table[channel][image[channel]];
}
