"""Arithmetic that gives the same numbers on every machine: sums, products and quotients of IEEE floats, in fixed order.

The libraries of compilers and of NumPy round sines, logarithms and powers differently in the last bit; the series here
do not. In C the same formulas stand in `numbers.c`.
"""

import math

import numpy as np
import numpy.typing as npt

Floats64 = npt.NDArray[np.float64]

SMALLEST = 1e-37  # arguments below are 0, as they would be where a process has subnormal numbers flushed to zero
LN2 = 0.6931471805599453
RADIAN = 0.017453292519943295  # one degree
LOG_TERMS, EXP_TERMS, SINE_TERMS = 13, 10, 9  # of the series; the next would change no double, of `exp2` no float32


def quantized(values: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Round values to the nearest of 0 to 255, halves up."""
    return (np.clip(values, 0, 255) + values.dtype.type(0.5)).astype(np.uint8)


def log2(values: Floats64) -> Floats64:
    """The logarithms of positive whole numbers: 2/ln 2 · artanh((m - 1)/(m + 1)) of a mantissa m in [0.75, 1.5)."""
    mantissa, exponent = np.frexp(values)
    small = mantissa < 0.75
    mantissa, exponent = np.where(small, 2 * mantissa, mantissa), exponent - small
    ratio = (mantissa - 1) / (mantissa + 1)
    square, series = ratio * ratio, np.zeros_like(ratio)
    for term in range(LOG_TERMS - 1, -1, -1):
        series = series * square + 1 / (2 * term + 1)
    return exponent + 2 / LN2 * (ratio * series)


def exp2(values: Floats64) -> Floats64:
    """Powers of two, of exponents within ±1000: a whole power times e^y of a rest |y| <= ln(2)/2."""
    whole = np.floor(values + 0.5)
    rest = (values - whole) * LN2
    series = np.ones_like(rest)
    for term in range(EXP_TERMS, 0, -1):
        series = 1 + rest * (1 / term) * series
    return np.ldexp(series, whole.astype(np.int32))


def sine_and_cosine(degrees: float) -> tuple[float, float]:
    """The sine and cosine of an angle, which is first brought within 45 degrees of a whole number of right angles."""
    turned = math.fmod(degrees, 360)
    quarters = math.floor(turned / 90 + 0.5)
    x = (turned - 90 * quarters) * RADIAN
    square = x * x
    sine = cosine = 1.0
    for term in range(SINE_TERMS, 0, -1):
        sine = 1 - square / (2 * term * (2 * term + 1)) * sine
        cosine = 1 - square / (2 * term * (2 * term - 1)) * cosine
    sine *= x
    return ((sine, cosine), (cosine, -sine), (-sine, -cosine), (-cosine, sine))[quarters % 4]
