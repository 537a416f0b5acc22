/* The hand-written rival: a Jacobian by central differences, as a C programmer would write it for speed.
 *
 * It writes the transpose, n rows of m, because a column of J is what one coordinate yields and rows are what
 * memory likes. The first evaluation lands in the row itself, workspaces come from the caller, and f is known
 * when this is compiled, so the compiler may inline it. `reps` repeats the whole inside C, so that no Python is
 * timed. */
#include <math.h>
#include <omp.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef void function(long n, const double *restrict x, double *restrict y, const void *data);

/* cbrt(eps) * max(1, |x|); written with ?: because fmax, which must mind NaN, keeps gcc from vectorising */
INLINE double step(double x) { return 6.055454452393343e-06 * (fabs(x) > 1.0 ? fabs(x) : 1.0); }

INLINE void column(function f, long n, long m, long j, double *x, double *restrict row, double *restrict low,
                   const void *data)
{
    double kept = x[j], h = step(kept), above = kept + h, below = kept - h, scale = 1.0 / (above - below);
    x[j] = above;
    f(n, x, row, data);
    x[j] = below;
    f(n, x, low, data);
    x[j] = kept;
    for (long i = 0; i < m; i++)
        row[i] = (row[i] - low[i]) * scale;
}

/* work: n + m numbers */
INLINE void central(function f, long reps, long n, long m, const double *x0, double *jt, double *work,
                    const void *data)
{
    double *x = work, *low = work + n;
    for (long r = 0; r < reps; r++) {
        memcpy(x, x0, n * sizeof(double));
        for (long j = 0; j < n; j++)
            column(f, n, m, j, x, jt + j * m, low, data);
    }
}

/* The same, its columns shared among the threads; work: threads * (n + m) numbers, each thread with its own x */
INLINE void central_omp(function f, long reps, long n, long m, const double *x0, double *jt, double *work,
                        const void *data, int threads)
{
    for (long r = 0; r < reps; r++) {
#pragma omp parallel num_threads(threads)
        {
            double *x = work + omp_get_thread_num() * (n + m), *low = x + n;
            memcpy(x, x0, n * sizeof(double));
#pragma omp for schedule(static)
            for (long j = 0; j < n; j++)
                column(f, n, m, j, x, jt + j * m, low, data);
        }
    }
}

/* The function itself and both entry points, under the names that bench/cload.py asks for */
#define JACOBIAN(f, m)                                                                                             \
    void f##_function(long n, const double *restrict x, double *restrict y, const void *data) { f(n, x, y, data); } \
    void f##_jacobian(long reps, long n, const double *x, double *jt, double *work, const void *data)              \
    {                                                                                                              \
        central(f, reps, n, m, x, jt, work, data);                                                                 \
    }                                                                                                              \
    void f##_jacobian_omp(long reps, long n, const double *x, double *jt, double *work, const void *data,          \
                          int threads)                                                                             \
    {                                                                                                              \
        central_omp(f, reps, n, m, x, jt, work, data, threads);                                                    \
    }
