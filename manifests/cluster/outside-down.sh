#!/bin/bash
# Removes the containers that outside-up.sh made.   usage: outside-down.sh NAME
set -euo pipefail
docker rm -f "${1:?usage: outside-down.sh NAME}-simulator" "$1-socks" >/dev/null 2>&1 || true
