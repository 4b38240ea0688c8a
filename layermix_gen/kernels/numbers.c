/* Arithmetic that gives the same numbers on every machine; formulas and their reasons stand in numbers.py. */
#include "kernels.h"

#include <math.h>
#include <string.h>

#define LN2 0.6931471805599453
#define RADIAN 0.017453292519943295

enum { LOG_TERMS = 13, EXP_TERMS = 10, SINE_TERMS = 9 };

double logarithms[256];

/* Fill the table of logarithms to base 2 when the library is loaded. */
__attribute__((constructor)) static void take_logarithms(void) {
    for (int number = 1; number < 256; number++) {
        int exponent;
        double mantissa = frexp(number, &exponent);
        if (mantissa < 0.75) mantissa *= 2, exponent -= 1;
        double ratio = (mantissa - 1) / (mantissa + 1), square = ratio * ratio, series = 0;
        for (int term = LOG_TERMS - 1; term >= 0; term--) series = series * square + 1.0 / (2 * term + 1);
        logarithms[number] = exponent + 2 / LN2 * (ratio * series);
    }
}

/* Powers of two, of exponents within ±1000. */
void exp2_of(const double *exponents, int count, double *out) {
    for (int i = 0; i < count; i++) {
        double whole = floor(exponents[i] + 0.5), rest = (exponents[i] - whole) * LN2, series = 1, power;
        for (int term = EXP_TERMS; term > 0; term--) series = 1 + rest * (1.0 / term) * series;
        int64_t bits = (int64_t)((int32_t)whole + 1023) << 52;
        memcpy(&power, &bits, sizeof power);
        out[i] = series * power;
    }
}

void sine_and_cosine(double degrees, double *sine, double *cosine) {
    double turned = fmod(degrees, 360), quarters = floor(turned / 90 + 0.5), x = (turned - 90 * quarters) * RADIAN;
    double square = x * x, s = 1, c = 1;
    for (int term = SINE_TERMS; term > 0; term--) {
        s = 1 - square / (2 * term * (2 * term + 1)) * s;
        c = 1 - square / (2 * term * (2 * term - 1)) * c;
    }
    s *= x;
    switch ((int)quarters & 3) {
        case 0: *sine = s, *cosine = c; break;
        case 1: *sine = c, *cosine = -s; break;
        case 2: *sine = -s, *cosine = -c; break;
        default: *sine = -c, *cosine = s;
    }
}
