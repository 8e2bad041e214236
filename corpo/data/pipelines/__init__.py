"""Programs composed of list operations, a space of problems that is too large to memorise."""
