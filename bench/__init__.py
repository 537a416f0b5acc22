"""Measure fastfd against what else there is: `python -m bench` from the repository root."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests")]  # this tree's fastfd, not an installed one, and its battery
