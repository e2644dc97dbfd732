#!/bin/sh
# The entry of the image: a secret that is mounted as /run/secrets/NAME_OF_A_VARIABLE becomes that variable, for this
# process alone. So no secret is in the image, in an argument, or in the configuration of the container.
set -eu
umask 077
for file in "${ENTRY_SECRETS:-/run/secrets}"/[A-Z]*; do
    [ -f "$file" ] || continue
    value=$(cat "$file")
    export "$(basename "$file")=$value"
done
exec "$@"
