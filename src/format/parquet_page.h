/* parquet_page.h: one column chunk on its way out: values gathered into pages, pages encoded and compressed. Inside
 * format/ only. */
#ifndef FORMAT_PARQUET_PAGE_H
#define FORMAT_PARQUET_PAGE_H

#include "format/parquet_encode.h"
#include "format/parquet_schema.h"

struct parquet_dictionary; /* values of a chunk to indexes, in order of first sight */

struct parquet_statistics {
    bool has_range;
    bool unusable;                     /* a value without an order (NaN) or too long was seen */
    int64_t minimum, maximum;          /* integers */
    double real_minimum, real_maximum; /* FLOAT, DOUBLE */
    __int128 decimal_minimum, decimal_maximum;
    uint8_t text_minimum[64], text_maximum[64];
    size_t text_minimum_size, text_maximum_size;
    int64_t null_count;
};

/* A leaf of the schema while a row group is written. */
struct parquet_chunk {
    const struct parquet_node *node;
    const struct parquet_write_options *options;
    /* the page being filled */
    struct buffer values; /* fixed-size values back to back, or (BYTE_ARRAY) struct string_view into `texts` offsets */
    struct buffer texts;  /* bytes of the BYTE_ARRAY values of the page */
    size_t value_count;   /* not null */
    struct buffer definitions,
        repetitions; /* one byte per level; definitions stay empty while all are at their maximum */
    size_t level_count, row_count;
    /* the chunk so far */
    struct parquet_dictionary *dictionary; /* NULL: not (or no longer) used */
    bool dictionary_given_up;              /* in this or an earlier row group: not worth it */
    struct buffer pages;                   /* finished data pages with headers */
    struct buffer scratch, encoded, indexes;
    int64_t total_values, uncompressed_size;
    uint32_t encodings; /* bit per enum parquet_encoding */
    size_t data_page_count;
    struct parquet_statistics statistics;
    /* filled by parquet_chunk_finish */
    struct buffer dictionary_page;
};

void parquet_chunk_init(
    struct parquet_chunk *chunk, const struct parquet_node *node, const struct parquet_write_options *options);
void parquet_chunk_free(struct parquet_chunk *chunk);
/* Rows [from, from + count) of a column that is not nested. */
bool parquet_chunk_append(
    struct parquet_chunk *chunk, const struct column *column, size_t from, size_t count, struct error *error);
/* One value with its levels (nested columns): column NULL or a null row gives only the levels. */
void parquet_chunk_append_one(
    struct parquet_chunk *chunk, const struct column *column, size_t row, int repetition, int definition);
/* Ends the page when it is full. Only between rows. */
bool parquet_chunk_row_end(struct parquet_chunk *chunk, struct error *error);
/* Encodes what is left; then pages and dictionary_page hold the chunk. */
bool parquet_chunk_finish(struct parquet_chunk *chunk, struct error *error);
/* Ready for the next row group. */
void parquet_chunk_reset(struct parquet_chunk *chunk);
size_t parquet_chunk_memory(const struct parquet_chunk *chunk);
/* Statistics of the chunk as a struct without a field header. */
void parquet_statistics_write(const struct parquet_chunk *chunk, struct thrift_out *out);

/* ---- dictionaries (parquet_dictionary.c) ---- */

struct parquet_dictionary *parquet_dictionary_create(size_t value_size); /* 0: byte arrays */
void parquet_dictionary_destroy(struct parquet_dictionary *dictionary);
void parquet_dictionary_clear(struct parquet_dictionary *dictionary);
/* Indexes of the values; false when the dictionary would become too large (then nothing is said about `indexes`; values
 * found stay in it). */
bool parquet_dictionary_add(
    struct parquet_dictionary *dictionary, const void *values, const uint8_t *texts, size_t count, uint32_t *indexes);
size_t parquet_dictionary_count(const struct parquet_dictionary *dictionary);
/* Takes back to `count` values (those of a page that was not written with it). */
void parquet_dictionary_truncate(struct parquet_dictionary *dictionary, size_t count);
/* The values in PLAIN encoding. */
struct bytes parquet_dictionary_plain(const struct parquet_dictionary *dictionary);

/* A BYTE_ARRAY value of a page: where its bytes stand in `texts`. */
struct parquet_text {
    uint32_t offset, size;
};

#endif
