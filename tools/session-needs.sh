#!/bin/bash
# What level session needs of Debian where it is missing, PostgreSQL 15 first of all; no server is started.
here=$(cd "$(dirname "$0")" && pwd); . "$here/shell/step.sh"; . "$here/shell/packages.sh"
export PATH=$PATH:/usr/lib/postgresql/15/bin
if ! command -v postgres > /dev/null && [ "$(id -u)" -eq 0 ]; then
  # Its package makes a server's data and starts it, unless it is told not to.
  mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
fi
# The tests of TLS make certificates with openssl; the server gives up root by runuser.
packages postgres:postgresql-15 openssl runuser:util-linux
