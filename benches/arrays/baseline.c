// The same by hand, for `gcc -O3 -march=native -ffast-math`.
#include <math.h>
#include <string.h>

enum { D = 10, H = 32 };

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

// Value and gradient of the cross-entropy of a D-H-H-1 network of sigmoids at one point.
static double point(const double *restrict x, double y, const double *restrict W, const double *restrict b,
                    const double *restrict V, const double *restrict c, const double *restrict u, double e,
                    double *restrict gW, double *restrict gb, double *restrict gV, double *restrict gc,
                    double *restrict gu, double *restrict ge) {
    double z[H], h[H], dz[H], dh[H];
    for (int i = 0; i < H; i++) {
        double s = b[i];
        for (int j = 0; j < D; j++) s += W[i * D + j] * x[j];
        z[i] = s;
    }
    for (int i = 0; i < H; i++) z[i] = sigmoid(z[i]);
    for (int i = 0; i < H; i++) {
        double s = c[i];
        for (int j = 0; j < H; j++) s += V[i * H + j] * z[j];
        h[i] = s;
    }
    for (int i = 0; i < H; i++) h[i] = sigmoid(h[i]);
    double o = e;
    for (int i = 0; i < H; i++) o += u[i] * h[i];
    double p = sigmoid(o), loss = -(y * log(p) + (1 - y) * log(1 - p)), d = p - y;
    *ge += d;
    for (int i = 0; i < H; i++) gu[i] += d * h[i];
    for (int i = 0; i < H; i++) dh[i] = d * u[i] * h[i] * (1 - h[i]);
    for (int i = 0; i < H; i++) gc[i] += dh[i];
    memset(dz, 0, sizeof dz);
    for (int i = 0; i < H; i++)
        for (int j = 0; j < H; j++) {
            gV[i * H + j] += dh[i] * z[j];
            dz[j] += dh[i] * V[i * H + j];
        }
    for (int j = 0; j < H; j++) dz[j] *= z[j] * (1 - z[j]);
    for (int i = 0; i < H; i++) gb[i] += dz[i];
    for (int i = 0; i < H; i++)
        for (int j = 0; j < D; j++) gW[i * D + j] += dz[i] * x[j];
    return loss;
}

// in: x[n, D], y[n], W, b, V, c, u, e; out: value, gW, gb, gV, gc, gu, ge.
void network(long n, const double *const *in, double *const *out) {
    const long sizes[] = {H * D, H, H * H, H, H, 1};
    for (int k = 0; k < 6; k++) memset(out[1 + k], 0, sizes[k] * sizeof(double));
    double loss = 0;
    for (long k = 0; k < n; k++)
        loss += point(in[0] + k * D, in[1][k], in[2], in[3], in[4], in[5], in[6], *in[7], out[1], out[2], out[3], out[4],
                      out[5], out[6]);
    out[0][0] = loss;
}

void matvec(long n, const double *const *in, double *const *out) {
    for (long i = 0; i < n; i++) {
        double s = 0;
        for (long j = 0; j < n; j++) s += in[0][i * n + j] * in[1][j];
        out[0][i] = s;
    }
}

void dense(long n, const double *const *in, double *const *out) {
    for (long i = 0; i < n; i++) {
        double s = in[2][i];
        for (long j = 0; j < n; j++) s += in[0][i * n + j] * in[1][j];
        out[0][i] = s;
    }
    for (long i = 0; i < n; i++) out[0][i] = sigmoid(out[0][i]);
}

void matmul(long n, const double *const *in, double *const *out) {
    const double *restrict a = in[0], *restrict b = in[1];
    double *restrict c = out[0];
    memset(c, 0, n * n * sizeof(double));
    for (long i = 0; i < n; i++)
        for (long k = 0; k < n; k++)
            for (long j = 0; j < n; j++) c[i * n + j] += a[i * n + k] * b[k * n + j];
}

// 784 to 256; the samples by fours, so that a row of weights is read for several.
void layer(long n, const double *const *in, double *const *out) {
    enum { D = 784, H = 256, BLOCK = 4 };
    const double *restrict w = in[0], *restrict b = in[1], *restrict x = in[2];
    double *restrict z = out[0];
    for (long i = 0; i < n; i += BLOCK)
        for (long h = 0; h < H; h++) {
            double s[BLOCK] = {0};
            for (long d = 0; d < D; d++)
                for (long j = 0; j < BLOCK; j++) s[j] += w[h * D + d] * x[(i + j) * D + d];
            for (long j = 0; j < BLOCK; j++) z[(i + j) * H + h] = b[h] + s[j];
        }
    for (long i = 0; i < n * H; i++) z[i] = sigmoid(z[i]);
}

// Value and gradient.
void rosenbrock(long n, const double *const *in, double *const *out) {
    const double *restrict x = in[0];
    double *restrict g = out[1];
    double value = 0;
    memset(g, 0, n * sizeof(double));
    for (long i = 0; i + 1 < n; i++) {
        double a = x[i + 1] - x[i] * x[i], b = 1 - x[i];
        value += 100 * a * a + b * b;
        g[i] += -400 * a * x[i] - 2 * b;
        g[i + 1] += 200 * a;
    }
    out[0][0] = value;
}

// Value and gradient of the log-likelihood of a mixture of K Gaussians with diagonal covariances.
// in: x[n, MD], w[MK], m[MK, MD], s[MK, MD]; out: value, gw, gm, gs.
void mixture(long n, const double *const *in, double *const *out) {
    enum { MD = 32, MK = 25 };
    const double *restrict w = in[1], *restrict m = in[2], *restrict s = in[3];
    double *restrict gw = out[1], *restrict gm = out[2], *restrict gs = out[3];
    static double e[MK * MD];
    double total[MK], value = 0;
    memset(gw, 0, MK * sizeof(double));
    memset(gm, 0, MK * MD * sizeof(double));
    memset(gs, 0, MK * MD * sizeof(double));
    for (int i = 0; i < MK * MD; i++) e[i] = exp(-2 * s[i]);
    for (int k = 0; k < MK; k++) {
        total[k] = 0;
        for (int d = 0; d < MD; d++) total[k] += s[k * MD + d];
    }
    for (long i = 0; i < n; i++) {
        const double *restrict x = in[0] + i * MD;
        double q[MK], most = -INFINITY, sum = 0;
        for (int k = 0; k < MK; k++) {
            double r = 0;
            for (int d = 0; d < MD; d++) {
                double c = x[d] - m[k * MD + d];
                r += c * c * e[k * MD + d];
            }
            q[k] = w[k] - r / 2 - total[k];
        }
        for (int k = 0; k < MK; k++) most = q[k] > most ? q[k] : most;
        for (int k = 0; k < MK; k++) sum += q[k] = exp(q[k] - most);
        value += most + log(sum);
        for (int k = 0; k < MK; k++) {
            double r = q[k] / sum;
            gw[k] += r;
            for (int d = 0; d < MD; d++) {
                double c = x[d] - m[k * MD + d], p = r * c * e[k * MD + d];
                gm[k * MD + d] += p;
                gs[k * MD + d] += p * c - r;
            }
        }
    }
    out[0][0] = value;
}

// Value and gradient of the last output of h' = tanh(a h + b x).
// in: a, b, x[n]; out: value, ga, gb.
void recurrence(long n, const double *const *in, double *const *out) {
    enum { MOST = 1 << 17 };
    static double h[MOST];
    double a = *in[0], b = *in[1], value = 0, ga = 0, gb = 0, g = 0;
    const double *restrict x = in[2];
    h[0] = 0;
    for (long t = 1; t < n; t++) h[t] = tanh(a * h[t - 1] + b * x[t]);
    for (long t = 0; t < n; t++) value += h[t] * h[t];
    for (long t = n - 1; t > 0; t--) {
        double d = (2 * h[t] + g) * (1 - h[t] * h[t]);
        ga += d * h[t - 1];
        gb += d * x[t];
        g = d * a;
    }
    *out[0] = value;
    *out[1] = ga;
    *out[2] = gb;
}

// Value and gradient of half the squared distance of the last output of an LSTM from a target.
// in: for each of the gates i, f, o, g: W[LH, LD], U[LH, LH], b[LH]; x[n, LD], target[LH]; out: value, and the derivatives by the weights.
void lstm(long n, const double *const *in, double *const *out) {
    enum { LD = 16, LH = 32, MOST = 4096 };
    static double a[MOST][4][LH], c[MOST + 1][LH], h[MOST + 1][LH], tc[MOST][LH];
    const double *restrict xs = in[12], *restrict target = in[13];
    memset(c[0], 0, sizeof c[0]);
    memset(h[0], 0, sizeof h[0]);
    for (long t = 0; t < n; t++) {
        const double *restrict x = xs + t * LD;
        for (int k = 0; k < 4; k++) {
            const double *restrict W = in[3 * k], *restrict U = in[3 * k + 1], *restrict b = in[3 * k + 2];
            for (int i = 0; i < LH; i++) {
                double s = b[i];
                for (int j = 0; j < LD; j++) s += W[i * LD + j] * x[j];
                for (int j = 0; j < LH; j++) s += U[i * LH + j] * h[t][j];
                a[t][k][i] = s;
            }
        }
        for (int k = 0; k < 3; k++)
            for (int i = 0; i < LH; i++) a[t][k][i] = sigmoid(a[t][k][i]);
        for (int i = 0; i < LH; i++) a[t][3][i] = tanh(a[t][3][i]);
        for (int i = 0; i < LH; i++) c[t + 1][i] = a[t][1][i] * c[t][i] + a[t][0][i] * a[t][3][i];
        for (int i = 0; i < LH; i++) tc[t][i] = tanh(c[t + 1][i]);
        for (int i = 0; i < LH; i++) h[t + 1][i] = a[t][2][i] * tc[t][i];
    }
    double value = 0, dh[LH], dc[LH];
    for (int i = 0; i < LH; i++) {
        dh[i] = h[n][i] - target[i];
        dc[i] = 0;
        value += dh[i] * dh[i] / 2;
    }
    *out[0] = value;
    for (int k = 0; k < 4; k++) {
        memset(out[1 + 3 * k], 0, LH * LD * sizeof(double));
        memset(out[2 + 3 * k], 0, LH * LH * sizeof(double));
        memset(out[3 + 3 * k], 0, LH * sizeof(double));
    }
    for (long t = n - 1; t >= 0; t--) {
        const double *restrict x = xs + t * LD;
        double d[4][LH];
        for (int i = 0; i < LH; i++) {
            double gi = a[t][0][i], gf = a[t][1][i], go = a[t][2][i], gg = a[t][3][i];
            double e = dc[i] + dh[i] * go * (1 - tc[t][i] * tc[t][i]);
            d[0][i] = e * gg * gi * (1 - gi);
            d[1][i] = e * c[t][i] * gf * (1 - gf);
            d[2][i] = dh[i] * tc[t][i] * go * (1 - go);
            d[3][i] = e * gi * (1 - gg * gg);
            dc[i] = e * gf;
        }
        memset(dh, 0, sizeof dh);
        for (int k = 0; k < 4; k++) {
            const double *restrict U = in[3 * k + 1];
            double *restrict gW = out[1 + 3 * k], *restrict gU = out[2 + 3 * k], *restrict gb = out[3 + 3 * k];
            for (int i = 0; i < LH; i++) {
                gb[i] += d[k][i];
                for (int j = 0; j < LD; j++) gW[i * LD + j] += d[k][i] * x[j];
                for (int j = 0; j < LH; j++) {
                    gU[i * LH + j] += d[k][i] * h[t][j];
                    dh[j] += d[k][i] * U[i * LH + j];
                }
            }
        }
    }
}
