"""Compiled cores: plain arrays in, results into arrays handed over, a status back; no options, no text."""
