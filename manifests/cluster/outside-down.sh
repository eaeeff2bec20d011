#!/bin/bash
# Removes the containers that outside-up.sh made.   usage: outside-down.sh NAME
set -euo pipefail
docker ps -aq --filter "label=wa.outside=${1:?usage: outside-down.sh NAME}" | xargs -r docker rm -f >/dev/null
