"""fastfd: derivatives of functions you can only call, at compiled speed, with an honest error bar."""

from fastfd.analysis import StepAnalysis, step_analysis
from fastfd.first import Derivative, Gradient, Jacobian, derivative, gradient, jacobian, jvp
from fastfd.info import Info
from fastfd.noise import NoiseInfo, noise_level
from fastfd.second import Hessian, hessian, hvp
from fastfd.stencils import Stencil

__version__ = "0.1.0"
__all__ = [
    "Derivative", "Gradient", "Hessian", "Info", "Jacobian", "NoiseInfo", "Stencil", "StepAnalysis", "derivative",
    "gradient", "hessian", "hvp", "jacobian", "jvp", "noise_level", "step_analysis",
]  # fmt: skip
