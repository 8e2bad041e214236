"""Entry points, one a stage, and the pipeline that `make reproduce` runs."""

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # nothing asks a hub unless it is told to: HF_HUB_OFFLINE=0
