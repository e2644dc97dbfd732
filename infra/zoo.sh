#!/bin/sh
# Train and evaluate every architecture, by our recipe and by the protocol of every paper: a queue at the lowest priority.
#
#     sh infra/zoo.sh DATA FOLDER [DEVICE]     DATA has a folder per class; FOLDER gets state/, trained/ and results/
#
# Run it again to resume it. `steelflow zoo status --out FOLDER` shows the progress. On a CPU it takes days, so start it in
# the background: nohup sh infra/zoo.sh DATA FOLDER cpu > zoo.log 2>&1 &
# Then measure the speeds on the machine that inspects, with `steelflow models compare --results FOLDER/results`, and write the
# table with `steelflow models table --from FOLDER/results`.
set -eu
exec nice -n 19 steelflow zoo run --data "$1" --out "$2" --device "${3:-cuda}"
