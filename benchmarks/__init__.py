"""One script per claim; each writes its numbers, with machine and versions, to results/."""
