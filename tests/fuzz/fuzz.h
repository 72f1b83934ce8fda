/* fuzz.h: a fuzz target is LLVMFuzzerTestOneInput and some seeds. With clang and -fsanitize=fuzzer the library drives
 * it; otherwise fuzz_main.c does: `fuzz_json FILE…` runs files, `fuzz_json ROUNDS [SEED]` runs that many mutations of
 * the seeds. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Appends seed number `index`; false when there are no more. */
bool fuzz_seed(size_t index, struct buffer *out);

#endif
