"""From finished runs to tables, figures, the coverage list and one page. Nothing here imports torch at start-up."""

import logging

logging.getLogger("matplotlib").setLevel(
    logging.ERROR
)  # as it is imported, it warns of a home without room for a cache
