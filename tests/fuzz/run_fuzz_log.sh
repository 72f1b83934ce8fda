#!/bin/sh
# Builds the libFuzzer target of the log with clang-14 and runs it for a bounded time: run_fuzz_log.sh [SECONDS [BUILD_FOLDER]]
# Inputs that fail are left in the working folder as crash-*; pass one to the program to replay it.
set -e
top=$(cd "$(dirname "$0")/../.." && pwd)
seconds=${1:-30}
build=${2:-$top/build-fuzz}
mkdir -p "$build/corpus"
generated=$build/generated
mkdir -p "$generated"
python3 "$top/tools/generate_kafka.py" "$generated/kafka_messages.h" "$generated/kafka_messages.c" \
    "$top"/schema/kafka/*.kafka
mkdir -p "$generated/wire" && cp "$generated/kafka_messages.h" "$generated/wire/"
sources=$(ls "$top"/src/base/*.c "$top"/src/world/*.c "$top"/src/world/posix/*.c "$top"/src/world/sim/*.c \
    "$top"/src/wire/*.c "$top"/src/log/*.c | grep -v _test.c)
clang-14 -std=gnu11 -D_GNU_SOURCE -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
    -I"$top/src" -I"$generated" "$top/tests/fuzz/fuzz_log.c" $sources "$generated/kafka_messages.c" \
    -o "$build/fuzz_log" -luv -lxxhash -lz -lzstd -llz4 -lsnappy -lpthread
printf '\002' > "$build/corpus/good"
printf '\003\000\027\001' > "$build/corpus/edited"
"$build/fuzz_log" -max_total_time="$seconds" -max_len=4096 -rss_limit_mb=2048 "$build/corpus"
