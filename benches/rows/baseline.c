// The loops of main.rs by hand; the sizes are constants there as well.
#include <math.h>

#define MATVEC(N, M)                                                                                                  \
    void matvec_##N##_##M(const double *restrict a, const double *restrict x, double *restrict y) {                   \
        for (int i = 0; i < N; i++) {                                                                                 \
            double s = 0;                                                                                             \
            for (int j = 0; j < M; j++) s += a[i * M + j] * x[j];                                                     \
            y[i] = s;                                                                                                 \
        }                                                                                                             \
    }
#define OUTER(N, M)                                                                                                   \
    void outer_##N##_##M(const double *restrict d, const double *restrict x, double *restrict g) {                    \
        for (int i = 0; i < N; i++)                                                                                   \
            for (int j = 0; j < M; j++) g[i * M + j] += d[i] * x[j];                                                  \
    }
#define BACK(N, M)                                                                                                    \
    void back_##N##_##M(const double *restrict a, const double *restrict d, double *restrict g) {                     \
        for (int i = 0; i < N; i++)                                                                                   \
            for (int j = 0; j < M; j++) g[j] += a[i * M + j] * d[i];                                                  \
    }
MATVEC(32, 10)
MATVEC(32, 32)
MATVEC(500, 500)
OUTER(32, 10)
OUTER(32, 32)
OUTER(500, 500)
BACK(32, 32)
BACK(500, 500)

void sigmoid_32(const double *restrict z, const double *restrict b, double *restrict y) {
    for (int j = 0; j < 32; j++) y[j] = 1 / (1 + exp(-(z[j] + b[j])));
}

void dot_10000(const double *restrict a, const double *restrict x, double *restrict y) {
    double s = 0;
    for (int j = 0; j < 10000; j++) s += a[j] * x[j];
    *y = s;
}

void squares_1000(const double *restrict x, const double *restrict unused, double *restrict y) {
    double s = 0;
    for (int j = 0; j < 999; j++) {
        double a = x[j + 1] - x[j] * x[j], b = 1 - x[j];
        s += 100 * a * a + b * b;
    }
    *y = s;
}
