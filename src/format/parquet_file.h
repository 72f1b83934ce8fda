/* parquet_file.h: the footer in memory, and the reader of one column chunk. Inside format/ only. */
#ifndef FORMAT_PARQUET_FILE_H
#define FORMAT_PARQUET_FILE_H

#include "format/parquet_encode.h"
#include "format/parquet_schema.h"

struct parquet_chunk_meta {
    int codec; /* Parquet's CompressionCodec */
    int64_t start, size, value_count;
    int64_t null_count;            /* -1: unknown */
    struct bytes minimum, maximum; /* data NULL: unknown */
};

struct parquet_group {
    struct parquet_chunk_meta *chunks; /* per leaf */
    int64_t row_count, start;
};

struct parquet_file {
    struct arena arena;
    struct format_source source;
    struct parquet_schema schema;
    const struct type *type;
    struct parquet_group *groups;
    size_t group_count;
    int64_t row_count;
    const char *created_by;
    struct bytes spark_schema; /* JSON, or BYTES_NULL */
};

/* ---- one chunk, page by page (parquet_decode.c) ---- */

struct parquet_leaf_reader {
    const struct parquet_node *node;
    const struct format_source *source;
    int codec;
    const uint8_t *position, *end; /* of the chunk's bytes not read yet */
    int64_t values_left;           /* levels in pages not loaded yet */
    size_t value_size;             /* of the engine's type */
    /* dictionary: values in the engine's form */
    struct batch *dictionary_memory;
    uint8_t *dictionary;
    size_t dictionary_count;
    /* the page at hand, decoded */
    struct batch *page_memory;
    uint8_t *definitions, *repetitions; /* NULL: all at their maximum, all 0 */
    uint8_t *values;                    /* of those present */
    size_t level_count, level_next, value_count, value_next;
};

/* The levels and values of some rows. */
struct parquet_slice {
    uint8_t *definitions, *repetitions;
    uint8_t *values;
    size_t level_count, value_count;
};

bool parquet_leaf_open(struct parquet_leaf_reader *reader, const struct parquet_node *node,
    const struct format_source *source, const struct parquet_chunk_meta *chunk, struct error *error);
void parquet_leaf_close(struct parquet_leaf_reader *reader);
/* The next `row_count` rows, in the batch's arena; the batch keeps what string values point into. */
bool parquet_leaf_read(struct parquet_leaf_reader *reader, size_t row_count, struct batch *batch,
    struct parquet_slice *slice, struct error *error);

#endif
