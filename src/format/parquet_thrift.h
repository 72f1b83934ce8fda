/* parquet_thrift.h: Thrift's compact protocol as Parquet's headers and footer use it. Reading checks every count
 * against the bytes that remain and bounds the nesting. Inside format/ only. */
#ifndef FORMAT_PARQUET_THRIFT_H
#define FORMAT_PARQUET_THRIFT_H

#include "base/bytes.h"

enum thrift_type {
    THRIFT_STOP,
    THRIFT_TRUE,
    THRIFT_FALSE,
    THRIFT_BYTE,
    THRIFT_I16,
    THRIFT_I32,
    THRIFT_I64,
    THRIFT_DOUBLE,
    THRIFT_BINARY,
    THRIFT_LIST,
    THRIFT_SET,
    THRIFT_MAP,
    THRIFT_STRUCT
};

enum { THRIFT_DEPTH_MAX = 16 };

/* ---- writing ---- */

struct thrift_out {
    struct buffer *buffer;
    int depth;
    int16_t last[THRIFT_DEPTH_MAX]; /* id of the last field written, per nesting */
};

void thrift_write_i32(struct thrift_out *out, int16_t field, int32_t value);
void thrift_write_i64(struct thrift_out *out, int16_t field, int64_t value);
void thrift_write_byte(struct thrift_out *out, int16_t field, int8_t value);
void thrift_write_boolean(struct thrift_out *out, int16_t field, bool value);
void thrift_write_binary(struct thrift_out *out, int16_t field, struct bytes value);
/* The elements follow, written with thrift_element_… */
void thrift_write_list(struct thrift_out *out, int16_t field, enum thrift_type type, size_t count);
void thrift_element_i32(struct thrift_out *out, int32_t value);
void thrift_element_binary(struct thrift_out *out, struct bytes value);
/* A struct as a field, or as an element of a list (field 0). */
void thrift_write_begin(struct thrift_out *out, int16_t field);
void thrift_write_end(struct thrift_out *out);
/* A struct whose fields and end were written before (thrift_write_begin with field 0). */
void thrift_write_struct(struct thrift_out *out, int16_t field, struct bytes body);
void thrift_varint(struct buffer *buffer, uint64_t value);

/* ---- reading ---- */

struct thrift_in {
    const uint8_t *position, *end;
    bool failed; /* all reads give zeros from then on */
    int depth;
};
struct thrift_field {
    int16_t id;
    enum thrift_type type;
};
/* Zero-initialise the field before the first one of a struct. False at the end of the struct or on failure. */
bool thrift_next(struct thrift_in *in, struct thrift_field *field);
/* The value of a field: 0 (and failed) when its type is another one. Integers of all widths are taken. */
int64_t thrift_read_integer(struct thrift_in *in, const struct thrift_field *field);
bool thrift_read_boolean(struct thrift_in *in, const struct thrift_field *field);
struct bytes thrift_read_binary(struct thrift_in *in, const struct thrift_field *field);
/* Count of a list of that element type (I32 also takes I64), at most one per byte that remains. */
size_t thrift_read_list(struct thrift_in *in, const struct thrift_field *field, enum thrift_type element);
int64_t thrift_read_integer_element(struct thrift_in *in);
struct bytes thrift_read_binary_element(struct thrift_in *in);
void thrift_skip(struct thrift_in *in, const struct thrift_field *field);

#endif
