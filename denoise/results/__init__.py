"""Results of runs: records, tables, reports, figures, model cards."""
