#!/usr/bin/env bash
# A dataset built by a job array of SLURM, in three steps that wait for each other:
#
#     SOURCE=/shared/train OUT=/shared/shards OPTIONS="--variants 8 --shard-size 1000" ./submit.sh
#
# SOURCE and OUT lie on a file system that all nodes share. Submitted again, whatever is there already is kept: after a
# failure, and with more --variants, which add planes. For job scripts in another folder, call sbatch from there.
set -euo pipefail
cd "$(dirname "$0")"
export SOURCE OUT OPTIONS="${OPTIONS:-}"

submit() {
  sbatch --parsable "$@" | cut -d ';' -f 1 # where there are several clusters, the name of one follows
}

plan=$(submit plan.sbatch)
array=$(submit --dependency="afterok:$plan" --kill-on-invalid-dep=yes build.sbatch) # else it stays in the queue
finish=$(submit --dependency="afterany:$array" finish.sbatch)
echo "plan $plan, build $array, finish $finish"
