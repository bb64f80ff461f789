#!/usr/bin/env bash
# Trains with several workers that share each batch.
#
#     examples/multiworker.sh [FLAGS]              two processes of this machine
#     examples/multiworker.sh hosts [FLAGS]        four, on two hosts
#     examples/multiworker.sh killed [FLAGS]       one of the four is killed
#     examples/multiworker.sh slow [FLAGS]         one of the four gets little time
#     examples/multiworker.sh partition [FLAGS]    the hosts do not reach each other
#                                                  for $SECONDS_APART seconds, 60
#
# FLAGS are those of `keras-vit train`. On real machines, start the command once on
# each, with the addresses of all and its own index, in a folder that they share.
#
# The two hosts are network namespaces of this machine, joined by one virtual cable,
# which nothing else is connected to. They need root and `ip` (package iproute2), and
# are removed at the end. What fails is done once, after the first checkpoint. Each
# worker's lines begin with its number, its exit status is printed, and the greatest
# of them is the script's.
set -euo pipefail

case "${1:-}" in
  hosts | killed | slow | partition) scenario=$1 && shift ;;
  *) scenario=local ;;
esac
folder=${FOLDER:-runs/multiworker}
seconds_apart=${SECONDS_APART:-60}
limit=${LIMIT:-1800} # seconds, after which a worker that still runs is ended
hosts=("kv_host_$$_a" "kv_host_$$_b")
pids=() helpers=()

pause() { read -rt "$1" <> <(:) || true; } # seconds; `sleep` might outlive us

tidy_up() { # what still runs is asked to end, and has a minute for its checkpoint
  kill "${helpers[@]}" "${pids[@]}" 2> /dev/null || true
  kill -CONT "${pids[@]}" 2> /dev/null || true
  for _ in {1..300}; do
    kill -0 "${pids[@]}" 2> /dev/null || break
    pause 0.2
  done
  kill -KILL "${pids[@]}" 2> /dev/null || true
  wait
  [[ $scenario == local ]] || for host in "${hosts[@]}"; do
    ip netns delete "$host" 2> /dev/null || true # and its end of the cable
  done
}
trap tidy_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

lay_cable() { # two namespaces, an end of a cable in each
  local reason
  if ! command -v ip > /dev/null; then
    echo "Skipped: 'ip' is missing. Install iproute2." >&2
    exit 77
  fi
  if ! reason=$(ip netns add "${hosts[0]}" 2>&1 && ip netns add "${hosts[1]}" 2>&1 &&
    ip link add cable netns "${hosts[0]}" type veth peer name cable netns "${hosts[1]}" 2>&1); then
    echo "Skipped: network namespaces cannot be made here, which needs root ($reason)." >&2
    exit 77
  fi
  for index in 0 1; do
    ip -n "${hosts[index]}" address add "10.0.0.$((index + 1))/24" dev cable
    ip -n "${hosts[index]}" link set cable up
    ip -n "${hosts[index]}" link set lo up
  done
}

if [[ $scenario == local ]]; then
  port=${PORT:-$((20000 + RANDOM % 20000))}
  addresses=("localhost:$port" "localhost:$((port + 1))")
else
  lay_cable
  addresses=(10.0.0.1:2222 10.0.0.1:2223 10.0.0.2:2222 10.0.0.2:2223)
fi
workers=$(printf ', "%s"' "${addresses[@]}")

start() { # the worker of that index
  local config on=()
  config="{\"cluster\": {\"worker\": [${workers:2}]}, \"task\": {\"type\": \"worker\", \"index\": $1}}"
  [[ $scenario == local ]] || on=(ip netns exec "${hosts[$1 / 2]}")
  TF_CONFIG=$config "${on[@]}" \
    keras-vit train --strategy=multiworker --folder="$folder" "${flags[@]}" \
    > >(exec sed -u "s/^/[$1] /") 2>&1 &
  pids+=($!)
}
flags=("$@")
for index in "${!addresses[@]}"; do start "$index"; done

checkpoints() { find "$folder/checkpoints" -name 'step_*.npz' 2> /dev/null || true; }

fail() { # in the background, as the scenario says
  until [[ $(checkpoints) != "$before" ]]; do pause 0.2; done
  case $scenario in
    killed)
      echo "== worker 3 is killed"
      kill -KILL "${pids[3]}"
      ;;
    slow)
      echo "== worker 3 gets a tenth of the time"
      while kill -STOP "${pids[3]}" 2> /dev/null; do
        pause 1 # short, to fall into many steps
        kill -CONT "${pids[3]}"
        pause 0.1
      done
      ;;
    partition)
      echo "== the hosts are apart for $seconds_apart seconds"
      ip -n "${hosts[0]}" link set cable down
      pause "$seconds_apart"
      ip -n "${hosts[0]}" link set cable up
      echo "== the hosts reach each other again"
      ;;
  esac
}
before=$(checkpoints)
(pause "$limit" && echo "== still running after $limit seconds" && kill -KILL "${pids[@]}") &
helpers+=($!)
if [[ $scenario != local && $scenario != hosts ]]; then
  fail &
  helpers+=($!)
fi

greatest=0
for index in "${!pids[@]}"; do
  status=0
  wait "${pids[index]}" 2> /dev/null || status=$?
  echo "worker $index: status $status"
  greatest=$((status > greatest ? status : greatest))
done
pids=()
exit "$greatest"
