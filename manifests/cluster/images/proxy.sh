#!/bin/bash
# Runs a SOCKS5 proxy on port 1080.   PROXY_USERNAME, PROXY_PASSWORD: what it asks of its clients
set -euo pipefail
: "${PROXY_USERNAME:?}" "${PROXY_PASSWORD:?}"
exec microsocks -i "${PROXY_HOST:-0.0.0.0}" -p 1080 -u "$PROXY_USERNAME" -P "$PROXY_PASSWORD"
