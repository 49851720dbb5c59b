#!/usr/bin/env bash
# Builds the image realtime-svc:VERSION as an OCI archive, without a daemon and without privileges of one. Needs buildah, and bin/realtime-svc
# from `make build`.
#
#   deploy/image/build.sh [ARCHIVE]      default: bin/realtime-svc.oci.tar
set -euo pipefail
cd "$(dirname "$0")/../.."
archive=${1:-bin/realtime-svc.oci.tar}
version=$(git describe --tags --always --dirty 2>/dev/null || echo unknown)
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
cp bin/realtime-svc deploy/image/Dockerfile "$context"
cp /etc/ssl/certs/ca-certificates.crt "$context"
rm -f "$archive"
buildah --storage-driver vfs bud --isolation chroot --quiet \
	--label org.opencontainers.image.title=realtime-svc \
	--label "org.opencontainers.image.version=$version" \
	--label "org.opencontainers.image.revision=$(git rev-parse HEAD 2>/dev/null || echo unknown)" \
	-t "realtime-svc:$version" "$context" >/dev/null
buildah --storage-driver vfs push --quiet "realtime-svc:$version" "oci-archive:$archive:realtime-svc:$version"
echo "$archive: realtime-svc:$version"
