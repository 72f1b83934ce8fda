/* state_blocks.c: see state_blocks.h. A block of LZ4 is a row of sequences: literals, then a copy of at least four
 * bytes from a distance back (https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md). */
#include "stream/state_blocks.h"

#define XXH_INLINE_ALL
#include <lz4.h>
#include <xxhash.h>

#include "base/assert.h"

enum {
    HEADER_SIZE = 21,
    METHOD_RAW = 0x10,
    METHOD_LZ4 = 0x20,
    LEVEL = 5, /* log2(STATE_BLOCK_SIZE) - 10 */
    COPY_MIN = 4,
    COPY_MARGIN = 12,  /* the last copy begins at least so many bytes before the end of a block */
    LITERALS_LAST = 5, /* the last bytes of a block are literals */
};
static const uint32_t CHECKSUM_SEED = 0x9747b28c;

/* ---- LZ4 by the record before ---- */

static uint64_t load64(const uint8_t *at) {
    uint64_t word;
    memcpy(&word, at, 8);
    return word;
}

static uint8_t *put_rest(uint8_t *out, size_t rest) {
    for (; rest >= 255; rest -= 255) {
        *out++ = 255;
    }
    *out++ = (uint8_t)rest;
    return out;
}

/* May write up to 16 bytes more than it needs, and read as many behind the literals. */
static inline uint8_t *put_literals(uint8_t *out, const uint8_t *literals, size_t count, size_t low) {
    *out++ = (uint8_t)((count < 15 ? count : 15) << 4 | low);
    if (count >= 15) {
        out = put_rest(out, count - 15);
        memcpy(out, literals, count);
    } else {
        memcpy(out, literals, 16);
    }
    return out + count;
}

static inline uint8_t *put_sequence(
    uint8_t *out, const uint8_t *literals, size_t count, size_t distance, size_t length) {
    size_t rest = length - COPY_MIN;
    out = put_literals(out, literals, count, rest < 15 ? rest : 15);
    store_le16(out, (uint16_t)distance);
    out += 2;
    return rest < 15 ? out : put_rest(out, rest - 15);
}

/* How many bytes at `at` are as those before them, of at most `most`; reads up to 7 more. */
static inline size_t same_length(const uint8_t *at, size_t distance, size_t most) {
    size_t length = 0;
    while (length < most) {
        uint64_t difference = load64(at + length) ^ load64(at + length - distance);
        if (difference != 0) {
            length += (size_t)__builtin_ctzll(difference) / 8;
            break;
        }
        length += 8;
    }
    return length < most ? length : most;
}

/* The encoder's place in a block. */
struct encoder {
    const uint8_t *block, *literals, *copy_end, *copy_start_end;
    uint8_t *out, *out_end;
};

/* Bytes from..to, compared with those `distance` before them. false: the room is used up. */
static bool encode_stretch(struct encoder *encoder, const uint8_t *at, const uint8_t *to, size_t distance) {
    const uint8_t *last = to < encoder->copy_start_end ? to : encoder->copy_start_end;
    const uint8_t *end = to < encoder->copy_end ? to : encoder->copy_end;
    while (at < last) {
        uint32_t low = (uint32_t)(load64(at) ^ load64(at - distance));
        if (low != 0) { /* no copy of four bytes begins before the last byte that differs */
            at += 4 - (__builtin_clz(low) >> 3);
            continue;
        }
        size_t length = same_length(at, distance, (size_t)(end - at)), count = (size_t)(at - encoder->literals);
        if (length < COPY_MIN) {
            break;
        }
        if ((size_t)(encoder->out_end - encoder->out) < count + count / 255 + length / 255 + 32) {
            return false;
        }
        encoder->out = put_sequence(encoder->out, encoder->literals, count, distance, length);
        at += length;
        encoder->literals = at;
    }
    return true;
}

/* Compresses into at most out_size bytes; 0: it does not fit. The block has 32 readable bytes behind it. */
static size_t encode_block(
    const uint8_t *block, size_t size, const uint32_t *starts, size_t start_count, uint8_t *out, size_t out_size) {
    if (size <= COPY_MARGIN) {
        return 0;
    }
    struct encoder encoder = {
        block, block, block + size - LITERALS_LAST, block + size - COPY_MARGIN, out, out + out_size};
    for (size_t i = 1; i < start_count;) {
        size_t distance = starts[i] - starts[i - 1], next = i + 1;
        while (next < start_count && starts[next] - starts[next - 1] == distance) {
            next++;
        }
        const uint8_t *to = next < start_count ? block + starts[next] : block + size;
        if (!encode_stretch(&encoder, block + starts[i], to, distance)) {
            return 0;
        }
        i = next;
    }
    size_t count = (size_t)(block + size - encoder.literals);
    if ((size_t)(encoder.out_end - encoder.out) < count + count / 255 + 32) {
        return 0;
    }
    return (size_t)(put_literals(encoder.out, encoder.literals, count, 0) - out);
}

/* ---- writing ---- */

void state_blocks_begin(struct state_blocks *blocks, struct store_writer *file, struct error *error) {
    blocks->file = file;
    blocks->error = error;
    blocks->failed = false;
    blocks->used = blocks->record_count = 0;
}

static void put_header(uint8_t *header, uint8_t method, uint32_t stored, uint32_t raw, uint32_t checksum) {
    memcpy(header, "LZ4Block", 8);
    header[8] = method | LEVEL;
    store_le32(header + 9, stored);
    store_le32(header + 13, raw);
    store_le32(header + 17, checksum);
}

/* Writes the first `size` bytes as a block; the rest moves to the front. */
static void flush_block(struct state_blocks *blocks, size_t size) {
    uint8_t *packed = blocks->out + HEADER_SIZE;
    size_t wanted = size - size / 4, stored = 0;
    if (!blocks->failed && size > 0) {
        stored = encode_block(blocks->block, size, blocks->starts, blocks->record_count, packed, wanted);
        if (stored == 0) {
            int packed_size = LZ4_compress_default(
                (const char *)blocks->block, (char *)packed, (int)size, (int)(sizeof blocks->out - HEADER_SIZE));
            stored = packed_size > 0 ? (size_t)packed_size : size;
        }
        bool compressed = stored < size;
        if (!compressed) {
            memcpy(packed, blocks->block, size);
            stored = size;
        }
        put_header(blocks->out, compressed ? METHOD_LZ4 : METHOD_RAW, (uint32_t)stored, (uint32_t)size,
            XXH32(blocks->block, size, CHECKSUM_SEED) & 0x0fffffff);
        blocks->failed = !store_writer_write(blocks->file, blocks->out, HEADER_SIZE + stored, blocks->error);
    }
    memmove(blocks->block, blocks->block + size, blocks->used - size);
    blocks->used -= size;
    blocks->record_count = 0;
}

static void put_bytes(struct state_blocks *blocks, const void *data, size_t size) {
    const uint8_t *from = data;
    while (size > 0) {
        size_t room = STATE_BLOCK_SIZE - blocks->used, part = size < room ? size : room;
        memcpy(blocks->block + blocks->used, from, part);
        blocks->used += part;
        from += part;
        size -= part;
        if (blocks->used == STATE_BLOCK_SIZE) {
            flush_block(blocks, STATE_BLOCK_SIZE);
        }
    }
}

static void put_length(struct state_blocks *blocks, int32_t length) {
    uint8_t bytes[4];
    store_be32(bytes, (uint32_t)length);
    put_bytes(blocks, bytes, 4);
}

void state_blocks_put(struct state_blocks *blocks, struct bytes key, struct bytes value) {
    size_t value_size = value.data == NULL ? 0 : value.size, size = 8 + key.size + value_size;
    int32_t length = value.data == NULL ? -1 : (int32_t)value.size;
    blocks->starts[blocks->record_count++] = (uint32_t)blocks->used;
    if (size > STATE_BLOCK_SIZE) {
        put_length(blocks, (int32_t)key.size);
        put_bytes(blocks, key.data, key.size);
        put_length(blocks, length);
        put_bytes(blocks, value.data, value_size);
        return;
    }
    uint8_t *at = blocks->block + blocks->used;
    store_be32(at, (uint32_t)key.size);
    if (key.size > 0) {
        memcpy(at + 4, key.data, key.size);
    }
    store_be32(at + 4 + key.size, (uint32_t)length);
    if (value_size > 0) {
        memcpy(at + 8 + key.size, value.data, value_size);
    }
    blocks->used += size;
    if (blocks->used >= STATE_BLOCK_SIZE) {
        flush_block(blocks, STATE_BLOCK_SIZE);
    }
}

bool state_blocks_end(struct state_blocks *blocks) {
    uint8_t end[HEADER_SIZE];
    put_length(blocks, -1);
    flush_block(blocks, blocks->used);
    put_header(end, METHOD_RAW, 0, 0, 0);
    blocks->failed = blocks->failed || !store_writer_write(blocks->file, end, HEADER_SIZE, blocks->error);
    return !blocks->failed;
}
