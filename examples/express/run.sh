#!/usr/bin/env bash
# Starts the coffee bar and realtime-svc in front of it; Ctrl-C ends both. `make example-express` builds what it needs.
set -euo pipefail
cd "$(dirname "$0")"
[ -d node_modules ] || npm ci --no-audit --no-fund --loglevel=error
trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT
trap 'exit 130' INT TERM
../../bin/realtime-svc --listen=127.0.0.1:8080 --web-upstream=http://127.0.0.1:3000 --admission-policy=deny --keep-headers=cookie &
node server.mjs &
echo "open http://127.0.0.1:8080 in two browsers (or a private window)"
wait -n
