"""Write tables, figures and report of a finished study again.

    python -m experiments.report experiment=study

The same as `corpo report`. What it does is in `corpo/cli/jobs.py`, its stages are in `corpo/pipeline/`.
"""

import sys

from corpo.cli.main import main

if __name__ == "__main__":
    main(["report", *sys.argv[1:]])
