"""Build, execute and label the pairs.

    python -m experiments.data data=humaneval candidates=mutants name=humaneval

The same as `corpo data`. What it does is in `corpo/cli/jobs.py`, its stages are in `corpo/pipeline/`.
"""

import sys

from corpo.cli.main import main

if __name__ == "__main__":
    main(["data", *sys.argv[1:]])
