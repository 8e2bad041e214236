"""Run a study: several seeds, an ablation, or a search over hyperparameters.

    python -m experiments.study experiment=ablate_levels

The same as `corpo study`. What it does is in `corpo/cli/jobs.py`, its stages are in `corpo/pipeline/`.
"""

import sys

from corpo.cli.main import main

if __name__ == "__main__":
    main(["study", *sys.argv[1:]])
