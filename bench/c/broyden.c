#include "central.h"

/* Broyden's tridiagonal function; the two ends are written apart so that the middle vectorises */
static void broyden(long n, const double *restrict x, double *restrict y, const void *data)
{
    y[0] = (3.0 - 2.0 * x[0]) * x[0] - 2.0 * x[1] + 1.0;
    for (long i = 1; i < n - 1; i++)
        y[i] = (3.0 - 2.0 * x[i]) * x[i] - x[i - 1] - 2.0 * x[i + 1] + 1.0;
    y[n - 1] = (3.0 - 2.0 * x[n - 1]) * x[n - 1] - x[n - 2] + 1.0;
}

JACOBIAN(broyden, n)
