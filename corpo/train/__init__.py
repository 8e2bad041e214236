"""Learning: the warm start that makes a base policy, and the policy-gradient loop that the paper is about."""
