#!/usr/bin/env bash
# Trains with two workers, here two processes of this machine:
#
#     examples/multiworker.sh [flags of keras-vit train]
#
# On two machines, start the command once on each, with their addresses and its
# own index, in a folder that they share. A worker that is lost ends the other with status 43; start both
# again and they go on from the last checkpoint.
set -euo pipefail

port=${PORT:-$((20000 + RANDOM % 20000))}
workers="\"localhost:$port\", \"localhost:$((port + 1))\""
pids=()
for index in 0 1; do
  TF_CONFIG="{\"cluster\": {\"worker\": [$workers]}, \"task\": {\"type\": \"worker\", \"index\": $index}}" \
    keras-vit train --strategy=multiworker --folder=runs/multiworker "$@" &
  pids+=($!)
done
trap 'kill "${pids[@]}" 2>/dev/null || true' INT TERM
status=0
for pid in "${pids[@]}"; do
  wait "$pid" || status=$?
done
exit "$status"
