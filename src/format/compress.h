/* compress.h: whole blocks through the codecs of Parquet pages and of compressed text files. Inside format/ only. */
#ifndef FORMAT_COMPRESS_H
#define FORMAT_COMPRESS_H

#include "format/format.h"

/* Appends the compressed form. */
bool format_compress(enum format_codec codec, struct bytes data, struct buffer *out, struct error *error);
/* Exactly `size` bytes come out, or it is an error. */
bool format_decompress(enum format_codec codec, struct bytes data, uint8_t *out, size_t size, struct error *error);
/* A whole gzip or zstd file of unknown size, at most size_max. */
bool format_decompress_file(
    enum format_codec codec, struct bytes data, size_t size_max, struct buffer *out, struct error *error);

#endif
