#!/usr/bin/env bash
# E5-V whole, in one command: its data, base models, trainings and tables, with our figures beside
# the authors'. What is there is not made again: a run that was killed goes on where it was.
#
#     bash runs/paper.sh --out FOLDER --data DATA     everything, days on one large GPU
#     bash runs/paper.sh --out FOLDER --plan          what it needs, and what can be left out
#     bash runs/paper.sh --out FOLDER --tiny          the same stages and code, small, in minutes
#     bash runs/paper.sh --help                       all options
#
# It writes results.json, report.md and report.html into FOLDER. The stages, each of which can be
# asked for with --stages:
#
# data        fetches NLI, Flickr30K, COCO, CIRR, FashionIQ, STS and LLaVA's pairs, and checks them;
#             copies that lie in DATA in the published layout are taken
# base        converts LLaVA-NeXT, and compares the vectors of each base with its reference code's
# train       text, Table 6's prompts, Table 7's images and texts, both mixed, and Table 8's model
# evaluate    Tables 1 to 8, the rankings for CIRR's test server, the gap, the words near an item
# report      tables, claims and costs, of all that is there
#
# Every stage is a list of e5v commands, which are printed and stand alone; FOLDER/jobs says which
# are done. --only names some of the settings (paper/settings.json), and --seeds several trainings.
#
# PYTHON      the interpreter of an environment with this package's dev extra; .venv/bin/python by
#             default
set -euo pipefail
case "${1:-}" in "") sed -n '2,8p' "$0" >&2; exit 2 ;; esac
root=$(cd "$(dirname "$0")/.." && pwd)
PYTHON=${PYTHON:-$root/.venv/bin/python}
export PYTHONPATH=$root${PYTHONPATH:+:$PYTHONPATH}
exec "$PYTHON" -m paper "$@"
