#!/usr/bin/env bash
# Starts the service and the chat beside it, and ends both with Ctrl-C. make run builds them first.
set -euo pipefail
cd "$(dirname "$0")/../.."

listen=${REALTIME_LISTEN:-127.0.0.1:8080}
grpc=${REALTIME_GRPC_LISTEN:-127.0.0.1:9090}

cat <<END

  The chat:     http://${listen/#:/localhost:}  (open it in two windows)
  Try, in another terminal:

    grpcurl -plaintext -d '{"target": {}, "event": "news", "arguments": "[\\"hello from the shell\\"]"}' \\
        $grpc realtime.v1.EmitService/Emit

  grpcurl: go run github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4 …      Ctrl-C ends both.

END

bin/realtime-svc --listen "$listen" --grpc-listen "$grpc" --web-root examples/chat/web --admission-policy deny &
service=$!
bin/chat --grpc "$grpc" &
chat=$!
trap 'trap "" INT TERM; kill -TERM $chat $service 2>/dev/null || true' INT TERM EXIT
wait -n || true # whoever ends first takes the other along
kill -TERM $chat $service 2>/dev/null || true
wait
