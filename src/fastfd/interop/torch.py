"""fastfd and PyTorch: simulators as differentiable operations, and checks of hand-written backward passes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from fastfd.extras import require
from fastfd.interop.partials import Partials, as_argument

if TYPE_CHECKING:
    from fastfd.report import GradientCheck

__all__ = ["check", "differentiable"]


def _torch() -> Any:
    return require("torch", "torch", "fastfd.interop.torch")


# --- a function as an operation ------------------------------------------------------------------------------------


def differentiable(
    f: Callable,
    *,
    method: Any = "adaptive",
    accuracy: int | None = None,
    step: Any = None,
    rtol: float | None = None,
    bounds: Any = None,
    parallel: bool | None = None,
    noise: float | None = None,
) -> Callable:
    """A function you can only call as an operation that torch differentiates; its backward pass is fastfd's.

    Parameters
    ----------
    f : callable
        ``f(*args)`` → a real number or array of fixed shape; an njit function or any Python callable. It gets a tensor
        of floating-point numbers as a float64 array of its own, other tensors as arrays of their dtype, a 0-d tensor as
        a number, and all else as it is. It must not keep state: the backward pass calls it again.
    method, accuracy, step, rtol, bounds, parallel, noise : optional
        As in :func:`fastfd.jacobian`, the same for every argument that is differentiated; an array for `step` or
        `bounds` must therefore suit all of them.

    Returns
    -------
    operation : callable
        ``operation(*args)`` → a tensor of f's shape, of the dtype that the floating-point tensors among `args`
        promote to (torch's default where there is none). Gradients flow to the tensors that require them.

    Raises
    ------
    ImportError
        If torch is not installed.
    TypeError, ValueError
        As :class:`fastfd.Jacobian`, here for the keywords and in ``backward`` for the point; when called, if a tensor
        is complex or not on the CPU, or f returns numbers that are not real.
    RuntimeError
        In a second ``backward`` through the first.

    See Also
    --------
    check : checks the backward pass of an operation.

    Notes
    -----
    All is computed in double precision, whatever the dtype of the tensors, and cast back. The backward pass makes the Jacobian
    of f by every argument that requires a gradient and multiplies it with what comes from above: by default 6 to 12
    evaluations for each number in these arguments, with ``method="central"`` two, and m n numbers of memory. It
    searches its steps anew each time, so that the same tensors give the same gradients. ``torch.vmap`` and
    ``torch.func.grad`` work; a batch is evaluated one sample after the other.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from numba import njit
    >>> from fastfd.interop.torch import differentiable
    >>> @njit
    ... def fall(v, drag):
    ...     height = 0.0
    ...     for _ in range(100):
    ...         height += 0.01 * v
    ...         v -= 0.01 * (9.81 + drag * v * abs(v))
    ...     return height
    >>> fall = differentiable(fall)
    >>> v, drag = torch.tensor([20.0, 0.05], requires_grad=True).unbind()
    >>> height = fall(v, drag)
    >>> slope, = torch.autograd.grad(height, v)
    >>> round(height.item(), 3), round(slope.item(), 3)
    (10.47, 0.546)
    """
    operation = _value()
    keywords = {"method": method, "accuracy": accuracy, "step": step, "rtol": rtol,
                "bounds": bounds, "parallel": parallel, "noise": noise}  # fmt: skip
    partials = Partials(f, keywords)

    def apply(*args: Any) -> Any:
        return operation.apply(partials, *args)

    apply.__name__, apply.__doc__ = getattr(f, "__name__", "f"), getattr(f, "__doc__", None)
    return apply


def _as_arrays(args: tuple) -> tuple:
    """The arguments as f takes them."""
    torch = _torch()
    return tuple(as_argument(_on_host(a, i)) if isinstance(a, torch.Tensor) else a for i, a in enumerate(args))


def _on_host(tensor: Any, i: int) -> Any:
    if tensor.device.type != "cpu":
        msg = f"argument {i} is on device {tensor.device}; f is computed on the CPU: hand over argument.cpu()"
        raise ValueError(msg)
    if tensor.is_complex():
        msg = f"argument {i} must be real, got {tensor.dtype}; hand over its real and imaginary parts"
        raise TypeError(msg)
    tensor = tensor.detach()
    return (tensor.double() if tensor.is_floating_point() else tensor).numpy()  # numpy has no bfloat16


def _dtype_of(args: tuple) -> Any:
    """What the floating-point tensors promote to."""
    torch = _torch()
    zeros = [torch.zeros((), dtype=a.dtype) for a in args if isinstance(a, torch.Tensor) and a.is_floating_point()]
    return sum(zeros[1:], zeros[0]).dtype if zeros else torch.get_default_dtype()


@lru_cache(maxsize=1)
def _value() -> Any:
    """The operation f(*args), made when torch is first needed."""
    torch = _torch()
    function: Any = torch.autograd.Function

    class Value(function):
        @staticmethod
        def forward(partials: Partials, *args: Any) -> Any:
            return torch.as_tensor(partials.value(_as_arrays(args))).to(_dtype_of(args))

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
            ctx.save_for_backward(*(a for a in inputs if isinstance(a, torch.Tensor)))
            ctx.rest = [None if isinstance(a, torch.Tensor) else (a,) for a in inputs]

        @staticmethod
        def backward(ctx: Any, cotangent: Any) -> tuple:
            tensors = iter(ctx.saved_tensors)
            partials, *args = [next(tensors) if kept is None else kept[0] for kept in ctx.rest]
            wanted = tuple(i for i, needed in enumerate(ctx.needs_input_grad[1:]) if needed)
            found = dict(zip(wanted, _pullback().apply(partials, wanted, cotangent, *args)))
            return None, *(found.get(i) for i in range(len(args)))

        @staticmethod
        def vmap(info: Any, dims: tuple, *args: Any) -> tuple:
            return torch.stack([Value.apply(*sample) for sample in _samples(info.batch_size, dims, args)]), 0

    return Value


@lru_cache(maxsize=1)
def _pullback() -> Any:
    """The operation that gives what flows back to the arguments `wanted`: an operation, so that torch.vmap can map it."""
    torch = _torch()
    function: Any = torch.autograd.Function

    class Pullback(function):
        @staticmethod
        def forward(partials: Partials, wanted: tuple, cotangent: Any, *args: Any) -> tuple:
            above, arrays = cotangent.detach().double().numpy(), _as_arrays(args)
            found = [torch.as_tensor(partials.pullback(i, arrays, above)) for i in wanted]
            return tuple(g.to(args[i].dtype) for g, i in zip(found, wanted))

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple, output: Any) -> None:
            """Nothing is kept, for nothing follows."""

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> tuple:
            msg = (
                "the backward pass of fastfd.interop.torch.differentiable cannot be differentiated again;"
                " for second derivatives of f use fastfd.hessian"
            )
            raise RuntimeError(msg)

        @staticmethod
        def vmap(info: Any, dims: tuple, *args: Any) -> tuple:
            found = [Pullback.apply(*sample) for sample in _samples(info.batch_size, dims, args)]
            return tuple(map(torch.stack, zip(*found))), (0,) * len(found[0])

    return Pullback


def _samples(count: int, dims: tuple, args: tuple) -> list[tuple]:
    """The arguments of each sample of a batch; the dim of what has no batch is no number."""
    return [tuple(a.select(d, k) if isinstance(d, int) else a for a, d in zip(args, dims)) for k in range(count)]


# --- a check of backward passes ------------------------------------------------------------------------------------


def check(target: Any, inputs: Any = (), *, seed: int = 0, **keywords: Any) -> GradientCheck:
    """Check a backward pass: of a custom ``autograd.Function``, of any function of tensors, or of a module.

    Parameters
    ----------
    target : callable, torch.autograd.Function or torch.nn.Module
        ``target(*inputs)`` → a tensor, or tensors in (nested) tuples, lists or dicts; a class of ``autograd.Function``
        stands for its ``apply``. A module is checked as it is, in training or evaluation mode, on a copy: it is not changed.
    inputs : tuple or dict, optional
        What `target` is called with, by position or by keyword; one tensor may stand alone. Floating-point tensors are
        made double; other things are handed on. Parameters of a module and inputs that require a gradient are
        checked, by name; where nothing does, all floating-point inputs are.
    seed : int, optional
        Of the weights by which outputs are summed, and of the points where there are several.
    **keywords
        Those of :func:`fastfd.check_gradient`: `points`, `directions`, `bounds`, …

    Returns
    -------
    report : GradientCheck
        As :func:`fastfd.check_gradient` gives it: for every number in every parameter the analytic and the numerical derivative,
        an error bar and a verdict; and what the bug probably is.

    Raises
    ------
    ImportError
        If torch is not installed.
    TypeError
        If `target` is not callable, or what is to be checked is complex.
    ValueError
        If there is nothing to check, or `target` returns no floating-point tensor.

    See Also
    --------
    fastfd.check_gradient : the same for functions of arrays.

    Notes
    -----
    Unless the output is one number, the sum Σ wᵢ yᵢ of all outputs with random weights wᵢ is differentiated. The backward pass is
    linear in the weights, so an error shows with probability one. Buffers (the running means of batch norm) start
    from the same values at every evaluation. Dropout in training mode, or anything else that is random, is said
    to be that.

    Examples
    --------
    >>> import torch
    >>> from fastfd.interop.torch import check
    >>> class Cube(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...     @staticmethod
    ...     def backward(ctx, above):
    ...         return 3 * ctx.saved_tensors[0] * above  # the square is missing
    >>> check(Cube, torch.tensor([1.0, 2.0, 3.0])).passed
    False
    """
    from fastfd.check import check_gradient  # those who train through a simulator need none of it

    subject = _Subject(target, inputs, seed)
    return check_gradient(subject.value, subject.gradient, subject.start, seed=seed, **keywords)


class _Subject:
    """A function of tensors as a number that depends on named arrays, and the gradient that torch finds for it."""

    def __init__(self, target: Any, inputs: Any, seed: int):
        self._torch = _torch()
        self._seed = seed
        self._call, self._module = _callable(self._torch, target)
        self._state = dict(_state(self._module)) if self._module is not None else {}
        self._keywords = tuple(inputs) if isinstance(inputs, Mapping) else ()
        given = inputs.values() if self._keywords else inputs if isinstance(inputs, tuple | list) else (inputs,)
        self._inputs = [self._double(a) for a in given]
        self._names = _apart(self._keywords or _input_names(self._torch, self._call, len(self._inputs)), self._state)
        self._checked = self._all_checked()
        self.start = {name: _as_array(tensor) for name, tensor in self._checked.items()}
        self._counts = self._with_gradient()

    def value(self, arrays: dict[str, Any]) -> float:
        """Σ wᵢ yᵢ at these values."""
        return float(self._sum(self._tensors(arrays, False)))

    def gradient(self, arrays: dict[str, Any]) -> dict[str, Any]:
        """The gradient of the sum by the backward pass under test; zero where it does not reach."""
        tensors = self._tensors(arrays, True)
        total = self._sum(tensors)
        if not total.requires_grad:
            return {name: np.zeros(tensor.shape) for name, tensor in tensors.items()}
        found = self._torch.autograd.grad(total, list(tensors.values()), allow_unused=True, materialize_grads=True)
        return {name: _as_array(tensor) for name, tensor in zip(tensors, found)}

    def _double(self, a: Any) -> Any:
        """An input of our own, in double precision."""
        if not isinstance(a, self._torch.Tensor):
            return a
        own = a.detach().clone()
        return (own.double() if own.is_floating_point() else own).requires_grad_(a.requires_grad)

    def _all_checked(self) -> dict[str, Any]:
        """What is checked: all that requires a gradient, or else all floating-point inputs."""
        tensors = {name: a for name, a in zip(self._names, self._inputs) if isinstance(a, self._torch.Tensor)}
        candidates = {**self._state, **tensors}
        wanted = {name: a for name, a in candidates.items() if a.requires_grad}
        wanted = wanted or {name: a for name, a in tensors.items() if a.is_floating_point()}
        if not wanted:
            msg = "nothing to check: no parameter or input requires a gradient, and no input is a floating-point tensor"
            raise ValueError(msg)
        for name, a in wanted.items():
            if a.is_complex():
                msg = f"{name} must be real to be checked, got {a.dtype}"
                raise TypeError(msg)
        return wanted

    def _with_gradient(self) -> list[bool]:
        """Which outputs count: those that say they have a gradient; where none does, all, for that is the bug."""
        outputs = self._results(self._tensors(self.start, True))
        if not outputs:
            msg = "target must return a floating-point tensor, or several in tuples, lists or dicts"
            raise ValueError(msg)
        found = [y.requires_grad for y in outputs]
        return found if any(found) else [True] * len(found)

    def _tensors(self, arrays: dict[str, Any], wanted: bool) -> dict[str, Any]:
        """Arrays as tensors where the originals live; on the CPU the same numbers, so that it shows who changes them."""
        places = ((name, value, self._checked[name].device) for name, value in arrays.items())
        return {name: self._torch.as_tensor(value, device=place).requires_grad_(wanted) for name, value, place in places}

    def _sum(self, tensors: dict[str, Any]) -> Any:
        """The outputs with random weights; one number as it is."""
        outputs = [y for y, counts in zip(self._results(tensors), self._counts) if counts]
        if len(outputs) == 1 and outputs[0].ndim == 0:
            return outputs[0].double()
        rng = np.random.default_rng(self._seed)
        weights = [self._torch.tensor(rng.standard_normal(tuple(y.shape)), device=y.device) for y in outputs]
        return sum((w * y).sum() for w, y in zip(weights, outputs))

    def _results(self, tensors: dict[str, Any]) -> list:
        """All outputs at these values, one after the other."""
        inputs = tuple(self._fresh(tensors, name, a) for name, a in zip(self._names, self._inputs))
        args, keywords = ((), dict(zip(self._keywords, inputs))) if self._keywords else (inputs, {})
        if self._module is None:
            return list(_outputs(self._torch, self._call(*args, **keywords)))
        state = {name: self._fresh(tensors, name, a) for name, a in self._state.items()}
        return list(_outputs(self._torch, self._torch.func.functional_call(self._module, state, args, keywords)))

    def _fresh(self, tensors: dict[str, Any], name: str, a: Any) -> Any:
        """The value now, or a copy of what stays, which the function may change."""
        if name in tensors:
            return tensors[name]
        return a.detach().clone() if isinstance(a, self._torch.Tensor) else a


def _callable(torch: Any, target: Any) -> tuple[Any, Any]:
    """What to call, and, of a module, a copy in double precision."""
    if isinstance(target, torch.nn.Module):
        module = deepcopy(target).double()
        return module.forward, module
    if _is_function(torch, target):
        return target.apply, None
    if not callable(target):
        msg = f"target must be a function of tensors, an autograd.Function or a module, got {type(target).__name__}"
        raise TypeError(msg)
    return target, None


def _state(module: Any) -> Iterator[tuple[str, Any]]:
    yield from module.named_parameters()
    yield from module.named_buffers()


def _apart(names: Iterable[str], taken: Mapping) -> list[str]:
    """Names of inputs that no parameter has."""
    return [f"input {name}" if name in taken else name for name in names]


def _input_names(torch: Any, call: Any, count: int) -> list[str]:
    """The names of the parameters where they can be seen; those of `apply` are those of forward, without a context."""
    owner: Any = getattr(call, "__self__", None)
    hidden = 0
    if _is_function(torch, owner):
        hidden = int(owner.setup_context is torch.autograd.Function.setup_context)
        call = owner.forward
    try:
        seen = list(inspect.signature(call).parameters.values())[hidden:]
    except (TypeError, ValueError):  # written in C
        seen = []
    names = [p.name for p in seen if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)][:count]
    return names + ["input" if count == 1 else f"inputs[{i}]" for i in range(len(names), count)]


def _is_function(torch: Any, thing: Any) -> bool:
    """Whether it is a class of ``autograd.Function``."""
    return isinstance(thing, type) and issubclass(thing, torch.autograd.Function)


def _outputs(torch: Any, result: Any) -> Iterator[Any]:
    """The floating-point tensors in a result; complex ones as pairs of real numbers."""
    if isinstance(result, torch.Tensor):
        if result.is_complex():
            result = torch.view_as_real(result)
        if result.is_floating_point():
            yield result
    elif isinstance(result, Mapping | tuple | list):
        for part in result.values() if isinstance(result, Mapping) else result:
            yield from _outputs(torch, part)


def _as_array(tensor: Any) -> Any:
    return tensor.detach().cpu().numpy().astype(float)
