"""Evaluate the trained policy of a config and its base, or finished policies.

    python -m experiments.evaluate baseline=corpo

The same as `corpo evaluate`. What it does is in `corpo/cli/jobs.py`, its stages are in `corpo/pipeline/`.
"""

import sys

from corpo.cli.main import main

if __name__ == "__main__":
    main(["evaluate", *sys.argv[1:]])
