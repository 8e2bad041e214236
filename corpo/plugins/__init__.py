"""CoRPO inside other people's trainers, thin over `corpo.baselines`."""
