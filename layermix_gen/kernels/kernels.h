/* The kernels: pixels of views and variants, in arithmetic that gives the same bytes on every processor.

   Images are uint8 RGB, (height, width, 3), rows without gaps; with a border of one pixel, those of recipes have less than
   2^31 bytes. `docs/kernels.md` explains the formulas; the modules of this package state each in NumPy. Public functions
   return 0, or -1 where memory has run out. */
#ifndef KERNELS_H
#define KERNELS_H

#include <stddef.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the kernels are written for little-endian processors; NumPy makes the same bytes on others"
#endif

#define PUBLIC __attribute__((visibility("default")))

/* Returns the level of this processor: 0 for any, 1 for x86-64-v3 (AVX2), 2 for x86-64-v4 (AVX-512). */
PUBLIC int lm_level(void);

/* --- views: view.c ------------------------------------------------------------------------------------------------ */

/* A box of (height, width) pixels is scaled to (rows, columns). The window is (tall, wide) pixels at (top, left) of
   that, mirrored if `flip`; what lies outside is black. */
typedef struct {
    int32_t height, width, rows, columns, top, left, tall, wide, flip;
} lm_window;

/* Make a window; `source` is the box's first pixel, and its rows lie `stride` bytes apart. */
PUBLIC int lm_view(const uint8_t *source, ptrdiff_t stride, const lm_window *window, uint8_t *out);

/* The crop of `size` pixels at (top, left) of a square picture of one or three channels, mirrored; `out` has three. */
PUBLIC int lm_picture(const uint8_t *picture, int side, int channels, int top, int left, int flip_h, int flip_v,
                      int size, uint8_t *out);

/* --- PNG: png.c --------------------------------------------------------------------------------------------------- */

/* PNG's filter "up", from rows of `row` bytes to rows of one byte more; and back from all five filters, for `count`
   images of `step` bytes a pixel, which returns 1 at a filter that there is not. */
PUBLIC int lm_filter(const uint8_t *pixels, int height, int row, uint8_t *out);
PUBLIC int lm_unfilter(const uint8_t *rows, int count, int height, int row, int step, uint8_t *out);

/* --- recipes: render.c ------------------------------------------------------------------------------------------- */

enum call { /* in the order of `programs.CALLS` */
    IMAGE, PICTURE, OTHER,
    INVERT, POSTERIZE, SOLARIZE, BRIGHTNESS, CONTRAST, AUTOCONTRAST, EQUALIZE,
    GRAYSCALE, COLOR, SHARPNESS, MIRROR, ERASE, ROTATE, SHEAR_X, SHEAR_Y, TRANSLATE_X, TRANSLATE_Y,
    ADD, MULTIPLY, PIXEL, ELEMENT, MEAN, PASTE, ADD_PATCH, MULTIPLY_PATCH, PIXEL_PATCH, ELEMENT_PATCH,
};

/* One call of a recipe. x and y are the numbers of earlier nodes. */
typedef struct {
    int32_t call, x, y, unused;
    double arguments[7];
} lm_node;

/* Render a recipe of `count` nodes, each after its operands; the last is the result. `leaves` are the image, the picture
   and the other image, all of the same shape; those that no node uses may be NULL. */
PUBLIC int lm_render(const lm_node *nodes, int count, const uint8_t *const leaves[3], int height, int width,
                     uint8_t *out);

/* Which recipe is rendered of which images to where. The recipe has `nodes` nodes from node `first` on. Its picture is the
   crop at (top, left) of picture number `picture`, mirrored; -1 for none. `other` may be NULL. */
typedef struct {
    const uint8_t *image, *other;
    uint8_t *out;
    int32_t first, nodes, picture, top, left, flip_h, flip_v, unused;
} lm_variant;

/* Render `count` recipes on images of `size` pixels a side, with square pictures of `side` pixels, one after the other,
   of one or three channels. */
PUBLIC int lm_render_all(const lm_node *nodes, const lm_variant *variants, int count, const uint8_t *pictures, int side,
                         int channels, int size);

/* --- drawn recipes: draw.c --------------------------------------------------------------------------------------- */

/* How the argument of an operation is drawn, as `strengths.Strength` has it; without parameters, it has none. */
typedef struct {
    int32_t call, parameters, is_whole, is_signed;
    double low, high, base, direction, unit, least;
} lm_strength;

/* How LayerMix draws: by weights, of which `layer_total` and `blend_total` are the sums, layers by number and blends by
   call; `power` is that of the blends' coefficients. */
typedef struct {
    int32_t size, pictures, picture_size, has_flips, operations, is_one_operation, is_one_blend;
    int32_t layers, layer[3], blends, blend[4];
    double layer_weight[3], layer_total, blend_weight[4], blend_total, power;
} lm_law;

enum { MOST_NODES = 7 }; /* of a recipe of LayerMix */

/* Draw a recipe by each of `count` keys of two words. It begins at every `MOST_NODES`th node; of its variant, all but the
   addresses is set. `strengths` are those of the law's operations. */
PUBLIC int lm_draw(const lm_law *law, const lm_strength *strengths, const uint64_t *keys, int count, lm_node *nodes,
                   lm_variant *variants);

/* Arguments below this are 0, as they would be where a process has subnormal numbers flushed to zero. */
#define SMALLEST 1e-37

/* --- numbers.c ---------------------------------------------------------------------------------------------------- */

/* The nearest of 0 to 255, halves up. */
static inline uint8_t quantized(double value) {
    value = value > 0 ? value : 0;
    return (uint8_t)(int)((value < 255 ? value : 255) + 0.5);
}

static inline uint8_t rounded(float value) {
    value = value > 0 ? value : 0;
    return (uint8_t)(int)((value < 255 ? value : 255) + 0.5f);
}

/* A block of NumPy's Philox4x64-10 (Salmon et al., 2011): the four words of a counter, of which the first is `number`. */
static inline void philox(uint64_t number, uint64_t key0, uint64_t key1, uint64_t words[4]) {
    const uint64_t factor0 = 0xD2E7470EE14C6C93u, factor1 = 0xCA5A826395121157u;
    uint64_t a = number, b = 0, c = 0, d = 0;
    for (int round = 0; round < 10; round++) {
        const unsigned __int128 of_a = (unsigned __int128)a * factor0, of_c = (unsigned __int128)c * factor1;
        a = (uint64_t)(of_c >> 64) ^ b ^ key0, c = (uint64_t)(of_a >> 64) ^ d ^ key1;
        b = (uint64_t)of_c, d = (uint64_t)of_a;
        key0 += 0x9E3779B97F4A7C15u, key1 += 0xBB67AE8584CAA73Bu;
    }
    words[0] = a, words[1] = b, words[2] = c, words[3] = d;
}

extern double logarithms[256]; /* to base 2, of 1 to 255 */
void exp2_of(const double *exponents, int count, double *out);
void sine_and_cosine(double degrees, double *sine, double *cosine);

/* --- tones.c: tables are (3, 256), one for each channel ------------------------------------------------------------ */

typedef uint8_t tables[3][256];
typedef uint32_t histograms[3][256];

void invert(uint8_t *table);
void posterize(int bits, uint8_t *table);
void solarize(double threshold, uint8_t *table);
void brightness(double factor, uint8_t *table);
void contrast(histograms counts, double factor, uint8_t *table);
void autocontrast(const uint32_t *counts, uint8_t *table);
void equalize(const uint32_t *counts, uint8_t *table);
void count_levels(const uint8_t *image, size_t pixels, histograms counts);
int are_alike(tables table);
void look_up(const uint8_t *image, size_t pixels, tables table, uint8_t *out);

/* --- filters.c, warps.c: `out` is another image than `image` -------------------------------------------------------- */

void grayscale(const uint8_t *image, size_t pixels, uint8_t *out);
void color(const uint8_t *image, size_t pixels, double factor, uint8_t *out);
void sharpness(const uint8_t *image, int height, int width, double factor, uint8_t *out);
void mirror(const uint8_t *image, int height, int width, uint8_t *out);
int rotate(const uint8_t *image, int height, int width, double degrees, uint8_t *out);
int shift_rows(const uint8_t *image, int height, int width, double shift, double slope, uint8_t *out);
int shift_columns(const uint8_t *image, int height, int width, double shift, double slope, uint8_t *out);

/* --- blends.c, masks.c: of `count` values ---------------------------------------------------------------------------- */

void weighted_sum(const uint8_t *x, const uint8_t *y, size_t count, double a, double b, double constant, uint8_t *out);
void powers(double a, double b, float of_x[256], float of_y[256]);
void multiply(const uint8_t *x, const uint8_t *y, size_t pixels, float of_x[3][256], float of_y[3][256], uint8_t *out);
void multiply_alike(const uint8_t *x, const uint8_t *y, size_t count, const float *of_x, const float *of_y, uint8_t *out);
int choose(const uint8_t *x, const uint8_t *y, size_t pixels, int each, int cut, uint64_t seed, uint8_t *out);
void random_bytes(uint64_t seed, size_t blocks, uint8_t *out);

#endif
