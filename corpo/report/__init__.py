"""What a run shows: tables, figures and the report."""
