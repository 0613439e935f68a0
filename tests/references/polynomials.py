"""The polynomials of the elementary functions in `src/math`: minimax, by Remez' exchange algorithm in mpmath.

    pip install mpmath==1.3.0
    python3 tests/references/polynomials.py [name ...]

Prints for each polynomial its coefficients from the constant one up, rounded to doubles, and the base-2 logarithm of the
largest weighted error with the rounded coefficients. A weight makes the error relative to the function that the polynomial is part of.
"""

import sys

from mpmath import mp, mpf

mp.prec = 240


def remez(g, weight, low, high, degree):
    """Coefficients of the polynomial p of this degree that minimises max |weight*(p - g)| on [low, high]."""
    low, high, n = mpf(low), mpf(high), degree + 2
    # A weight that vanishes would leave a pole in the exchange.
    least, plain = max(weight(low), weight(high)) / 256, weight
    weight = lambda x: max(abs(plain(x)), least)
    points = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * i / (n - 1)) for i in range(n)]
    grid = [(low + high) / 2 - (high - low) / 2 * mp.cos(mp.pi * i / 400) for i in range(401)]
    values = [(g(x), weight(x)) for x in grid]
    for _ in range(12):
        rows = mp.matrix(n, n)
        right = mp.matrix(n, 1)
        for i, x in enumerate(points):
            for j in range(degree + 1):
                rows[i, j] = x**j
            rows[i, degree + 1] = (-1) ** i / weight(x)
            right[i] = g(x)
        solution = mp.lu_solve(rows, right)
        coefficients = [solution[j] for j in range(degree + 1)]
        errors = [w * (mp.polyval(coefficients[::-1], x) - v) for x, (v, w) in zip(grid, values)]
        # One extremum for each run of one sign.
        extrema, best = [], 0
        for i in range(1, len(grid) + 1):
            if i == len(grid) or (errors[i] > 0) != (errors[best] > 0):
                extrema.append(best)
                best = i
            elif abs(errors[i]) > abs(errors[best]):
                best = i
        if len(extrema) < n:
            break
        while len(extrema) > n:
            extrema.pop(0 if abs(errors[extrema[0]]) < abs(errors[extrema[-1]]) else -1)
        points = [grid[i] for i in extrema]
        sizes = [abs(errors[i]) for i in extrema]
        if max(sizes) < min(sizes) * mpf(1.02):
            break
    rounded = [float(c) for c in coefficients]
    size = max(abs(w * (mp.polyval([mpf(c) for c in rounded[::-1]], x) - v)) for x, (v, w) in zip(grid, values))
    return rounded, float(mp.log(size, 2))


def removable(f, series):
    """f where its quotient is not 0/0, else the first terms of its series."""
    return lambda x: f(x) if abs(x) > mpf(2) ** -40 else mp.polyval(series[::-1], x)


HALF_LN2 = mp.log(2) / 2 + mpf(2) ** -30
R = mp.pi / 4 + mpf(2) ** -20
ONE = lambda x: mpf(1)

exp_rest = removable(lambda r: (mp.exp(r) - 1 - r - r * r / 2) / r**3, [mpf(1) / 6, mpf(1) / 24])
ln_rest = removable(lambda z: (2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2) / z, [mpf(2) / 3, mpf(2) / 5])
sin_rest = removable(lambda z: (mp.sin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, [-mpf(1) / 6, mpf(1) / 120])
cos_rest = removable(lambda z: (mp.cos(mp.sqrt(z)) - 1 + z / 2) / z**2, [mpf(1) / 24, -mpf(1) / 720])
sinh_rest = removable(lambda z: (mp.sinh(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, [mpf(1) / 6, mpf(1) / 120])
cosh_rest = removable(lambda z: (mp.cosh(mp.sqrt(z)) - 1 - z / 2) / z**2, [mpf(1) / 24, mpf(1) / 720])
LN2 = mpf(float(mp.log(2)))
exp2_rest = removable(lambda f: (mpf(2) ** f - 1 - f * LN2) / f**2, [mp.log(2) ** 2 / 2])
tan_rest = removable(lambda z: (mp.tan(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, [mpf(1) / 3, mpf(2) / 15])
atan_rest = removable(lambda z: (mp.atan(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, [-mpf(1) / 3, mpf(1) / 5])
erf_rest = removable(lambda z: mp.erf(mp.sqrt(z)) / mp.sqrt(z) - 1, [2 / mp.sqrt(mp.pi) - 1, -2 / mp.sqrt(mp.pi) / 3])


def erfcx_of(t):
    """(2a + 1)*exp(a^2)*erfc(a), where t = (a - 3)/(a + 3)."""
    a = 3 * (1 + t) / (1 - t)
    return (2 * a + 1) * mp.exp(a * a) * mp.erfc(a)


def turn(a):
    return (mpf(a) - 3) / (mpf(a) + 3)


atanh_rest = removable(lambda z: (2 * mp.atanh(mp.sqrt(z)) / mp.sqrt(z) - 2 - 2 * z / 3) / z**2, [mpf(2) / 5, mpf(2) / 7])
asin_rest = removable(lambda z: (mp.asin(mp.sqrt(z)) / mp.sqrt(z) - 1) / z, [mpf(1) / 6, mpf(3) / 40])

POLYNOMIALS = {
    # e^r = 1 + r + r^2/2 + r^3*EXP(r)
    "EXP": (exp_rest, lambda r: r**3, -HALF_LN2, HALF_LN2, 8),
    # 2^f = 1 + f*LN2 + f^2*EXP2(f), with LN2 a double
    "EXP2": (exp2_rest, lambda f: f**2, -0.5, 0.5, 9),
    # ln((1 + s)/(1 - s)) = 2s + s^3*LN(s^2) for |s| <= 1/5
    "LN": (ln_rest, lambda z: z / 2, 0, mpf(1) / 25 + mpf(10) ** -6, 7),
    # sin(r) = r + r^3*SIN(r^2)
    "SIN": (sin_rest, lambda z: z, 0, R * R, 5),
    # cos(r) = 1 - r^2/2 + r^4*COS(r^2)
    "COS": (cos_rest, lambda z: z**2, 0, R * R, 5),
    # tan(r) = r + r^3*TAN(r^2)
    "TAN": (tan_rest, lambda z: z, 0, R * R, 15),
    # sinh(r) = r + r^3*SINH(r^2), cosh(r) = 1 + r^2/2 + r^4*COSH(r^2)
    "SINH": (sinh_rest, lambda z: z, 0, HALF_LN2**2, 4),
    "COSH": (cosh_rest, lambda z: z**2, 0, HALF_LN2**2, 3),
    # atan(t) = t + t^3*ATAN(t^2) for |t| <= tan(pi/8)
    "ATAN": (atan_rest, lambda z: z, 0, (mp.sqrt(2) - 1) ** 2 + mpf(2) ** -30, 11),
    # asin(s) = s + s^3*ASIN(s^2) for |s| <= 1/2
    "ASIN": (asin_rest, lambda z: z, 0, 0.25, 13),
    # ln((1 + s)/(1 - s)) = 2s + s^3*(2/3 + s^2*ATANH(s^2)) for |s| <= 1/5
    "ATANH": (atanh_rest, lambda z: z**2, 0, mpf(1) / 25 + mpf(10) ** -6, 8),
    # erf(x) = x + x*ERF(x^2) for |x| <= 0.6
    "ERF": (erf_rest, ONE, 0, 0.61**2, 10),
    # erfc(a) = exp(-a^2)*(5/4 + ERFC((a - 3)/(a + 3)))/(2a + 1) from 0.47 to 28
    "ERFC": (lambda t: erfcx_of(t) - mpf(1.25), lambda t: 1 / erfcx_of(t), turn(0.47), turn(28), 21),
    # y^(-1/3), a first approximation on [1, 8]
    "CBRT": (lambda y: y ** (-mpf(1) / 3), lambda y: y ** (mpf(1) / 3), 1, 8, 5),
}


def main():
    for name in sys.argv[1:] or POLYNOMIALS:
        coefficients, error = remez(*POLYNOMIALS[name])
        print(f"// {name}: 2^{error:.2f}")
        for c in coefficients:
            print(f"    {c!r},")


if __name__ == "__main__":
    main()
