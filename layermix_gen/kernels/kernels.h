/* The kernels: pixels of views and variants, in arithmetic that gives the same bytes on every processor.

   Images are uint8 RGB, (height, width, 3), rows without gaps. Functions return 0, or -1 where memory has run out.
   `docs/kernels.md` explains the formulas; the modules of this package state each in NumPy. */
#ifndef KERNELS_H
#define KERNELS_H

#include <stddef.h>
#include <stdint.h>

#define PUBLIC __attribute__((visibility("default")))

/* The level of this processor: 0 for any, 1 for x86-64-v3 (AVX2), 2 for x86-64-v4 (AVX-512). */
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

#endif
