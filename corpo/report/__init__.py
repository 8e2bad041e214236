"""Tables, figures, reports, cards and trackers. `corpo.analysis` computes their numbers."""
