"""Run the main job: data, three baselines, evaluation, table, figures and report.

    python -m experiments.reproduce experiment=tiny

The same as `corpo reproduce`. What it does is in `corpo/cli/jobs.py`, its stages are in `corpo/pipeline/`.
"""

import sys

from corpo.cli.main import main

if __name__ == "__main__":
    main(["reproduce", *sys.argv[1:]])
