/* ipc.h: Arrow's IPC stream format (the columnar format's version 1.5: encapsulated messages with flatbuffer metadata):
 * what Spark Connect's results and local relations are made of. */
#ifndef COLUMN_IPC_H
#define COLUMN_IPC_H

#include "column/column.h"

/* Appends one self-contained stream (schema, record batches, end) with the batches' rows. `zone` is the time zone that
 * TIMESTAMP fields name. A stream without batches is valid. false with an error when a column's strings pass 2 GiB: use
 * ipc_rows_for. */
bool ipc_write_stream(const struct type *schema, struct batch *const *batches, size_t batch_count, const char *zone,
    struct buffer *out, struct error *error);
/* The parts of a stream, for writers that send batch after batch. */
void ipc_write_schema(const struct type *schema, const char *zone, struct buffer *out);
bool ipc_write_batch(
    const struct batch *batch, size_t offset, size_t row_count, struct buffer *out, struct error *error);
void ipc_write_end(struct buffer *out);
/* How many rows from `offset` on make at most size_max bytes of record batch (at least one row when there is one). */
size_t ipc_rows_for(const struct batch *batch, size_t offset, size_t size_max);

struct ipc_stream {
    const struct type *schema;
    struct batch **batches; /* the caller's references: release each */
    size_t batch_count;
};

/* Reads a stream: all of Arrow's types that have a Spark type, dictionaries decoded, unsigned integers widened. Schema
 * and list live in arena, which outlives the batches; string bytes stay in `bytes`, which must outlive them too.
 * Compressed bodies are ERROR_UNSUPPORTED. Every count is checked against the bytes that are there. On error nothing is
 * kept. */
bool ipc_read_stream(struct arena *arena, struct bytes bytes, struct ipc_stream *stream, struct error *error);

#endif
