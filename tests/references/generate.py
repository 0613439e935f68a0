"""References for the operators, from outside: values and partial derivatives, computed with mpmath.

    pip install mpmath==1.3.0
    python3 tests/references/generate.py          # writes functions.jsonl, special.jsonl and known.jsonl beside this file

`functions.jsonl` has, for every function of the language, the value and all partial derivatives up to third order:

    {"f": "hypot", "x": ["3.0", "4.0"], "d": {"": "5.0", "0": "0.6", "01": …}, "c": {"": "6.8", "0": …}}

"d" maps a partial derivative D, named by the positions of the arguments it is taken by, to its nearest double; "c" holds the
sum of |x_i ∂D/∂x_i|, what a relative error of the arguments does to D (rounded up, three digits). A test accepts
|computed - D| <= C 2^-53 (|D| + c). Arguments are exact doubles. Derivatives that don't exist are left out.

`special.jsonl` has the same for functions of `src/special` that are no functions of the language, values only.

`known.jsonl` has values that hold by convention (docs: the language reference, "Meaning"), no "c". Values ("d" at "") are exact, to the
sign of zero; of derivatives infinities, NaN, zeros (of either sign) and whole numbers are exact, the rest are rounded.

How: a function is evaluated on truncated power series, up to fourth order in its arguments. Everything is computed twice, the second time with
half as many digits again; both have to give the same doubles, so cancellation can't go unseen. At generic points the series are
checked against numerical differentiation too.
"""

import itertools
import json
import math
import pathlib
import random

from mpmath import mp, mpc, mpf

HERE = pathlib.Path(__file__).parent
ORDER = 4


# ---------------------------------------------------------------------------------------------------------------------
# Truncated power series in up to three variables: {powers: coefficient}.


class Series:
    def __init__(self, coefficients, arity):
        self.c = coefficients
        self.arity = arity

    @staticmethod
    def variable(value, place, arity):
        zero = (0,) * arity
        one = tuple(int(i == place) for i in range(arity))
        return Series({zero: value, one: mpf(1)}, arity)

    @property
    def value(self):
        return self.c.get((0,) * self.arity, mpf(0))

    def lift(self, other):
        return other if isinstance(other, Series) else Series({(0,) * self.arity: other}, self.arity)

    def __add__(self, other):
        other = self.lift(other)
        c = dict(self.c)
        for powers, value in other.c.items():
            c[powers] = c.get(powers, 0) + value
        return Series(c, self.arity)

    def __mul__(self, other):
        other = self.lift(other)
        c = {}
        for (p, a), (q, b) in itertools.product(self.c.items(), other.c.items()):
            powers = tuple(i + j for i, j in zip(p, q))
            if sum(powers) <= ORDER:
                c[powers] = c.get(powers, 0) + a * b
        return Series(c, self.arity)

    def __neg__(self):
        return self * -1

    def __sub__(self, other):
        return self + -self.lift(other)

    def __rsub__(self, other):
        return -self + other

    def __truediv__(self, other):
        return self * power(self.lift(other), -1)

    def __rtruediv__(self, other):
        return power(self, -1) * other

    __radd__ = __add__
    __rmul__ = __mul__

    def compose(self, coefficients):
        """f(self), given f's Taylor coefficients at self.value."""
        rest = Series({p: v for p, v in self.c.items() if any(p)}, self.arity)
        result = self.lift(coefficients[ORDER])
        for coefficient in reversed(coefficients[:ORDER]):
            result = result * rest + coefficient
        return result


def power(x, exponent):
    """x^exponent for a constant exponent; at 0 a whole one >= 0."""
    coefficients, factor = [], mpf(1)
    for k in range(ORDER + 1):
        coefficients.append(factor * x.value ** (exponent - k) if factor else mpf(0))
        factor = factor * (exponent - k) / (k + 1)
    return x.compose(coefficients)


def root(x, n):
    value = mp.root(abs(x.value), n)
    r = power(x * mp.sign(x.value), mpf(1) / n) if n == 3 else power(x, mpf(1) / n)
    assert abs(abs(r.value) - value) <= abs(value) * mpf(10) ** (5 - mp.dps)
    return r * mp.sign(x.value) if n == 3 else r


def by_derivatives(derivative):
    """The function whose k-th derivative at t is derivative(k, t)."""
    return lambda x: x.compose([derivative(k, x.value) / mp.factorial(k) for k in range(ORDER + 1)])


exp = by_derivatives(lambda k, t: mp.exp(t))
sin = by_derivatives(lambda k, t: [mp.sin, mp.cos, lambda u: -mp.sin(u), lambda u: -mp.cos(u)][k % 4](t))
cos = by_derivatives(lambda k, t: [mp.cos, lambda u: -mp.sin(u), lambda u: -mp.cos(u), mp.sin][k % 4](t))
sinh = by_derivatives(lambda k, t: [mp.sinh, mp.cosh][k % 2](t))
cosh = by_derivatives(lambda k, t: [mp.cosh, mp.sinh][k % 2](t))
ln = by_derivatives(lambda k, t: mp.log(t) if k == 0 else (-1) ** (k - 1) * mp.factorial(k - 1) / t**k)
digamma = by_derivatives(lambda k, t: mp.psi(k, t))


def by_slope(value, slope):
    """The function with this value whose derivative is the series slope(x), for one variable of unit slope."""

    def function(x):
        t = Series.variable(x.value, 0, 1)
        s = slope(t).c
        return x.compose([value(x.value)] + [s.get((k - 1,), mpf(0)) / k for k in range(1, ORDER + 1)])

    return function


expm1 = by_slope(mp.expm1, exp)
log1p = by_slope(mp.log1p, lambda x: 1 / (1 + x))
tan = by_slope(mp.tan, lambda x: power(cos(x), -2))
asin = by_slope(mp.asin, lambda x: power((1 - x) * (1 + x), mpf(-0.5)))
acos = by_slope(mp.acos, lambda x: -power((1 - x) * (1 + x), mpf(-0.5)))
atan = by_slope(mp.atan, lambda x: 1 / (1 + x * x))
tanh = by_slope(mp.tanh, lambda x: power(cosh(x), -2))
asinh = by_slope(mp.asinh, lambda x: power(1 + x * x, mpf(-0.5)))
acosh = by_slope(mp.acosh, lambda x: power((x - 1) * (x + 1), mpf(-0.5)))
atanh = by_slope(mp.atanh, lambda x: 1 / ((1 - x) * (1 + x)))
erf = by_slope(mp.erf, lambda x: exp(-x * x) * (2 / mp.sqrt(mp.pi)))
erfc = by_slope(mp.erfc, lambda x: exp(-x * x) * (-2 / mp.sqrt(mp.pi)))
lgamma = by_slope(lambda t: mp.log(abs(mp.gamma(t))) if t < 0 else mp.loggamma(t), digamma)
softplus = by_slope(lambda t: mp.log1p(mp.exp(t)), lambda x: sigmoid(x))


def gamma(x):
    logarithm = lgamma(x)
    return exp(logarithm - logarithm.value) * mp.gamma(x.value)


def sigmoid(x):
    return 1 / (1 + exp(-x))


def normal_cdf(x):
    return erfc(x * (-1 / mp.sqrt(2))) * mpf(0.5)


def sinc_derivative(n, t):
    """d^n/dt^n sin(t)/t: the power series near 0, else the recurrence t d_n + n d_(n-1) = sin(t + nπ/2)."""
    with mp.extradps(int(abs(t)) + 10 if abs(t) < 100 else 10):
        if abs(t) < 2 * n + 20:
            total, j = mpf(0), (n + 1) // 2
            while True:
                term = (-1) ** j * t ** (2 * j - n) / ((2 * j + 1) * mp.factorial(2 * j - n))
                total += term
                j += 1
                if 2 * j - n > 2 * abs(t) and abs(term) <= abs(total) * mpf(10) ** -(mp.dps + 5):
                    return total
        d = mp.sin(t) / t
        for k in range(1, n + 1):
            d = (mp.sin(t + k * mp.pi / 2) - k * d) / t
        return d


def angle(y, x):
    """atan2: the imaginary part of ln(x + iy)."""
    z = ln(x * mpc(1) + y * mpc(0, 1))
    return Series({powers: mp.im(c) for powers, c in z.c.items()}, z.arity)


def whole(value):
    """A function that is constant around the point: its value, and derivatives 0."""
    return lambda *x: x[0].lift(value(*(v.value for v in x)))


def select(value):
    """A function that is one of its arguments around the point."""

    def function(*x):
        chosen = value(*(v.value for v in x))
        return next(v for v in x if v.value == chosen)

    return function


def modulo(a, b):
    return a - b * mp.floor(a.value / b.value)


def round_half_away(t):
    return mp.sign(t) * mp.floor(abs(t) + mpf(0.5))


def real_power(x, y):
    """x^y by both arguments for x > 0; for x < 0 and whole y by x alone."""
    exponent = int(y.value) if y.value == mp.floor(y.value) else y.value
    by_x = power(x, exponent)
    return by_x * exp((y - y.value) * ln(x)) if x.value > 0 else by_x


# ---------------------------------------------------------------------------------------------------------------------
# Points. Every list is exact doubles; the random ones come from a fixed seed.


random.seed(20240229)


def both(points):
    return [s * p for p in points for s in (1.0, -1.0)]


def between(low, high, n):
    return [random.uniform(low, high) for _ in range(n)]


def decades(low, high, n):
    return [10.0 ** random.uniform(low, high) for _ in range(n)]


TINY = [1e-300, 1e-20, 1e-8]
HUGE = [1e10, 1e150, 1e300]
REAL = both(TINY + between(0, 2, 12) + between(2, 20, 8))
POSITIVE = TINY + HUGE + between(0, 2, 20) + between(2, 50, 16) + decades(-30, 30, 16) + [5e-324, 1e-310, 1e308]
NEAR_ONE = [1 - 1e-10, 1 + 1e-10, 1 - 2**-53, 1 + 2**-52, 1 - 1e-4, 1 + 1e-4]
EDGE_OF_ONE = [1 - 1e-10, 1 - 2**-53, 1 - 1e-5, 0.999]
TRIG = REAL + both([1e5, 1e10, 1e22, math.pi, math.pi / 2, 2 * math.pi, math.pi / 4, 3.0, 355.0])
EXPONENTIAL = REAL + both([20.0, 40.0, 100.0, 300.0, 700.0]) + [-745.0, -740.0, -709.0, 709.0]
TAILS = REAL + both([18.0, 20.0, 36.0, 37.0, 40.0, 100.0, 355.0, 400.0, 700.0, 709.0, 745.0, 800.0, 1e5, 1e300])
STEPS = both([0.3, 0.7, 1.2, 1.5 - 2**-52, 1.5 + 2**-52, 2.7, 1e-300, 123456.25, 0.49999999999999994])
GAMMA = (
    TINY
    + between(0, 4, 20)
    + between(4, 30, 12)
    + NEAR_ONE
    + [2 - 1e-10, 2 + 1e-10, 1.5, 2.5, 3.0, 5.0, 23.0, 50.5, 100.25, 1.4616321449683622]
    + [-1e-20, -1e-8, -0.5, -0.25, -1.5, -2.5, -1 - 1e-10, -1 + 1e-10, -2.4570247382208, -2.7476826467274127, -2.61]
    + [-3.1435808883499798, -3.9552942848585979, -10.3, -20.7, -50.5, -0.5040830082644554]
    + between(-5, 0, 20)
)

PAIRS = list(zip(between(-5, 5, 30), between(-5, 5, 30)))
POSITIVE_PAIRS = list(zip(decades(-2, 2, 24), decades(-2, 2, 24)))
PLANE = PAIRS + [
    (3.0, 4.0),
    (1e-300, 1e-300),
    (1e300, 1e300),
    (1e300, -3.0),
    (-3.0, 1e300),
    (1e-300, 1.0),
    (1.0, 1e-300),
    (1.0, -1e-300),
    (1e-20, 2.0),
    (2.0, -1e-20),
    (1e-200, 3e-200),
    (-1e160, 2e160),
    (1e-8, 1.0),
    (5e-320, 3e-320),
    (0.0, 1.0),
    (1.0, 0.0),
    (0.0, -2.0),
    (-2.0, 0.0),
]
POWERS = POSITIVE_PAIRS + list(zip(decades(-3, 3, 12), between(-8, 8, 12))) + [
    (2.0, 0.5),
    (2.0, 3.0),
    (3.0, -2.0),
    (10.0, 308.0),
    (10.0, -307.5),
    (10.0, -320.0),
    (0.5, 1000.0),
    (1e-300, 1.0),
    (1e-300, 0.5),
    (1e-150, 2.0),
    (1e300, -1.0),
    (1e300, 1e-8),
    (1 + 1e-10, 1e10),
    (1 - 1e-10, 1e12),
    (1 + 1e-10, 2.0),
    (1.0, 3.5),
    (1.0, -1e5),
    (7.0, 1e-300),
    (7.0, 0.0),
    (0.25, 1.0),
    (2.0, 2.0),
    (-2.0, 3.0),
    (-1.5, 4.0),
    (-0.7, -3.0),
    (-1e10, 5.0),
    (-3.0, 1.0),
    (-3.0, 2.0),
]

FUNCTIONS = {
    "exp": (exp, EXPONENTIAL),
    "expm1": (expm1, EXPONENTIAL),
    "exp2": (lambda x: exp(x * mp.log(2)), REAL + both([20.0, 100.0, 1000.0]) + [1023.5, -1022.5, -1070.0, 10.0]),
    "ln": (ln, POSITIVE + NEAR_ONE),
    "log": (ln, POSITIVE + NEAR_ONE),
    "log2": (lambda x: ln(x) * (1 / mp.log(2)), POSITIVE + NEAR_ONE + [2.0, 8.0, 0.25]),
    "log10": (lambda x: ln(x) * (1 / mp.log(10)), POSITIVE + NEAR_ONE + [10.0, 1000.0]),
    "log1p": (log1p, POSITIVE + [-t for t in TINY] + between(-1, 0, 8) + [-1 + 1e-10, -1 + 2**-53, -0.5]),
    "sqrt": (lambda x: root(x, 2), POSITIVE),
    "cbrt": (lambda x: root(x, 3), both(POSITIVE[:24])),
    "pow": (real_power, POWERS),
    "hypot": (lambda a, b: power(a * a + b * b, mpf(0.5)), PLANE),
    "sin": (sin, TRIG),
    "cos": (cos, TRIG),
    "tan": (tan, TRIG),
    "asin": (asin, both(TINY + between(0, 1, 24) + EDGE_OF_ONE)),
    "acos": (acos, both(TINY + between(0, 1, 24) + EDGE_OF_ONE)),
    "atan": (atan, REAL + both(HUGE + [1e5])),
    "atan2": (angle, PLANE),
    "sinh": (sinh, REAL + both([40.0, 300.0, 700.0, 710.0])),
    "cosh": (cosh, REAL + both([40.0, 300.0, 700.0, 710.0])),
    "tanh": (tanh, TAILS),
    "asinh": (asinh, REAL + both(HUGE + [1e5])),
    "acosh": (acosh, HUGE + [1 + 1e-10, 1 + 2**-52, 1 + 1e-5, 1.001] + between(1, 3, 20) + between(3, 100, 16)),
    "atanh": (atanh, both(TINY + between(0, 1, 24) + EDGE_OF_ONE)),
    "sinc": (by_derivatives(sinc_derivative), TRIG + both([4.493409457909064, 0.1, 0.01, 1e-3])),
    "abs": (lambda x: x * mp.sign(x.value), REAL + HUGE),
    "sign": (whole(mp.sign), REAL + HUGE),
    "min": (select(min), PAIRS + [(1.0, 1 + 2**-52), (-1e300, 1e300), (5e-324, 0.0)]),
    "max": (select(max), PAIRS + [(1.0, 1 + 2**-52), (-1e300, 1e300), (5e-324, 0.0)]),
    "floor": (whole(mp.floor), STEPS),
    "ceil": (whole(mp.ceil), STEPS),
    "round": (whole(round_half_away), STEPS),
    "trunc": (whole(lambda t: mp.sign(t) * mp.floor(abs(t))), STEPS),
    "mod": (modulo, PAIRS + [(7.5, 2.0), (-7.5, 2.0), (7.5, -2.0), (1.0, 0.1), (1e17, 3.7), (-1e-20, 1.0), (1e-300, 3.0)]),
    "div": (whole(lambda a, b: mp.floor(a / b)), PAIRS + [(7.5, 2.0), (-7.5, 2.0), (1.0, 0.1), (0.3, 0.1), (-1e-20, 1.0)]),
    "clamp": (
        lambda x, lo, hi: select(lambda a, b, c: sorted((a, b, c))[1])(x, lo, hi),
        [(0.5, 0.0, 1.0), (-0.5, 0.0, 1.0), (1.5, 0.0, 1.0), (1e-300, -1.0, 1.0), (1e300, -1.0, 1.0), (-7.0, -3.0, -2.0)],
    ),
    "erf": (erf, REAL + both([3.0, 5.0, 6.0, 10.0, 26.5, 30.0])),
    "erfc": (erfc, REAL + both([3.0, 5.0, 6.0, 10.0, 26.5, 27.0, 30.0])),
    "gamma": (gamma, GAMMA + [150.25, 170.0, 171.6, -100.5, -170.5]),
    "lgamma": (lgamma, GAMMA + HUGE + [1000.5, 1e5, -100.5, -1000.7]),
    "digamma": (digamma, GAMMA + HUGE + [1000.5, 1e5, -100.5, -1000.7]),
    "sigmoid": (sigmoid, TAILS),
    "softplus": (softplus, TAILS),
    "relu": (lambda x: x if x.value > 0 else x * mpf(0), REAL + HUGE),
    "leaky_relu": (
        lambda x, a: x if x.value > 0 else a * x,
        [(t, 0.01) for t in REAL] + [(-2.0, 0.3), (-1e300, 0.1), (-3.0, 0.0), (5.0, -0.2)],
    ),
    "silu": (lambda x: x * sigmoid(x), TAILS + [-1.2784645427610738]),
    "gelu": (lambda x: x * normal_cdf(x), REAL + both([5.0, 8.0, 20.0, 37.0, 38.0, 40.0, 100.0]) + [-0.7517915246935645]),
    "step": (whole(lambda t: mpf(int(t > 0))), REAL + HUGE),
    "logit": (
        lambda x: ln(x) - ln(1 - x),
        TINY
        + between(0, 1, 30)
        + [0.5, 0.5 + 1e-10, 0.5 - 1e-10, 0.5 + 2**-53, 0.25, 0.75, 0.49, 0.51]
        + EDGE_OF_ONE
        + [5e-324],
    ),
    "xlogy": (
        lambda x, y: x * ln(y),
        list(zip(between(-5, 5, 12), decades(-3, 3, 12)))
        + [(1e-300, 1e-300), (1e300, 2.0), (2.0, 1 + 1e-10), (2.0, 1 - 1e-10), (1e-20, 1e-20), (0.0, 2.0), (3.0, 1.0)],
    ),
}

# Two functions whose first or second argument is not differentiated, or which share a name with another.
LOG_TO_BASE = (
    lambda x, b: ln(x) / ln(b),
    POSITIVE_PAIRS + [(8.0, 2.0), (9.0, 3.0), (1e-300, 10.0), (5.0, 1 + 1e-10), (1 + 1e-10, 7.0), (1000.0, 10.0), (3.0, 0.5)],
)
POLYGAMMA_POINTS = GAMMA + [1000.5, 1e10, -50.3]


# ---------------------------------------------------------------------------------------------------------------------
# Writing.


def digits_for(name):
    """Digits that survive the cancellations there are: functions of Γ are slow and have none to speak of."""
    return 90 if name in ("gamma", "lgamma", "digamma", "polygamma") else 500


def places(arity, order):
    return ["".join(map(str, p)) for k in range(order + 1) for p in itertools.combinations_with_replacement(range(arity), k)]


def nearest(value):
    """The shortest text of the nearest double."""
    if not value:
        return "0.0"
    if abs(value) >= mpf(2) ** 1024 * (1 - mpf(2) ** -54):
        return "inf" if value > 0 else "-inf"
    quantum = mpf(2) ** max(int(mp.floor(mp.log(abs(value), 2))) - 52, -1074)
    if abs(value) >= 2 * quantum * 2**52:
        quantum *= 2
    if abs(value) < quantum * 2**52 and quantum > mpf(2) ** -1074:
        quantum /= 2
    return repr(float(mp.nint(value / quantum) * quantum))


def rounded_up(value):
    if not value:
        return "0.0"
    exponent = int(mp.floor(mp.log10(value))) - 2
    # The slack keeps a value that is exact at three digits from being rounded up by its own last digit.
    text = f"{int(mp.ceil(value / mpf(10) ** exponent - mpf(10) ** -6))}e{exponent}"
    return "inf" if float(text) == math.inf else repr(float(text))


def entry(name, function, point, digits, order=3, constant=()):
    """One line: the function on the series of its arguments; those in `constant` are not differentiated."""
    arity = len(point)
    with mp.workdps(digits):
        result = function(*(Series.variable(mpf(t), i, arity) for i, t in enumerate(point)))

        def derivative(place):
            powers = tuple(place.count(str(i)) for i in range(arity))
            return result.c.get(powers, mpf(0)) * math.prod(mp.factorial(p) for p in powers)

        d, c = {}, {}
        for place in places(arity, order):
            if any(str(i) in place for i in constant):
                continue
            d[place] = nearest(derivative(place))
            allowance = (abs(mpf(t) * derivative("".join(sorted(place + str(i))))) for i, t in enumerate(point) if i not in constant)
            c[place] = rounded_up(sum(allowance))
    return {"f": name, "x": [repr(float(t)) for t in point], "d": d, "c": c}


def checked(name, function, point, order=3, constant=()):
    digits = digits_for(name)
    first = entry(name, function, point, digits, order, constant)
    second = entry(name, function, point, digits * 3 // 2, order, constant)
    assert first == second, f"{name} at {point}: {digits} digits are too few"
    return first


def check_by_differences(name, function, point, constant=()):
    """The series against numerical differentiation, where that works: 30 digits agree."""
    arity = len(point)
    with mp.workdps(80):
        center = [mpf(t) for t in point]
        result = function(*(Series.variable(t, i, arity) for i, t in enumerate(center)))
        value = lambda *x: function(*(Series.variable(t, i, arity) for i, t in enumerate(x))).value
        for powers in itertools.product(range(ORDER + 1), repeat=arity):
            if sum(powers) > 3 or any(powers[i] for i in constant):
                continue
            exact = result.c.get(powers, mpf(0)) * math.prod(mp.factorial(p) for p in powers)
            with mp.workdps(160):
                difference = mp.diff(value, tuple(center), powers) if arity > 1 else mp.diff(value, center[0], powers[0])
            assert abs(exact - difference) <= mpf(10) ** -25 * (1 + abs(exact)), (name, point, powers, exact, difference)


def generic(points):
    return [p for p in points if all(0.2 < abs(t) < 5 and t != int(t) for t in p)][:2]


def functions():
    for name, (function, points) in FUNCTIONS.items():
        points = [p if isinstance(p, tuple) else (p,) for p in points]
        for point in dict.fromkeys(points):
            constant = (1,) if name == "pow" and point[0] < 0 else ()
            yield checked(name, function, point, constant=constant)
        for point in generic(points):
            check_by_differences(name, function, point)
    function, points = LOG_TO_BASE
    for point in points:
        yield checked("log", function, point)
    for point in generic(points):
        check_by_differences("log", function, point)
    for n in range(5):
        for x in dict.fromkeys(POLYGAMMA_POINTS):
            function = lambda _, t, n=n: t.compose([mp.psi(n + k, t.value) / mp.factorial(k) for k in range(ORDER + 1)])
            yield checked("polygamma", function, (float(n), x), constant=(0,))


def special():
    """Functions of src/special that stand in derivative rules only."""

    def constant_order(derivative):
        return lambda n, x: x.compose([derivative(int(n.value) + k, x.value) / mp.factorial(k) for k in range(ORDER + 1)])

    def xlog_pow(a, b, k):
        return real_power(a, b) * power(ln(a), int(k.value))

    def log_points():
        for k in (0.0, 1.0, 2.0, 3.0, 5.0):
            yield from ((a, b, k) for a, b in POSITIVE_PAIRS + [(1e-300, 1.5), (1e300, -1.5), (0.5, 1000.0), (1 + 1e-10, 1e10)])
        yield from [(1e-200, 2.0, 30.0), (1e300, -2.0, 100.0), (1e-300, 1.9, 80.0), (1.0, 2.0, 3.0), (5e-324, 0.5, 4.0)]

    for x in dict.fromkeys(TAILS):
        yield checked("sigmoid_slope", lambda x: sigmoid(x) * sigmoid(-x), (x,), order=0)
    for point in dict.fromkeys(PLANE):
        yield checked("unit", lambda a, b: a * power(a * a + b * b, mpf(-0.5)), point, order=0)
    for n in (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 8.0, 15.0, 40.0, 100.0):
        for x in dict.fromkeys(TRIG[::2] + [n, n + 1, n / 2, 1.5 * n + 10]):
            yield checked("sinc_n", constant_order(sinc_derivative), (n, x), order=0, constant=(0,))
    for point in log_points():
        yield checked("xlog_pow", xlog_pow, point, order=0, constant=(2,))
    for n in (10.0, 25.0, 60.0):
        for x in (1e-3, 0.3, 1.0, 7.7, 20.0, 150.0, -0.3, -2.5, -7.1):
            yield checked("polygamma", constant_order(mp.psi), (n, x), order=0, constant=(0,))
    for n in (-300.0, -65.0, -8.0, -3.0, -1.0, 1.0, 2.0, 3.0, 7.0, 64.0, 255.0):
        for x in both([0.3, 0.97, 1.1, 3.0, 11.5]):
            yield checked("powi", lambda x, n: power(x, int(n.value)), (x, n), order=0, constant=(1,))


# ---------------------------------------------------------------------------------------------------------------------
# Conventions: written down by hand, with the mathematical constants of mpmath.


INF, NAN = math.inf, math.nan
PI = math.pi
LN2 = math.log(2)

KNOWN = [
    # Kinks.
    ("abs", (0.0,), {"": 0.0, "0": 0.0, "00": 0.0}),
    ("abs", (-0.0,), {"": 0.0, "0": 0.0}),
    ("abs", (-INF,), {"": INF, "0": -1.0}),
    ("relu", (0.0,), {"": 0.0, "0": 0.0, "00": 0.0}),
    ("relu", (-0.0,), {"": 0.0, "0": 0.0}),
    ("relu", (NAN,), {"": NAN, "0": NAN}),
    ("min", (1.0, 1.0), {"": 1.0, "0": 0.5, "1": 0.5, "00": 0.0, "01": 0.0, "11": 0.0}),
    ("max", (1.0, 1.0), {"": 1.0, "0": 0.5, "1": 0.5, "00": 0.0, "01": 0.0, "11": 0.0}),
    ("min", (-2.0, -2.0, -2.0), {"": -2.0, "0": 1 / 3, "1": 1 / 3, "2": 1 / 3}),
    ("max", (2.0, 2.0, 2.0), {"": 2.0, "0": 1 / 3, "1": 1 / 3, "2": 1 / 3}),
    ("max", (2.0, 1.0, 2.0), {"": 2.0, "0": 0.5, "1": 0.0, "2": 0.5}),
    ("min", (0.0, -0.0), {"": -0.0, "0": 0.5, "1": 0.5}),
    ("max", (-0.0, 0.0), {"": 0.0, "0": 0.5, "1": 0.5}),
    ("min", (NAN, 1.0), {"": NAN}),
    ("min", (1.0, NAN), {"": NAN}),
    ("max", (NAN, 1.0), {"": NAN}),
    ("max", (1.0, NAN), {"": NAN}),
    ("clamp", (0.0, 0.0, 1.0), {"": 0.0, "0": 1.0}),
    ("clamp", (1.0, 0.0, 1.0), {"": 1.0, "0": 1.0}),
    ("clamp", (NAN, 0.0, 1.0), {"": NAN, "0": NAN}),
    ("clamp", (INF, 0.0, 1.0), {"": 1.0, "0": 0.0}),
    ("hypot", (0.0, 0.0), {"": 0.0, "0": 0.0, "1": 0.0}),
    ("hypot", (-0.0, 0.0), {"": 0.0, "0": 0.0, "1": 0.0}),
    # Steps.
    ("sign", (0.0,), {"": 0.0, "0": 0.0}),
    ("sign", (-0.0,), {"": 0.0, "0": 0.0}),
    ("sign", (-INF,), {"": -1.0, "0": 0.0}),
    ("sign", (NAN,), {"": NAN}),
    ("step", (0.0,), {"": 0.0, "0": 0.0}),
    ("step", (-0.0,), {"": 0.0, "0": 0.0}),
    ("step", (NAN,), {"": NAN}),
    ("floor", (2.0,), {"": 2.0, "0": 0.0}),
    ("floor", (-0.5,), {"": -1.0, "0": 0.0}),
    ("floor", (-0.0,), {"": -0.0, "0": 0.0}),
    ("ceil", (2.0,), {"": 2.0, "0": 0.0}),
    ("ceil", (-0.5,), {"": -0.0, "0": 0.0}),
    ("trunc", (-1.5,), {"": -1.0, "0": 0.0}),
    ("trunc", (-0.5,), {"": -0.0, "0": 0.0}),
    ("round", (0.5,), {"": 1.0, "0": 0.0}),
    ("round", (-0.5,), {"": -1.0, "0": 0.0}),
    ("round", (1.5,), {"": 2.0, "0": 0.0}),
    ("round", (2.5,), {"": 3.0, "0": 0.0}),
    ("round", (-2.5,), {"": -3.0, "0": 0.0}),
    ("round", (0.49999999999999994,), {"": 0.0, "0": 0.0}),
    ("round", (-0.25,), {"": -0.0, "0": 0.0}),
    ("round", (4503599627370497.0,), {"": 4503599627370497.0, "0": 0.0}),
    # Division with remainder.
    ("mod", (-1.0, 3.0), {"": 2.0, "0": 1.0, "1": 1.0}),
    ("mod", (1.0, -3.0), {"": -2.0, "0": 1.0, "1": 1.0}),
    ("mod", (6.0, 3.0), {"": 0.0}),
    ("mod", (-6.0, 3.0), {"": 0.0}),
    ("mod", (6.0, -3.0), {"": -0.0}),
    ("mod", (5.0, 0.0), {"": NAN, "0": NAN}),
    ("mod", (INF, 2.0), {"": NAN}),
    ("mod", (5.0, INF), {"": 5.0}),
    ("mod", (-1e-300, 1.0), {"": 1.0}),
    ("div", (-1.0, 3.0), {"": -1.0, "0": 0.0, "1": 0.0}),
    ("div", (1.0, 0.1), {"": 9.0, "0": 0.0, "1": 0.0}),
    ("div", (6.0, -3.0), {"": -2.0}),
    ("div", (-5e-324, 1e300), {"": -1.0}),
    ("div", (1.0, 0.0), {"": INF}),
    ("div", (-1.0, 0.0), {"": -INF}),
    ("div", (0.0, 0.0), {"": NAN}),
    # Powers.
    ("pow", (0.0, 0.0), {"": 1.0, "0": 0.0}),
    ("pow", (-2.0, 0.0), {"": 1.0, "0": 0.0, "00": 0.0}),
    ("pow", (INF, 0.0), {"": 1.0, "0": 0.0}),
    ("pow", (NAN, 0.0), {"": 1.0}),
    ("pow", (1.0, NAN), {"": 1.0}),
    ("pow", (0.0, 1.0), {"": 0.0, "0": 1.0, "00": 0.0, "1": 0.0, "11": 0.0}),
    ("pow", (0.0, 2.0), {"": 0.0, "0": 0.0, "00": 2.0, "000": 0.0, "1": 0.0, "11": 0.0}),
    ("pow", (0.0, 3.0), {"": 0.0, "0": 0.0, "00": 0.0, "000": 6.0, "1": 0.0, "11": 0.0, "111": 0.0}),
    ("pow", (0.0, 0.5), {"": 0.0, "0": INF, "1": 0.0}),
    ("pow", (0.0, -1.0), {"": INF, "0": -INF}),
    ("pow", (-0.0, -1.0), {"": -INF, "0": -INF}),
    ("pow", (-0.0, 3.0), {"": -0.0, "0": 0.0}),
    ("pow", (-2.0, 3.0), {"": -8.0, "0": 12.0, "00": -12.0, "000": 6.0}),
    ("pow", (-2.0, 0.5), {"": NAN, "0": NAN, "1": NAN}),
    ("sqrt", (0.0,), {"": 0.0, "0": INF}),
    ("sqrt", (-0.0,), {"": -0.0}),
    ("sqrt", (4.0,), {"": 2.0, "0": 0.25, "00": -0.03125}),
    ("sqrt", (-1.0,), {"": NAN, "0": NAN}),
    ("cbrt", (0.0,), {"": 0.0, "0": INF}),
    ("cbrt", (-8.0,), {"": -2.0}),
    ("exp", (-INF,), {"": 0.0, "0": 0.0}),
    ("exp", (INF,), {"": INF, "0": INF}),
    ("exp", (0.0,), {"": 1.0, "0": 1.0, "00": 1.0, "000": 1.0}),
    ("expm1", (-0.0,), {"": -0.0, "0": 1.0}),
    ("expm1", (-INF,), {"": -1.0, "0": 0.0}),
    ("exp2", (10.0,), {"": 1024.0}),
    ("hypot", (3.0, 4.0), {"": 5.0, "0": 0.6, "1": 0.8}),
    ("hypot", (INF, NAN), {"": INF}),
    ("hypot", (NAN, -INF), {"": INF}),
    ("hypot", (NAN, 1.0), {"": NAN, "0": NAN, "1": NAN}),
    # Poles and ends of domains.
    ("ln", (0.0,), {"": -INF, "0": INF}),
    ("ln", (-0.0,), {"": -INF}),
    ("ln", (-1.0,), {"": NAN, "0": NAN, "00": NAN}),
    ("ln", (INF,), {"": INF, "0": 0.0}),
    ("log", (0.0,), {"": -INF, "0": INF}),
    ("log", (-1.0,), {"": NAN, "0": NAN}),
    ("log", (8.0, 2.0), {"": 3.0}),
    ("log", (9.0, 3.0), {"": 2.0}),
    ("log", (1000.0, 10.0), {"": 3.0}),
    ("log2", (0.0,), {"": -INF, "0": INF}),
    ("log2", (-1.0,), {"": NAN, "0": NAN}),
    ("log2", (8.0,), {"": 3.0}),
    ("log10", (0.0,), {"": -INF, "0": INF}),
    ("log10", (-1.0,), {"": NAN, "0": NAN}),
    ("log10", (1000.0,), {"": 3.0}),
    ("log1p", (-1.0,), {"": -INF, "0": INF}),
    ("log1p", (-2.0,), {"": NAN, "0": NAN}),
    ("log1p", (-0.0,), {"": -0.0, "0": 1.0, "00": -1.0, "000": 2.0}),
    ("asin", (1.0,), {"": PI / 2, "0": INF}),
    ("asin", (-1.0,), {"": -PI / 2, "0": INF}),
    ("asin", (2.0,), {"": NAN, "0": NAN}),
    ("acos", (1.0,), {"": 0.0, "0": -INF}),
    ("acos", (-1.0,), {"": PI, "0": -INF}),
    ("acos", (-2.0,), {"": NAN, "0": NAN}),
    ("acosh", (1.0,), {"": 0.0, "0": INF}),
    ("acosh", (0.5,), {"": NAN, "0": NAN}),
    ("acosh", (-3.0,), {"": NAN, "0": NAN}),
    ("atanh", (1.0,), {"": INF, "0": INF}),
    ("atanh", (-1.0,), {"": -INF, "0": INF}),
    ("atanh", (2.0,), {"": NAN, "0": NAN}),
    ("logit", (0.0,), {"": -INF, "0": INF}),
    ("logit", (1.0,), {"": INF, "0": INF}),
    ("logit", (0.5,), {"": 0.0, "0": 4.0, "00": 0.0, "000": 32.0}),
    ("logit", (-0.5,), {"": NAN, "0": NAN}),
    ("logit", (1.5,), {"": NAN, "0": NAN}),
    # Odd functions keep the sign of zero.
    *((f, (-0.0,), {"": -0.0, "0": 1.0, "00": 0.0}) for f in ("sin", "tan", "asin", "atan", "sinh", "tanh", "asinh", "atanh")),
    # Angles.
    ("atan2", (0.0, 1.0), {"": 0.0, "0": 1.0, "1": 0.0}),
    ("atan2", (-0.0, 1.0), {"": -0.0, "0": 1.0, "1": 0.0}),
    ("atan2", (0.0, -1.0), {"": PI, "0": -1.0, "1": 0.0}),
    ("atan2", (-0.0, -1.0), {"": -PI, "0": -1.0, "1": 0.0}),
    ("atan2", (1.0, 0.0), {"": PI / 2, "0": 0.0, "1": -1.0}),
    ("atan2", (-1.0, 0.0), {"": -PI / 2, "0": 0.0, "1": 1.0}),
    ("atan2", (1.0, 1.0), {"": PI / 4, "0": 0.5, "1": -0.5}),
    ("atan2", (1.0, -1.0), {"": 3 * PI / 4, "0": -0.5, "1": -0.5}),
    ("atan2", (-1.0, -1.0), {"": -3 * PI / 4, "0": -0.5, "1": 0.5}),
    ("atan2", (-1.0, 1.0), {"": -PI / 4, "0": 0.5, "1": 0.5}),
    ("atan2", (0.0, 0.0), {"": 0.0}),
    ("atan2", (-0.0, 0.0), {"": -0.0}),
    ("atan2", (0.0, -0.0), {"": PI}),
    ("atan2", (-0.0, -0.0), {"": -PI}),
    ("atan2", (INF, INF), {"": PI / 4}),
    ("atan2", (INF, -INF), {"": 3 * PI / 4}),
    ("atan2", (NAN, 1.0), {"": NAN, "0": NAN, "1": NAN}),
    ("tan", (INF,), {"": NAN, "0": NAN}),
    ("sin", (INF,), {"": NAN, "0": NAN}),
    ("cos", (-INF,), {"": NAN, "0": NAN}),
    ("sinc", (0.0,), {"": 1.0, "0": 0.0, "00": -1 / 3, "000": 0.0}),
    ("sinc", (-0.0,), {"": 1.0, "0": 0.0}),
    ("sinc", (INF,), {"": 0.0}),
    # Logistic functions.
    ("sigmoid", (0.0,), {"": 0.5, "0": 0.25, "00": 0.0, "000": -0.125}),
    ("sigmoid", (INF,), {"": 1.0, "0": 0.0}),
    ("sigmoid", (-INF,), {"": 0.0, "0": 0.0}),
    ("softplus", (0.0,), {"": LN2, "0": 0.5, "00": 0.25, "000": 0.0}),
    ("softplus", (INF,), {"": INF, "0": 1.0}),
    ("softplus", (-INF,), {"": 0.0, "0": 0.0}),
    ("tanh", (INF,), {"": 1.0, "0": 0.0}),
    ("tanh", (-INF,), {"": -1.0, "0": 0.0}),
    ("silu", (0.0,), {"": 0.0, "0": 0.5, "00": 0.5, "000": 0.0}),
    ("silu", (INF,), {"": INF}),
    ("gelu", (0.0,), {"": 0.0, "0": 0.5, "00": math.sqrt(2 / PI), "000": 0.0}),
    ("gelu", (-0.0,), {"": -0.0, "0": 0.5}),
    ("gelu", (INF,), {"": INF}),
    ("xlogy", (0.0, 0.0), {"": 0.0}),
    ("xlogy", (0.0, 5.0), {"": 0.0, "0": math.log(5), "1": 0.0}),
    ("xlogy", (0.0, NAN), {"": NAN}),
    ("xlogy", (1.0, 0.0), {"": -INF}),
    # The functions of Γ.
    ("gamma", (0.0,), {"": INF}),
    ("gamma", (-0.0,), {"": -INF}),
    ("gamma", (-1.0,), {"": NAN, "0": NAN}),
    ("gamma", (5.0,), {"": 24.0}),
    ("gamma", (INF,), {"": INF}),
    ("gamma", (-INF,), {"": NAN}),
    ("lgamma", (0.0,), {"": INF, "0": -INF}),
    ("lgamma", (-1.0,), {"": INF}),
    ("lgamma", (-2.0,), {"": INF}),
    ("lgamma", (-100.0,), {"": INF}),
    ("lgamma", (1.0,), {"": 0.0}),
    ("lgamma", (2.0,), {"": 0.0}),
    ("digamma", (0.0,), {"": -INF, "0": INF}),
    ("digamma", (-0.0,), {"": INF}),
    ("digamma", (-1.0,), {"": NAN, "0": NAN}),
    ("polygamma", (1.0, 0.0), {"": INF}),
    ("polygamma", (1.0, -1.0), {"": INF}),
    ("polygamma", (2.0, 0.0), {"": -INF}),
    ("polygamma", (2.0, -1.0), {"": NAN, "1": NAN}),
    ("polygamma", (0.5, 1.0), {"": NAN}),
    ("erf", (0.0,), {"": 0.0, "0": 2 / math.sqrt(PI), "00": 0.0}),
    ("erf", (INF,), {"": 1.0, "0": 0.0}),
    ("erf", (-INF,), {"": -1.0, "0": 0.0}),
    ("erfc", (0.0,), {"": 1.0, "0": -2 / math.sqrt(PI)}),
    ("erfc", (INF,), {"": 0.0, "0": 0.0}),
    ("erfc", (-INF,), {"": 2.0, "0": 0.0}),
]


def text(value):
    return "nan" if value != value else repr(float(value))


def known():
    for name, point, derivatives in KNOWN:
        yield {"f": name, "x": [text(t) for t in point], "d": {place: text(v) for place, v in derivatives.items()}}


def write(path, lines):
    with open(HERE / path, "w", encoding="utf-8") as file:
        for line in lines:
            file.write(json.dumps(line, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    write("known.jsonl", known())
    write("special.jsonl", special())
    write("functions.jsonl", functions())
