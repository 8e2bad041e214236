"""The configuration groups of Hydra, installed as `corpo.conf` so that `pkg://corpo.conf` finds them."""
