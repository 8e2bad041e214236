"""Train one policy, or sweep over options with -m.

    python -m experiments.train -m baseline=grpo,static,corpo seed=0,1

The same as `corpo train`. What it does is in `corpo/cli/jobs.py`, its stages are in `corpo/pipeline/`.
"""

import sys

from corpo.cli.main import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
