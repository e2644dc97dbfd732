#!/bin/sh
# Train and judge the whole zoo, by our recipe and by every paper's protocol: a queue at the lowest priority.
#
#     sh infra/zoo.sh DATA FOLDER [DEVICE]     DATA has a folder per class; FOLDER gets state/, trained/ and results/
#
# It goes on where it was when it is started again; `steelflow zoo status --out FOLDER` says where that is. On a CPU it
# takes days, so start it in the background: nohup sh infra/zoo.sh DATA FOLDER cpu > zoo.log 2>&1 &
# Speeds are measured where nights run, by `steelflow models compare --results FOLDER/results` on that machine; then
# `steelflow models table --from FOLDER/results`.
set -eu
exec nice -n 19 steelflow zoo run --data "$1" --out "$2" --device "${3:-cuda}"
