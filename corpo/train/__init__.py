"""Training: the warm start that makes a base policy, and the policy-gradient loop of the paper."""
