#!/bin/bash
# All that can be said about the sources without running them; independent parts at once.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
logs=$(mktemp -d); trap 'rm -rf "$logs"' EXIT
names=(); pids=()
part() { local name=$1; shift; "$@" > "$logs/$name" 2>&1 & pids+=($!); names+=("$name"); }
part types tsc --build
part lint oxlint --type-aware --deny-warnings .
part format oxfmt --check .
part layers vitest run --project unit tools
part dead-code knip
part generated node --conditions=source tools/generate.ts --check
failed=0
for i in "${!pids[@]}"; do
  if wait "${pids[$i]}"; then echo "ok      ${names[$i]}"; else echo "FAILED  ${names[$i]}"; tail -n 40 "$logs/${names[$i]}"; failed=1; fi
done
exit $failed
