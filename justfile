# Daily verbs. The logic stands in `cargo xtask`; `just` alone lists them.

_list:
    @just --list --unsorted

# Build and open a shell in a container
start *command:
    ./start {{ command }}

# The whole gate, or some of its steps
check *steps:
    ./check {{ steps }}

# Format everything
format:
    cargo fmt --all

# What is cheapest to know, before each commit
quick:
    cargo xtask test format lint style deps

# The tests of one room
test room *filter:
    cargo nextest run -p {{ room }} {{ filter }}

# The programs as users get them, in target/dist
build:
    cargo xtask build

# A command on a kernel of its own with pure cgroup v2
guest +command:
    cargo xtask guest -- {{ command }}
