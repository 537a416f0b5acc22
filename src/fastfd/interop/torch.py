"""fastfd and PyTorch: simulators as differentiable operations, and checks of hand-written backward passes."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from fastfd.extras import require
from fastfd.interop.partials import Partials, as_argument

__all__ = ["differentiable"]


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
    >>> round(float(height), 3), round(float(slope), 3)
    (10.222, 0.481)
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
