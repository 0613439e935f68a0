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
