#!/bin/sh
# Builds every image of the Dockerfile with Docker, for this machine's architecture; each must tell its version.
#
#   compose/docker-images.sh VERSION
set -eu

cd "$(dirname "$0")/.."
version=${1:?usage: docker-images.sh VERSION}
revision=$(git rev-parse HEAD)
targets=$(sed -n 's/^FROM scratch AS //p' Dockerfile)
for t in $targets; do
  image=localhost/$t:$version
  docker build --target "$t" --tag "$image" --build-arg VERSION="$version" --build-arg REVISION="$revision" .
  said=$(docker run --rm --network none --read-only --cap-drop ALL "$image" --version)
  [ "$said" = "$t $version" ] || {
    echo "docker-images.sh: $image says '$said'" >&2
    exit 1
  }
  docker image inspect --format '{{index .RepoTags 0}}  {{.Architecture}}  {{.Size}} bytes  user {{.Config.User}}' "$image"
done
