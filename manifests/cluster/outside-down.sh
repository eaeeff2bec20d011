#!/bin/bash
# Removes the containers that outside-up.sh made.   usage: outside-down.sh NAME
here=$(cd "$(dirname "$0")" && pwd); . "$here/engine.sh"
name=${1:?usage: outside-down.sh NAME}
engine_find || fail "no Docker engine answers" "$here/start-docker.sh starts one"
containers=$(ask "containers beside $name" "run this again" docker ps -aq --filter "label=wa.outside=$name")
# shellcheck disable=SC2086  # one identifier a word
[ -z "$containers" ] || step "removing the containers beside $name" "run this again" docker rm -f $containers
