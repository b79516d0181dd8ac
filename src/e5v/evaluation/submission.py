"""Files for test servers: a Submission, and its candidates ranked for every query -> JSON.

CIRR takes two files, for recall and for subset recall; CIRCO takes one.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from e5v.errors import DataError
from e5v.evaluation.tasks import Submission

Metric = Literal["recall", "recall_subset", "map"]


@dataclass(frozen=True)
class Form:
    """The format of a server's file: its first entries, and the images named for a query."""

    head: Mapping[str, str]
    most: int


FORMS: dict[Metric, Form] = {
    "recall": Form({"version": "rc2", "metric": "recall"}, 50),  # cirr.cecs.anu.edu.au
    "recall_subset": Form({"version": "rc2", "metric": "recall_subset"}, 3),
    "map": Form({}, 50),  # circo.micc.unifi.it, which knows images by number
}


def submission_json(submission: Submission, ranked: Sequence[Iterable[int]], metric: Metric) -> str:
    """Write the best images of every query in the format of a metric's server.

    `ranked` has indices in the candidates, best first; those that do not compete are skipped.

    Raises:
        DataError: a query is not ranked, or too few of its images are.
    """
    if not len(set(submission.ids)) == len(submission.ids) == len(ranked):
        raise DataError(
            f"{len(ranked)} queries are ranked; expected all {len(submission.ids)} of "
            f"{submission.name}, each with an id of its own"
        )
    form = FORMS[metric]
    answers: dict[str, list[str] | list[int]] = {}
    for place, (query, order) in enumerate(zip(submission.ids, ranked, strict=True)):
        hidden = set(submission.hidden[place])
        everyone = range(len(submission.names))
        rivals = submission.among[place] if metric == "recall_subset" else everyone
        competing = (one for one in map(int, order) if one in rivals and one not in hidden)
        best = list(islice(competing, form.most))
        if len(best) < min(form.most, len(rivals) - sum(one in rivals for one in hidden)):
            raise DataError(
                f"query {query} of {submission.name} has {len(best)} images ranked; "
                f"its server takes {form.most}"
            )
        names = [submission.names[one] for one in best]
        answers[query] = [int(name) for name in names] if metric == "map" else names
    return json.dumps({**form.head, **answers})
