/* compress.h: the four codecs of record batches. Output is capped, so that a small input cannot take all memory. Any
 * thread. */
#ifndef WIRE_COMPRESS_H
#define WIRE_COMPRESS_H

#include "base/arena.h"
#include "base/error.h"
#include "wire/record_batch.h"

#define RECORD_CODEC_COUNT 5
#define COMPRESSION_OUTPUT_MAX ((size_t)64 << 20) /* of one batch, unless the caller says otherwise */

/* "none" "gzip" "snappy" "lz4" "zstd" */
const char *compression_name(enum record_codec compression);
/* false when there is no such codec. */
bool compression_from_name(struct bytes name, enum record_codec *compression);

/* Appends the decompressed bytes. ERROR_LIMIT beyond size_max bytes, ERROR_CORRUPT otherwise. Snappy is accepted in
 * Xerial's framing (Java) and raw (librdkafka, older Go clients); gzip also with several members; lz4 and zstd with
 * several frames. */
bool compression_decode(
    enum record_codec compression, struct bytes input, size_t size_max, struct buffer *out, struct error *error);
/* Appends the compressed bytes: gzip level 6, snappy in Xerial's framing, lz4 frame with independent 64 KiB blocks,
 * zstd level 3. */
bool compression_encode(enum record_codec compression, struct bytes input, struct buffer *out, struct error *error);

#endif
