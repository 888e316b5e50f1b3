"""From finished runs to tables, figures, the coverage list and one page. Nothing here imports torch at start-up."""
