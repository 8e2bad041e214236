"""The policy: loading one, making the nano, and log-probs with the prompt computed once a group."""
