/* jute.h: ZooKeeper's record encoding: big-endian integers, length-prefixed strings and buffers (-1: null), counted
 * vectors. */
#ifndef ZOOKEEPER_JUTE_H
#define ZOOKEEPER_JUTE_H

#include "base/bytes.h"

/* Reads from a view. After the first value that is not there, `failed` is set and everything reads as zero, so one
 * check at the end is enough. */
struct jute_reader {
    const uint8_t *at, *end;
    bool failed;
};

struct jute_reader jute_reader_make(struct bytes view);
int32_t jute_read_int(struct jute_reader *reader);
int64_t jute_read_long(struct jute_reader *reader);
bool jute_read_bool(struct jute_reader *reader);
/* Views into the input; BYTES_NULL for null. */
struct bytes jute_read_buffer(struct jute_reader *reader);
/* As a buffer; null reads as empty and text that is not UTF-8 fails. */
struct bytes jute_read_string(struct jute_reader *reader);
/* Count of a vector whose items take at least item_size_min bytes each; -1 (null) reads as 0. */
int32_t jute_read_count(struct jute_reader *reader, size_t item_size_min);
size_t jute_left(const struct jute_reader *reader);

void jute_write_int(struct buffer *out, int32_t value);
void jute_write_long(struct buffer *out, int64_t value);
void jute_write_bool(struct buffer *out, bool value);
void jute_write_buffer(struct buffer *out, struct bytes value); /* BYTES_NULL as null */
void jute_write_string(struct buffer *out, struct bytes value);

#endif
