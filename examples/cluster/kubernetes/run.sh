#!/usr/bin/env bash
# A dataset built by an indexed Job of Kubernetes, in three steps that wait for each other:
#
#     ./run.sh
#
# Set the image, the volume and the options in jobs.yaml first: the volume has to be mounted by several pods at a time
# (ReadWriteMany). Run again, whatever is there already is kept; Jobs that have ended are replaced.
set -euo pipefail
cd "$(dirname "$0")"

for step in plan build finish; do
  kubectl delete job --ignore-not-found --selector="layermix-step=$step"
  kubectl apply --filename=jobs.yaml --selector="layermix-step=$step"
  kubectl wait --for=condition=complete --timeout=24h --selector="layermix-step=$step" job
done
