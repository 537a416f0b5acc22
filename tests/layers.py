"""Layers and losses with backward passes written by hand, and the bugs that are planted in them.

A layer is ``make(rng)`` → (parameters, f, gradient, args): f(p, *args) is a number; where the layer gives an array, its sum with
random weights. Data come as args, the batch first.

Bugs are of two kinds: PLANTED are done to the gradient of an array, in any layer; WRITTEN are one wrong expression in the code of
a backward pass.
"""

import inspect

import numpy as np

N, D, K = 6, 4, 4  # batch, width (square weights, so that a transpose keeps its shape), outputs


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def softmax_back(s, g):
    return s * (g - (g * s).sum(axis=-1, keepdims=True))


ACTIVATIONS = {
    "identity": (lambda z: z, np.ones_like),
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "leaky relu": (lambda z: np.where(z > 0, z, 0.1 * z), lambda z: np.where(z > 0, 1.0, 0.1)),
    "softplus": (lambda z: np.logaddexp(0, z), sigmoid),
    "swish": (lambda z: z * sigmoid(z), lambda z: sigmoid(z) * (1 + z * (1 - sigmoid(z)))),
    "elu": (lambda z: np.where(z > 0, z, np.expm1(z)), lambda z: np.where(z > 0, 1.0, np.exp(z))),
    "softsign": (lambda z: z / (1 + np.abs(z)), lambda z: 1 / (1 + np.abs(z)) ** 2),
    "gelu": (lambda z: 0.5 * z * (1 + np.tanh(0.8 * (z + 0.0447 * z**3))),
             lambda z: 0.5 * (1 + np.tanh(0.8 * (z + 0.0447 * z**3)))
             + 0.5 * z * (1 - np.tanh(0.8 * (z + 0.0447 * z**3)) ** 2) * 0.8 * (1 + 0.1341 * z**2)),
}  # fmt: skip


def dense(rng, act, slope):
    X, R = rng.standard_normal((N, D)), rng.standard_normal((N, K))
    p = {"weight": rng.standard_normal((D, K)), "bias": rng.standard_normal(K)}

    def gradient(p, X):
        g = R * slope(X @ p["weight"] + p["bias"])
        return {"weight": X.T @ g, "bias": g.sum(axis=0)}

    return p, lambda p, X: np.sum(R * act(X @ p["weight"] + p["bias"])), gradient, (X,)


def regression(rng, loss, slope, mean=True):
    """A loss of Xw + b and targets in {0, 1} or real, averaged over the batch."""
    X, y = rng.standard_normal((N, D)), rng.integers(0, 2, N).astype(float)
    p = {"weight": rng.standard_normal(D), "bias": np.array(rng.standard_normal())}
    n = N if mean else 1

    def gradient(p, X, y):
        g = slope(X @ p["weight"] + p["bias"], y) / n
        return {"weight": X.T @ g, "bias": g.sum()}

    return p, lambda p, X, y: np.sum(loss(X @ p["weight"] + p["bias"], y)) / n, gradient, (X, y)


LOSSES = {
    "mean squares": (lambda z, y: (z - y) ** 2, lambda z, y: 2 * (z - y)),
    "logistic": (lambda z, y: np.logaddexp(0, z) - y * z, lambda z, y: sigmoid(z) - y),
    "Huber": (lambda z, y: np.where(np.abs(z - y) < 1, (z - y) ** 2 / 2, np.abs(z - y) - 0.5),
              lambda z, y: np.clip(z - y, -1, 1)),
    "hinge squared": (lambda z, y: np.maximum(0, 1 - (2 * y - 1) * z) ** 2,
                      lambda z, y: -2 * (2 * y - 1) * np.maximum(0, 1 - (2 * y - 1) * z)),
    "Poisson": (lambda z, y: np.exp(z) - y * z, lambda z, y: np.exp(z) - y),
    "log cosh": (lambda z, y: np.log(np.cosh(z - y)), lambda z, y: np.tanh(z - y)),
    "quantile, smooth": (lambda z, y: 0.3 * (z - y) + np.logaddexp(0, y - z), lambda z, y: 0.3 - sigmoid(y - z)),
    "focal": (lambda z, y: (1 - sigmoid((2 * y - 1) * z)) ** 2 * np.logaddexp(0, -(2 * y - 1) * z),
              lambda z, y: (2 * y - 1) * (-2 * (1 - sigmoid((2 * y - 1) * z)) ** 2 * sigmoid((2 * y - 1) * z)
              * np.logaddexp(0, -(2 * y - 1) * z) - (1 - sigmoid((2 * y - 1) * z)) ** 3)),
    "Cauchy": (lambda z, y: np.log1p((z - y) ** 2), lambda z, y: 2 * (z - y) / (1 + (z - y) ** 2)),
    "gamma": (lambda z, y: z + (y + 1) * np.exp(-z), lambda z, y: 1 - (y + 1) * np.exp(-z)),
}  # fmt: skip


def cross_entropy(rng):
    X, labels = rng.standard_normal((N, D)), rng.integers(0, K, N)
    p = {"weight": rng.standard_normal((D, K)), "bias": rng.standard_normal(K)}

    def f(p, X, labels):
        return -np.mean(np.log(softmax(X @ p["weight"] + p["bias"])[np.arange(N), labels]))

    def gradient(p, X, labels):
        g = (softmax(X @ p["weight"] + p["bias"]) - np.eye(K)[labels]) / N
        return {"weight": X.T @ g, "bias": g.sum(axis=0)}

    return p, f, gradient, (X, labels)


def ridge(rng):
    X, y = rng.standard_normal((N, D)), rng.standard_normal(N)
    p = {"weight": rng.standard_normal(D), "bias": np.array(0.3)}

    def f(p, X, y):
        return np.mean((X @ p["weight"] + p["bias"] - y) ** 2) + 0.05 * p["weight"] @ p["weight"]

    def gradient(p, X, y):
        r = 2 * (X @ p["weight"] + p["bias"] - y) / N
        return {"weight": X.T @ r + 0.1 * p["weight"], "bias": r.sum()}

    return p, f, gradient, (X, y)


def norm(rng, axis, centred, eps=1e-5):
    """Layer norm (axis 1), batch norm (axis 0), and the root-mean-square norm, which does not subtract the mean."""
    X, R = rng.standard_normal((N, D)), rng.standard_normal((N, D))
    p = {"input": X, "gain": rng.standard_normal(D), "shift": rng.standard_normal(D)}

    def hat(x):
        c = x - x.mean(axis=axis, keepdims=True) if centred else x
        s = np.sqrt((c**2).mean(axis=axis, keepdims=True) + eps)
        return c / s, s

    def gradient(p):
        h, s = hat(p["input"])
        g = R * p["gain"]
        back = (g - h * (g * h).mean(axis=axis, keepdims=True)) / s
        back = back - back.mean(axis=axis, keepdims=True) if centred else back
        return {"input": back, "gain": (R * h).sum(axis=0), "shift": R.sum(axis=0)}

    return p, lambda p: np.sum(R * (hat(p["input"])[0] * p["gain"] + p["shift"])), gradient, ()


def conv1d(rng, stride=1):
    X, p = rng.standard_normal((N, 2, 9)), {"kernel": rng.standard_normal((3, 2, 3)), "bias": rng.standard_normal(3)}
    R = rng.standard_normal((N, 3, (9 - 3) // stride + 1))
    windows = np.lib.stride_tricks.sliding_window_view

    def patches(X):
        return windows(X, 3, axis=2)[:, :, ::stride]

    def f(p, X):
        return np.sum(R * (np.einsum("nctk,ock->not", patches(X), p["kernel"]) + p["bias"][:, None]))

    def gradient(p, X):
        return {"kernel": np.einsum("not,nctk->ock", R, patches(X)), "bias": R.sum(axis=(0, 2))}

    return p, f, gradient, (X,)


def conv2d(rng):
    X, p = rng.standard_normal((2, 2, 5, 5)), {"kernel": rng.standard_normal((3, 2, 3, 3)), "bias": rng.standard_normal(3)}
    R = rng.standard_normal((2, 3, 3, 3))
    view = np.lib.stride_tricks.sliding_window_view

    def f(p, X):
        y = np.einsum("nchwij,ocij->nohw", view(X, (3, 3), axis=(2, 3)), p["kernel"]) + p["bias"][:, None, None]
        return np.sum(R * np.tanh(y))

    def gradient(p, X):
        V = view(X, (3, 3), axis=(2, 3))
        y = np.einsum("nchwij,ocij->nohw", V, p["kernel"]) + p["bias"][:, None, None]
        g = R * (1 - np.tanh(y) ** 2)
        return {"kernel": np.einsum("nohw,nchwij->ocij", g, V), "bias": g.sum(axis=(0, 2, 3))}

    return p, f, gradient, (X,)


def pool(rng, largest):
    p, R = {"input": rng.standard_normal((N, 8))}, rng.standard_normal((N, 4))

    def f(p):
        pairs = p["input"].reshape(N, 4, 2)
        return np.sum(R * (pairs.max(axis=2) if largest else pairs.mean(axis=2)))

    def gradient(p):
        pairs = p["input"].reshape(N, 4, 2)
        share = (pairs == pairs.max(axis=2, keepdims=True)) if largest else np.full(pairs.shape, 0.5)
        return {"input": (R[:, :, None] * share).reshape(N, 8)}

    return p, f, gradient, ()


def attention(rng, heads=1):
    T, d = 5, D // heads
    p = {name: rng.standard_normal((T, D)) for name in ("query", "key", "value")}
    R = rng.standard_normal((T, D))

    def split(a):
        return a.reshape(T, heads, d).transpose(1, 0, 2)

    def join(a):
        return a.transpose(1, 0, 2).reshape(T, D)

    def f(p):
        q, k, v = (split(p[name]) for name in ("query", "key", "value"))
        return np.sum(R * join(softmax(q @ k.transpose(0, 2, 1) / np.sqrt(d)) @ v))

    def gradient(p):
        q, k, v = (split(p[name]) for name in ("query", "key", "value"))
        s, g = softmax(q @ k.transpose(0, 2, 1) / np.sqrt(d)), split(R)
        z = softmax_back(s, g @ v.transpose(0, 2, 1)) / np.sqrt(d)
        return {"query": join(z @ k), "key": join(z.transpose(0, 2, 1) @ q), "value": join(s.transpose(0, 2, 1) @ g)}

    return p, f, gradient, ()


def lstm(rng):
    X, h, c, R = (rng.standard_normal((N, D)) for _ in range(4))
    p = {"input": rng.standard_normal((D, 4 * D)) / 2, "state": rng.standard_normal((D, 4 * D)) / 2}
    p["bias"] = rng.standard_normal(4 * D)

    def gates(p):
        i, f, o, g = np.split(X @ p["input"] + h @ p["state"] + p["bias"], 4, axis=1)
        i, f, o, g = sigmoid(i), sigmoid(f), sigmoid(o), np.tanh(g)
        return i, f, o, g, f * c + i * g

    def value(p):
        _, _, o, _, cell = gates(p)
        return np.sum(R * o * np.tanh(cell))

    def gradient(p):
        i, f, o, g, cell = gates(p)
        dc = R * o * (1 - np.tanh(cell) ** 2)
        z = np.concatenate([dc * g * i * (1 - i), dc * c * f * (1 - f), R * np.tanh(cell) * o * (1 - o), dc * i * (1 - g**2)], 1)
        return {"input": X.T @ z, "state": h.T @ z, "bias": z.sum(axis=0)}

    return p, value, gradient, ()


def rnn(rng):
    T, X, R = 4, rng.standard_normal((4, N, D)), rng.standard_normal((N, D))
    p = {"input": rng.standard_normal((D, D)) / 2, "state": rng.standard_normal((D, D)) / 2, "bias": rng.standard_normal(D)}

    def states(p):
        found = [np.zeros((N, D))]
        for t in range(T):
            found.append(np.tanh(X[t] @ p["input"] + found[-1] @ p["state"] + p["bias"]))
        return found

    def gradient(p):
        h, g = states(p), R
        total = {name: np.zeros_like(value) for name, value in p.items()}
        for t in reversed(range(T)):
            z = g * (1 - h[t + 1] ** 2)
            step = {"input": X[t].T @ z, "state": h[t].T @ z, "bias": z.sum(axis=0)}
            total = {name: total[name] + step[name] for name in p}
            g = z @ p["state"].T
        return total

    return p, lambda p: np.sum(R * states(p)[-1]), gradient, ()


def embedding(rng):
    tokens, R = np.array([1, 4, 1, 0, 3, 2]), rng.standard_normal((6, D))
    p = {"table": rng.standard_normal((5, D))}

    def gradient(p, tokens):
        g = np.zeros((5, D))
        np.add.at(g, tokens, R * np.cos(p["table"][tokens]))
        return {"table": g}

    return p, lambda p, tokens: np.sum(R * np.sin(p["table"][tokens])), gradient, (tokens,)


def gated(rng):
    X, R = rng.standard_normal((N, D)), rng.standard_normal((N, D))
    p = {"value": rng.standard_normal((D, D)), "gate": rng.standard_normal((D, D))}

    def gradient(p, X):
        s, v = sigmoid(X @ p["gate"]), X @ p["value"]
        return {"value": X.T @ (R * s), "gate": X.T @ (R * v * s * (1 - s))}

    return p, lambda p, X: np.sum(R * (X @ p["value"]) * sigmoid(X @ p["gate"])), gradient, (X,)


def residual_block(rng):
    X, R = rng.standard_normal((N, D)), rng.standard_normal((N, D))
    p = {"first": rng.standard_normal((D, D)), "second": rng.standard_normal((D, D))}

    def gradient(p, X):
        t = np.tanh(X @ p["first"])
        return {"first": X.T @ ((R @ p["second"].T) * (1 - t**2)), "second": t.T @ R}

    return p, lambda p, X: np.sum(R * (X + np.tanh(X @ p["first"]) @ p["second"])), gradient, (X,)


def factorisation(rng):
    Y = rng.standard_normal((N, D))
    p = {"left": rng.standard_normal((N, 3)), "right": rng.standard_normal((3, D))}

    def gradient(p, Y):
        r = p["left"] @ p["right"] - Y
        return {"left": 2 * r @ p["right"].T, "right": 2 * p["left"].T @ r}

    return p, lambda p, Y: np.sum((p["left"] @ p["right"] - Y) ** 2), gradient, (Y,)


def gaussian_process(rng):
    x, y = np.sort(rng.uniform(0, 3, N)), rng.standard_normal(N)
    p = {"log": np.log(np.array([1.3, 0.7, 0.4]))}  # amplitude, length, noise
    square = (x[:, None] - x) ** 2

    def kernels(p):
        a, length, s = np.exp(p["log"])
        k = a**2 * np.exp(-0.5 * square / length**2)
        return k, k * square / length**2, s**2 * np.eye(N)

    def f(p, y):
        k, _, noise = kernels(p)
        return 0.5 * y @ np.linalg.solve(k + noise, y) + 0.5 * np.linalg.slogdet(k + noise)[1]

    def gradient(p, y):
        k, by_length, noise = kernels(p)
        inverse = np.linalg.inv(k + noise)
        alpha = inverse @ y
        return {"log": np.array([0.5 * np.sum((inverse - np.outer(alpha, alpha)) * d) for d in (2 * k, by_length, 2 * noise)])}

    return p, f, gradient, (y,)


def variational(rng):
    """The divergence of an encoder's Gaussian from the standard one, and a squared reconstruction, with fixed noise."""
    X, e = rng.standard_normal((N, D)), rng.standard_normal((N, D))
    p = {"mean": rng.standard_normal((N, D)), "logvar": rng.standard_normal((N, D)) / 2}

    def f(p, X):
        z = p["mean"] + np.exp(p["logvar"] / 2) * e
        return np.sum((z - X) ** 2) / N - 0.5 * np.sum(1 + p["logvar"] - p["mean"] ** 2 - np.exp(p["logvar"])) / N

    def gradient(p, X):
        s = np.exp(p["logvar"] / 2)
        r = 2 * (p["mean"] + s * e - X) / N
        return {"mean": r + p["mean"] / N, "logvar": r * e * s / 2 - 0.5 * (1 - s**2) / N}

    return p, f, gradient, (X,)


def contrastive(rng):
    """InfoNCE: each row of one view finds its own in the other."""
    p = {"one": rng.standard_normal((N, D)), "other": rng.standard_normal((N, D))}

    def f(p):
        return -np.mean(np.log(np.diag(softmax(p["one"] @ p["other"].T))))

    def gradient(p):
        g = (softmax(p["one"] @ p["other"].T) - np.eye(N)) / N
        return {"one": g @ p["other"], "other": g.T @ p["one"]}

    return p, f, gradient, ()


def cosine(rng):
    p, T = {"input": rng.standard_normal((N, D))}, rng.standard_normal((N, D))

    def lengths(p):
        return np.linalg.norm(p["input"], axis=1, keepdims=True), np.linalg.norm(T, axis=1, keepdims=True)

    def gradient(p, T):
        a, b = lengths(p)
        dot = (p["input"] * T).sum(axis=1, keepdims=True)
        return {"input": -(T / (a * b) - p["input"] * dot / (a**3 * b)) / N}

    def f(p, T):
        a, b = lengths(p)
        return 1 - np.mean((p["input"] * T).sum(axis=1, keepdims=True) / (a * b))

    return p, f, gradient, (T,)


def cox(rng):
    """The partial likelihood of survival times that are already in order."""
    X = rng.standard_normal((N, D))
    p = {"beta": rng.standard_normal(D)}

    def f(p, X):
        z = X @ p["beta"]
        return -sum(z[i] - np.log(np.exp(z[i:]).sum()) for i in range(N))

    def gradient(p, X):
        z = X @ p["beta"]
        return {"beta": -sum(X[i] - softmax(z[i:]) @ X[i:] for i in range(N))}

    return p, f, gradient, (X,)


def bilinear(rng):
    A, B, R = rng.standard_normal((N, D)), rng.standard_normal((N, D)), rng.standard_normal((N, 3))
    p = {"tensor": rng.standard_normal((3, D, D))}

    def gradient(p, A, B):
        return {"tensor": np.einsum("no,ni,nj->oij", R * np.cos(np.einsum("ni,oij,nj->no", A, p["tensor"], B)), A, B)}

    return p, lambda p, A, B: np.sum(R * np.sin(np.einsum("ni,oij,nj->no", A, p["tensor"], B))), gradient, (A, B)


def coupling(rng):
    """An affine coupling of a normalising flow, with its log-determinant."""
    X = rng.standard_normal((N, 2 * D))
    p = {"scale": rng.standard_normal((D, D)) / 3, "shift": rng.standard_normal((D, D))}

    def f(p, X):
        s = np.tanh(X[:, :D] @ p["scale"])
        y = X[:, D:] * np.exp(s) + X[:, :D] @ p["shift"]
        return np.mean(np.sum(y**2 / 2 - s, axis=1))

    def gradient(p, X):
        a, s = X[:, :D], np.tanh(X[:, :D] @ p["scale"])
        y = X[:, D:] * np.exp(s) + a @ p["shift"]
        return {"scale": a.T @ ((y * X[:, D:] * np.exp(s) - 1) * (1 - s**2)) / N, "shift": a.T @ y / N}

    return p, f, gradient, (X,)


LAYERS = {
    **{f"dense, {name}": (lambda rng, pair=pair: dense(rng, *pair)) for name, pair in ACTIVATIONS.items()},
    **{f"{name} loss": (lambda rng, pair=pair: regression(rng, *pair)) for name, pair in LOSSES.items()},
    "cross entropy": cross_entropy, "ridge": ridge,
    "layer norm": lambda rng: norm(rng, 1, True), "batch norm": lambda rng: norm(rng, 0, True),
    "RMS norm": lambda rng: norm(rng, 1, False),
    "conv 1-d": conv1d, "conv 1-d, stride 2": lambda rng: conv1d(rng, 2), "conv 2-d, tanh": conv2d,
    "max pool": lambda rng: pool(rng, True), "mean pool": lambda rng: pool(rng, False),
    "attention": attention, "two heads": lambda rng: attention(rng, 2), "LSTM cell": lstm, "RNN over time": rnn,
    "embedding": embedding, "gated unit": gated, "residual block": residual_block, "matrix factorisation": factorisation,
    "Gaussian process": gaussian_process, "variational encoder": variational, "InfoNCE": contrastive, "cosine loss": cosine,
    "Cox model": cox, "bilinear": bilinear, "coupling flow": coupling,
}  # fmt: skip


# --- bugs that are done to an array ----------------------------------------------------------------------------------------


def turned(g, x, n):
    return g.T.copy()


def shifted_axes(g, x, n):
    return np.swapaxes(g, -1, -2).copy()


def spoil(size):
    def spoiled(g, x, n):
        wrong = g.copy()
        wrong.reshape(-1)[np.argmax(np.abs(g))] *= 1 + size
        return wrong

    return spoiled


def is_square(a, n):
    return a.ndim == 2 and a.shape[0] == a.shape[1]


#: what it is → (the kind that should be named; what it does to the gradient of an array, given the parameters and the length of
#: the batch, 0 where the layer has none; which arrays it can befall).
PLANTED = {
    "sign": ("sign", lambda g, x, n: -g, lambda a, n: True),
    "2": ("factor", lambda g, x, n: 2 * g, lambda a, n: a.size > 1 and n != 2),
    "1/2": ("factor", lambda g, x, n: 0.5 * g, lambda a, n: a.size > 1 and n != 2),
    "n": ("batch mean", lambda g, x, n: n * g, lambda a, n: a.size > 1 and n > 1),
    "1/n": ("batch mean", lambda g, x, n: g / n, lambda a, n: a.size > 1 and n > 1),
    "length": ("factor", lambda g, x, n: len(x) * g, lambda a, n: a.ndim and len(a) > 1 and len(a) != n),
    "1 + 3e-5": ("factor", lambda g, x, n: (1 + 3e-5) * g, lambda a, n: a.size > 8),
    "zeros": ("zeros", lambda g, x, n: 0 * g, lambda a, n: True),
    "transposed": ("transposed", turned, is_square),
    "permuted": ("permuted", shifted_axes, lambda a, n: a.ndim > 2 and a.shape[-1] == a.shape[-2]),
    "reversed": ("permuted", lambda g, x, n: g[::-1].copy(), lambda a, n: a.ndim == 1 and a.size > 3),
    "0.1 x": ("missing term", lambda g, x, n: g - 0.1 * x, lambda a, n: a.size > 2),
    "0.25": ("missing term", lambda g, x, n: g + 0.25, lambda a, n: a.size > 2),
    "one, 1e-4": ("few entries", spoil(1e-4), lambda a, n: a.size > 8),
    "one, 1e-2": ("few entries", spoil(1e-2), lambda a, n: a.size > 8),
}


def planted(name, seed):
    """A layer, and three bugs in it, each in one of its arrays: (what, array, gradient with the bug)."""
    rng = np.random.default_rng([seed, sorted(LAYERS).index(name)])
    p, f, gradient, args = LAYERS[name](rng)
    n = len(args[0]) if args else 0
    possible = [(what, leaf) for what, (_, _, fits) in PLANTED.items() for leaf in p if fits(p[leaf], n)]
    chosen = rng.permutation(len(possible))[:3]

    def broken(what, leaf):
        spoiled = PLANTED[what][1]
        return lambda p, *args: {k: spoiled(v, p[k], n) if k == leaf else v for k, v in gradient(p, *args).items()}

    return (p, f, gradient, args), [(*possible[i], broken(*possible[i])) for i in chosen]


# --- bugs that are written ------------------------------------------------------------------------------------------------

#: The layer, what stands in its backward pass, what stands there by mistake, and what should be said of which array ("" all).
WRITTEN = [
    ("dense, tanh", '"bias": g.sum(axis=0)', '"bias": g.mean(axis=0)', {"bias": "batch mean"}),
    ("dense, sigmoid", '"weight": X.T @ g', '"weight": g.T @ X', {"weight": "transposed"}),
    ("dense, relu", '"bias": g.sum(axis=0)', '"bias": np.zeros(K)', {"bias": "zeros"}),
    ("dense, softplus", 'slope(X @ p["weight"] + p["bias"])', 'slope(X @ p["weight"])', {"weight": "unknown", "bias": "unknown"}),
    ("dense, gelu", "g = R * slope", "g = -R * slope", {"": "sign"}),
    ("logistic loss", 'p["bias"], y) / n\n        return', 'p["bias"], y)\n        return', {"": "batch mean"}),
    ("cross entropy", "np.eye(K)[labels]) / N", "np.eye(K)[labels])", {"": "batch mean"}),
    ("cross entropy", "np.eye(K)[labels]) / N", "np.eye(K)[labels]) / -N", {"": "sign"}),
    ("ridge", ' + 0.1 * p["weight"]', "", {"weight": "missing term"}),
    ("ridge", ' + 0.1 * p["weight"]', ' + 0.05 * p["weight"]', {"weight": "missing term"}),
    ("ridge", "r = 2 * (X", "r = (X", {"bias": "factor", "weight": "unknown"}),
    ("layer norm", "back - back.mean(axis=axis, keepdims=True) if centred else back", "back", {"input": "missing term"}),
    ("layer norm", "keepdims=True)) / s", "keepdims=True))", {"input": "scale"}),
    ("batch norm", "back - back.mean(axis=axis, keepdims=True) if centred else back", "back", {"input": "missing term"}),
    ("batch norm", "(g - h * (g * h).mean(axis=axis, keepdims=True)) / s", "g / s", {"input": "unknown"}),
    ("batch norm", '"shift": R.sum(axis=0)', '"shift": R.mean(axis=0)', {"shift": "factor"}),
    ("conv 1-d", '"not,nctk->ock", R, patches(X))', '"not,nctk->ock", R, patches(X))[..., ::-1]', {"kernel": "permuted"}),
    ("conv 1-d", '"bias": R.sum(axis=(0, 2))', '"bias": R.mean(axis=0).sum(axis=1)', {"bias": "batch mean"}),
    ("conv 2-d, tanh", '->ocij", g, V)', '->ocji", g, V)', {"kernel": "permuted"}),
    ("max pool", "(pairs == pairs.max(axis=2, keepdims=True))", "np.ones(pairs.shape)", {"input": "mask"}),
    ("mean pool", "np.full(pairs.shape, 0.5)", "np.ones(pairs.shape)", {"input": "factor"}),
    ("attention", "g @ v.transpose(0, 2, 1)) / np.sqrt(d)", "g @ v.transpose(0, 2, 1))", {"query": "factor", "key": "factor"}),
    ("attention", "join(z.transpose(0, 2, 1) @ q)", "join(z @ q)", {"key": "unknown"}),
    ("attention", "softmax_back(s, g @ v.transpose(0, 2, 1))", "s * (g @ v.transpose(0, 2, 1))",
     {"query": "unknown", "key": "unknown"}),
    ("two heads", "join(s.transpose(0, 2, 1) @ g)}", "join(s.transpose(0, 2, 1) @ g)[::-1]}", {"value": "permuted"}),
    ("LSTM cell", "dc * i * (1 - g**2)], 1)", "-dc * i * (1 - g**2)], 1)", {"input": "sign", "state": "sign", "bias": "sign"}),
    ("LSTM cell", "dc * c * f * (1 - f)", "dc * c * (1 - f)", {"input": "part", "state": "part", "bias": "part"}),
    ("RNN over time", 'g = z @ p["state"].T', 'g = z @ p["state"]', {"input": "unknown", "state": "unknown", "bias": "unknown"}),
    ("RNN over time", '"bias": z.sum(axis=0)', '"bias": z.mean(axis=0)', {"bias": "factor"}),
    ("embedding", "np.add.at(g, tokens, R * np.cos(p[\"table\"][tokens]))", "g[tokens] = R * np.cos(p[\"table\"][tokens])",
     {"table": "part"}),
    ("gated unit", "(R * v * s * (1 - s))", "(R * v * s)", {"gate": "unknown"}),
    ("matrix factorisation", '"left": 2 * r', '"left": r', {"left": "factor"}),
    ("Gaussian process", "by_length, 2 * noise", "by_length, noise", {"log": "few entries"}),
    ("variational encoder", 'r + p["mean"] / N', "r", {"mean": "missing term"}),
    ("variational encoder", "0.5 * (1 - s**2) / N}", "0.5 * (1 + s**2) / N}", {"logvar": "unknown"}),
    ("cosine loss", "(a**3 * b)) / N", "(a**3 * b))", {"input": "batch mean"}),
    ("Cox model", '"beta": -sum(X[i]', '"beta": sum(X[i]', {"beta": "sign"}),
    ("bilinear", '"no,ni,nj->oij"', '"no,ni,nj->oji"', {"tensor": "permuted"}),
    ("coupling flow", "np.exp(s) - 1) * (1 - s**2)", "np.exp(s) - 1)", {"scale": "unknown"}),
]  # fmt: skip

#: Which function makes a layer that is no function itself.
MAKERS = {"dense": dense, "logistic loss": regression, "layer norm": norm, "batch norm": norm, "conv 1-d": conv1d,
          "max pool": pool, "mean pool": pool, "two heads": attention}  # fmt: skip


def written(name, right, wrong, seed):
    """A layer as :func:`planted` gives it, and its gradient with one expression wrong."""
    made = MAKERS.get(name.partition(",")[0] if name.startswith("dense") else name, LAYERS[name])
    source = inspect.getsource(made)
    assert source.count(right) == 1, f"{right} must stand once in {name}"
    world = dict(globals())
    exec(source.replace(right, wrong), world)
    broken = world[made.__name__]
    layer, spoiled = (LAYERS[name](np.random.default_rng(seed)) if make is made else _remade(name, made, broken, seed)
                      for make in (made, broken))  # fmt: skip
    return layer, spoiled[2]


def _remade(name, made, broken, seed):
    """The layer by another maker: what LAYERS calls is looked up when it is called."""
    globals()[made.__name__] = broken
    try:
        make = broken if LAYERS[name] is made else LAYERS[name]
        return make(np.random.default_rng(seed))
    finally:
        globals()[made.__name__] = made
