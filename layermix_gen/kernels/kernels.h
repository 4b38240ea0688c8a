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

#endif
