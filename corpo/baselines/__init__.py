"""The method: from the rewards of a group to its advantages."""
