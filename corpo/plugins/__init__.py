"""CoRPO's baselines inside the trainers of TRL and verl."""
