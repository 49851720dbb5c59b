#!/bin/sh
# Fetches the stock Socket.IO client from npm into dist/, where the Go build embeds it. The version is pinned, and so is
# the content: a package with another hash is refused. Without npm there is no bundle, and the build goes on without it.
set -eu

version=4.8.4
integrity=7wjKAvVXYOJsbmUgkWbnhPD4bFpkqrUR0++XOjpGFmqDqsqV1CI93VTraeExLxpjxEqrWgFoSRZu1ihjLWfkAA== # sha512, base64

cd "$(dirname "$0")"
if [ "$(cat dist/VERSION 2>/dev/null)" = "$version" ]; then
	exit 0
fi
if ! command -v npm >/dev/null; then
	echo "bundle: npm is not installed: the binary will carry no Socket.IO client (/socket.io/socket.io.js answers 404)" >&2
	exit 0
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
if ! (cd "$tmp" && npm pack --silent "socket.io-client@$version" >/dev/null); then
	echo "bundle: npm could not fetch socket.io-client@$version: the binary will carry no Socket.IO client" >&2
	exit 0
fi
hash='process.stdout.write(require("crypto").createHash("sha512").update(require("fs").readFileSync(0)).digest("base64"))'
found=$(node -e "$hash" <"$tmp/socket.io-client-$version.tgz")
if [ "$found" != "$integrity" ]; then
	echo "bundle: socket.io-client@$version has the hash sha512-$found, want sha512-$integrity" >&2
	exit 1
fi
tar -xzf "$tmp/socket.io-client-$version.tgz" -C "$tmp"
mkdir -p dist
for name in socket.io socket.io.min socket.io.esm.min socket.io.msgpack.min; do
	cp "$tmp/package/dist/$name.js" "$tmp/package/dist/$name.js.map" dist/
done
cp "$tmp/package/LICENSE" dist/
echo "$version" >dist/VERSION
echo "bundle: socket.io-client $version"
