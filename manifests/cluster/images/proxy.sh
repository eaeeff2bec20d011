#!/bin/bash
# Runs a proxy: SOCKS5 on port 1080, or HTTP (CONNECT) on port 8080.
#   PROXY_PROTOCOL                  socks5 (default) or http
#   PROXY_USERNAME, PROXY_PASSWORD  what it asks of its clients; letters and digits for http
set -euo pipefail
: "${PROXY_USERNAME:?}" "${PROXY_PASSWORD:?}"
case "${PROXY_PROTOCOL:-socks5}" in
  socks5) exec microsocks -i "${PROXY_HOST:-0.0.0.0}" -p 1080 -u "$PROXY_USERNAME" -P "$PROXY_PASSWORD" ;;
  http)
    printf '%s\n' 'Port 8080' "Listen ${PROXY_HOST:-0.0.0.0}" "BasicAuth $PROXY_USERNAME $PROXY_PASSWORD" \
      'MaxClients 500' 'Timeout 3600' 'LogLevel Error' 'DisableViaHeader Yes' > /tmp/tinyproxy.conf
    exec tinyproxy -d -c /tmp/tinyproxy.conf ;;
  *) echo "PROXY_PROTOCOL: $PROXY_PROTOCOL; allowed: socks5, http" >&2; exit 2 ;;
esac
