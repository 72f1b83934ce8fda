/* compress.c: gzip through zlib, zstd and lz4 through their libraries, snappy through its C interface with Xerial's
 * framing around it.
 *
 * Xerial's framing (the Java library of that name, used by Kafka's clients): 0x82 "SNAPPY" 0x00, int32 version, int32
 * compatible version, then blocks of int32 big-endian size and raw snappy data, each of at most 32 KiB of input when we
 * write. */
#include "wire/compress.h"

#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#include "base/assert.h"

#define STEP_SIZE 65536
#define XERIAL_BLOCK 32768

static const char *const names[RECORD_CODEC_COUNT] = {"none", "gzip", "snappy", "lz4", "zstd"};
static const uint8_t xerial_magic[8] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0};

const char *compression_name(enum record_codec compression) {
    return compression < RECORD_CODEC_COUNT ? names[compression] : "unknown";
}

bool compression_from_name(struct bytes name, enum record_codec *compression) {
    for (unsigned i = 0; i < RECORD_CODEC_COUNT; i++)
        if (bytes_equal_text(name, names[i])) {
            *compression = (enum record_codec)i;
            return true;
        }
    return false;
}

static bool over_limit(struct error *error, enum record_codec compression, size_t size_max) {
    return error_set(error, ERROR_LIMIT, "%s data decompresses to more than %zu bytes", names[compression], size_max);
}

static bool corrupt(struct error *error, enum record_codec compression, const char *what) {
    return error_set(error, ERROR_CORRUPT, "%s data is corrupt: %s", names[compression], what);
}

/* Room for the next step, one byte over the limit at most, so that reaching beyond it is seen. */
static size_t step_room(const struct buffer *out, size_t start, size_t size_max) {
    size_t left = size_max + 1 - (out->size - start);
    return left < STEP_SIZE ? left : STEP_SIZE;
}

/* ---- gzip ---- */

static bool gzip_decode(struct bytes input, size_t size_max, struct buffer *out, struct error *error) {
    z_stream stream = {.next_in = (Bytef *)input.data, .avail_in = (uInt)input.size};
    if (inflateInit2(&stream, 15 + 32) != Z_OK)
        return error_set(error, ERROR_LIMIT, "no memory for gzip");
    size_t start = out->size;
    int result = Z_OK;
    bool within = true;
    while (result != Z_STREAM_END || stream.avail_in > 0) {
        if (result == Z_STREAM_END && inflateReset(&stream) != Z_OK)
            break;
        size_t room = step_room(out, start, size_max);
        stream.next_out = buffer_reserve(out, room);
        stream.avail_out = (uInt)room;
        result = inflate(&stream, Z_NO_FLUSH);
        out->size += room - stream.avail_out;
        within = out->size - start <= size_max;
        if (!within || (result != Z_OK && result != Z_STREAM_END))
            break;
    }
    inflateEnd(&stream);
    if (!within)
        return over_limit(error, RECORD_CODEC_GZIP, size_max);
    return result == Z_STREAM_END ||
           corrupt(error, RECORD_CODEC_GZIP, result == Z_BUF_ERROR ? "it is cut off" : "bad stream");
}

static bool gzip_encode(struct bytes input, struct buffer *out, struct error *error) {
    z_stream stream = {.next_in = (Bytef *)input.data, .avail_in = (uInt)input.size};
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return error_set(error, ERROR_LIMIT, "no memory for gzip");
    size_t bound = deflateBound(&stream, input.size);
    stream.next_out = buffer_reserve(out, bound);
    stream.avail_out = (uInt)bound;
    int result = deflate(&stream, Z_FINISH);
    out->size += bound - stream.avail_out;
    deflateEnd(&stream);
    ASSERT(result == Z_STREAM_END);
    return true;
}

/* ---- snappy ---- */

static bool snappy_block(struct bytes block, size_t start, size_t size_max, struct buffer *out, struct error *error) {
    size_t size;
    if (snappy_uncompressed_length((const char *)block.data, block.size, &size) != SNAPPY_OK)
        return corrupt(error, RECORD_CODEC_SNAPPY, "no length");
    if (size > size_max - (out->size - start))
        return over_limit(error, RECORD_CODEC_SNAPPY, size_max);
    uint8_t *to = buffer_reserve(out, size + 1);
    if (snappy_uncompress((const char *)block.data, block.size, (char *)to, &size) != SNAPPY_OK)
        return corrupt(error, RECORD_CODEC_SNAPPY, "bad block");
    out->size += size;
    return true;
}

static bool snappy_decode(struct bytes input, size_t size_max, struct buffer *out, struct error *error) {
    size_t start = out->size;
    if (input.size < 16 || memcmp(input.data, xerial_magic, sizeof xerial_magic) != 0)
        return snappy_block(input, start, size_max, out, error);
    for (size_t at = 16; at < input.size;) {
        if (input.size - at < 4)
            return corrupt(error, RECORD_CODEC_SNAPPY, "it is cut off");
        size_t size = load_be32(input.data + at);
        at += 4;
        if (size > input.size - at)
            return corrupt(error, RECORD_CODEC_SNAPPY, "it is cut off");
        if (!snappy_block(bytes_slice(input, at, size), start, size_max, out, error))
            return false;
        at += size;
    }
    return true;
}

static bool snappy_encode(struct bytes input, struct buffer *out, struct error *error) {
    buffer_append(out, xerial_magic, sizeof xerial_magic);
    store_be32(buffer_extend(out, 4), 1);
    store_be32(buffer_extend(out, 4), 1);
    for (size_t at = 0; at < input.size;) {
        size_t size = input.size - at < XERIAL_BLOCK ? input.size - at : XERIAL_BLOCK;
        size_t written = snappy_max_compressed_length(size);
        uint8_t *to = buffer_reserve(out, 4 + written);
        if (snappy_compress((const char *)input.data + at, size, (char *)to + 4, &written) != SNAPPY_OK)
            return error_set(error, ERROR_INTERNAL, "snappy could not compress %zu bytes", size);
        store_be32(to, (uint32_t)written);
        out->size += 4 + written;
        at += size;
    }
    return true;
}

/* ---- lz4 ---- */

static bool lz4_decode(struct bytes input, size_t size_max, struct buffer *out, struct error *error) {
    LZ4F_dctx *context;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
        return error_set(error, ERROR_LIMIT, "no memory for lz4");
    size_t start = out->size, at = 0, hint = 1;
    bool within = true;
    /* Goes on while input remains, and while the last step filled its output. */
    for (bool full = true; within && (at < input.size || full);) {
        size_t written = step_room(out, start, size_max), room = written, taken = input.size - at;
        uint8_t *to = buffer_reserve(out, room);
        hint = LZ4F_decompress(context, to, &written, input.data + at, &taken, NULL);
        if (LZ4F_isError(hint))
            break;
        out->size += written;
        at += taken;
        full = written == room && hint != 0;
        within = out->size - start <= size_max;
        if (taken == 0 && written == 0)
            break;
    }
    LZ4F_freeDecompressionContext(context);
    if (!within)
        return over_limit(error, RECORD_CODEC_LZ4, size_max);
    if (LZ4F_isError(hint))
        return corrupt(error, RECORD_CODEC_LZ4, LZ4F_getErrorName(hint));
    return hint == 0 || corrupt(error, RECORD_CODEC_LZ4, "it is cut off");
}

static bool lz4_encode(struct bytes input, struct buffer *out, struct error *error) {
    LZ4F_preferences_t preferences = {.frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent}};
    size_t bound = LZ4F_compressFrameBound(input.size, &preferences);
    size_t size = LZ4F_compressFrame(buffer_reserve(out, bound), bound, input.data, input.size, &preferences);
    if (LZ4F_isError(size))
        return error_set(error, ERROR_INTERNAL, "lz4 could not compress: %s", LZ4F_getErrorName(size));
    out->size += size;
    return true;
}

/* ---- zstd ---- */

static bool zstd_decode(struct bytes input, size_t size_max, struct buffer *out, struct error *error) {
    ZSTD_DStream *stream = ZSTD_createDStream();
    if (!stream)
        return error_set(error, ERROR_LIMIT, "no memory for zstd");
    ZSTD_DCtx_setParameter(stream, ZSTD_d_windowLogMax, 27);
    size_t start = out->size, hint = 1;
    ZSTD_inBuffer in = {input.data, input.size, 0};
    bool within = true;
    for (bool full = true; within && (in.pos < in.size || (full && hint != 0));) {
        size_t room = step_room(out, start, size_max);
        ZSTD_outBuffer to = {buffer_reserve(out, room), room, 0};
        hint = ZSTD_decompressStream(stream, &to, &in);
        if (ZSTD_isError(hint))
            break;
        out->size += to.pos;
        full = to.pos == room;
        within = out->size - start <= size_max;
    }
    ZSTD_freeDStream(stream);
    if (!within)
        return over_limit(error, RECORD_CODEC_ZSTD, size_max);
    if (ZSTD_isError(hint))
        return corrupt(error, RECORD_CODEC_ZSTD, ZSTD_getErrorName(hint));
    return hint == 0 || corrupt(error, RECORD_CODEC_ZSTD, "it is cut off");
}

static bool zstd_encode(struct bytes input, struct buffer *out, struct error *error) {
    size_t bound = ZSTD_compressBound(input.size);
    size_t size = ZSTD_compress(buffer_reserve(out, bound), bound, input.data, input.size, 3);
    if (ZSTD_isError(size))
        return error_set(error, ERROR_INTERNAL, "zstd could not compress: %s", ZSTD_getErrorName(size));
    out->size += size;
    return true;
}

/* ---- the table ---- */

static bool none_decode(struct bytes input, size_t size_max, struct buffer *out, struct error *error) {
    if (input.size > size_max)
        return over_limit(error, RECORD_CODEC_NONE, size_max);
    buffer_append_bytes(out, input);
    return true;
}

static bool none_encode(struct bytes input, struct buffer *out, struct error *error) {
    buffer_append_bytes(out, input);
    return true;
}

static const struct codec {
    bool (*decode)(struct bytes input, size_t size_max, struct buffer *out, struct error *error);
    bool (*encode)(struct bytes input, struct buffer *out, struct error *error);
} codecs[RECORD_CODEC_COUNT] = {
    [RECORD_CODEC_NONE] = {none_decode, none_encode},
    [RECORD_CODEC_GZIP] = {gzip_decode, gzip_encode},
    [RECORD_CODEC_SNAPPY] = {snappy_decode, snappy_encode},
    [RECORD_CODEC_LZ4] = {lz4_decode, lz4_encode},
    [RECORD_CODEC_ZSTD] = {zstd_decode, zstd_encode},
};

bool compression_decode(
    enum record_codec compression, struct bytes input, size_t size_max, struct buffer *out, struct error *error) {
    if (compression >= RECORD_CODEC_COUNT)
        return error_set(error, ERROR_CORRUPT, "there is no compression codec %d", (int)compression);
    return codecs[compression].decode(input, size_max, out, error);
}

bool compression_encode(enum record_codec compression, struct bytes input, struct buffer *out, struct error *error) {
    ASSERT(compression < RECORD_CODEC_COUNT);
    return codecs[compression].encode(input, out, error);
}
