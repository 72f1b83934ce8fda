/* parquet_encode.h: the value encodings of Parquet pages, both ways. Names are those of Parquet's Encodings.md. Inside
 * format/ only. */
#ifndef FORMAT_PARQUET_ENCODE_H
#define FORMAT_PARQUET_ENCODE_H

#include "base/bytes.h"
#include "base/error.h"

enum parquet_encoding {
    PARQUET_PLAIN = 0,
    PARQUET_PLAIN_DICTIONARY = 2,
    PARQUET_RLE = 3,
    PARQUET_BIT_PACKED = 4,
    PARQUET_DELTA_BINARY_PACKED = 5,
    PARQUET_DELTA_LENGTH_BYTE_ARRAY = 6,
    PARQUET_DELTA_BYTE_ARRAY = 7,
    PARQUET_RLE_DICTIONARY = 8,
    PARQUET_BYTE_STREAM_SPLIT = 9,
};

/* Bits needed for values up to `maximum`. */
static inline int bit_width(uint32_t maximum) {
    return maximum == 0 ? 0 : 32 - __builtin_clz(maximum);
}

/* ---- writing: each appends ---- */

/* RLE / bit-packing hybrid without a length. */
void parquet_encode_rle(const uint32_t *values, size_t count, int width, struct buffer *out);
void parquet_encode_levels(const uint8_t *levels, size_t count, int width, struct buffer *out);
/* One run. */
void parquet_encode_run(uint32_t value, size_t count, int width, struct buffer *out);
/* Differences are taken modulo 2^64, or modulo 2^32 for the narrow one. */
void parquet_encode_delta64(const int64_t *values, size_t count, struct buffer *out);
void parquet_encode_delta32(const int32_t *values, size_t count, struct buffer *out);

/* ---- reading ---- */

struct rle_decoder {
    const uint8_t *position, *end;
    int width;
    uint32_t run_value;
    size_t run_left, packed_left; /* values left in the run, or in the packed group at position */
    uint64_t bits;                /* read ahead of a packed group */
    int bit_count;
};
void rle_decoder_init(struct rle_decoder *decoder, struct bytes data, int width);
/* Exactly count values or false. */
bool rle_decode(struct rle_decoder *decoder, uint32_t *values, size_t count);

/* All values of a DELTA_BINARY_PACKED block into values[0..count_max); *used is the bytes it took. False when damaged
 * or more than count_max. */
bool parquet_decode_delta(
    struct bytes data, int64_t *values, size_t count_max, size_t *count, size_t *used, bool narrow);

#endif
