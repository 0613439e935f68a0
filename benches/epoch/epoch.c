// An epoch of Adam by hand, for `gcc -O3 -march=native -ffast-math`.
#include "../arrays/baseline.c"

enum { P = H * D + H + H * H + H + H + 1, LARGEST = 4096 };

// in: x[n, D], y[n], order[n], and the number of rows in a batch; out: loss, parameters, means, squares, and the number of steps. Parameters are
// one run of numbers: W, b, V, c, u, e. The loss is that of all rows afterwards.
void epoch(long n, const double *const *in, double *const *out) {
    static double x[LARGEST * D], y[LARGEST], slopes[P];
    const long sizes[] = {H * D, H, H * H, H, H, 1}, rows = (long)*in[3];
    double *params = out[1], *mean = out[2], *square = out[3], *steps = out[4], loss;
    const double *arguments[8] = {x, y};
    double *results[7] = {&loss};
    for (int k = 0, at = 0; k < 6; at += sizes[k++]) arguments[2 + k] = params + at, results[1 + k] = slopes + at;
    for (long start = 0; start < n; start += rows) {
        long m = n - start < rows ? n - start : rows;
        for (long i = 0; i < m; i++) {
            long row = (long)in[2][start + i];
            memcpy(x + i * D, in[0] + row * D, D * sizeof(double));
            y[i] = in[1][row];
        }
        network(m, arguments, results);
        *steps += 1;
        double of_mean = 1 - pow(0.9, *steps), of_square = 1 - pow(0.999, *steps);
        for (int i = 0; i < P; i++) {
            double slope = slopes[i] / m;
            mean[i] = 0.9 * mean[i] + 0.1 * slope;
            square[i] = 0.999 * square[i] + 0.001 * slope * slope;
            params[i] -= 0.01 * (mean[i] / of_mean) / (sqrt(square[i] / of_square) + 1e-8);
        }
    }
    loss = 0;
    for (long i = 0; i < n; i++) {
        double z[H], h[H], o = *arguments[7];
        for (int k = 0; k < H; k++) {
            z[k] = arguments[3][k];
            for (int j = 0; j < D; j++) z[k] += arguments[2][k * D + j] * in[0][i * D + j];
        }
        for (int k = 0; k < H; k++) z[k] = sigmoid(z[k]);
        for (int k = 0; k < H; k++) {
            h[k] = arguments[5][k];
            for (int j = 0; j < H; j++) h[k] += arguments[4][k * H + j] * z[j];
        }
        for (int k = 0; k < H; k++) h[k] = sigmoid(h[k]);
        for (int k = 0; k < H; k++) o += arguments[6][k] * h[k];
        double p = sigmoid(o);
        loss -= in[1][i] * log(p) + (1 - in[1][i]) * log(1 - p);
    }
    out[0][0] = loss / n;
}
