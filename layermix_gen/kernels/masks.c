/* The random bytes of masks: those of NumPy's Philox with a key. */
#include "kernels.h"

#include <string.h>

/* Write `blocks` of 32 bytes, four words each, little-endian. */
void random_bytes(uint64_t seed, size_t blocks, uint8_t *out) {
    for (uint64_t number = 1; number <= blocks; number++, out += 32) {
        uint64_t words[4];
        philox(number, seed, 0, words);
        memcpy(out, words, 32);
    }
}
