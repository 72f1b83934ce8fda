/* compress.c: snappy, zlib (gzip members, RFC 1952), LZ4 blocks and zstd frames as Parquet has them. */
#include "format/compress.h"

#include <lz4.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

static bool compress_gzip(struct bytes data, struct buffer *out, struct error *error) {
    z_stream stream = {0};
    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return error_set(error, ERROR_INTERNAL, "zlib could not be started");
    }
    size_t bound = deflateBound(&stream, data.size);
    stream.next_in = (Bytef *)(uintptr_t)data.data;
    stream.avail_in = (uInt)data.size;
    stream.next_out = buffer_reserve(out, bound);
    stream.avail_out = (uInt)bound;
    int result = deflate(&stream, Z_FINISH);
    out->size += stream.total_out;
    deflateEnd(&stream);
    return result == Z_STREAM_END || error_set(error, ERROR_INTERNAL, "zlib did not finish (%d)", result);
}

bool format_compress(enum format_codec codec, struct bytes data, struct buffer *out, struct error *error) {
    size_t bound, size;
    switch (codec) {
    case FORMAT_CODEC_NONE:
        buffer_append_bytes(out, data);
        return true;
    case FORMAT_CODEC_SNAPPY:
        size = bound = snappy_max_compressed_length(data.size);
        if (snappy_compress((const char *)data.data, data.size, (char *)buffer_reserve(out, bound), &size) !=
            SNAPPY_OK) {
            return error_set(error, ERROR_INTERNAL, "snappy failed");
        }
        break;
    case FORMAT_CODEC_GZIP:
        return compress_gzip(data, out, error);
    case FORMAT_CODEC_LZ4: {
        bound = (size_t)LZ4_compressBound((int)data.size);
        int written = LZ4_compress_default(
            (const char *)data.data, (char *)buffer_reserve(out, bound + 1), (int)data.size, (int)bound);
        if (written <= 0) {
            return error_set(error, ERROR_INTERNAL, "lz4 failed");
        }
        size = (size_t)written;
        break;
    }
    case FORMAT_CODEC_ZSTD:
        bound = ZSTD_compressBound(data.size);
        size = ZSTD_compress(buffer_reserve(out, bound), bound, data.data, data.size, 3);
        if (ZSTD_isError(size)) {
            return error_set(error, ERROR_INTERNAL, "zstd: %s", ZSTD_getErrorName(size));
        }
        break;
    default:
        UNREACHABLE();
    }
    out->size += size;
    return true;
}

static bool decompress_gzip(struct bytes data, uint8_t *out, size_t size, struct error *error) {
    z_stream stream = {0};
    if (inflateInit2(&stream, 15 + 32) != Z_OK) {
        return error_set(error, ERROR_INTERNAL, "zlib could not be started");
    }
    stream.next_in = (Bytef *)(uintptr_t)data.data;
    stream.avail_in = (uInt)data.size;
    stream.next_out = out;
    stream.avail_out = (uInt)size;
    int result = inflate(&stream, Z_FINISH);
    size_t produced = stream.total_out;
    inflateEnd(&stream);
    return (result == Z_STREAM_END && produced == size) || error_set(error, ERROR_CORRUPT, "gzip data is damaged");
}

bool format_decompress(enum format_codec codec, struct bytes data, uint8_t *out, size_t size, struct error *error) {
    size_t produced = size;
    bool good = false;
    switch (codec) {
    case FORMAT_CODEC_NONE:
        good = data.size == size;
        memcpy(out, data.data, good ? size : 0);
        break;
    case FORMAT_CODEC_SNAPPY:
        good = snappy_uncompressed_length((const char *)data.data, data.size, &produced) == SNAPPY_OK &&
               produced == size &&
               snappy_uncompress((const char *)data.data, data.size, (char *)out, &produced) == SNAPPY_OK;
        break;
    case FORMAT_CODEC_GZIP:
        return decompress_gzip(data, out, size, error);
    case FORMAT_CODEC_LZ4:
        good = data.size <= INT32_MAX && size <= INT32_MAX &&
               LZ4_decompress_safe((const char *)data.data, (char *)out, (int)data.size, (int)size) == (int)size;
        break;
    case FORMAT_CODEC_ZSTD:
        good = ZSTD_decompress(out, size, data.data, data.size) == size;
        break;
    default:
        UNREACHABLE();
    }
    return good || error_set(error, ERROR_CORRUPT, "compressed data is damaged");
}

static bool inflate_all(struct bytes data, size_t size_max, struct buffer *out, struct error *error) {
    z_stream stream = {0};
    if (inflateInit2(&stream, 15 + 32) != Z_OK) {
        return error_set(error, ERROR_INTERNAL, "zlib could not be started");
    }
    stream.next_in = (Bytef *)(uintptr_t)data.data;
    stream.avail_in = (uInt)data.size;
    int result = Z_OK;
    while ((result == Z_OK || (result == Z_STREAM_END && stream.avail_in > 0)) && out->size <= size_max) {
        if (result == Z_STREAM_END && inflateReset(&stream) != Z_OK) {
            break; /* a further member */
        }
        stream.next_out = buffer_reserve(out, 1 << 16);
        stream.avail_out = 1 << 16;
        result = inflate(&stream, Z_NO_FLUSH);
        out->size += (1 << 16) - stream.avail_out;
    }
    inflateEnd(&stream);
    return result == Z_STREAM_END ||
           error_set(error, out->size > size_max ? ERROR_LIMIT : ERROR_CORRUPT, "gzip data is damaged or too large");
}

static bool unzstd_all(struct bytes data, size_t size_max, struct buffer *out, struct error *error) {
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer in = {data.data, data.size, 0};
    size_t result = 1;
    while (in.pos < in.size && !ZSTD_isError(result) && out->size <= size_max) {
        ZSTD_outBuffer piece = {buffer_reserve(out, 1 << 17), 1 << 17, 0};
        result = ZSTD_decompressStream(stream, &piece, &in);
        out->size += piece.pos;
    }
    while (result != 0 && !ZSTD_isError(result) && out->size <= size_max) {
        ZSTD_outBuffer piece = {buffer_reserve(out, 1 << 17), 1 << 17, 0};
        result = ZSTD_decompressStream(stream, &piece, &in);
        out->size += piece.pos;
        if (piece.pos == 0) {
            break;
        }
    }
    ZSTD_freeDStream(stream);
    return result == 0 ||
           error_set(error, out->size > size_max ? ERROR_LIMIT : ERROR_CORRUPT, "zstd data is damaged or too large");
}

bool format_decompress_file(
    enum format_codec codec, struct bytes data, size_t size_max, struct buffer *out, struct error *error) {
    ASSERT(codec == FORMAT_CODEC_GZIP || codec == FORMAT_CODEC_ZSTD);
    return codec == FORMAT_CODEC_GZIP ? inflate_all(data, size_max, out, error)
                                      : unzstd_all(data, size_max, out, error);
}
