#!/usr/bin/env bash
# Builds the image realtime-svc:VERSION as an OCI archive, without a daemon. Not as root it needs user namespaces (subuid). Needs buildah, and bin/realtime-svc
# from `make build`.
#
#   [IMAGE=realtime-svc] deploy/image/build.sh [ARCHIVE]      default: bin/realtime-svc.oci.tar
set -euo pipefail
cd "$(dirname "$0")/../.."
archive=${1:-bin/realtime-svc.oci.tar}
image=${IMAGE:-realtime-svc}
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
	-t "$image:$version" "$context" >/dev/null
buildah --storage-driver vfs push --quiet "$image:$version" "oci-archive:$archive:$image:$version"
echo "$archive: $image:$version"
