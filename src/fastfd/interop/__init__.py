"""fastfd in automatic differentiation: PyTorch (`fastfd.interop.torch`) and JAX (`fastfd.interop.jax`)."""
