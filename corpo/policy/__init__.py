"""The policy: loading a model, making a nano, and log-probs with each prompt computed once per group."""
