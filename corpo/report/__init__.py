"""Words and pictures: tables, figures, reports, cards and trackers; `corpo.analysis` has the numbers."""
