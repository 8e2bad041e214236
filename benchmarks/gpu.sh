#!/usr/bin/env bash
# Everything that has to be seen on a GPU, in at most nine minutes on a bare machine with PyTorch and transformers:
#
#     OUT=results_folder bash benchmarks/gpu.sh [PART...]
#
# Parts, in this order by default: tests equality steps decode whole compiled experiment. Each has a time limit of its own and writes
# its results as it goes, so that one that fails or is cut off loses nothing. LIMIT is the time of all together in seconds (default
# 520). GPU_SH_TINY=1 runs all parts at a size that a CPU does in two minutes; its figures mean nothing.
#
# On a machine without hydra-core, carry wheels in .whl/ (for Python 3.12: antlr4-python3-runtime 4.9.3, datasets, dill, hydra-core,
# multiprocess, omegaconf) and start with:
#
#     python3 -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target /tmp/site .whl/*.whl && export PYTHONPATH=/tmp/site || exit; LIMIT=520 bash benchmarks/gpu.sh
#
# Afterwards: `python -m benchmarks.speed.gpu page --out results_folder` writes results/bench/gpu.md. `tar xzf experiment.tar.gz` in
# the checkout unpacks the finished stages into outputs/, from which `corpo reproduce experiment=gpu` writes results/gpu.
set -u
cd "$(dirname "$0")/.."
OUT=${OUT:?set OUT to a folder for the results}
PYTHON=${PYTHON:-python3}
LIMIT=${LIMIT:-520}
WORK=${WORK:-/tmp/corpo_gpu}
mkdir -p "$OUT" "$WORK"
export OMP_WAIT_POLICY=PASSIVE HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false PYTHONUNBUFFERED=1 PYTHONWARNINGS=ignore TQDM_DISABLE=1
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
TINY=()
EXPERIMENT=(experiment=gpu "outputs=$WORK/outputs" "results=$WORK/results")
SEEDS=${SEEDS:-0 1 2}
if [ -n "${GPU_SH_TINY:-}" ]; then
    TINY=(--tiny)
    EXPERIMENT+=(data=tiny evaluate=tiny train=tiny "nano={vocabulary: 400, width: 32, layers: 2, heads: 2, mlp: 64}" "study.seeds=[0]"
        "warm_start={steps: 4, pairs: 4, warmup_steps: 2, evaluate_every: 2}")
    SEEDS=0
fi

left() { echo $((LIMIT - SECONDS)); }
say() { echo "[$SECONDS s of $LIMIT] $*" | tee -a "$OUT/log.txt"; }

# run PART SECONDS COMMAND...: the command within its own limit and what is left of the whole.
run() {
    local part=$1 limit=$2
    shift 2
    [ "$limit" -gt "$(left)" ] && limit=$(left)
    [ "$limit" -lt 5 ] && say "$part: no time left" && return 1
    say "$part: at most $limit s"
    timeout --kill-after=5 "$limit" "$@" >>"$OUT/log.txt" 2>&1
    local code=$?
    say "$part: exit code $code"
    return $code
}

measure() { run "$1" "$2" "$PYTHON" -m benchmarks.speed.gpu "$1" --out "$OUT" --seconds "$(($2 - 15))" "${TINY[@]}"; }

train_and_evaluate() {
    "$PYTHON" -m experiments.train "${EXPERIMENT[@]}" "baseline=$1" "seed=$2" &&
        "$PYTHON" -m experiments.evaluate "${EXPERIMENT[@]}" "baseline=$1" "seed=$2"
}

run_experiment() {
    export OMP_NUM_THREADS=1 TORCHINDUCTOR_COMPILE_THREADS=1
    run "experiment: data and warm start" 240 "$PYTHON" -m experiments.warm_start "${EXPERIMENT[@]}" || return
    export -f train_and_evaluate
    local baseline seed pids=()
    for seed in $SEEDS; do
        for baseline in grpo static corpo; do
            (PYTHON=$PYTHON timeout --kill-after=5 "$(($(left) - 15))" bash -c "
                EXPERIMENT=($(printf '%q ' "${EXPERIMENT[@]}")); train_and_evaluate $baseline $seed
            " >"$WORK/$baseline-$seed.txt" 2>&1) &
            pids+=($!)
        done
    done
    say "experiment: ${#pids[@]} runs at once"
    wait "${pids[@]}"
    tail -n 3 "$WORK"/*-*.txt >>"$OUT/log.txt"
    (cd "$WORK" && tar czf "$OUT/experiment.tar.gz" --exclude='*.safetensors' --exclude='checkpoint*' --exclude='lock' outputs)
    say "experiment: $(find "$WORK/outputs" -name done.json | wc -l) stages done"
}

say "estimates: tests 90 s, equality 60 s, steps 180 s, decode 70 s, whole 50 s, compiled 120 s, experiment 300 s"
for part in ${@:-tests equality steps decode whole compiled experiment}; do
    case $part in
    tests) run tests 120 "$PYTHON" -m pytest -q -p no:cacheprovider -rs -k cuda tests/policy/test_tree_attention_flex.py tests/rollout/test_graph_decoder.py ;;
    equality) measure equality 90 ;;
    steps) measure steps 210 ;;
    decode) measure decode 90 ;;
    whole) measure whole 70 ;;
    compiled) measure compiled 150 ;;
    experiment) run_experiment ;;
    *) say "$part: no such part" ;;
    esac
done
say "all done"
du -h "$OUT"/*
tail -c 3000 "$OUT/log.txt"
