"""Layers and losses with backward passes written by hand, and the bugs that are planted in them. Data only.

A layer is ``make(rng)`` → (parameters, f, gradient, args): f(p, *args) is a number; where the layer gives an array, its sum with
random weights. Data come as args, the batch first.
"""

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


# --- bugs ---------------------------------------------------------------------------------------------------------------


def turned(g, x):
    return g.T.copy()


def shifted_axes(g, x):
    return np.swapaxes(g, -1, -2).copy()


def spoil(g, x):
    wrong = g.copy()
    k = np.argmax(np.abs(g))
    wrong.reshape(-1)[k] *= 1 + 1e-4
    return wrong


def is_square(a):
    return a.ndim == 2 and a.shape[0] == a.shape[1]


#: kind → (what it does to the gradient of an array, given the parameters; which arrays it can befall).
BUGS = {
    "sign": (lambda g, x: -g, lambda a: True),
    "factor": (lambda g, x: 2 * g, lambda a: a.size > 1),
    "factor ½": (lambda g, x: 0.5 * g, lambda a: a.size > 1),
    "batch mean": (lambda g, x: N * g, lambda a: a.size > 1),
    "zeros": (lambda g, x: 0 * g, lambda a: True),
    "transposed": (turned, is_square),
    "permuted": (shifted_axes, lambda a: a.ndim > 2 and a.shape[-1] == a.shape[-2]),
    "missing term": (lambda g, x: g - 0.1 * x, lambda a: a.size > 2),
    "missing term, constant": (lambda g, x: g + 0.25, lambda a: a.size > 2),
    "few entries": (spoil, lambda a: a.size > 8),
}  # fmt: skip


def planted(name, seed):
    """Three bugs for a layer, each in one of its arrays: (kind, leaf, gradient with the bug)."""
    rng = np.random.default_rng([seed, sorted(LAYERS).index(name)])
    p, f, gradient, args = LAYERS[name](rng)
    possible = [(kind, leaf) for kind, (_, fits) in BUGS.items() for leaf in p if fits(p[leaf])]
    chosen = rng.permutation(len(possible))[:3]

    def broken(kind, leaf):
        return lambda p, *args: {k: BUGS[kind][0](v, p[k]) if k == leaf else v for k, v in gradient(p, *args).items()}

    return (p, f, gradient, args), [(*possible[i], broken(*possible[i])) for i in chosen]
