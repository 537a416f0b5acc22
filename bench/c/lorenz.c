#include "central.h"

#define STEPS 50
#define DT 0.01

INLINE void slope(long n, const double *restrict x, double *restrict k)
{
    k[0] = (x[1] - x[n - 2]) * x[n - 1] - x[0] + 8.0;
    k[1] = (x[2] - x[n - 1]) * x[0] - x[1] + 8.0;
    for (long i = 2; i < n - 1; i++)
        k[i] = (x[i + 1] - x[i - 2]) * x[i - 1] - x[i] + 8.0;
    k[n - 1] = (x[0] - x[n - 3]) * x[n - 2] - x[n - 1] + 8.0;
}

INLINE void ahead(long n, const double *restrict y, const double *restrict k, double h, double *restrict at)
{
    for (long i = 0; i < n; i++)
        at[i] = y[i] + h * k[i];
}

/* The Lorenz-96 flow over 50 steps of RK4 */
static void lorenz(long n, const double *restrict x, double *restrict y, const void *data)
{
    double at[n], k1[n], k2[n], k3[n], k4[n]; /* on the stack: C needs no allocation */
    memcpy(y, x, n * sizeof(double));
    for (long s = 0; s < STEPS; s++) {
        slope(n, y, k1);
        ahead(n, y, k1, 0.5 * DT, at);
        slope(n, at, k2);
        ahead(n, y, k2, 0.5 * DT, at);
        slope(n, at, k3);
        ahead(n, y, k3, DT, at);
        slope(n, at, k4);
        for (long i = 0; i < n; i++)
            y[i] += DT / 6.0 * (k1[i] + 2.0 * (k2[i] + k3[i]) + k4[i]);
    }
}

JACOBIAN(lorenz, n)
