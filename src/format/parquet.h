/* parquet.h: Apache Parquet files as Spark and pyarrow write and read them. format.h's table entry `format_parquet` is
 * made of these; they are public for who needs the file's facts. */
#ifndef FORMAT_PARQUET_H
#define FORMAT_PARQUET_H

#include "format/format.h"

/* ---- reading ---- */

struct parquet_file;

/* Reads and checks the footer. The source must outlive the file. */
struct parquet_file *parquet_file_open(const struct format_source *source, struct error *error);
void parquet_file_close(struct parquet_file *file); /* NULL is fine */
/* As Spark sees it: from its own schema in the metadata when that is there and fits, else from the Parquet types. Lives
 * with the file. */
const struct type *parquet_file_schema(const struct parquet_file *file);
int64_t parquet_file_row_count(const struct parquet_file *file);
size_t parquet_file_row_group_count(const struct parquet_file *file);
const char *parquet_file_created_by(const struct parquet_file *file); /* "" when absent */

/* ---- writing ---- */

enum parquet_timestamp { PARQUET_TIMESTAMP_MICROS, PARQUET_TIMESTAMP_MILLIS, PARQUET_TIMESTAMP_INT96 };

struct parquet_write_options {
    enum format_codec codec;
    enum parquet_timestamp timestamp; /* spark.sql.parquet.outputTimestampType; MICROS is this program's default */
    size_t row_group_size;            /* bytes before compression, about; 0: 128 MiB (parquet.block.size) */
    size_t page_size;                 /* 0: 1 MiB (parquet.page.size) */
    bool no_dictionary;               /* parquet.enable.dictionary=false */
    bool no_delta;                    /* integers without a dictionary PLAIN instead of DELTA_BINARY_PACKED */
};

struct parquet_writer;
/* schema outlives the writer. */
struct parquet_writer *parquet_writer_create(const struct type *schema, const struct parquet_write_options *options,
    struct format_output output, struct error *error);
bool parquet_writer_write(struct parquet_writer *writer, const struct batch *batch, struct error *error);
bool parquet_writer_finish(struct parquet_writer *writer, struct error *error); /* frees */
void parquet_writer_abort(struct parquet_writer *writer);

#endif
