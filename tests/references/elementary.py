"""References for the elementary functions, dense and hard, computed with mpmath: what `src/math` is measured against.

    pip install mpmath==1.3.0
    python3 tests/references/elementary.py [points a function] [file]     # writes elementary.txt beside this file

A line with a name starts a function; the lines after it are points: the arguments and the correctly rounded value as the bits of
doubles, in hexadecimal, and what rounding took from the value, in hundredths of a unit in its last place.

The points are uniform over the interesting interval, uniform over the magnitudes, and hard: beside the zeros of the function (for circular
functions the doubles that come closest to multiples of π/2), beside the places where an implementation changes from one piece to the next (odd
multiples of ln 2/2 for exponentials, 3/4·2^k for logarithms), at the ends of the range and among the subnormal numbers.
"""

import math
import pathlib
import random
import struct
import sys

from mpmath import mp, mpf

mp.prec = 400
random.seed(20240301)

LARGEST, LEAST = sys.float_info.max, 5e-324


def bits(x):
    return f"{struct.unpack('<Q', struct.pack('<d', x))[0]:x}"


def rounded(value):
    """The nearest double, and what is missing in hundredths of its unit; None where it overflows."""
    if value == 0:
        return 0.0, 0
    mantissa, exponent = mp.frexp(value)
    place = max(int(exponent) - 53, -1074)
    scaled = mp.ldexp(value, -place)
    whole = int(mp.nint(scaled))
    try:
        return math.ldexp(whole, place), int(mp.nint((scaled - whole) * 100))
    except OverflowError:
        return None


def uniform(low, high):
    return lambda: random.uniform(low, high)


def magnitudes(low, high, signed=True):
    """Uniform in the exponent, from 2^low to 2^high."""

    def draw():
        x = math.ldexp(random.uniform(1, 2), random.randint(low, high - 1))
        return -x if signed and random.random() < 0.5 else x

    return draw


def beside(center, spread=-40):
    """A number near a center: from some units beside it to a relative distance of 2^spread."""

    def draw():
        x = float(center())
        if random.random() < 0.5:
            for _ in range(random.randint(0, 3)):
                x = math.nextafter(x, random.choice([-math.inf, math.inf]))
            return x
        return x + x * random.uniform(-1, 1) * 2.0 ** random.uniform(spread, -2)

    return draw


def mirrored(draw):
    return lambda: random.choice([-1, 1]) * draw()


def closest_to_turns(high):
    """Doubles that are very close to a multiple of π/2: a continued fraction of π/2·2^-e gives them for each exponent."""
    found = []
    mp.prec = 2600
    for e in range(-52, high - 52, 1 if high < 100 else 3):
        # x = p·2^e close to q·π/2: p/q a convergent of π/2·2^-e, or a small multiple of one.
        target = mp.pi / 2 * mp.ldexp(1, -e)
        p0, q0, p1, q1, rest = 0, 1, 1, 0, target
        while True:
            a = int(mp.floor(rest))
            p0, q0, p1, q1 = p1, q1, a * p1 + p0, a * q1 + q0
            if p1 >= 2**53:
                break
            if q1 > 0:
                found += [math.ldexp(p1 * k, e) for k in (1, 2, 3) if 2**50 <= p1 * k < 2**53]
            rest = 1 / (rest - a)
    mp.prec = 400
    return found


TURNS = closest_to_turns(1023)
NEAR_TURNS = closest_to_turns(24)
# The reduction in line ends at 2^21.
EDGE = beside(lambda: 2.0**21, -30)
MULTIPLES = beside(lambda: random.randint(1, 2 ** random.randint(1, 22)) * math.pi / random.choice([2, 4]), -30)
CIRCULAR = [
    uniform(-1, 1),
    uniform(-10, 10),
    uniform(-1e3, 1e3),
    magnitudes(-30, 30),
    magnitudes(-1074, 1024),
    mirrored(lambda: random.choice(NEAR_TURNS)),
    mirrored(lambda: random.choice(TURNS)),
    mirrored(MULTIPLES),
    mirrored(EDGE),
]
HALVES = beside(lambda: (random.randint(-1080, 1024) + 0.5) * math.log(2), -45)
SMALL_HALVES = beside(lambda: (random.randint(-6, 6) + 0.5) * math.log(2), -30)
EXPONENTIAL = [uniform(-1, 1), uniform(-20, 20), uniform(-750, 712), magnitudes(-60, 9), magnitudes(-1074, 0), HALVES, SMALL_HALVES]
HYPERBOLIC = EXPONENTIAL + [beside(lambda: random.choice([710.4, -710.4, 22.0, -22.0, 0.35, -0.35]), -20)]
BOUNDARIES = beside(lambda: math.ldexp(random.choice([0.75, 1.0]), random.randint(-8, 8)), -52)
LOGARITHM = [uniform(0.25, 4), uniform(0, 100), magnitudes(-1074, 1024, False), BOUNDARIES, beside(lambda: 1.0, -52)]
SHORT = [uniform(-1, 1), magnitudes(-60, 0), beside(lambda: random.choice([-1.0, -0.5, 0.5, 1.0]), -52)]
ANY = [magnitudes(-1074, 1024), magnitudes(-30, 30), magnitudes(-4, 4), beside(lambda: random.choice([-2, -1, 1, 2]) * 1.0, -52)]
TAILS = [uniform(-1, 1), uniform(-40, 40), uniform(-750, 750), magnitudes(-60, 9)]


def one(points):
    return [(lambda draw=draw: (draw(),)) for draw in points]


def pairs():
    def of(draw):
        return lambda: (draw(), draw())

    def related():
        x, ratio = magnitudes(-1060, 1020)(), magnitudes(-60, 60)()
        return x, min(max(x * ratio, -LARGEST), LARGEST)

    def edge():
        x = magnitudes(-20, 20)()
        return x, x * beside(lambda: random.choice([-1, 1]) * random.choice([1, math.sqrt(2) - 1, math.sqrt(2) + 1]))()

    return [of(uniform(-10, 10)), of(magnitudes(-1074, 1024)), of(magnitudes(-3, 3)), related, edge]


def powers():
    def bounded(draw):
        """x^y with y so that the result is in range, or just not."""

        def both():
            x = draw()
            logarithm = math.log2(x)
            return x, random.uniform(-1085, 1030) / logarithm if logarithm else random.uniform(-1e10, 1e10)

        return both

    def exact():
        return float(random.randint(2, 40)), float(random.randint(-12, 12))

    def ordinary():
        return random.uniform(0, 20), random.uniform(-10, 10)

    def negative():
        return -random.uniform(0, 20), float(random.randint(-100, 100))

    def tiny():
        return magnitudes(-1074, 1024, False)(), magnitudes(-60, -5)()

    near_one = beside(lambda: 1.0, -52)
    return [bounded(magnitudes(-1074, 1024, False)), bounded(magnitudes(-2, 2, False)), bounded(near_one), exact, ordinary, negative, tiny]


def mp_pow(x, y):
    return mp.power(x, int(y) if x < 0 else y)


FUNCTIONS = {
    "exp": (mp.exp, one(EXPONENTIAL)),
    "ln": (mp.log, one(LOGARITHM)),
    "sin": (mp.sin, one(CIRCULAR)),
    "cos": (mp.cos, one(CIRCULAR)),
    "tan": (mp.tan, one(CIRCULAR)),
    "expm1": (mp.expm1, one(EXPONENTIAL)),
    "exp2": (lambda x: mp.power(2, x), one([uniform(-1, 1), uniform(-1080, 1025), magnitudes(-60, 0), beside(lambda: random.randint(-40, 40) + 0.5)])),
    "log2": (lambda x: mp.log(x) / mp.ln2, one(LOGARITHM)),
    "log10": (lambda x: mp.log(x) / mp.ln10, one(LOGARITHM + [lambda: 10.0 ** random.randint(0, 22)])),
    "log1p": (mp.log1p, one([uniform(-1, 1), uniform(-1, 10), magnitudes(-1074, 0), magnitudes(-60, 0), magnitudes(0, 1024, False), beside(lambda: random.choice([-0.25, 0.5, 1.0, 2.0, -0.625]))])),
    "sinh": (mp.sinh, one(HYPERBOLIC)),
    "cosh": (mp.cosh, one(HYPERBOLIC)),
    "tanh": (mp.tanh, one(HYPERBOLIC)),
    "asinh": (mp.asinh, one(ANY)),
    "acosh": (mp.acosh, one([uniform(1, 2), uniform(1, 50), magnitudes(0, 1024, False), beside(lambda: 1.0, -52)])),
    "atanh": (mp.atanh, one(SHORT + [magnitudes(-1074, 0)])),
    "asin": (mp.asin, one(SHORT + [magnitudes(-1074, 0)])),
    "acos": (mp.acos, one(SHORT)),
    "atan": (mp.atan, one(ANY + [mirrored(beside(lambda: math.sqrt(2) - random.choice([1, -1])))])),
    "cbrt": (lambda x: mp.sign(x) * mp.cbrt(abs(x)), one(ANY)),
    "sigmoid": (lambda x: 1 / (1 + mp.exp(-x)), one(TAILS)),
    "sigmoid_slope": (lambda x: 1 / (2 + mp.exp(-x) + mp.exp(x)), one(TAILS)),
    "softplus": (lambda x: mp.log1p(mp.exp(x)), one(TAILS)),
    "silu": (lambda x: x / (1 + mp.exp(-x)), one(TAILS + [uniform(-760, -700)])),
    "logit": (lambda x: mp.log(x / (1 - x)), one([uniform(0, 1), magnitudes(-1074, 0, False), beside(lambda: random.choice([0.5, 0.25, 0.75, 1.0]), -52)])),
    "sinc": (lambda x: mp.sin(x) / x, one(CIRCULAR)),
    "erf": (mp.erf, one([uniform(-1, 1), uniform(-6, 6), magnitudes(-60, 2), magnitudes(-1074, 0)])),
    "erfc": (mp.erfc, one([uniform(-1, 1), uniform(-6, 27), magnitudes(-60, 4)])),
    "atan2": (mp.atan2, pairs()),
    "hypot": (lambda x, y: mp.sqrt(x * x + y * y), pairs()),
    "pow": (mp_pow, powers()),
}


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    path = sys.argv[2] if len(sys.argv) > 2 else pathlib.Path(__file__).parent / "elementary.txt"
    lines = []
    for name, (function, draws) in FUNCTIONS.items():
        if len(sys.argv) > 3 and name not in sys.argv[3:]:
            continue
        lines.append(name)
        points = set()
        for index in range(n):
            x = draws[index % len(draws)]()
            if x in points:
                continue
            points.add(x)
            try:
                value = function(*map(mpf, x))
                if not mp.isfinite(value) or not isinstance(value, mpf):
                    continue
                result = rounded(value)
            except (ValueError, ZeroDivisionError, OverflowError):
                continue
            if result is None or (result[0] == 0.0 and value != 0 and abs(value) < mp.ldexp(1, -1200)):
                continue
            lines.append(" ".join([*map(bits, x), bits(result[0]), str(result[1])]))
    pathlib.Path(path).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
