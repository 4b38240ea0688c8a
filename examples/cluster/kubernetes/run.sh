#!/usr/bin/env bash
# A dataset built by an indexed Job of Kubernetes, in three steps that wait for each other:
#
#     ./run.sh
#
# Set the image, the volume and the options in jobs.yaml first: the volume has to be mounted by several pods at a time
# (ReadWriteMany). Run again, whatever is there already is kept; Jobs that have ended are replaced.
set -euo pipefail
cd "$(dirname "$0")"

# Complete or Failed is true of a Job at its end. `kubectl wait` waits for one of them, for ever if it is the other.
conditions='{.items[*].status.conditions[?(@.status=="True")].type}'

for step in plan build finish; do
  kubectl delete job --ignore-not-found --selector="layermix-step=$step"
  kubectl apply --filename=jobs.yaml --selector="layermix-step=$step"
  until ended=$(kubectl get job --selector="layermix-step=$step" --output=jsonpath="$conditions") &&
    [[ $ended == *Complete* || $ended == *Failed* ]]; do
    sleep 10
  done
  if [[ $ended == *Failed* && $step != build ]]; then # where jobs of the array have failed, `finish` says which
    kubectl logs "job/layermix-$step" >&2
    exit 1
  fi
done
