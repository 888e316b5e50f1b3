"""What the paper spends on every experiment, typed by hand from its appendix and never computed from params.yaml.

A row of ``RUNS`` is one experiment under one method:

    experiment/method | data and model | initialisation: level:rate*steps | warm-up per level |
    training: rate, steps, warm-up, steps in its unit | clipping | trainable scalars, frozen ones | tables of the paper

Steps are epochs times batches of 256 rows (C.1): MNIST 235, CIFAR-10 196, AG News 469, IMDB 98, graphs and functions 1.
Scalars are those of the printed #Params, split in two; "-" is none.
"""

# ruff: noqa: E501  (a row is a line)

from __future__ import annotations

from dataclasses import dataclass

SEEDS = (21962, 59358, 78117)
GRAPH_SEEDS = (*SEEDS, 23547, 81797, 81105, 95819, 42270, 24014, 20964)

STEPS_PER_EPOCH = {"mnist": (235, 188), "cifar10": (196, 176), "ag_news": (469, 375), "imdb": (98, 79)}
"""C.1: on all training rows, and without the validation split; 1 for every other dataset."""

SIX = (
    ("mnist", "mlp-mnist", 0.08),
    ("cifar10", "cnn44-cifar10", 0.55),
    ("cora", "gcn-cora", 0.04),
    ("pubmed", "gat-pubmed", 0.04),
    ("ag_news", "transformer2-agnews", 0.18),
    ("kv", "kan-g5-kv", 0.11),
)
"""The tasks of the multi-task experiments (E.1), with their probabilities."""

SETS = {"depth": (80, 20, 60), "width": (450, 50, 400), "depth-width": (950, 50, 900), "text": (950, 50, 900)}
"""D.2: models in training, held in (and as many held out), in training while a sweep keeps its validation models."""

RUNS = """
mnist-mlp/direct  | mnist mlp-mnist  | -          | 0 | 0.01 47000 5 235  | - | 118282 0     | 15
mnist-mlp/uhn     | mnist mlp-mnist  | 0:2e-4*100 | 0 | 2e-4 23500 5 235  | - | 148353 10260 | 1 13
mnist-cnn8/direct | mnist cnn8-mnist | -          | 0 | 0.005 11750 5 235 | - | 74762 0      | 15
mnist-cnn8/uhn    | mnist cnn8-mnist | 0:2e-4*200 | 0 | 1e-4 23500 5 235  | - | 148353 10260 | 1 13

cifar10-cnn20/direct  | cifar10 cnn20-cifar10 | - | 0 | 0.005 78400 5 196  | - | 269034 0     | 15
cifar10-cnn20/ha      | cifar10 cnn20-cifar10 | - | 0 | 0.002 156800 5 196 | - | 619306 0     | 2 16
cifar10-cnn20/chunked | cifar10 cnn20-cifar10 | - | 0 | 0.002 156800 5 196 | - | 625480 0     | 2 16
cifar10-cnn20/uhn     | cifar10 cnn20-cifar10 | - | 0 | 2e-4 156800 5 196  | - | 591617 20500 | 1 13
cifar10-cnn32/direct  | cifar10 cnn32-cifar10 | - | 0 | 0.005 78400 5 196  | - | 463018 0     | 2 C.4.2
cifar10-cnn32/ha      | cifar10 cnn32-cifar10 | - | 0 | 0.002 156800 5 196 | - | 635546 0     | 2 16
cifar10-cnn32/chunked | cifar10 cnn32-cifar10 | - | 0 | 0.002 156800 5 196 | - | 627592 0     | 2 16
cifar10-cnn32/uhn     | cifar10 cnn32-cifar10 | - | 0 | 2e-4 156800 5 196  | - | 591617 20500 | 2 C.4.2
cifar10-cnn44/direct  | cifar10 cnn44-cifar10 | - | 0 | 0.005 78400 5 196  | - | 657002 0     | 2 C.4.2
cifar10-cnn44/ha      | cifar10 cnn44-cifar10 | - | 0 | 0.002 156800 5 196 | - | 651786 0     | 2 16
cifar10-cnn44/chunked | cifar10 cnn44-cifar10 | - | 0 | 0.002 156800 5 196 | - | 629640 0     | 2 16
cifar10-cnn44/uhn     | cifar10 cnn44-cifar10 | - | 0 | 2e-4 156800 5 196  | - | 591617 20500 | 2 C.4.2
cifar10-cnn56/direct  | cifar10 cnn56-cifar10 | - | 0 | 0.005 78400 5 196  | - | 850986 0     | 2 C.4.2
cifar10-cnn56/ha      | cifar10 cnn56-cifar10 | - | 0 | 0.002 156800 5 196 | - | 668026 0     | 2 16
cifar10-cnn56/chunked | cifar10 cnn56-cifar10 | - | 0 | 0.002 156800 5 196 | - | 631688 0     | 2 16
cifar10-cnn56/uhn     | cifar10 cnn56-cifar10 | - | 0 | 2e-4 156800 5 196  | - | 591617 20500 | 2 C.4.2

cora-gcn/direct     | cora gcn-cora         | -          | 0 | 0.01 100 5 1  | - | 92231 0      | 15
cora-gcn/uhn        | cora gcn-cora         | 0:1e-4*200 | 0 | 2e-5 400 5 1  | - | 591617 20500 | 1 13
citeseer-gcn/direct | citeseer gcn-citeseer | -          | 0 | 0.005 100 5 1 | - | 237446 0     | 15
citeseer-gcn/uhn    | citeseer gcn-citeseer | 0:1e-4*50  | 0 | 1e-4 200 5 1  | - | 591617 20500 | 1 13
pubmed-gcn/direct   | pubmed gcn-pubmed     | -          | 0 | 0.005 200 5 1 | - | 32259 0      | 15
pubmed-gcn/uhn      | pubmed gcn-pubmed     | 0:1e-4*200 | 0 | 5e-5 200 5 1  | - | 591617 20500 | 1 13
cora-gat/direct     | cora gat-cora         | -          | 0 | 0.02 100 5 1  | - | 92373 0      | 15
cora-gat/uhn        | cora gat-cora         | 0:2e-4*100 | 0 | 5e-5 400 5 1  | - | 591617 20500 | 1 13
citeseer-gat/direct | citeseer gat-citeseer | -          | 0 | 0.002 200 5 1 | - | 237586 0     | 15
citeseer-gat/uhn    | citeseer gat-citeseer | 0:2e-4*200 | 0 | 5e-5 400 5 1  | - | 591617 20500 | 1 13
pubmed-gat/direct   | pubmed gat-pubmed     | -          | 0 | 0.02 200 5 1  | - | 33779 0      | 15
pubmed-gat/uhn      | pubmed gat-pubmed     | 0:2e-4*100 | 0 | 2e-5 400 5 1  | - | 591617 20500 | 1 13

agnews-transformer/direct | ag_news transformer2-agnews | -          | 0 | 0.0005 46900 5 469 | - | 378372 0     | 15
agnews-transformer/uhn    | ag_news transformer2-agnews | -          | 0 | 5e-5 23450 5 469   | - | 591617 20500 | 1 13
imdb-transformer/direct   | imdb transformer1-imdb      | -          | 0 | 0.001 4900 5 98    | - | 377858 0     | 15
imdb-transformer/uhn      | imdb transformer1-imdb      | 0:5e-5*100 | 0 | 1e-4 9800 5 98     | - | 591617 20500 | 1 13

kan-ellipj/direct     | ellipj kan-g5-ellipj         | -          | 0 | 0.02 4000 5 1 | - | 407 0        | 15
kan-ellipj/uhn        | ellipj kan-g5-ellipj         | 0:1e-4*200 | 0 | 1e-4 4000 5 1 | - | 591617 20500 | 11 13
kan-ellipkinc/direct  | ellipkinc kan-g5-ellipkinc   | -          | 0 | 0.02 4000 5 1 | - | 254 0        | 15
kan-ellipkinc/uhn     | ellipkinc kan-g5-ellipkinc   | 0:2e-4*50  | 0 | 1e-4 4000 5 1 | - | 591617 20500 | 11 13
kan-ellipeinc/direct  | ellipeinc kan-g5-ellipeinc   | -          | 0 | 0.02 4000 5 1 | - | 254 0        | 15
kan-ellipeinc/uhn     | ellipeinc kan-g5-ellipeinc   | 0:1e-4*50  | 0 | 1e-4 4000 5 1 | - | 591617 20500 | 11 13
kan-jv/direct         | jv kan-g10-jv                | -          | 0 | 0.02 4000 5 1 | - | 364 0        | 15
kan-jv/uhn            | jv kan-g10-jv                | 0:2e-4*200 | 0 | 5e-5 4000 5 1 | - | 591617 20500 | 11 13
kan-yv/direct         | yv kan-g10-yv                | -          | 0 | 0.02 4000 5 1 | - | 364 0        | 15
kan-yv/uhn            | yv kan-g10-yv                | 0:2e-4*100 | 0 | 1e-4 4000 5 1 | - | 591617 20500 | 11 13
kan-kv/direct         | kv kan-g5-kv                 | -          | 0 | 0.02 4000 5 1 | - | 254 0        | 15
kan-kv/uhn            | kv kan-g5-kv                 | 0:2e-4*200 | 0 | 1e-4 4000 5 1 | - | 591617 20500 | 11 13
kan-iv/direct         | iv kan-g5-iv                 | -          | 0 | 0.02 4000 5 1 | - | 254 0        | 15
kan-iv/uhn            | iv kan-g5-iv                 | 0:5e-5*100 | 0 | 1e-4 4000 5 1 | - | 591617 20500 | 11 13
kan-lpmv0/direct      | lpmv0 kan-g5-lpmv0           | -          | 0 | 0.05 4000 5 1 | - | 254 0        | 15
kan-lpmv0/uhn         | lpmv0 kan-g5-lpmv0           | 0:5e-5*200 | 0 | 5e-5 4000 5 1 | - | 591617 20500 | 11 13
kan-lpmv1/direct      | lpmv1 kan-g5-lpmv1           | -          | 0 | 0.02 4000 5 1 | - | 254 0        | 15
kan-lpmv1/uhn         | lpmv1 kan-g5-lpmv1           | 0:5e-5*200 | 0 | 5e-5 4000 5 1 | - | 591617 20500 | 11 13
kan-lpmv2/direct      | lpmv2 kan-g5-lpmv2           | -          | 0 | 0.02 4000 5 1 | - | 254 0        | 15
kan-lpmv2/uhn         | lpmv2 kan-g5-lpmv2           | 0:2e-4*200 | 0 | 1e-4 4000 5 1 | - | 591617 20500 | 11 13
kan-sph_harm01/direct | sph_harm01 kan-g5-sph_harm01 | -          | 0 | 0.1 4000 5 1  | - | 254 0        | 15
kan-sph_harm01/uhn    | sph_harm01 kan-g5-sph_harm01 | -          | 0 | 1e-4 4000 5 1 | - | 591617 20500 | 11 13
kan-sph_harm11/direct | sph_harm11 kan-g5-sph_harm11 | -          | 0 | 0.1 4000 5 1  | - | 254 0        | 15
kan-sph_harm11/uhn    | sph_harm11 kan-g5-sph_harm11 | 0:5e-5*50  | 0 | 5e-5 4000 5 1 | - | 591617 20500 | 11 13
kan-sph_harm02/direct | sph_harm02 kan-g5-sph_harm02 | -          | 0 | 0.1 4000 5 1  | - | 254 0        | 15
kan-sph_harm02/uhn    | sph_harm02 kan-g5-sph_harm02 | 0:2e-4*200 | 0 | 2e-5 4000 5 1 | - | 591617 20500 | 11 13
kan-sph_harm12/direct | sph_harm12 kan-g5-sph_harm12 | -          | 0 | 0.05 4000 5 1 | - | 254 0        | 15
kan-sph_harm12/uhn    | sph_harm12 kan-g5-sph_harm12 | 0:2e-4*100 | 0 | 1e-4 4000 5 1 | - | 591617 20500 | 11 13
kan-sph_harm22/direct | sph_harm22 kan-g5-sph_harm22 | -          | 0 | 0.05 4000 5 1 | - | 254 0        | 15
kan-sph_harm22/uhn    | sph_harm22 kan-g5-sph_harm22 | 0:2e-4*200 | 0 | 2e-5 4000 5 1 | - | 591617 20500 | 11 13

cnn-mixed-depth/uhn                | cifar10 set:depth       | 0:2e-4*12800 | 0 | 5e-5 627200 5 196 | - | 641665 21486 | 3 19
cnn-mixed-width/uhn                | cifar10 set:width       | 0:1e-4*12800 | 0 | 1e-4 627200 5 196 | - | 641665 21486 | 3 19
cnn-mixed-depth-width/uhn          | cifar10 set:depth-width | 0:2e-4*3200  | 0 | 1e-4 627200 5 196 | - | 641665 21486 | 3 19
transformer-mixed/uhn              | ag_news set:text        | 0:2e-4*8000  | 0 | 5e-5 46900 5 469  | - | 641665 21486 | 3 19
cnn-mixed-width-no-structure/uhn   | cifar10 set:width       | 0:1e-4*12800 | 0 | 1e-4 627200 5 196 | - | 591617 20500 | 25
transformer-mixed-no-structure/uhn | ag_news set:text        | 0:2e-4*8000  | 0 | 5e-5 46900 5 469  | - | 591617 20500 | 25
cnn-mixed-width-no-init/uhn        | cifar10 set:width       | -            | 0 | 1e-4 627200 5 196 | - | 641665 21486 | 27
transformer-mixed-no-init/uhn      | ag_news set:text        | -            | 0 | 5e-5 46900 5 469  | - | 641665 21486 | 27

multi-task/uhn              | six | 0:1e-4*500 | 0 | 2e-5 200000 1000 1 | - | 641665 21486 | 4 21
multi-task-no-structure/uhn | six | 0:1e-4*500 | 0 | 2e-5 200000 1000 1 | - | 591617 20500 | 26
multi-task-no-init/uhn      | six | -          | 0 | 2e-5 200000 1000 1 | - | 641665 21486 | 28

recursive-k0/uhn         | mnist mlp-mnist | 0:1e-4*2000                                       | 0    | 2e-5 30000 1000 1   | 0.01 | 181889 11246 | 5 ours
recursive-k1/uhn         | mnist mlp-mnist | 1:1e-4*2000 0:1e-4*2000                           | 0    | 2e-5 30000 1000 1   | 0.01 | 181889 11246 | 5 22
recursive-k2/uhn         | mnist mlp-mnist | 1:2e-5*2000 2:2e-5*2000 0:1e-5*2000               | 1000 | 1e-5 30000 1000 1   | 0.01 | 181889 11246 | 5 22
recursive-k3/uhn         | mnist mlp-mnist | 1:2e-5*2000 2:2e-5*2000 3:1e-5*2000 0:2.5e-6*2000 | 1000 | 2.5e-6 30000 1000 1 | 0.01 | 181889 11246 | 5 22
recursive-k1-no-init/uhn | mnist mlp-mnist | -                                                 | 0    | 2e-5 30000 1000 1   | 0.01 | 181889 11246 | 28
recursive-k2-no-init/uhn | mnist mlp-mnist | -                                                 | 0    | 1e-5 30000 1000 1   | 0.01 | 181889 11246 | 28
recursive-k3-no-init/uhn | mnist mlp-mnist | -                                                 | 0    | 2.5e-6 30000 1000 1 | 0.01 | 181889 11246 | 28

cifar10-cnn20-raw/uhn        | cifar10 cnn20-cifar10 | - | 0 | 2e-4 156800 5 196 | 1.0 | 68609 20      | 23
cifar10-cnn20-positional/uhn | cifar10 cnn20-cifar10 | - | 0 | 2e-4 156800 5 196 | 1.0 | 149249 52     | 23
cifar10-cnn20-m256/uhn       | cifar10 cnn20-cifar10 | - | 0 | 2e-4 156800 5 196 | -   | 132865 2580   | 24
cifar10-cnn20-m512/uhn       | cifar10 cnn20-cifar10 | - | 0 | 2e-4 156800 5 196 | -   | 198401 5140   | 24
cifar10-cnn20-m1024/uhn      | cifar10 cnn20-cifar10 | - | 0 | 2e-4 156800 5 196 | -   | 329473 10260  | 24
cifar10-cnn20-m4096/uhn      | cifar10 cnn20-cifar10 | - | 0 | 2e-4 156800 5 196 | -   | 1115905 40980 | 24
cifar10-cnn20-h32/uhn        | cifar10 cnn20-cifar10 | - | 0 | 2e-4 156800 5 196 | -   | 135617 20500  | 24
cifar10-cnn20-h64/uhn        | cifar10 cnn20-cifar10 | - | 0 | 2e-4 156800 5 196 | -   | 279425 20500  | 24
cifar10-cnn20-h256/uhn       | cifar10 cnn20-cifar10 | - | 0 | 2e-4 156800 5 196 | -   | 1314305 20500 | 24
cifar10-cnn20-b0/uhn         | cifar10 cnn20-cifar10 | - | 0 | 2e-4 156800 5 196 | -   | 524545 20500  | 24
cifar10-cnn20-b1/uhn         | cifar10 cnn20-cifar10 | - | 0 | 2e-4 156800 5 196 | -   | 558081 20500  | 24
cifar10-cnn20-b3/uhn         | cifar10 cnn20-cifar10 | - | 0 | 2e-4 156800 5 196 | -   | 625153 20500  | 24
"""

RANGES = """
# B.4, the index fields as they are normalised: layer_idx, layer_type, param_type, out_idx, in_idx, kernel,
# embedding_idx, sequence_idx, grid_idx; "-" is a field that is not used. Of several models: their union.
mlp-mnist             0..2  0..0 0..1 0..127  -1..783  -      -        -       -
cnn8-mnist            0..7  0..1 0..1 0..63   -1..63   -1..2  -        -       -
cnn20-cifar10         0..19 0..1 0..1 0..63   -1..63   -1..2  -        -       -
cnn32-cifar10         0..31 0..1 0..1 0..63   -1..63   -1..2  -        -       -
cnn44-cifar10         0..43 0..1 0..1 0..63   -1..63   -1..2  -        -       -
cnn56-cifar10         0..55 0..1 0..1 0..63   -1..63   -1..2  -        -       -
gcn-cora              0..1  2..2 0..1 0..63   -1..1432 -      -        -       -
gcn-citeseer          0..1  2..2 0..1 0..63   -1..3702 -      -        -       -
gcn-pubmed            0..1  2..2 0..1 0..63   -1..499  -      -        -       -
gat-cora              0..1  3..3 0..3 0..63   -1..1432 -      -        -       -
gat-citeseer          0..1  3..3 0..3 0..63   -1..3702 -      -        -       -
gat-pubmed            0..1  3..3 0..3 0..63   -1..499  -      -        -       -
transformer2-agnews   0..7  0..5 0..7 0..63   -1..63   -      -1..4999 -1..127 -
transformer1-imdb     0..4  0..5 0..7 0..63   -1..63   -      -1..4999 -1..511 -
kan-g5                0..1  6..6 0..6 -1..4   -1..4    -      -        -       -1..11
kan-g10               0..1  6..6 0..6 -1..4   -1..4    -      -        -       -1..16
set:depth             0..31 0..1 0..1 0..63   -1..63   -1..2  -        -       -
set:width             0..19 0..1 0..1 0..127  -1..127  -1..2  -        -       -
set:depth-width       0..25 0..1 0..1 0..127  -1..127  -1..2  -        -       -
set:text              0..17 0..5 0..7 0..127  -1..127  -      -1..4999 -1..127 -
six                   0..43 0..6 0..7 -1..127 -1..1432 -1..2  -1..4999 -1..127 -1..11
recursive             0..10 0..5 0..7 0..127  -1..2047 -      -        -       -
"""

STRUCTURE = {
    # B.4, what the structure encoder is given, where there is one: field, least and largest value; all others are 0.
    "set:width": "model_type 1 1  dataset_type 1 1  num_layers 20 20  cnn_stage_num 4 4  layer_idx 0 19  layer_type 0 1"
    "  bias_type 0 1  norm_type 0 1  shortcut_type 0 1  output_size 10 128  input_size 3 128  activation_type 0 3"
    "  activation_param 0 0.1  input_pooling_reshape_type 0 5  group_num 0 4  kernel_size 0 3"
    "  stage_wise_pooling_type 0 3",
    "set:depth": "model_type 1 1  dataset_type 1 1  num_layers 20 32  cnn_stage_num 4 4  layer_idx 0 31  layer_type 0 1"
    "  bias_type 0 1  norm_type 0 1  shortcut_type 0 1  output_size 10 64  input_size 3 64  activation_type 0 3"
    "  activation_param 0 0.1  input_pooling_reshape_type 0 5  group_num 0 4  kernel_size 0 3"
    "  stage_wise_pooling_type 0 3",
    "set:depth-width": "model_type 1 1  dataset_type 1 1  num_layers 20 26  cnn_stage_num 4 4  layer_idx 0 25"
    "  layer_type 0 1  bias_type 0 1  norm_type 0 1  shortcut_type 0 1  output_size 10 128  input_size 3 128"
    "  activation_type 0 3  activation_param 0 0.1  input_pooling_reshape_type 0 5  group_num 0 4  kernel_size 0 3"
    "  stage_wise_pooling_type 0 3",
    "set:text": "model_type 4 4  task_type 2 2  dataset_type 5 5  num_layers 4 18  num_encoders 1 4  layer_idx 0 17"
    "  layer_type 0 5  bias_type 0 1  norm_type 0 1  shortcut_type 0 1  output_size 4 128  input_size 0 128"
    "  activation_type 0 3  activation_param 0 0.1  dropout_rate 0 0.2  input_pooling_reshape_type 0 5  num_heads 0 8"
    "  embedding_num 0 5000  max_sequence_length 0 128",
    "six": "model_type 1 5  task_type 0 3  dataset_type 0 12  num_layers 2 44  cnn_stage_num 0 4  num_encoders 0 2"
    "  layer_idx 0 43  layer_type 0 6  bias_type 0 1  norm_type 0 1  shortcut_type 0 1  output_size 1 128"
    "  input_size 0 1433  activation_type 0 3  activation_param 0 1.0  dropout_rate 0 0.6"
    "  input_pooling_reshape_type 0 5  group_num 0 4  kernel_size 0 3  stage_wise_pooling_type 0 3  num_heads 0 8"
    "  head_concat_type 0 1  embedding_num 0 5000  max_sequence_length 0 128  grid_size 0 5  spline_order 0 3",
    "recursive": "model_type 1 6  task_type 0 4  dataset_type 0 22  num_layers 3 11  num_structure_freqs 0 32"
    "  num_index_freqs 0 1024  layer_idx 0 10  layer_type 0 5  bias_type 0 1  norm_type 0 1  shortcut_type 0 1"
    "  output_size 1 128  input_size 64 2048  activation_type 0 3  activation_param 0 0.1"
    "  input_pooling_reshape_type 0 5  stage_wise_pooling_type 0 3  num_heads 0 4  initialization_type 0 1",
}

SEARCHES = """
# B.7 and Tables 12, 18, 21, 22: the grids of the hypernetwork's sweeps. Budget T0 of the first two stages; training
# rates; budgets (epochs, or steps where the experiment counts steps); initialisation rates; its steps; seeds, and more.
mnist-mlp               100   | 5e-5 1e-4 2e-4 | 50 100 200          | 5e-5 1e-4 2e-4 | 50 100 200      | 1 2
mnist-cnn8              50    | 5e-5 1e-4 2e-4 | 30 50 100           | 5e-5 1e-4 2e-4 | 50 100 200      | 1 2
cifar10-cnn20           200   | 5e-5 1e-4 2e-4 | 200 400 800         | 5e-5 1e-4 2e-4 | 50 100 200      | 1 2
cora-gcn                200   | 2e-5 5e-5 1e-4 | 100 200 400         | 5e-5 1e-4 2e-4 | 50 100 200      | 5 5
pubmed-gat              200   | 2e-5 5e-5 1e-4 | 100 200 400         | 5e-5 1e-4 2e-4 | 50 100 200      | 5 5
agnews-transformer      50    | 5e-5 1e-4 2e-4 | 30 50 100           | 5e-5 1e-4 2e-4 | 50 100 200      | 1 2
imdb-transformer        100   | 5e-5 1e-4 2e-4 | 50 100 200          | 5e-5 1e-4 2e-4 | 50 100 200      | 1 2
kan-yv                  4000  | 2e-5 5e-5 1e-4 | 4000                | 5e-5 1e-4 2e-4 | 50 100 200      | 1 2
cnn-mixed-depth         200   | 2e-5 5e-5 1e-4 | 800 1600 3200       | 5e-5 1e-4 2e-4 | 3200 6400 12800 | 1 2
cnn-mixed-width         200   | 2e-5 5e-5 1e-4 | 800 1600 3200       | 5e-5 1e-4 2e-4 | 3200 6400 12800 | 1 2
cnn-mixed-depth-width   200   | 2e-5 5e-5 1e-4 | 800 1600 3200       | 5e-5 1e-4 2e-4 | 3200 6400 12800 | 1 2
transformer-mixed       50    | 2e-5 5e-5 1e-4 | 50 100 200          | 5e-5 1e-4 2e-4 | 2000 4000 8000  | 1 2
multi-task              40000 | 1e-5 2e-5 5e-5 | 100000 200000 300000| 5e-5 1e-4 2e-4 | 500 1000 2000   | 1 2
recursive-k1            30000 | 2e-5 5e-5 1e-4 | 15000 30000 60000   | 5e-5 1e-4 2e-4 | 1000 2000 4000  | 1 2
"""

GUARDRAILS = {"mnist": 0.95, "cifar10": 0.85, "cora": 0.75, "pubmed": 0.75, "ag_news": 0.85, "kv": 0.05}
"""Table 20, of the multi-task sweep; no other sweep has any."""


@dataclass(frozen=True)
class Row:
    """One line of ``RUNS``; a phase is (kind, steps, rate, warm-up, unit, clip, level), a task (data, model, share)."""

    experiment: str
    method: str
    model: str
    tasks: tuple[tuple[str, str | None, float], ...]
    phases: tuple[tuple[str, int, float, int, int, float | None, int], ...]
    counts: dict[str, int]
    depth: int

    @property
    def key(self) -> str:
        """``<experiment>/<method>``."""
        return f"{self.experiment}/{self.method}"

    @property
    def ranges(self) -> str:
        """Its line of ``RANGES``."""
        if self.depth:
            return "recursive"
        return "-".join(self.model.split("-")[:2]) if self.model.startswith("kan-") else self.model


def lines(table: str) -> list[str]:
    """The lines of a table, without those that explain it."""
    return [line for line in table.splitlines() if line and not line.startswith("#")]


def _row(line: str) -> Row:
    name, what, init, warmup, train, clip, counts, _ = (cell.strip() for cell in line.split("|"))
    experiment, _, method = name.partition("/")
    model = what.split()[-1]
    if what == "six":
        tasks: tuple[tuple[str, str | None, float], ...] = SIX
    else:
        tasks = ((what.split()[0], None if model.startswith("set:") else model, 1.0),)
    most = None if clip == "-" else float(clip)
    depth = int(experiment[11]) if experiment.startswith("recursive-") else 0
    phases = []
    for level in init.split() if init != "-" else []:
        number, rate, steps = level.replace("*", ":").split(":")
        clipped = most if depth else None
        phases.append(("init", int(steps), float(rate), int(warmup), 1, clipped, int(number)))
    rate, steps, first, unit = train.split()
    phases.append(("train", int(steps), float(rate), int(first), int(unit), most, 0))
    trainable, frozen = map(int, counts.split())
    return Row(experiment, method, model, tasks, tuple(phases), {"trainable": trainable, "frozen": frozen}, depth)


ROWS = tuple(map(_row, lines(RUNS)))
