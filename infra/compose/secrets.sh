#!/bin/sh
# New secrets for compose.yaml, in secrets/ beside this file. What exists is kept.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
if [ -e secrets/s3.json ]; then
    echo "secrets/ is there already" >&2
    exit 0
fi
database=$(random) key=$(random) secret=$(random)
printf 'steelflow:%s' "$(random)" > secrets/prefect-auth
printf '%s' "$database" > secrets/postgres-password
printf 'postgresql+asyncpg://prefect:%s@postgres:5432/prefect' "$database" > secrets/database-url
printf 'access_key = "%s"\nsecret_key = "%s"\n' "$key" "$secret" > secrets/store.toml
printf '{"identities": [{"name": "steelflow", "credentials": [{"accessKey": "%s", "secretKey": "%s"}], "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}\n' \
    "$key" "$secret" > secrets/s3.json
# The containers read these files as their own accounts; the folder keeps others out.
chmod 0444 secrets/*
