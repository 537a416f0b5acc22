"""Measure fastfd against what else there is: `python -m bench` from the repository root."""
