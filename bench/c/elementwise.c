#include "central.h"

/* The derivative at every point of x by central differences; f is inlined, the loop is the compiler's to vectorise */
#define DERIVATIVE(f)                                                                                              \
    void f##_derivative(long reps, long n, const double *restrict x, double *restrict d)                           \
    {                                                                                                              \
        for (long r = 0; r < reps; r++)                                                                            \
            for (long i = 0; i < n; i++) {                                                                         \
                double h = step(x[i]), above = x[i] + h, below = x[i] - h;                                         \
                d[i] = (f(above) - f(below)) / (above - below);                                                    \
            }                                                                                                      \
    }

INLINE double polynomial(double x) { return 1.0 + x * (2.0 - x * (0.5 + x * (0.25 - x * 0.125))); }

INLINE double expsin(double x) { return exp(-0.5 * x) * sin(3.0 * x); }

DERIVATIVE(polynomial)
DERIVATIVE(expsin)
