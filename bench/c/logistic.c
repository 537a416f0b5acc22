#include "central.h"

typedef struct {
    long rows;
    const double *features; /* rows of n */
    const double *labels;   /* 0 or 1 */
} samples;

/* The mean log loss of a logistic regression with the weights w: n numbers in, one out */
static void logistic(long n, const double *restrict w, double *restrict y, const void *data)
{
    const samples *s = data;
    double loss = 0.0;
    for (long r = 0; r < s->rows; r++) {
        const double *restrict row = s->features + r * n;
        double z = 0.0;
        for (long i = 0; i < n; i++)
            z += row[i] * w[i];
        loss += log1p(exp(-fabs(z))) + fmax(z, 0.0) - s->labels[r] * z;
    }
    y[0] = loss / s->rows;
}

JACOBIAN(logistic, 1)
