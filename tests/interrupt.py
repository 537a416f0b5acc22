"""Ctrl-C in the middle of a long Jacobian, for tests and bench: to be called in a process of its own."""

import os
import signal
import threading
import time

import numpy as np
from numba import njit

import fastfd


@njit
def sines(x, rounds):
    """About 10 ns a round."""
    total = 0.0
    for i in range(rounds):
        total += np.sin(x[i % x.size])
    return total * x


def lateness(method: str, parallel: bool, rounds: int) -> float:
    """Seconds from a signal, one second into the work, to KeyboardInterrupt; point and object are as they were."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells have jobs in the background ignore it
    J, x = fastfd.Jacobian(sines, method=method, parallel=parallel), np.linspace(1.0, 2.0, 500)
    J.forget()  # or the steps that it remembers would change the bits
    before, kept, sent = J(x, 10), x.copy(), []

    def interrupt() -> None:
        time.sleep(1.0)
        sent.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    try:
        J(x, rounds)
    except KeyboardInterrupt:
        late = time.perf_counter() - sent[0]
    assert np.array_equal(x, kept) and np.array_equal(J(x, 10), before)
    return late
