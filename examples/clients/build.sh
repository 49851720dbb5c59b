#!/usr/bin/env bash
# Generates the clients that are not committed, and builds the examples that are compiled. Needs what `make client-tools` installs.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=examples/clients/.build
mkdir -p "$build"

CGO_ENABLED=0 go build -o "$build/go" ./examples/clients/go
(cd examples/clients/typescript && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build)

e2e/node_modules/.bin/buf generate --template examples/clients/buf.gen.yaml

jars=$(find /usr/share/java -name '*.jar' | grep -E '/(grpc-[a-z-]+|protobuf|netty-[a-z0-9-]+|gson|jsr305|guava|failureaccess|perfmark[a-z-]*|geronimo-annotation[a-z0-9.-]*|opencensus-[a-z-]+)\.jar$' | paste -sd:)
mkdir -p "$build/java/classes"
find "$build/java" -name '*.java' >"$build/java/sources"
javac -nowarn -Xlint:none -cp "$jars" -d "$build/java/classes" @"$build/java/sources" examples/clients/java/Backend.java
printf '%s' "$build/java/classes:$jars" >"$build/java/classpath"

# Each is slow to compile: two at a time, and without the services that the example does not call.
find "$build/cpp" -name '*.cc' -not -name 'room_service*' -not -name 'socket_service*' -not -name 'node_service*' -print0 | xargs -0 -P 2 -I{} g++ -std=c++20 -O0 -I "$build/cpp" -c {} -o {}.o
g++ -std=c++20 -O0 -I "$build/cpp" examples/clients/cpp/backend.cc $(find "$build/cpp" -name '*.o') -o "$build/cpp/backend" \
	$(pkg-config --cflags --libs grpc++ protobuf)
