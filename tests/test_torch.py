"""fastfd and PyTorch: operations that torch differentiates, and checks of backward passes."""

import copy

import numpy as np
import pytest
from numba import njit
from scenarios import as_python

torch = pytest.importorskip("torch", reason='torch is an optional dependency: pip install "fastfd[torch]"')

from examples import train_through_simulator as example  # noqa: E402
from examples.check_attention import (  # noqa: E402
    Attention,
    AttentionUnscaled,
    FaintLoss,
    Softmax,
    SoftmaxOffByALittle,
    cases,
    gradcheck,
)
from fastfd.interop.torch import check, differentiable  # noqa: E402

torch.set_num_threads(1)  # tensors are small here, and tests that run beside need the processors
DOUBLE = torch.float64


@njit
def iterate(x, A, shift, n):
    y = x.copy()
    for _ in range(n):
        y = np.tanh(A @ y) + shift
    return y


def iterate_in_torch(x, A, shift, n):
    for _ in range(n):
        x = torch.tanh(A @ x) + shift
    return x


@njit
def energy(x):
    return np.sum(x * x * x)


def inputs(dtype=DOUBLE, requires_grad=True):
    torch.manual_seed(3)
    values = torch.randn(3), torch.randn(3, 3), torch.tensor(0.3)
    return tuple(v.to(dtype).requires_grad_(requires_grad) for v in values)


operation = differentiable(iterate)


# --- differentiable: values and gradients ---------------------------------------------------------------------------


def test_gradcheck_passes():
    assert torch.autograd.gradcheck(operation, (*inputs(), 3))


@pytest.mark.parametrize("f", [iterate, as_python(iterate)], ids=["njit", "Python"])
@pytest.mark.parametrize("method", ["adaptive", "central"])
def test_gradients_of_several_arguments(f, method):
    given = inputs()
    ours = torch.autograd.grad(differentiable(f, method=method)(*given, 3).square().sum(), given)
    theirs = torch.autograd.grad(iterate_in_torch(*given, 3).square().sum(), given)
    tolerance = 1e-11 if method == "adaptive" else 1e-8
    assert all(torch.allclose(a, b, rtol=tolerance, atol=tolerance) for a, b in zip(ours, theirs))


def test_only_what_requires_a_gradient_is_differentiated():
    calls = []

    def f(x, y):
        calls.append((x.copy(), y.copy()))
        return x @ y

    x, y = torch.ones(2, dtype=DOUBLE, requires_grad=True), torch.full((2,), 3.0, dtype=DOUBLE)
    differentiable(f)(x, y).backward()
    assert torch.allclose(x.grad, y) and y.grad is None
    assert all((seen == 3.0).all() for _, seen in calls)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_single_precision_is_computed_in_double(dtype):
    seen = []

    def f(x):
        seen.append(x.dtype)
        return x**3

    x = torch.tensor([1.0, 2.0], dtype=dtype, requires_grad=True)
    y = differentiable(f)(x)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == dtype and y.tolist() == [1.0, 8.0] and x.grad.tolist() == [3.0, 12.0]
    assert set(seen) == {np.dtype(float)}


def test_mixed_precision_promotes():
    x, y = torch.ones(2, requires_grad=True), torch.ones(2, dtype=DOUBLE, requires_grad=True)
    z = differentiable(lambda x, y: x * y)(x, y)
    z.sum().backward()
    assert z.dtype == DOUBLE and x.grad.dtype == torch.float32 and y.grad.dtype == DOUBLE
    assert differentiable(lambda n: n / 2)(torch.tensor(3)).item() == 1.5  # no floating-point tensor: the default


@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
def test_shapes(shape):
    x = torch.rand(shape, dtype=DOUBLE, requires_grad=True)
    y = differentiable(lambda x: np.stack([np.sin(x), np.cos(x)]))(x)
    assert y.shape == (2, *shape)
    (gradient,) = torch.autograd.grad(y[0].sum(), x)
    assert torch.allclose(gradient, x.cos(), rtol=1e-11)


def test_tensors_of_the_caller_are_safe_from_f():
    x = torch.ones(3, dtype=DOUBLE)

    def greedy(x):
        x *= 2
        return x.sum()

    assert differentiable(greedy)(x) == 6.0 and x.tolist() == [1.0, 1.0, 1.0]


def test_a_tensor_changed_between_the_passes_is_noticed():
    x = torch.ones(3, dtype=DOUBLE, requires_grad=True)
    hidden = x * 1
    y = differentiable(energy)(hidden)
    hidden += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.backward()


def test_second_derivatives_are_refused():
    x = torch.ones(3, dtype=DOUBLE, requires_grad=True)
    (gradient,) = torch.autograd.grad(differentiable(energy)(x), x, create_graph=True)
    with pytest.raises(RuntimeError, match=r"cannot be differentiated again; .* use fastfd\.hessian"):
        gradient.sum().backward()


def test_other_devices_and_complex_numbers_are_refused():
    with pytest.raises(ValueError, match=r"argument 0 is on device meta; f is computed on the CPU: hand over argument.cpu\(\)"):
        differentiable(energy)(torch.ones(3, device="meta"))
    with pytest.raises(TypeError, match=r"argument 0 must be real, got torch.complex64"):
        differentiable(energy)(torch.ones(3, dtype=torch.complex64))
    with pytest.raises(TypeError, match="f must return real numbers, got dtype complex128"):
        differentiable(lambda x: 1j * x)(torch.ones(3))


def test_bad_keywords_are_refused_at_once():
    with pytest.raises(ValueError, match="method must be"):
        differentiable(energy, method="sideways")
    with pytest.raises(TypeError, match="f must be callable"):
        differentiable(3)


def test_exceptions_of_f_come_out():
    def f(x):
        if x[0] != 1.0:
            raise KeyError("off")
        return x.sum()

    y = differentiable(f)(torch.ones(2, requires_grad=True))
    with pytest.raises(KeyError, match="off"):
        y.backward()


# --- differentiable: transforms -------------------------------------------------------------------------------------


def test_vmap():
    batch, (_, A, shift) = torch.randn(5, 3, dtype=DOUBLE), inputs()
    ours = torch.vmap(operation, in_dims=(0, None, None, None))(batch, A, shift, 3)
    theirs = torch.stack([iterate_in_torch(x, A, shift, 3) for x in batch])
    assert torch.allclose(ours, theirs)
    found = [torch.autograd.grad(y.square().sum(), (A, shift)) for y in (ours, theirs)]
    assert all(torch.allclose(a, b, rtol=1e-10) for a, b in zip(*found))


def test_gradients_sample_by_sample():
    batch, (_, A, shift) = torch.randn(5, 3, dtype=DOUBLE), inputs(requires_grad=False)

    def per_sample(f):
        gradient = torch.func.grad(lambda x, A, shift: f(x, A, shift, 3).square().sum(), argnums=(0, 1, 2))
        return torch.vmap(gradient, in_dims=(0, None, None))(batch, A, shift)

    assert all(torch.allclose(a, b, rtol=1e-10) for a, b in zip(per_sample(operation), per_sample(iterate_in_torch)))


def test_jacrev():
    x, A, shift = inputs(requires_grad=False)
    ours, theirs = (torch.func.jacrev(lambda x, f=f: f(x, A, shift, 3))(x) for f in (operation, iterate_in_torch))
    assert torch.allclose(ours, theirs, rtol=1e-11)


def test_a_spring_is_identified_from_its_motion():
    """Stiffness and damping from a noise-free record, by LBFGS through a compiled integrator."""
    truth = torch.tensor([4.0, 0.3], dtype=DOUBLE)
    simulate = differentiable(spring)
    record = simulate(truth)
    guess = torch.tensor([3.0, 0.1], dtype=DOUBLE, requires_grad=True)
    options = {"max_iter": 60, "line_search_fn": "strong_wolfe", "tolerance_grad": 1e-12, "tolerance_change": 1e-14}
    optimizer = torch.optim.LBFGS([guess], **options)

    def closure():
        optimizer.zero_grad()
        loss = (simulate(guess) - record).square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert torch.allclose(guess, truth, rtol=1e-6)


@njit
def spring(p):
    x, v, seen = 1.0, 0.0, np.empty(100)
    for i in range(seen.size):
        v -= 0.05 * (p[0] * x + p[1] * v)
        x += 0.05 * v
        seen[i] = x
    return seen


def test_the_example_learns(monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(example, "ROUNDS", 60)
    history = example.train(example.Thrower())
    assert history[0] > 10.0 and np.median(history[-10:]) < 3.0


# --- check ----------------------------------------------------------------------------------------------------------


class SoftmaxWithoutItsSum(Softmax):
    @staticmethod
    def backward(ctx, above):
        (p,) = ctx.saved_tensors
        return p * above


class SoftmaxFlipped(Softmax):
    @staticmethod
    def backward(ctx, above):
        return -Softmax.backward(ctx, above)


class Head(torch.nn.Module):
    """Attention between projections, as a model would have it."""

    def __init__(self, attention):
        super().__init__()
        self.attention = attention
        self.to_query, self.to_key, self.to_value = (torch.nn.Linear(4, 4) for _ in range(3))

    def forward(self, x):
        return self.attention.apply(self.to_query(x), self.to_key(x), self.to_value(x))


def wrong_leaves(report):
    """The parameters that have wrong entries."""
    verdicts = np.atleast_2d(report.verdict)
    return {name.partition("[")[0] for name, column in zip(report.names, verdicts.T) if (column == 2).any()}


def kinds(report):
    return {finding.kind for finding in report.findings}


def sample(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("target", [Softmax, Softmax.apply], ids=["class", "apply"])
def test_a_right_function(target):
    report = check(target, sample(3, 4))
    assert report.passed and report.names[5] == "logits[1, 1]" and not report.findings


def test_a_wrong_function():
    report = check(SoftmaxWithoutItsSum, sample(3, 4))
    assert not report.passed and wrong_leaves(report) == {"logits"}
    report = check(SoftmaxFlipped, sample(3, 4))
    assert kinds(report) == {"sign"}


@pytest.mark.parametrize("points", [1, 3])
def test_attention(points):
    given = tuple(sample(5, 4) + i for i in range(3))
    assert check(Attention, given, points=points).passed
    report = check(AttentionUnscaled, given, points=points)
    assert wrong_leaves(report) == {"key"} and kinds(report) == {"factor"}
    assert "key" in str(report)
    with pytest.raises(AssertionError, match="key"):
        report.raise_if_failed()


def test_attention_in_a_module_is_found_by_the_names_of_parameters():
    torch.manual_seed(1)
    head, broken = Head(Attention), Head(AttentionUnscaled)
    assert check(head, sample(5, 4)).passed
    report = check(broken, sample(5, 4))
    assert wrong_leaves(report) == {"to_key.weight"}  # the bias of the keys changes no score but by a constant


def test_what_gradcheck_finds_beside():
    """It finds the same bug, and names an output and an input by number, with two matrices; ours names the key and the factor."""
    given = tuple((sample(5, 4) + i).double().requires_grad_() for i in range(3))
    message = gradcheck(AttentionUnscaled.apply, given)
    assert "Jacobian mismatch for output 0 with respect to input 1" in message and "key" not in message
    (finding,) = check(AttentionUnscaled, given).findings
    assert finding.leaf == "key" and "2" in finding.sentence


@pytest.mark.parametrize(("wrong", "shape"), [(SoftmaxOffByALittle, (3, 4)), (FaintLoss, (4,))])
def test_errors_that_gradcheck_lets_pass(wrong, shape):
    """Within its tolerances: a relative error below 1e-3, and whatever is smaller than 1e-5."""
    given = sample(*shape).double().requires_grad_()
    assert gradcheck(wrong.apply, (given,)) == ""
    assert not check(wrong, given).passed


@pytest.mark.filterwarnings("ignore:Input #0 requires gradient and is not a double:UserWarning")
def test_no_right_function_is_called_wrong():
    """Two of the three are by gradcheck: in single precision, and at a kink, where no difference can tell."""
    right = [(function, given) for _, is_right, function, given in cases() if is_right]
    assert [gradcheck(*case) == "" for case in right] == [True, False, False]
    for case in right:
        assert not (check(*case).verdict == 2).any()


def test_modules_are_not_changed():
    torch.manual_seed(1)
    layers = torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3), torch.nn.Tanh(), torch.nn.Linear(3, 1)
    module, x = torch.nn.Sequential(*layers), sample(6, 2)
    before, x_before = copy.deepcopy(module.state_dict()), x.clone()
    assert check(module, x).passed
    after = module.state_dict()
    assert all(torch.equal(value, after[name]) and value.dtype == after[name].dtype for name, value in before.items())
    assert all(parameter.grad is None for parameter in module.parameters()) and module.training
    assert torch.equal(x, x_before) and not x.requires_grad


def test_dropout_is_said_to_be_random():
    module = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Dropout(0.5))
    report = check(module, sample(6, 3))
    assert kinds(report) == {"random function"} and not report.passed
    assert check(module.eval(), sample(6, 3)).passed


def test_modules_of_torch():
    torch.manual_seed(1)
    x = sample(3, 2, 4).requires_grad_()
    report = check(torch.nn.LSTM(4, 2), x)
    assert report.passed and {"weight_ih_l0", "bias_hh_l0", "input"} <= {name.partition("[")[0] for name in report.names}
    assert check(torch.nn.MultiheadAttention(4, 2), (x, x, x)).passed
    assert check(torch.nn.Embedding(5, 3), torch.tensor([1, 4, 1])).passed


def test_several_outputs():
    def f(x, y):
        return {"product": [x @ y, x.detach() * 2], "spectrum": torch.fft.fft(y), "rank": torch.argmax(y)}

    report = check(f, (sample(2, 3), sample(3, 2)))
    assert report.passed and len(report.names) == 12


def test_inputs_by_keyword_and_names_that_parameters_have_too():
    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor([2.0, 3.0]))

        def forward(self, x, *, scale):
            return self.scale * scale * x

    given = {"scale": torch.ones(2, requires_grad=True), "x": torch.ones(2)}
    report = check(Scaled(), given)
    assert report.passed and list(report.names) == ["scale[0]", "scale[1]", "input scale[0]", "input scale[1]"]
    assert check(torch.nn.functional.cross_entropy, {"input": sample(3, 4), "target": torch.tensor([0, 3, 1])}).passed


def test_a_graph_that_is_broken_shows_as_zeros():
    report = check(lambda x: x.detach() ** 2, sample(4))
    assert not report.passed and kinds(report) == {"zeros"}


@pytest.mark.parametrize(
    ("target", "given", "error", "message"),
    [
        (3, (), TypeError, "target must be a function of tensors, an autograd.Function or a module, got int"),
        (torch.sin, torch.arange(3), ValueError, "nothing to check"),
        (lambda x: 3, torch.ones(2), ValueError, "target must return a floating-point tensor"),
        (torch.abs, torch.ones(2, dtype=torch.complex64, requires_grad=True), TypeError, "input must be real to be checked"),
    ],
    ids=["no function", "nothing to check", "no tensor", "complex"],
)
def test_bad_arguments_of_check(target, given, error, message):
    with pytest.raises(error, match=message):
        check(target, given)
