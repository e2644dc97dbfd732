#!/bin/sh
# The files that pip installs from, made from uv.lock: the same versions with the hashes of the index's files.
set -eu
cd "$(dirname "$0")/.."
export_lock() {
    name=$1
    shift
    uv export --no-config --frozen --no-emit-project --no-header --no-annotate --quiet "$@" --output-file "locks/$name.txt" > /dev/null
}
export_lock dev --extra all --extra dev     # make demo, make test
export_lock service --extra all             # a plant's machine
export_lock plant --extra embedded --extra flows --extra openvino --extra dashboard --extra ray   # the image: no torch
export_lock inspect                         # inspection only, of folders and S3 stores
export_lock audit --extra audit             # make sbom, make audit
