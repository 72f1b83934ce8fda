/* parquet_encode.c: RLE / bit-packing hybrid and DELTA_BINARY_PACKED (Parquet's Encodings.md). Bit-packed values stand
 * least significant bit first. */
#include "format/parquet_encode.h"

#include "base/assert.h"
#include "format/parquet_thrift.h"

enum { DELTA_BLOCK = 128, DELTA_MINIBLOCKS = 4, DELTA_MINIBLOCK = DELTA_BLOCK / DELTA_MINIBLOCKS, RUN_MIN = 16 };

/* ---- writing ---- */

/* Packs values of at most 32 bits; count is a multiple of 8. */
static uint8_t *pack32(const uint32_t *values, size_t count, int width, uint8_t *out) {
    uint64_t bits = 0;
    int filled = 0;
    for (size_t i = 0; i < count; i++) {
        bits |= (uint64_t)values[i] << filled;
        filled += width;
        if (filled >= 32) {
            uint32_t word = (uint32_t)bits;
            memcpy(out, &word, 4);
            out += 4;
            bits >>= 32;
            filled -= 32;
        }
    }
    for (; filled > 0; filled -= 8) {
        *out++ = (uint8_t)bits;
        bits >>= 8;
    }
    return out;
}

static void put_packed(const uint32_t *values, size_t count, int width, struct buffer *out) {
    size_t whole = count & ~(size_t)7, groups = (count + 7) / 8;
    thrift_varint(out, groups << 1 | 1);
    uint8_t *start = buffer_reserve(out, groups * (size_t)width + 8), *at = pack32(values, whole, width, start);
    if (whole < count) {
        uint32_t last[8] = {0};
        memcpy(last, values + whole, (count - whole) * sizeof *values);
        at = pack32(last, 8, width, at);
    }
    out->size += (size_t)(at - start);
}

void parquet_encode_run(uint32_t value, size_t count, int width, struct buffer *out) {
    thrift_varint(out, (uint64_t)count << 1);
    buffer_append(out, &value, (size_t)(width + 7) / 8);
}

void parquet_encode_rle(const uint32_t *values, size_t count, int width, struct buffer *out) {
    size_t start = 0, at = 0; /* values [start, at) wait to be packed */
    while (at < count) {
        size_t end = at + 1;
        while (end < count && values[end] == values[at]) {
            end++;
        }
        size_t fill = (8 - (at - start) % 8) % 8; /* a packed run holds whole groups of eight, except at the end */
        if (end - at >= RUN_MIN + fill) {
            at += fill;
            if (at > start) {
                put_packed(values + start, at - start, width, out);
            }
            parquet_encode_run(values[at], end - at, width, out);
            start = end;
        }
        at = end;
    }
    if (count > start) {
        put_packed(values + start, count - start, width, out);
    }
}

void parquet_encode_levels(const uint8_t *levels, size_t count, int width, struct buffer *out) {
    struct buffer wide = {0};
    uint32_t *values = (uint32_t *)(void *)buffer_extend(&wide, count * sizeof *values);
    for (size_t i = 0; i < count; i++) {
        values[i] = levels[i];
    }
    parquet_encode_rle(values, count, width, out);
    buffer_free(&wide);
}

static uint8_t *pack64(const uint64_t *values, size_t count, int width, uint8_t *out) {
    unsigned __int128 bits = 0;
    int filled = 0;
    for (size_t i = 0; i < count; i++) {
        bits |= (unsigned __int128)values[i] << filled;
        filled += width;
        while (filled >= 32) {
            uint32_t word = (uint32_t)bits;
            memcpy(out, &word, 4);
            out += 4;
            bits >>= 32;
            filled -= 32;
        }
    }
    ASSERT(filled == 0); /* 32 values of any width fill whole words */
    return out;
}

/* 32 values of at most 32 bits in one register's reach. */
static uint8_t *pack64_narrow(const uint64_t *values, size_t count, int width, uint8_t *out) {
    uint64_t bits = 0;
    int filled = 0;
    for (size_t i = 0; i < count; i++) {
        bits |= values[i] << filled;
        filled += width;
        if (filled >= 32) {
            uint32_t word = (uint32_t)bits;
            memcpy(out, &word, 4);
            out += 4;
            bits >>= 32;
            filled -= 32;
        }
    }
    return out;
}

static void put_zigzag(struct buffer *out, int64_t value) {
    thrift_varint(out, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

/* One block of differences; those past `count` are padding. */
static void put_block(int64_t *deltas, size_t count, bool narrow, struct buffer *out) {
    int64_t minimum = deltas[0];
    for (size_t i = 1; i < count; i++) {
        minimum = deltas[i] < minimum ? deltas[i] : minimum;
    }
    put_zigzag(out, minimum);
    uint64_t offsets[DELTA_BLOCK] = {0};
    for (size_t i = 0; i < count; i++) {
        uint64_t offset = (uint64_t)deltas[i] - (uint64_t)minimum;
        offsets[i] = narrow ? (uint32_t)offset : offset;
    }
    uint8_t *start = buffer_reserve(out, DELTA_MINIBLOCKS + DELTA_BLOCK * 8 + 8), *at = start + DELTA_MINIBLOCKS;
    for (size_t i = 0; i < DELTA_MINIBLOCKS; i++) {
        uint64_t all = 0;
        for (size_t j = 0; j < DELTA_MINIBLOCK; j++) {
            all |= offsets[i * DELTA_MINIBLOCK + j];
        }
        int width = all == 0 ? 0 : 64 - __builtin_clzll(all);
        width = i * DELTA_MINIBLOCK < count ? width : 0;
        start[i] = (uint8_t)width;
        if (i * DELTA_MINIBLOCK < count) { /* miniblocks without values are left out */
            at = width <= 32 ? pack64_narrow(offsets + i * DELTA_MINIBLOCK, DELTA_MINIBLOCK, width, at)
                             : pack64(offsets + i * DELTA_MINIBLOCK, DELTA_MINIBLOCK, width, at);
        }
    }
    out->size += (size_t)(at - start);
}

static void put_delta_header(size_t count, int64_t first, struct buffer *out) {
    thrift_varint(out, DELTA_BLOCK);
    thrift_varint(out, DELTA_MINIBLOCKS);
    thrift_varint(out, count);
    put_zigzag(out, first);
}

void parquet_encode_delta64(const int64_t *values, size_t count, struct buffer *out) {
    put_delta_header(count, count > 0 ? values[0] : 0, out);
    for (size_t from = 1; from < count; from += DELTA_BLOCK) {
        int64_t deltas[DELTA_BLOCK];
        size_t piece = count - from < DELTA_BLOCK ? count - from : DELTA_BLOCK;
        for (size_t i = 0; i < piece; i++) {
            deltas[i] = (int64_t)((uint64_t)values[from + i] - (uint64_t)values[from + i - 1]);
        }
        put_block(deltas, piece, false, out);
    }
}

void parquet_encode_delta32(const int32_t *values, size_t count, struct buffer *out) {
    put_delta_header(count, count > 0 ? values[0] : 0, out);
    for (size_t from = 1; from < count; from += DELTA_BLOCK) {
        int64_t deltas[DELTA_BLOCK];
        size_t piece = count - from < DELTA_BLOCK ? count - from : DELTA_BLOCK;
        for (size_t i = 0; i < piece; i++) {
            deltas[i] = (int32_t)((uint32_t)values[from + i] - (uint32_t)values[from + i - 1]);
        }
        put_block(deltas, piece, true, out);
    }
}

/* ---- reading ---- */

static bool get_varint(const uint8_t **position, const uint8_t *end, uint64_t *value) {
    *value = 0;
    for (unsigned shift = 0; shift < 64 && *position < end; shift += 7) {
        uint8_t byte = *(*position)++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return true;
        }
    }
    return false;
}

void rle_decoder_init(struct rle_decoder *decoder, struct bytes data, int width) {
    *decoder = (struct rle_decoder){.position = data.data, .end = data.data + data.size, .width = width};
}

static bool next_run(struct rle_decoder *decoder) {
    uint64_t header;
    if (!get_varint(&decoder->position, decoder->end, &header)) {
        return false;
    }
    if (header & 1) {
        uint64_t groups = header >> 1;
        if (groups > (uint64_t)1 << 32) {
            return false;
        }
        decoder->packed_left = groups * 8;
        decoder->bits = 0;
        decoder->bit_count = 0;
        return true;
    }
    size_t size = (size_t)(decoder->width + 7) / 8;
    if ((size_t)(decoder->end - decoder->position) < size) {
        return false;
    }
    decoder->run_value = 0;
    memcpy(&decoder->run_value, decoder->position, size);
    decoder->position += size;
    decoder->run_left = header >> 1;
    return true;
}

static bool unpack(struct rle_decoder *decoder, uint32_t *values, size_t count) {
    uint64_t mask = decoder->width == 32 ? UINT32_MAX : (1ull << decoder->width) - 1;
    for (size_t i = 0; i < count; i++) {
        while (decoder->bit_count < decoder->width) {
            if (decoder->position == decoder->end) {
                return false;
            }
            if (decoder->end - decoder->position >= 4) {
                uint32_t word;
                memcpy(&word, decoder->position, 4);
                decoder->position += 4;
                decoder->bits |= (uint64_t)word << decoder->bit_count;
                decoder->bit_count += 32;
            } else {
                decoder->bits |= (uint64_t)*decoder->position++ << decoder->bit_count;
                decoder->bit_count += 8;
            }
        }
        values[i] = (uint32_t)(decoder->bits & mask);
        decoder->bits >>= decoder->width;
        decoder->bit_count -= decoder->width;
    }
    return true;
}

bool rle_decode(struct rle_decoder *decoder, uint32_t *values, size_t count) {
    while (count > 0) {
        size_t piece;
        if (decoder->run_left > 0) {
            piece = decoder->run_left < count ? decoder->run_left : count;
            for (size_t i = 0; i < piece; i++) {
                values[i] = decoder->run_value;
            }
            decoder->run_left -= piece;
        } else if (decoder->packed_left > 0) {
            piece = decoder->packed_left < count ? decoder->packed_left : count;
            if (!unpack(decoder, values, piece)) {
                return false;
            }
            decoder->packed_left -= piece;
            if (decoder->packed_left == 0) {
                decoder->position -= decoder->bit_count / 8; /* whole bytes read ahead */
            }
        } else {
            if (!next_run(decoder)) {
                return false;
            }
            continue;
        }
        values += piece;
        count -= piece;
    }
    return true;
}

/* Adds `width` bits values at data to minimum and the running sum. */
static void unpack_deltas(
    const uint8_t *data, int width, int64_t minimum, int64_t *last, int64_t *values, size_t count, bool narrow) {
    unsigned __int128 bits = 0;
    int filled = 0;
    uint64_t mask = width == 64 ? UINT64_MAX : (1ull << width) - 1;
    for (size_t i = 0; i < count; i++) {
        while (filled < width) {
            bits |= (unsigned __int128)*data++ << filled;
            filled += 8;
        }
        uint64_t sum = (uint64_t)*last + (uint64_t)minimum + ((uint64_t)bits & mask);
        *last = narrow ? (int32_t)sum : (int64_t)sum;
        values[i] = *last;
        bits >>= width;
        filled -= width;
    }
}

bool parquet_decode_delta(
    struct bytes data, int64_t *values, size_t count_max, size_t *count, size_t *used, bool narrow) {
    const uint8_t *position = data.data, *end = data.data + data.size;
    uint64_t block, miniblocks, total, word;
    if (!get_varint(&position, end, &block) || !get_varint(&position, end, &miniblocks) ||
        !get_varint(&position, end, &total) || !get_varint(&position, end, &word) || miniblocks == 0 ||
        miniblocks > 512 || block == 0 || block > 1 << 20 || block % miniblocks != 0 ||
        (block / miniblocks) % 32 != 0 || total > count_max) {
        return false;
    }
    int64_t last = (int64_t)(word >> 1) ^ -(int64_t)(word & 1);
    size_t size = block / miniblocks, done = 0;
    if (total > 0) {
        values[done++] = last;
    }
    while (done < total) {
        if (!get_varint(&position, end, &word) || (size_t)(end - position) < miniblocks) {
            return false;
        }
        int64_t minimum = (int64_t)(word >> 1) ^ -(int64_t)(word & 1);
        const uint8_t *widths = position;
        position += miniblocks;
        for (size_t i = 0; i < miniblocks && done < total; i++) {
            size_t piece = total - done < size ? total - done : size, bytes = size * widths[i] / 8;
            if (widths[i] > 64) {
                return false;
            }
            if ((size_t)(end - position) < bytes) {
                bytes = (piece * widths[i] + 7) / 8; /* some writers cut the padding of the last miniblock */
                if ((size_t)(end - position) < bytes) {
                    return false;
                }
            }
            unpack_deltas(position, widths[i], minimum, &last, values + done, piece, narrow);
            position += bytes;
            done += piece;
        }
    }
    *count = total;
    *used = (size_t)(position - data.data);
    return true;
}
