#!/bin/bash
# PostgreSQL 15 of Debian for the store's tests, where it is missing; no server is started.
here=$(cd "$(dirname "$0")" && pwd); . "$here/shell/step.sh"; . "$here/shell/packages.sh"
export PATH=$PATH:/usr/lib/postgresql/15/bin
if ! command -v postgres > /dev/null && [ "$(id -u)" -eq 0 ]; then
  # Its package makes a server's data and starts it, unless it is told not to.
  mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
fi
packages postgres:postgresql-15
