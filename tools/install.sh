#!/bin/bash
# Installs the project's packages, Node 24 among them. Not npm ci: it refuses a lock file that names no packages of other
# platforms, and not every registry serves those.
here=$(cd "$(dirname "$0")" && pwd)
. "$here/shell/step.sh"; . "$here/shell/packages.sh"; . "$here/shell/toolchain.sh"
cd "$here/.."
toolchain node
step "packages of npm" "npm's registry is $(npm config get registry): see that it answers, then run this again" \
  npm install --no-save --no-audit --no-fund --loglevel=error
