#!/bin/sh
# helm lint, helm template and kubernetes-validate --strict over the chart, in every form of it that values.yaml offers.
# The rendered forms stay in .infra/rendered/. RayCluster is KubeRay's own kind: there is no schema of it here.
set -eu
cd "$(dirname "$0")/../.."
chart=infra/helm/steelflow digest=image.digest=sha256:$(printf '%064d' 0)
.infra/bin/helm lint --strict --quiet "$chart"
rm -rf .infra/rendered
mkdir -p .infra/rendered
render() { # name, values
    .infra/bin/helm template steel "$chart" --namespace plant --set "$digest${2:+,$2}" > ".infra/rendered/$1.yaml"
    .infra/python/bin/kubernetes-validate --strict --quiet ".infra/rendered/$1.yaml"
}
render cronjob ""
render worker "driver.kind=worker,secrets.alerts=alerts,secrets.mail=mail,secrets.dashboard=login"
render ray "ray.enabled=true,ray.workers.gpus=1"
render bare "dashboard.enabled=false,networkPolicy.enabled=false,secrets.store="
