#!/bin/bash
# Every test, from pure to real, each level even if an earlier one failed. What a level needs is installed or built first.
# Last line: "N passed, N failed".
#   LEVELS        those to run (default: all), such as "unit api"
#   KILLS, SEED   how often level session kills a session at a random moment (200), and the seed of a run to repeat
#   KEEP_CLUSTER  1 leaves the cluster wa-test, the containers beside it and an engine of ours, for the next run
cd "$(dirname "$0")/.." || exit
. manifests/cluster/engine.sh; . tools/shell/toolchain.sh
toolchain node; export PATH=$PWD/node_modules/.bin:$PATH
# A level that fails is counted, and the next one runs.
set +e; trap - ERR
all="unit session api cluster destructive"
for name in ${LEVELS:-$all}; do
  [[ " $all " == *" $name "* ]] || fail "LEVELS names $name" "allowed: $all, several of them with spaces between"
done
reports=.cache/reports; rm -rf "$reports"; mkdir -p "$reports"

# A client and parts of GitOps tools that are compiled for their tests; once to be told, once to be found.
go_programs() { (toolchain go) && toolchain go; }
session_needs() { tools/session-needs.sh && go_programs; }
control_plane() { go_programs && manifests/cluster/build-binaries.sh control-plane && manifests/cluster/build-binaries.sh helm; }
place=wa-test stands= ahead=
cluster() {
  [ -z "$stands" ] || return 0
  trap take_down EXIT
  export PATH=$CACHE/bin:$PATH KUBECONFIG=$CACHE/$place.kubeconfig
  manifests/cluster/stand.sh up "$place" 10 && engine_find && stands=1 || return
  # The first time it takes minutes, and the stories before it mostly wait. Who needs it asks again, and is told what failed.
  [[ " ${LEVELS:-$all} " == *" destructive "* ]] || return 0
  manifests/cluster/earlier-release.sh > "$CACHE/logs/earlier-release.log" 2>&1 & ahead=$!
}
take_down() { trap - EXIT; [ -z "$ahead" ] || wait "$ahead"; [ "${KEEP_CLUSTER:-}" = 1 ] || manifests/cluster/stand.sh down "$place"; }

broken=0
level() { # name, what it needs
  local name=$1; shift
  [[ " ${LEVELS:-$name} " == *" $name "* ]] || return 0
  if ! "$@" >&2; then say "level $name: what it needs could not be had, as told above"; broken=$((broken + 1)); return; fi
  say "level $name"
  NO_COLOR=1 vitest run --project "$name" --reporter=dot --reporter=json --outputFile.json="$reports/$name.json"
  echo $? > "$reports/$name.exit"
  [ -s "$reports/$name.json" ] || { say "level $name has written no report"; broken=$((broken + 1)); }
}
level unit true
level session session_needs
level api control_plane
level cluster cluster
level destructive cluster
if [ -n "$(trap -p EXIT)" ] && ! take_down; then say "what the tests started could not be removed, as told above"; broken=$((broken + 1)); fi
read -r passed failed < <(node tools/sum-reports.ts "$reports")
failed=$((failed + broken))
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
