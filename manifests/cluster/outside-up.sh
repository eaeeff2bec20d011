#!/bin/bash
# What stands outside the cluster, as containers with addresses of their own on the cluster's Docker network:
# NAME-simulator (ws and control on 8080, wss on 8443), NAME-socks-1, -2 ... (SOCKS5 on 1080, user demo, password
# p@ss:w/rd#1) and NAME-http-1 (HTTP CONNECT on 8080, user demo, password passw0rd). Prints each with its address.
#   usage: outside-up.sh NAME [SOCKS PROXIES, default 1]
set -euo pipefail
name=${1:?usage: outside-up.sh NAME [SOCKS PROXIES]}; proxies=${2:-1}; network=kind
docker network inspect "$network" >/dev/null 2>&1 || { echo "no Docker network $network: start the cluster first (up.sh)" >&2; exit 1; }
start() { # container, then arguments of docker run
  local container=$1; shift
  docker rm -f "$container" >/dev/null 2>&1 || true
  docker run -d --name "$container" --label "wa.outside=$name" --network "$network" "$@" >/dev/null
  echo "$container $(docker inspect -f '{{.NetworkSettings.Networks.kind.IPAddress}}' "$container")"
}
start "$name-simulator" whatsapp-simulator:dev --host :: --port 8080 --tls-port 8443 --san "$name-simulator"
for ((i = 1; i <= proxies; i++)); do
  start "$name-socks-$i" -e PROXY_USERNAME=demo -e 'PROXY_PASSWORD=p@ss:w/rd#1' whatsapp-proxy:dev
done
start "$name-http-1" -e PROXY_PROTOCOL=http -e PROXY_USERNAME=demo -e PROXY_PASSWORD=passw0rd whatsapp-proxy:dev
