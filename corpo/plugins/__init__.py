"""CoRPO's baselines inside other trainers. `group_advantages.py` is the rule that all of them share."""
