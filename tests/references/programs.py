"""References for the programs in tests/programs: values and first derivatives, by plain loops over lists of mpmath's numbers.

    pip install mpmath==1.3.0 sympy
    python3 tests/references/programs.py          # writes programs.jsonl beside this file

A line has the arguments, all results one after another, and of each argument the derivatives of each result by each of its elements: central
differences with 40 digits. Where the program itself has second derivatives, the reference is a formula by hand or of sympy.
"""

import json
import pathlib
import random

import mpmath as mp
import sympy as sp
from mpmath import mpf

mp.mp.dps = 40
R = random.Random(7)
H = mpf(10) ** -13
LINES = []


def rnd(*shape, lo=-1.0, hi=1.0):
    return [rnd(*shape[1:], lo=lo, hi=hi) for _ in range(shape[0])] if shape else round(R.uniform(lo, hi), 3)


def flat(v):
    return [y for x in v for y in flat(x)] if isinstance(v, (list, tuple)) else [v]


def exact(v):
    return [exact(x) for x in v] if isinstance(v, list) else v if isinstance(v, int) else mpf(v)


def places(v):
    return [(i, *rest) for i, x in enumerate(v) for rest in places(x)] if isinstance(v, list) else [()]


def moved(v, place, by):
    return [moved(x, place[1:], by) if i == place[0] else x for i, x in enumerate(v)] if place else v + by


def case(name, args, reference, wrt):
    point = {k: exact(v) for k, v in args.items()}
    value = flat(reference(point))

    def slopes(argument):
        at = lambda place, h: flat(reference({**point, argument: moved(point[argument], place, h)}))
        by = [[(u - d) / (2 * H) for u, d in zip(at(p, H), at(p, -H))] for p in places(point[argument])]
        return [float(each[k]) for k in range(len(value)) for each in by]

    numbers = {"value": [float(v) for v in value], "slopes": {argument: slopes(argument) for argument in wrt}}
    LINES.append(json.dumps({"name": name, "args": args} | numbers, ensure_ascii=False))




def ode(a):
    x = a['x']
    s = a['s']
    n = len(x)
    h = mpf(2) / s
    y = [mpf(0)] * n
    f = lambda y: [x[0]] + [x[i] * y[i - 1] for i in range(1, n)]
    ax = lambda y, c, k: [u + c * v for u, v in zip(y, k)]
    for _ in range(s):
        k1 = f(y)
        k2 = f(ax(y, h / 2, k1))
        k3 = f(ax(y, h / 2, k2))
        k4 = f(ax(y, h, k3))
        y = [y[i] + h / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i]) for i in range(n)]
    return y

case('ode', {'x': rnd(4), 's': 3}, ode, ['x'])


def kdir(a):
    C, P = (a['C'], a['P'])
    k = len(C)
    cnt = [0] * k
    s = [[mpf(0)] * 2 for _ in C]
    for p in P:
        j = min(range(k), key=lambda j: sum(((C[j][l] - p[l]) ** 2 for l in range(2))))
        cnt[j] += 1
        for l in range(2):
            s[j][l] += C[j][l] - p[l]
    return [[s[j][l] / cnt[j] for l in range(2)] for j in range(k)]

case('kmeans_dir', {'C': rnd(2, 2), 'P': rnd(9, 2)}, kdir, ['C'])


def gmm(a):
    x, al, mu, q, l, g, m = [a[k] for k in ('x', 'alpha', 'mu', 'q', 'l', 'γ', 'm')]
    N, D, K = (len(x), len(x[0]), len(al))
    at = lambda i, j: j * (2 * D - j - 1) // 2 + i - j - 1
    L = lambda v: mp.log(sum((mp.exp(t) for t in v)))
    mix = 0
    for n in range(N):
        t = []
        for k in range(K):
            y = [mp.exp(q[k][i]) * (x[n][i] - mu[k][i]) + sum((l[k][at(i, j)] * (x[n][j] - mu[k][j]) for j in range(i))) for i in range(D)]
            t.append(al[k] + sum(q[k]) - sum((v * v for v in y)) / 2)
        mix += L(t)
    prior = sum((g ** 2 / 2 * (sum((mp.exp(2 * v) for v in q[k])) + sum((v * v for v in l[k]))) - m * sum(q[k]) for k in range(K)))
    return mix - N * L(al) - mpf(N) * D / 2 * mp.log(2 * mp.pi) - prior

case('gmm', {'x': rnd(4, 3), 'γ': 1.5, 'm': 2, 'alpha': rnd(2), 'mu': rnd(2, 3), 'q': rnd(2, 3), 'l': rnd(2, 3)}, gmm, ['alpha', 'mu', 'q', 'l'])


def sig(x):
    return 1 / (1 + mp.exp(-x))



def lstm(a):
    M, E, S, Q = (a['main'], a['extra'], a['state'], a['seq'])
    b = len(E[0])
    L = len(M) // 2
    h = [S[2 * l] for l in range(L)]
    c = [S[2 * l + 1] for l in range(L)]
    tot = 0
    for t in range(len(Q) - 1):
        x = [Q[t][j] * E[0][j] for j in range(b)]
        for l in range(L):
            w, bi = (M[2 * l], M[2 * l + 1])
            nh = []
            nc = []
            for j in range(b):
                f = sig(x[j] * w[j] + bi[j])
                i = sig(h[l][j] * w[b + j] + bi[b + j])
                o = sig(x[j] * w[2 * b + j] + bi[2 * b + j])
                g = mp.tanh(h[l][j] * w[3 * b + j] + bi[3 * b + j])
                cc = c[l][j] * f + i * g
                nc.append(cc)
                nh.append(o * mp.tanh(cc))
            h[l] = nh
            c[l] = nc
            x = nh
        y = [x[j] * E[1][j] + E[2][j] for j in range(b)]
        ls = mp.log(2 + sum((mp.exp(v) for v in y)))
        tot += sum((Q[t + 1][j] * (y[j] - ls) for j in range(b)))
    return -tot / (b * (len(Q) - 1))

case('lstm', {'main': rnd(4, 8), 'extra': rnd(3, 2), 'state': rnd(4, 2), 'seq': rnd(3, 2)}, lstm, ['main', 'extra'])
E = mp.exp


def rot(r, v):
    th2 = sum((c * c for c in r))
    th = mp.sqrt(th2)
    if th2 == 0:
        cr = [r[1] * v[2] - r[2] * v[1], r[2] * v[0] - r[0] * v[2], r[0] * v[1] - r[1] * v[0]]
        return [v[i] + cr[i] for i in range(3)]
    w = [c / th for c in r]
    cr = [w[1] * v[2] - w[2] * v[1], w[2] * v[0] - w[0] * v[2], w[0] * v[1] - w[1] * v[0]]
    wv = sum((w[i] * v[i] for i in range(3)))
    return [mp.cos(th) * v[i] + mp.sin(th) * cr[i] + (1 - mp.cos(th)) * wv * w[i] for i in range(3)]



def ba(a):
    out = []
    wo = []
    for p, (ci, xi) in enumerate(a['obs']):
        c = a['cam'][ci]
        X = a['X'][xi]
        w = a['w'][p]
        q = rot(c[:3], [X[i] - c[3 + i] for i in range(3)])
        u = [q[0] / q[2], q[1] / q[2]]
        r2 = u[0] ** 2 + u[1] ** 2
        k = 1 + c[9] * r2 + c[10] * r2 ** 2
        out.append([w * (c[6] * u[i] * k + c[7 + i] - a['feat'][p][i]) for i in range(2)])
        wo.append(1 - w * w)
    return [out, wo]

Xp = [[rnd(), rnd(), rnd(lo=3, hi=5)] for _ in range(3)]
case('bundle', {'cam': [rnd(11), rnd(11)], 'X': Xp, 'w': rnd(4), 'feat': rnd(4, 2), 'obs': [[0, 0], [1, 1], [0, 2], [1, 0]]}, ba, ['cam', 'X', 'w'])


def particle(a):
    w = a['w']
    x = [mpf(0), mpf(8)]
    v = [mpf('0.75'), mpf(0)]
    dt = mpf('0.1')

    def g(x):
        r = [mpf(0)] * 2
        for c in ([10, 10 - w], [10, 0]):
            d = [x[0] - c[0], x[1] - c[1]]
            n = mp.sqrt(d[0] ** 2 + d[1] ** 2)
            for i in range(2):
                r[i] -= d[i] / n ** 3
        return r
    while x[1] + dt * v[1] > 0:
        gg = g(x)
        x, v = ([x[i] + dt * v[i] for i in range(2)], [v[i] - dt * gg[i] for i in range(2)])
    return (x[0] - x[1] / v[1] * v[0]) ** 2

case('particle', {'w': 0.3}, particle, ['w'])


def saddle(a):
    x = a['x']
    y = [mpf(1)] * 2
    for _ in range(5):
        y = [y[i] + mpf('0.1') * (-2 * y[i] + x[i]) for i in range(2)]
    f = lambda x, y: sum((v * v for v in x)) - sum((v * v for v in y)) + sum((u * v for u, v in zip(x, y)))
    return f(x, y)



def saddle2(a):
    x = a['x']
    for _ in range(3):
        h = mpf(10) ** (-18)

        def F(x):
            return saddle({'x': x})
        g = []
        for i in range(2):
            u = list(x)
            u[i] += h
            d = list(x)
            d[i] -= h
            g.append((F(u) - F(d)) / (2 * h))
        x = [x[i] - mpf('0.1') * g[i] for i in range(2)]
    return x

case('saddle', {'x': rnd(2)}, saddle2, ['x'])


def net(a):
    t = 0
    for x, c in zip(a['x'], a['y']):
        h = x
        for l in range(len(a['W'])):
            h = [mp.tanh(sum((a['W'][l][i][j] * h[j] for j in range(len(h)))) + a['b'][l][i]) for i in range(len(h))]
        z = h
        t += mp.log(sum((E(v) for v in z))) - z[c]
    return t / len(a['x'])

case('network', {'W': rnd(5, 3, 3), 'b': rnd(5, 3), 'x': rnd(4, 3), 'y': [0, 2, 1, 1]}, net, ['W', 'b'])


def att(a):
    x = a['x']
    n = len(x)
    mm = lambda A, B: [[sum((A[i][k] * B[k][j] for k in range(len(B)))) for j in range(len(B[0]))] for i in range(len(A))]
    q, k, v = [mm(x, a[t]) for t in ('Q', 'K', 'V')]
    d = len(q[0])
    o = []
    for i in range(n):
        s = [E(sum((q[i][t] * k[j][t] for t in range(d))) / mp.sqrt(d)) if j <= i else mpf(0) for j in range(n)]
        S = sum(s)
        o.append([sum((s[j] / S * v[j][t] for j in range(n))) for t in range(d)])
    return o

d = {'x': rnd(3, 2), 'Q': rnd(2, 2), 'K': rnd(2, 2), 'V': rnd(2, 2)}
case('attention', d, lambda a: sum((v * v for v in flat(att(a)))), ['Q', 'K', 'V'])


def conv2(a):
    x, w = (a['x'], a['w'])
    H, Wd = (len(x), len(x[0]))
    K = len(w)
    s = 2
    p = 1
    g = lambda i, j: x[i][j] if 0 <= i < H and 0 <= j < Wd else 0
    oh = (H + 2 * p - K) // s + 1
    ow = (Wd + 2 * p - K) // s + 1
    return [[sum((w[u][v] * g(s * i + u - p, s * j + v - p) for u in range(K) for v in range(K))) for j in range(ow)] for i in range(oh)]

case('convolution', {'x': rnd(5, 4), 'w': rnd(3, 3)}, conv2, ['x', 'w'])


def mf(a):
    return sum(((a['r'][p] - sum((a['U'][i][k] * a['V'][j][k] for k in range(2)))) ** 2 for p, (i, j) in enumerate(a['at']))) + mpf('0.1') * (sum((v * v for v in flat(a['U']))) + sum((v * v for v in flat(a['V']))))

case('factorisation', {'U': rnd(3, 2), 'V': rnd(2, 2), 'r': rnd(4), 'at': [[0, 0], [1, 1], [2, 0], [0, 1]]}, mf, ['U', 'V'])


def pr(a):
    A = a['A']
    n = len(A)
    r = [mpf(1) / n] * n
    S = [sum((A[i][j] for i in range(n))) for j in range(n)]
    for _ in range(6):
        r = [(1 - a['d']) / n + a['d'] * sum((A[i][j] / S[j] * r[j] for j in range(n))) for i in range(n)]
    return r

case('pagerank', {'A': rnd(3, 3, lo=0.1), 'd': 0.85}, pr, ['A', 'd'])


def nbf(a):
    q = a['q']
    m = a['m']
    n = len(q)
    return [[-sum((m[i] * m[j] * (q[i][k] - q[j][k]) / mp.sqrt(sum(((q[i][l] - q[j][l]) ** 2 for l in range(2)))) ** 3 for j in range(n) if j != i)) for k in range(2)] for i in range(n)]

d = {'q': rnd(3, 2), 'm': rnd(3, lo=0.5)}


def nbs(a):
    q, v = (a['q'], [[mpf(0)] * 2 for _ in a['q']])
    dt = mpf('0.05')
    for _ in range(4):
        F = nbf({'q': q, 'm': a['m']})
        v = [[v[i][k] + dt * F[i][k] / a['m'][i] for k in range(2)] for i in range(3)]
        q = [[q[i][k] + dt * v[i][k] for k in range(2)] for i in range(3)]
    return q

case('bodies', d, nbs, ['q', 'm'])
E = mp.exp


def csr(a):
    s = a['start']
    return [sum((a['val'][p] * a['x'][a['col'][p]] for p in range(s[i], s[i + 1])), mpf(0)) for i in range(len(s) - 1)]

d = {'val': rnd(5), 'x': rnd(3), 'start': [0, 2, 2, 5], 'col': [0, 2, 1, 1, 0]}
case('sparse_product', d, csr, ['val', 'x'])


def newt2(a):
    p = a['p']
    x = [mpf(1), mpf(1)]
    for _ in range(5):
        f = [x[0] ** 2 + x[1] - p[0], x[0] - x[1] ** 2 + p[1]]
        J = [[2 * x[0], 1], [1, -2 * x[1]]]
        D = J[0][0] * J[1][1] - J[0][1] * J[1][0]
        s = [(J[1][1] * f[0] - J[0][1] * f[1]) / D, (J[0][0] * f[1] - J[1][0] * f[0]) / D]
        x = [x[0] - s[0], x[1] - s[1]]
    return x

case('newton', {'p': [3.0, 2.0]}, newt2, ['p'])


def gd(a):
    X, y = (a['X'], a['y'])
    w = a['w0']
    N = len(X)
    for _ in range(4):
        r = [sum((u * v for u, v in zip(X[n], w))) - y[n] for n in range(N)]
        w = [w[d] - a['lr'] * 2 * sum((r[n] * X[n][d] for n in range(N))) / N for d in range(len(w))]
    return sum(((sum((u * v for u, v in zip(X[n], w))) - y[n]) ** 2 for n in range(N))) / N

case('descent', {'w0': rnd(2), 'lr': 0.1, 'X': rnd(4, 2), 'y': rnd(4)}, gd, ['w0', 'lr'])


def oc(a):
    u = a['u']
    x = [mpf(1), mpf(0)]
    J = mpf(0)
    for t in range(len(u)):
        J += x[0] ** 2 + mpf('0.1') * u[t] ** 2
        x = [x[0] + mpf('0.1') * x[1], x[1] + mpf('0.1') * (u[t] - mp.sin(x[0]))]
    return J + 10 * x[0] ** 2

case('control', {'u': rnd(5)}, oc, ['u'])
case('product_of_zeros', {'x': [2.0, 0.0, 0.0]}, lambda a: mp.fprod(a['x']), ['x'])
case('standardised', {'x': rnd(4)}, lambda a: (lambda x: (lambda m: (lambda s: [[(v - m) / mp.sqrt(s + mpf(1e-05)) for v in x], s])(sum(((v - m) ** 2 for v in x)) / 4))(sum(x) / 4))(a['x']), ['x'])


def viaSympy(n, f):
    xs = sp.symbols('x0:%d' % n)
    e = f(xs)
    g = sp.lambdify(xs, e, 'mpmath')
    return lambda a: g(*a['x'])



def hs(xs):
    n = len(xs)
    f = sum((xs[i] ** 3 * xs[n - 1 - i] for i in range(n))) + sp.exp(xs[0] * xs[1])
    H = sp.hessian(f, xs)
    return H.trace() * sum((h ** 2 for h in H))

case('hessian', {'x': rnd(3)}, viaSympy(3, hs), ['x'])


def jj(xs):
    F = sp.Matrix([xs[0] * xs[1], sp.sin(xs[2]) * xs[0], xs[2] ** 2, xs[0] / (2 + xs[1])])
    J = F.jacobian(xs)
    v = sp.Matrix([1, 2, 3])
    w = sp.Matrix([1, -1, 2, sp.Rational(1, 2)])
    return sum((t ** 2 for t in J * v)) + sum((t ** 3 for t in J.T * w)) + sum((t for t in J.multiply(J.T)))

case('directions', {'x': rnd(3)}, viaSympy(3, jj), ['x'])
case('second_derivative', {'x': rnd(3), 's': 0.7}, lambda a: sum((v * mp.cos(v) for v in a['x'])) + sum((-v * v * mp.sin(v * a['s']) for v in a['x'])) * a['s'] * mp.cos(a['x'][1] * a['s']), ['x', 's'])
case('integers', {'k': [5, -2, 7], 'x': rnd(3)}, lambda a: sum((a['x'][a['k'][i] % 3] * (i * (i + 1) // 2) for i in range(3))) + sum((-a['k'][i] % 3 * a['x'][i] for i in range(3))) + sum((-a['k'][i] // 2 for i in range(3))) + 49 + min((abs(k - 3) for k in a['k'])), ['x'])
case('functions_of_functions', {'x': rnd(3), 'w': rnd(3)}, lambda a: (lambda I: I(lambda t: t * t) * I(lambda t: t ** 4 + mp.sin(t)) + I(mp.exp))(lambda f: sum((w * f(x) for w, x in zip(a['w'], a['x'])))), ['x', 'w'])


def ht(a):
    th, V, Wt = (a['th'], a['V'], a['wt'])
    T = []
    for b in range(3):
        c, s = (mp.cos(th[b]), mp.sin(th[b]))
        T.append([[c, -s, b], [s, c, mpf('0.5') * b]])

    def app(T, p):
        return [T[r][0] * p[0] + T[r][1] * p[1] + T[r][2] for r in range(2)]
    out = []
    for q, i in enumerate(a['corr']):
        v = [sum((Wt[i][b] * app(T[b], V[i])[r] for b in range(3))) for r in range(2)]
        out.append([a['pts'][q][r] - v[r] for r in range(2)])
    return out

case('skinning', {'th': rnd(3), 'V': rnd(4, 2), 'wt': rnd(4, 3), 'pts': rnd(2, 2), 'corr': [3, 1]}, ht, ['th'])


def gather(a):
    out = []
    for o in a['obs']:
        c = a['cam'][o]
        r = c[:3]
        v = [a['X'][0][k] - c[3 + k] for k in range(3)]
        q = sum(t * t for t in r)
        ax = [t / mp.sqrt(q) for t in r] if q > 0 else None
        near = [v[0] + r[1] * v[2], v[1] + r[2] * v[0], v[2] + r[0] * v[1]]
        # A step of the difference is still at the point.
        out += ax[:2] if q > mpf(10) ** -20 else near[:2]
    return sum(t * t for t in out)

case('guarded_gather', {'cam': [[0.1, 0.2, 0.3, 1.0, 2.0, 3.0], [0.0, 0.0, 0.0, 1.0, 0.5, 2.0]], 'X': [[2.0, 1.0, 5.0]], 'obs': [1, 0, 1]}, gather, ['cam', 'X'])

pathlib.Path(__file__).with_suffix(".jsonl").write_text("\n".join(LINES) + "\n")
