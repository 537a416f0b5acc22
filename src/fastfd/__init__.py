"""fastfd: derivatives of functions you can only call, at compiled speed, with an honest error bar."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastfd.analysis import StepAnalysis, step_analysis
    from fastfd.check import check_gradient, check_hessian, check_jacobian
    from fastfd.first import Derivative, Gradient, Jacobian, derivative, gradient, jacobian, jvp
    from fastfd.implicit import implicit_jacobian
    from fastfd.info import Info
    from fastfd.noise import NoiseInfo, noise_level
    from fastfd.propagation import Propagated, propagate
    from fastfd.report import GradientCheck
    from fastfd.second import Hessian, hessian, hvp
    from fastfd.sparse import SparsityInfo, color, detect_sparsity
    from fastfd.stencils import Stencil
    from fastfd.verdicts import relative_error

__version__ = "0.1.0"
__all__ = [
    "Derivative", "Gradient", "GradientCheck", "Hessian", "Info", "Jacobian", "NoiseInfo", "Propagated", "SparsityInfo",
    "Stencil", "StepAnalysis", "check_gradient", "check_hessian", "check_jacobian", "color", "derivative", "detect_sparsity",
    "gradient", "hessian", "hvp", "implicit_jacobian", "jacobian", "jvp", "noise_level", "propagate", "relative_error",
    "step_analysis",
]  # fmt: skip

#: The modules they come from, in the order of their floors. One is imported when a name is first asked for (SPEC 1), and
#: numba with it.
_HOMES = (
    "stencils", "verdicts", "info", "sparse", "first", "second", "noise", "analysis", "report", "check", "implicit",
    "propagation",
)  # fmt: skip

#: What njit code may call.
_COMPILED = ("derivative", "gradient", "hessian", "hvp", "jacobian", "jvp")


def _announce(operator: Any) -> None:
    """Tell numba that an operator has a meaning in njit code; what that is, is looked up when such code compiles."""
    embedded = import_module("fastfd.kernels.embedded")

    @embedded.overloaded(operator)
    def typed(*given: Any, **named: Any) -> Any:
        return import_module("fastfd.overloads").compiled(operator.__name__)(*given, **named)

    embedded.refresh()


if not TYPE_CHECKING:  # or it would take any name for one of ours

    def __getattr__(name: str) -> object:
        for home in _HOMES if name in __all__ else ():
            with import_module("fastfd.collector").collector_at_rest():
                module = import_module(f"fastfd.{home}")
            if name in module.__all__:
                globals()[name] = getattr(module, name)
                if name in _COMPILED:
                    _announce(globals()[name])
                return globals()[name]
        msg = f"module 'fastfd' has no attribute {name!r}"
        raise AttributeError(msg)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
