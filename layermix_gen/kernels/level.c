/* What this processor can do, so that the library for it can be chosen. */
#include "kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>

/* Processor and operating system are asked directly: `__builtin_cpu_supports` says no to everything in zig's libraries. */
int lm_level(void) {
    const unsigned osxsave = 1u << 27, ymm = 0x6, zmm = 0xe6;
    const unsigned v3 = 1u << 5 | 1u << 8;                          /* AVX2, BMI2 */
    const unsigned v4 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* AVX-512 F, DQ, BW, VL */
    unsigned a, b, c, d, saved, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & osxsave)) return 0;
    __asm__("xgetbv" : "=a"(saved), "=d"(high) : "c"(0)); /* the registers that the system saves */
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (b & v3) != v3 || (saved & ymm) != ymm) return 0;
    return (b & v4) == v4 && (saved & zmm) == zmm ? 2 : 1;
}
#else
int lm_level(void) { return 0; }
#endif
