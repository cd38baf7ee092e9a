"""Results of runs: records, tables, pages, figures, model cards."""
