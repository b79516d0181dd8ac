#!/usr/bin/env bash
# The bundled model and docs/miniature.md, from nothing. What is there is not made again: a run that
# was killed goes on where it was.
#
#     bash runs/nano.sh                  everything, into build/nano, nano/results and docs
#     bash runs/nano.sh --tiny FOLDER    the whole chain with a model that learns nothing, in minutes
#
# DEVICE    cpu (default) or cuda: where it is trained and evaluated
# ENGLISH   real sentences, files parted by spaces: triplets as SimCSE's nli_for_simcse.csv
#           (sent0,sent1,hard_neg), captions as JSON lines ({"captions": [...]}); may be empty
# STS       SentEval's data/downstream, to measure STS-B on; may be empty
# PYTHON    the interpreter of an environment with this package; .venv/bin/python by default
# WORKERS   processes that draw scenes while a stage trains; 0 by default
# VISION, LANGUAGE, ALIGN    words for the stages of nano.pretrain; on a GPU, --letters 0.2 among
#           those of ALIGN teaches it to read captions, which takes longer than 2 cores have
# STUDY     words for nano.study: numbers that were chosen on the validation split, see --help
#
# It needs a font and a renderer:  apt-get install fonts-noto-color-emoji librsvg2-bin
# and npm for the other drawings, which it installs into build/nano.
set -euo pipefail
cd "$(dirname "$0")/.."

DEVICE=${DEVICE:-cpu}
ENGLISH=${ENGLISH:-}
STS=${STS:-}
PYTHON=${PYTHON:-.venv/bin/python}
WORKERS=${WORKERS:-0}
ART=build/nano
stages=build/nano
size=nano
scenes=examples/scenes
results=nano/results
docs=docs
vision=${VISION:---steps 2600 --batch 96 --matrix-rate 3e-3}
language=${LANGUAGE:---steps 2800}
align=${ALIGN:---steps 12000 --matrix-rate 7e-4 --other-rate 7e-4}
study=${STUDY:-}
cost=

if [[ ${1:-} == --tiny ]]; then
    stages=${2:?--tiny needs a folder}
    size=tiny
    scenes=$stages/scenes
    results=$stages/results
    docs=$stages/docs
    vision="--steps 4 --batch 8"
    language="--steps 4 --batch 8"
    align="--steps 4 --batch 8"
    study="--only base text pairs --seeds 1 --steps 3 --batch 8 --rows 200"
    cost="--size tiny --batch 4"
elif (($#)); then
    sed -n '2,6p' "$0" >&2
    exit 2
fi
read -ra english <<<"$ENGLISH"
nli=()
for file in "${english[@]}"; do
    [[ $file == *.csv ]] && nli=(--nli "$file")
done
sts=()
[[ -n $STS ]] && sts=(--sts "$STS")
mkdir -p "$stages"

say() { printf '\n== %s\n' "$*"; }

# Write a folder of scenes: split, style, folder. The small ones are of the same world.
scenes_of() {
    [[ -d $3 ]] && return
    say "scenes: $1, $2 -> $3"
    local few=""
    [[ $size == tiny ]] && few="export.IMAGES, export.SIBLINGS, export.EDITS, export.PAIRS = 40, 10, 12, 60; "
    "$PYTHON" -c "import tyro; from nano import export; ${few}tyro.cli(export.main)" "$3" \
        --split "$1" --style "$2"
}

if [[ ! -f $ART/noto.npz || ! -f $ART/twemoji.npz || ! -f $ART/openmoji.npz ]]; then
    say "drawings -> $ART"
    [[ -d $ART/node_modules/openmoji ]] ||
        npm install --prefix "$ART" emoji-datasource-twitter@16.0.0 openmoji@17.0.0
    "$PYTHON" -m nano.art
fi
if [[ $stages != "$ART" ]]; then
    cp "$ART/noto.npz" "$ART/twemoji.npz" "$stages"
fi

if [[ ! -f $stages/tokenizer/tokenizer.json ]]; then
    say "tokenizer -> $stages/tokenizer"
    "$PYTHON" -m nano.tokenizer "$stages/tokenizer" "${english[@]}"
fi

# Each stage goes on from its own file, and ends at once where it has made all its steps.
stage() {
    say "stage $1: ${*:2}"
    "$PYTHON" -m nano.pretrain "$1" --folder "$stages" --size "$size" --device "$DEVICE" \
        --workers "$WORKERS" "${@:2}"
}
# shellcheck disable=SC2086  # these are lists of words
{
    stage vision $vision
    stage language $language --english "${english[@]}"
    stage align $align
}

base=$stages/base
if [[ ! -f $base/model.safetensors || $stages/align.pt -nt $base/model.safetensors ]]; then
    say "assemble -> $base"
    "$PYTHON" -m nano.pretrain assemble --folder "$stages" --size "$size"
fi

scenes_of test noto "$scenes"
scenes_of validation noto "$stages/validation"
scenes_of test openmoji "$stages/openmoji"

say "study -> $results"
# shellcheck disable=SC2086
"$PYTHON" -m nano.study "$base" --scenes "$scenes" --style "$stages/openmoji" "${sts[@]}" \
    "${nli[@]}" --work "$stages/study" --art "$stages" --results "$results" \
    --gap "$docs/miniature-gap.png" --device "$DEVICE" $study

if [[ ! -f $results/cost.json ]]; then
    say "cost -> $results/cost.json"
    # shellcheck disable=SC2086
    "$PYTHON" -m benchmarks.image_training --tokenizer "$stages/tokenizer" --out "$results/cost.json" $cost
fi

say "miniature -> $docs/miniature.md"
"$PYTHON" -m nano.miniature --results "$results" --out "$docs/miniature.md"
say "done; which of text-0, text-1 and text-2 is best on the validation split, and into the package:"
echo "e5v merge $stages/study/text-N --model $base --out $stages/text-N"
echo "e5v evaluate $stages/text-N --data $stages/validation"
echo "python -m nano.ship $base $stages/study/text-N/adapter"
