"""Marks for tests that are about one world only."""

import pytest
from numba import config

compiled_only = pytest.mark.skipif(config.DISABLE_JIT, reason="about compiled code, and NUMBA_DISABLE_JIT is set")
