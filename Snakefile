# The workflow is workflow/Snakefile; this file lets a bare `snakemake` find it, and profiles/default with it.

include: "workflow/Snakefile"


workflow.default_target = "all"  # an included file's is not taken over
