#!/bin/sh
# Train and judge the whole zoo, and repeat every paper's protocol: for a machine with a GPU, where it takes minutes.
#
#     sh infra/zoo.sh DATA RESULTS [DEVICE]     DATA has a folder per class; RESULTS gets a JSON file for each model
#
# It goes on where it was when it is started again. Speeds are measured where nights run, by
# `steelflow models compare --results RESULTS` on that machine; then `steelflow models table --from RESULTS`.
set -eu
data=$1
results=$2
device=${3:-cuda}
zoo=steelnet,steelnet_s,steelnet_l,ssdc_mininet,cost_effective_cnn,casi_net_blfe,casi_net_blfe_si,casi_net_blfe_ca
zoo=$zoo,casi_net,mobilesteelnet,mobilenet_v2_transfer,resnet50v2_transfer,mobilenet_v1,mobilenet_v1_025
zoo=$zoo,mobilenet_v1_010,effnet,resnet50,densenet121
steelflow models compare --data "$data" --train "$zoo" --results "$results" --trained "$results/models" --rounds 0 \
    --device "$device"
for paper in ssdc lee casi-70-30 casi-80-20 mobilesteelnet kamel; do
    steelflow reproduce "$paper" --data "$data" --out "$results" --device "$device"
    steelflow reproduce "$paper" --data "$data" --out "$results" --device "$device" --arch steelnet --recipe ours
done
