"""corpo: Correctness Relative Policy Optimization (arXiv 2511.04439), replicated."""

__version__ = "0.1.0"
