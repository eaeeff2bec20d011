#!/bin/bash
# Says plainly which programs are missing, and how a Debian-like system gets them.
set -euo pipefail
missing=()
for program in "$@"; do command -v "$program" >/dev/null || missing+=("$program"); done
[ ${#missing[@]} -eq 0 ] && exit 0
echo "missing: ${missing[*]}. On Debian: apt-get install ${missing[*]} (go: golang-go 1.26 or newer from go.dev)" >&2
exit 1
