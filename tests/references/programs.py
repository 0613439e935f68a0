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

# Factorisations, filters, dynamic programs, integrators.


def chol(K):
    n = len(K)
    L = [[mpf(0)] * n for _ in range(n)]
    for i in range(n):
        for j in range(i + 1):
            s = K[i][j] - sum((L[i][k] * L[j][k] for k in range(j)))
            L[i][j] = mp.sqrt(s) if i == j else s / L[j][j]
    return L


def fsub(L, b):
    y = []
    for i in range(len(b)):
        y.append((b[i] - sum((L[i][k] * y[k] for k in range(i)))) / L[i][i])
    return y


def solve(A, b):
    return list(mp.lu_solve(mp.matrix(A), mp.matrix(b)))


def mm(A, B):
    return [[sum((A[i][k] * B[k][j] for k in range(len(B)))) for j in range(len(B[0]))] for i in range(len(A))]


def tr(A):
    return [list(r) for r in zip(*A)]


def gpK(a):
    x, s = (a['x'], a['s'])
    n = len(x)
    return [[mp.exp(-(x[i] - x[j]) ** 2 / (2 * s * s)) + (mpf('0.1') if i == j else 0) for j in range(n)] for i in range(n)]


def gp(a):
    K = gpK(a)
    L = chol(K)
    z = fsub(L, a['y'])
    return sum((v * v for v in z)) / 2 + sum((mp.log(L[i][i]) for i in range(len(z)))) + len(z) * mp.log(2 * mp.pi) / 2

case('ldl', {'x': [0.1, 0.5, 1.4, 2.0], 's': 0.7, 'y': [1, -0.5, 0.3, 0.8]}, gp, ['x', 's', 'y'])


def qrref(a):
    A = a['A']
    m = len(A)
    n = len(A[0])
    Q = []
    Rm = {}
    t = mpf(0)
    for j in range(n):
        v = [A[i][j] for i in range(m)]
        for i in range(j):
            Rm[i, j] = sum((Q[i][k] * A[k][j] for k in range(m)))
            v = [v[k] - Rm[i, j] * Q[i][k] for k in range(m)]
        Rm[j, j] = mp.sqrt(sum((u * u for u in v)))
        Q.append([u / Rm[j, j] for u in v])
    return sum((mp.sin(Rm[k]) * (k[0] + 2 * k[1] + 1) for k in Rm)) + sum((Q[j][i] ** 3 * (i + 1 + j) for j in range(n) for i in range(m)))

case('gram_schmidt', {'A': [[-0.685, -0.97, 0.057], [-0.881, -0.62, -0.516], [-0.94, -0.072, -0.119], [0.685, 0.038, 0.281]]}, qrref, ['A'])


def lev(a):
    r = a['r']
    n = len(r) - 1
    A = [mpf(1)]
    e = r[0]
    for m in range(1, n + 1):
        k = -sum((A[i] * r[m - i] for i in range(m))) / e
        B = A + [mpf(0)]
        A = [B[i] + k * B[m - i] for i in range(m + 1)]
        e = e * (1 - k * k)
    return mp.log(e) + sum((A[i] ** 2 * (i + 1) for i in range(n + 1)))

case('levinson', {'r': [2.0, 0.7, -0.3, 0.2, 0.1]}, lev, ['r'])


def lin(a):
    x = solve(a['A'], a['b'])
    return sum((v ** 3 for v in x)) + mp.log(mp.det(mp.matrix(a['A'])))

case('doolittle', {'A': [[2.7473, -0.5173, -0.6158, 0.5435], [-0.5173, 2.4296, 0.6097, -0.171], [-0.6158, 0.6097, 3.2248, 0.1955], [0.5435, -0.171, 0.1955, 4.0427]], 'b': [0.964, 0.93, 0.308, 0.231]}, lin, ['A', 'b'])

case('elimination', {'A': [[2.7473, -0.5173, -0.6158, 0.5435], [-0.5173, 2.4296, 0.6097, -0.171], [-0.6158, 0.6097, 3.2248, 0.1955], [0.5435, -0.171, 0.1955, 4.0427]], 'b': [0.964, 0.93, 0.308, 0.231]}, lin, ['A', 'b'])


def kal2(a):
    F, Hm, Q, Rm, ys = (a['F'], a['H'], a['Q'], a['R'], a['y'])
    n = len(F)
    x = [mpf(0)] * n
    P = [[mpf(1) if i == j else mpf(0) for j in range(n)] for i in range(n)]
    ll = mpf(0)
    m = len(Hm)
    for y in ys:
        x = [sum((F[i][j] * x[j] for j in range(n))) for i in range(n)]
        P = mm(mm(F, P), tr(F))
        P = [[P[i][j] + Q[i][j] for j in range(n)] for i in range(n)]
        B = mm(P, tr(Hm))
        S = mm(Hm, B)
        S = [[S[i][j] + Rm[i][j] for j in range(m)] for i in range(m)]
        C = chol(S)
        v = [y[i] - sum((Hm[i][j] * x[j] for j in range(n))) for i in range(m)]
        w = fsub(C, v)
        G = [fsub(C, B[i]) for i in range(n)]
        x = [x[i] + sum((G[i][j] * w[j] for j in range(m))) for i in range(n)]
        P = [[P[i][j] - sum((G[i][k] * G[j][k] for k in range(m))) for j in range(n)] for i in range(n)]
        ll -= sum((u * u for u in w)) / 2 + sum((mp.log(C[i][i]) for i in range(m)))
    return ll

case('kalman', {'F': [[1.0, 0.3, 0.1], [-0.2, 0.9, 0.2], [0.1, 0.05, 0.8]], 'H': [[1.0, 0.0, 0.5], [0.2, 1.0, 0.0]], 'Q': [[2.1128, 0.2391, 0.1666], [0.2391, 4.1692, -0.2537], [0.1666, -0.2537, 2.7716]], 'R': [[1.5, 0.2], [0.2, 0.9]], 'y': [[-0.541, -0.422], [-0.86, 0.533], [-0.199, 0.693], [-0.227, 0.916]]}, kal2, ['F', 'H', 'Q', 'R'])


def qrR(a):
    A = a['A']
    m = len(A)
    n = len(A[0])
    Q = []
    t = mpf(0)
    for j in range(n):
        v = [A[i][j] for i in range(m)]
        for i in range(j):
            r = sum((Q[i][k] * A[k][j] for k in range(m)))
            v = [v[k] - r * Q[i][k] for k in range(m)]
            t += r ** 2 * (i + 1) * (j + 2)
        nn = mp.sqrt(sum((u * u for u in v)))
        Q.append([u / nn for u in v])
        t += nn ** 2 * (j + 1) * (j + 2)
    return t

case('householder', {'A': [[-0.685, -0.97, 0.057], [-0.881, -0.62, -0.516], [-0.94, -0.072, -0.119], [0.685, 0.038, 0.281]]}, qrR, ['A'])


def fb(a):
    A, B, p, o = (a['A'], a['B'], a['p'], a['obs'])
    n = len(p)
    T = len(o)
    sm = lambda v: [mp.exp(u) / sum((mp.exp(w) for w in v)) for u in v]
    A = [sm(r) for r in A]
    B = [sm(r) for r in B]
    p = sm(p)
    al = [[p[j] * B[j][o[0]] for j in range(n)]]
    for t in range(1, T):
        al.append([sum((al[-1][i] * A[i][j] for i in range(n))) * B[j][o[t]] for j in range(n)])
    be = [[mpf(1)] * n for _ in range(T)]
    for t in reversed(range(T - 1)):
        be[t] = [sum((A[i][j] * B[j][o[t + 1]] * be[t + 1][j] for j in range(n))) for i in range(n)]
    Z = sum(al[-1])
    return mp.log(Z) + sum(((al[t][j] * be[t][j] / Z) ** 2 * (t + 1 + j) for t in range(T) for j in range(n)))

case('forward_backward', {'A': [[0.928, 0.516, -0.764], [-0.507, -0.798, -0.88], [0.594, -0.645, 0.119]], 'B': [[-0.105, -0.619, 0.464, -0.738], [0.287, -0.767, -0.158, -0.574], [-0.46, 0.942, 0.607, -0.392]], 'p': [0.77, -0.579, -0.211], 'obs': [0, 2, 1, 3, 3, 0]}, fb, ['A', 'B', 'p'])


def edit(a):
    x, y, g = (a['x'], a['y'], a['gap'])
    n, m = (len(x), len(y))
    D = [[None] * (m + 1) for _ in range(n + 1)]
    for i in range(n + 1):
        for j in range(m + 1):
            if i == 0:
                D[i][j] = j * g
            elif j == 0:
                D[i][j] = i * g
            else:
                D[i][j] = min(D[i - 1][j] + g, D[i][j - 1] + g, D[i - 1][j - 1] + abs(x[i - 1] - y[j - 1]))
    return D[n][m]

case('edit_distance', {'gap': 0.31, 'x': [0.709, 0.284, -0.799, 0.979, -0.574], 'y': [-0.483, 0.545, -0.342, -0.407]}, edit, ['gap', 'x', 'y'])


def leap(a):
    x, v, m = (a['x'], a['v'], a['m'])
    n = len(x)
    h = mpf(1) / 20
    acc = lambda x: [[sum((m[j] * (x[j][d] - x[i][d]) / (sum(((x[j][e] - x[i][e]) ** 2 for e in range(2))) + mpf('0.01')) ** mpf('1.5') for j in range(n) if j != i)) for d in range(2)] for i in range(n)]
    A = acc(x)
    for _ in range(5):
        vh = [[v[i][d] + h / 2 * A[i][d] for d in range(2)] for i in range(n)]
        x = [[x[i][d] + h * vh[i][d] for d in range(2)] for i in range(n)]
        A = acc(x)
        v = [[vh[i][d] + h / 2 * A[i][d] for d in range(2)] for i in range(n)]
    return sum((m[i] * sum((u * u for u in v[i])) / 2 for i in range(n))) + sum((x[i][0] * x[i][1] for i in range(n)))

case('leapfrog', {'x': [[-0.462, -0.109], [-0.879, -0.647], [-0.262, 0.144]], 'v': [[-0.737, -0.276], [0.782, 0.961], [0.314, 0.382]], 'm': [0.792, 0.57, 0.518]}, leap, ['x', 'v', 'm'])


def sink(a):
    C, eps = (a['C'], a['eps'])
    n = len(C)
    m = len(C[0])
    K = [[mp.exp(-c / eps) for c in r] for r in C]
    u = [mpf(1)] * n
    for _ in range(6):
        v = [1 / (m * sum((K[i][j] * u[i] for i in range(n)))) for j in range(m)]
        u = [1 / (n * sum((K[i][j] * v[j] for j in range(m)))) for i in range(n)]
    return sum((u[i] * K[i][j] * v[j] * C[i][j] for i in range(n) for j in range(m)))

case('sinkhorn', {'C': [[0.116, 0.919, 0.731, 0.966], [0.119, 0.673, 0.534, 0.757], [0.387, 0.999, 0.168, 0.591]], 'eps': 0.5}, sink, ['C', 'eps'])


def newt(a):
    x = mpf(1)
    for _ in range(60):
        x = x - (x ** 3 + a['p'] * x - a['q']) / (3 * x * x + a['p'])
    return x ** 2

case('newton_by_derivatives', {'p': 0.8, 'q': 1.7}, newt, ['p', 'q'])


def nested(a):
    X, y, lam = (a['X'], a['y'], a['lam'])
    w = [mpf(0)] * 2
    lr = mpf('0.1')
    n = len(y)
    for _ in range(6):
        r = [sum((X[i][d] * w[d] for d in range(2))) - y[i] for i in range(n)]
        w = [w[d] - lr * (2 * sum((r[i] * X[i][d] for i in range(n))) / n + 2 * lam * w[d]) for d in range(2)]
    return sum(((sum((X[i][d] * w[d] for d in range(2))) - y[i]) ** 2 for i in range(n))) + w[0] * w[1]

case('ridge', {'X': [[0.474, 0.8], [0.474, 0.407], [0.587, 0.83], [-0.296, 0.37]], 'y': [0.802, 0.742, -0.166, 0.581], 'lam': 0.3}, nested, ['lam', 'X', 'y'])


def neville(a):
    x, y, t = (a['x'], a['y'], a['t'])
    n = len(x)
    p = list(y)
    for k in range(1, n):
        p = [((t - x[i + k]) * p[i] + (x[i] - t) * p[i + 1]) / (x[i] - x[i + k]) for i in range(n - k)]
    return p[0]

case('neville', {'x': [0.1, 0.5, 1.1, 1.9], 'y': [0.727, 0.146, 0.25, -0.235], 't': 0.8}, neville, ['x', 'y', 't'])


def nuss(a):
    w = a['w']
    n = len(w)
    I = {}
    for l in range(1, n + 1):
        for i in range(n - l + 1):
            j = i + l
            I[i, j] = w[i] * mp.mpf(1) if l == 1 else sum((I[i, k] * I[k, j] for k in range(i + 1, j))) * mpf('0.5')
    return I[0, n]

case('inside', {'w': [0.916, 0.81, 0.572, 0.815, 0.707]}, nuss, ['w'])


def grow(a):
    P = [r[:] for r in a['P']]
    n = len(P)
    v = a['v']
    tot = mpf(0)
    d = mpf(1)
    for t in range(3):
        L = chol(P)
        d = sum((mp.log(L[i][i]) for i in range(n)))
        y = fsub(L, v)
        tot += d * sum(y)
        P = [[P[i][j] * mpf('0.9') + y[max(i, j)] * y[min(i, j)] * d * d for j in range(n)] for i in range(n)]
    return tot

case('factor_in_time', {'P': [[3.4487, 0.5213, -0.5026], [0.5213, 2.7289, -0.6214], [-0.5026, -0.6214, 2.5935]], 'v': [-0.138, 0.612, 0.828]}, grow, ['P', 'v'])


def cg(a):
    A, b = (a['A'], a['b'])
    n = len(b)
    x = [mpf(0)] * n
    r = b[:]
    p = r[:]
    rs = sum((u * u for u in r))
    for _ in range(3):
        Ap = [sum((A[i][j] * p[j] for j in range(n))) for i in range(n)]
        al = rs / sum((p[i] * Ap[i] for i in range(n)))
        x = [x[i] + al * p[i] for i in range(n)]
        r = [r[i] - al * Ap[i] for i in range(n)]
        r2 = sum((u * u for u in r))
        p = [r[i] + r2 / rs * p[i] for i in range(n)]
        rs = r2
    return sum(((i + 1) * x[i] ** 2 for i in range(n)))

case('conjugate_gradient', {'A': [[2.7947, -0.6963, 0.2822, -0.0032], [-0.6963, 3.4701, -1.0755, -0.4302], [0.2822, -1.0755, 3.6252, -0.0778], [-0.0032, -0.4302, -0.0778, 2.5691]], 'b': [0.251, -0.012, -0.369, 0.678]}, cg, ['A', 'b'])


def arn(a):
    A, b = (a['A'], a['b'])
    n = len(b)
    nb = mp.sqrt(sum((u * u for u in b)))
    Q = [[u / nb for u in b]]
    t = mpf(0)
    for k in range(3):
        v = [sum((A[i][j] * Q[k][j] for j in range(n))) for i in range(n)]
        for j in range(k + 1):
            h = sum((Q[j][i] * v[i] for i in range(n)))
            v = [v[i] - h * Q[j][i] for i in range(n)]
            t += h ** 2 * (j + 1) * (k + 1)
        h = mp.sqrt(sum((u * u for u in v)))
        t += h * (k + 2)
        Q.append([u / h for u in v])
    return t

case('arnoldi', {'A': [[0.26, 0.31, 0.615, 0.917], [0.369, -0.601, -0.05, -0.643], [-0.978, -0.056, 0.428, -0.642], [-0.455, -0.309, 0.395, 0.041]], 'b': [0.229, 0.512, -0.213, 0.584]}, arn, ['A', 'b'])


def uinv(a):
    L = chol(a['A'])
    n = len(L)
    M = [[mpf(0)] * n for _ in range(n)]
    for j in range(n):
        for i in range(j, n):
            M[i][j] = ((1 if i == j else 0) - sum((L[i][k] * M[k][j] for k in range(j, i)))) / L[i][i]
    return sum((M[i][j] ** 2 * (i + 2 * j + 1) for i in range(n) for j in range(i + 1)))

case('inverse_with_factor', {'A': [[2.8115, 0.0321, -0.1923, 0.5114], [0.0321, 3.5591, -0.0696, 1.01], [-0.1923, -0.0696, 3.657, -0.4848], [0.5114, 1.01, -0.4848, 3.344]]}, uinv, ['A'])


def lqr(a):
    A, B, Q, R_ = (a['A'], a['B'], a['Q'], a['r'])
    n = len(A)
    P = Q
    tot = mpf(0)
    for t in range(4):
        PB = [sum((P[i][k] * B[k] for k in range(n))) for i in range(n)]
        s = R_ + sum((B[i] * PB[i] for i in range(n)))
        PBl = [sum((P[k][i] * B[k] for k in range(n))) for i in range(n)]
        K = [sum((PBl[k] * A[k][j] for k in range(n))) / s for j in range(n)]
        tot += sum((k * k for k in K)) * s
        P = [[Q[i][j] + sum((A[k][i] * P[k][l] * A[l][j] for k in range(n) for l in range(n))) - sum((A[k][i] * PB[k] for k in range(n))) * K[j] for j in range(n)] for i in range(n)]
    return tot + sum((P[i][j] for i in range(n) for j in range(n)))

case('riccati', {'A': [[0.447, 0.68], [0.379, 0.891]], 'B': [-0.015, 0.898], 'Q': [[2.9958, 0.1901], [0.1901, 2.1792]], 'r': 1.1, 'T': 4}, lqr, ['A', 'B', 'Q', 'r'])


def norm_cols(a):
    A = a['A']
    m = len(A)
    n = len(A[0])
    X = [[None] * n for _ in range(m)]
    s = mpf(1)
    for j in range(n):
        for i in range(m):
            X[i][j] = A[i][j] / s + (X[i][j - 1] if j else 0)
        s = mp.sqrt(1 + sum((X[i][j] ** 2 for i in range(m))))
    return sum((X[i][j] * (i - j) for i in range(m) for j in range(n))) * s

case('columns', {'A': [[0.006, 0.21, -0.944, 0.939], [0.032, -0.199, 0.602, 0.126], [-0.018, 0.382, -0.868, 0.077]]}, norm_cols, ['A'])


def tree2(a):
    th = a['th']
    par = a['parent']
    M = []
    s = []
    R = lambda t: [[mp.cos(t), -mp.sin(t)], [mp.sin(t), mp.cos(t)]]
    for b in range(len(th)):
        g = mm(M[par[b]], R(th[b] * s[par[b]])) if b else R(th[0])
        M.append(g)
        s.append(g[0][0] + g[1][0] * 2)
    return sum(((b + 1) * s[b] for b in range(len(th))))

case('skeleton', {'th': [-0.366, -0.617, 0.236, 0.851, -0.741], 'parent': [0, 0, 1, 1, 3]}, tree2, ['th'])

pathlib.Path(__file__).with_suffix(".jsonl").write_text("\n".join(LINES) + "\n")
