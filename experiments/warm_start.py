"""Make the policy that reinforcement learning starts from.

    python -m experiments.warm_start experiment=tiny

The same as `corpo warm-start`. What it does is in `corpo/cli/jobs.py`, its stages are in `corpo/pipeline/`.
"""

import sys

from corpo.cli.main import main

if __name__ == "__main__":
    main(["warm-start", *sys.argv[1:]])
