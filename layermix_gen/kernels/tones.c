/* Lookup tables of operations that map each level to another, and the histograms that some depend on. */
#include "kernels.h"

#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

void invert(uint8_t *table) {
    for (int level = 0; level < 256; level++) table[level] = 255 - level;
}

void posterize(int bits, uint8_t *table) {
    for (int level = 0; level < 256; level++) table[level] = level & (256 - (1 << (8 - bits)));
}

void solarize(double threshold, uint8_t *table) {
    const float from = threshold < SMALLEST ? 0 : (float)threshold;
    for (int level = 0; level < 256; level++) table[level] = from <= level / 255.0f ? 255 - level : level;
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

/* Both tables below are quotients of whole numbers, rounded down. Divisions of doubles, which come in vectors, give the
   same: below 2^52, no quotient is so near to a larger whole number that it would be rounded to that. */

void autocontrast(const uint32_t *counts, uint8_t *table) {
    int low, high;
    ends(counts, &low, &high);
    const int span = high - low;
    for (int level = 0; level < 256; level++) {
        const int inside = level < low ? low : level > high ? high : level;
        table[level] = span ? (uint8_t)(int)((510 * (inside - low) + span) / (2.0 * span)) : level;
    }
}

void equalize(const uint32_t *counts, uint8_t *table) {
    int low, high;
    uint32_t pixels = 0;
    double before[256];
    ends(counts, &low, &high);
    for (int level = 0; level < 256; pixels += counts[level++]) before[level] = pixels;
    const uint32_t step = (pixels - counts[high]) / 255, half = step / 2;
    for (int level = 0; level < 256; level++) {
        const double to = step ? (before[level] + half) / step : level;
        table[level] = (uint8_t)(int)(to < 255 ? to : 255);
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

static void look_up_alike(const uint8_t *image, size_t count, const uint8_t *table, uint8_t *out) {
    size_t i = 0;
#if defined(__AVX2__)
    /* A shuffle looks up 32 levels in 16 entries, and gives 0 for negative ones. Part k of the table is asked for level
       minus 16 k, which becomes negative and stays so once a level's own part has been passed. Until then every part
       answers: so each holds its difference to the one before. Levels from 128 on start at 0 in parts 8 to 15. */
    __m256i parts[16];
    const __m256i step = _mm256_set1_epi8(16), top = _mm256_set1_epi8((char)128);
    for (int k = 0; k < 16; k++) {
        uint8_t part[16];
        for (int j = 0; j < 16; j++) part[j] = table[16 * k + j] ^ (k % 8 ? table[16 * (k - 1) + j] : 0);
        parts[k] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)part));
    }
    for (; i + 32 <= count; i += 32) {
        __m256i low = _mm256_loadu_si256((const __m256i *)(image + i)), high = _mm256_xor_si256(low, top);
        __m256i found = _mm256_xor_si256(_mm256_shuffle_epi8(parts[0], low), _mm256_shuffle_epi8(parts[8], high));
        for (int k = 1; k < 8; k++) {
            low = _mm256_subs_epi8(low, step), high = _mm256_subs_epi8(high, step);
            found = _mm256_xor_si256(found, _mm256_shuffle_epi8(parts[k], low));
            found = _mm256_xor_si256(found, _mm256_shuffle_epi8(parts[8 + k], high));
        }
        _mm256_storeu_si256((__m256i *)(out + i), found);
    }
#endif
    for (; i < count; i++) out[i] = table[image[i]];
}

int are_alike(tables table) { return !memcmp(table[0], table[1], 256) && !memcmp(table[0], table[2], 256); }

/* `out` may be the image itself. */
void look_up(const uint8_t *image, size_t pixels, tables table, uint8_t *out) {
    if (are_alike(table)) {
        look_up_alike(image, 3 * pixels, table[0], out);
        return;
    }
    for (size_t i = 0; i < pixels; i++, image += 3, out += 3)
        for (int channel = 0; channel < 3; channel++) out[channel] = table[channel][image[channel]];
}
