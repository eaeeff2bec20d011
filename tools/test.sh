#!/bin/bash
# Every test, from pure to real, each level even if an earlier one failed. What a level needs is installed or built first.
# Last line: "N passed, N failed".
#   LEVELS        those to run (default: all), such as "unit api"
#   KILLS, SEED   how often level session kills a session at a random moment (200), and the seed of a run to repeat
#   KEEP_CLUSTER  1 leaves the cluster wa-test and the containers beside it, for the next run
set -uo pipefail
cd "$(dirname "$0")/.."
reports=.cache/reports; rm -rf "$reports"; mkdir -p "$reports"
say() { printf '%s  %s\n' "$(date +%T)" "$*"; }

postgresql() {
  [ -x /usr/lib/postgresql/15/bin/postgres ] && return
  say "installing PostgreSQL 15 for the store's tests"
  tools/require.sh apt-get || return 1
  mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends postgresql-15 >/dev/null
}
control_plane() { tools/require.sh go gcc && say "kube-apiserver, etcd and helm (built once, 7 minutes)" && manifests/cluster/build-binaries.sh control-plane && manifests/cluster/build-binaries.sh helm; }

place=wa-test
cluster() {
  [ -n "$(trap -p EXIT)" ] && return
  tools/require.sh go gcc || return 1
  trap take_down EXIT
  export PATH=${CACHE:-$HOME/.cache/wa-cluster}/bin:$PATH KUBECONFIG
  KUBECONFIG=$(manifests/cluster/stand.sh up "$place" 10 | tail -1) && [ -s "$KUBECONFIG" ]
}
take_down() { trap - EXIT; [ "${KEEP_CLUSTER:-}" = 1 ] || manifests/cluster/stand.sh down "$place" >&2; }

broken=0
level() { # name, what it needs
  local name=$1 need=$2
  [[ " ${LEVELS:-$name} " == *" $name "* ]] || return 0
  if [ -n "$need" ] && ! "$need" >&2; then say "level $name: what it needs could not be had"; broken=$((broken + 1)); return; fi
  say "level $name"
  NO_COLOR=1 vitest run --project "$name" --reporter=dot --reporter=json --outputFile.json="$reports/$name.json"
  echo $? > "$reports/$name.exit"
  [ -s "$reports/$name.json" ] || broken=$((broken + 1))
}
level unit ""
level session postgresql
level api control_plane
level cluster cluster
level destructive cluster
[ -z "$(trap -p EXIT)" ] || take_down
read -r passed failed < <(node tools/sum-reports.ts "$reports")
failed=$((failed + broken))
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
