"""Words and pictures: tables, figures, reports, cards and trackers. The numbers come from `corpo.analysis`."""
