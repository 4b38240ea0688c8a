/* The random bytes of masks: those of NumPy's Philox4x64-10 (Salmon et al., 2011) with a key. */
#include "kernels.h"

#include <string.h>

enum { ROUNDS = 10 };

static inline uint64_t high(uint64_t x, uint64_t y) { return (uint64_t)((unsigned __int128)x * y >> 64); }

/* Write `blocks` of 32 bytes, four words each, little-endian. */
void random_bytes(uint64_t seed, size_t blocks, uint8_t *out) {
    const uint64_t factor0 = 0xD2E7470EE14C6C93u, factor1 = 0xCA5A826395121157u;
    for (uint64_t counter = 1; counter <= blocks; counter++, out += 32) {
        uint64_t a = counter, b = 0, c = 0, d = 0, key0 = seed, key1 = 0;
        for (int round = 0; round < ROUNDS; round++) {
            uint64_t next_a = high(c, factor1) ^ b ^ key0, next_c = high(a, factor0) ^ d ^ key1;
            b = c * factor1, d = a * factor0, a = next_a, c = next_c;
            key0 += 0x9E3779B97F4A7C15u, key1 += 0xBB67AE8584CAA73Bu;
        }
        memcpy(out, (uint64_t[]){a, b, c, d}, 32);
    }
}
