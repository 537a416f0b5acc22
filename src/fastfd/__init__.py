"""fastfd: derivatives of functions you can only call, at compiled speed, with an honest error bar."""

from fastfd.first import Gradient, Jacobian, gradient, jacobian, jvp
from fastfd.info import Info
from fastfd.stencils import Stencil

__version__ = "0.1.0"
__all__ = ["Gradient", "Info", "Jacobian", "Stencil", "gradient", "jacobian", "jvp"]
