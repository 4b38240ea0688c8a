#!/usr/bin/env bash
# A dataset built by a job array of SLURM, in three steps that wait for each other:
#
#     SOURCE=/shared/train OUT=/shared/shards OPTIONS="--variants 8 --shard-size 1000" ./submit.sh
#
# SOURCE and OUT are absolute paths on a file system that all nodes share. Submitted again, whatever is there already is
# kept: after a failure, and with more --variants, which add planes. The logs of the jobs appear next to this script.
set -euo pipefail
cd "$(dirname "$0")"
: "${SOURCE:?give the folder of the images}" "${OUT:?give the folder of the shards}"
export SOURCE OUT OPTIONS="${OPTIONS:-}"

submit() {
  sbatch --parsable "$@" | cut -d ';' -f 1 # where there are several clusters, the name of one follows
}

plan=$(submit plan.sbatch)
array=$(submit --dependency="afterok:$plan" --kill-on-invalid-dep=yes build.sbatch) # else it stays in the queue
finish=$(submit --dependency="afterany:$array" finish.sbatch)
echo "plan $plan, build $array, finish $finish"
