/* type.h: Spark's data types. A `struct type` is immutable and lives in an arena, or is one of the static simple ones.
 *
 * Text forms: DDL ("a INT, b STRING"), Spark's JSON schema ({"type":"struct","fields":[…]}), simpleString
 * ("struct<a:int>"), the SQL name ("STRUCT<a: INT>") and the tree that printSchema shows. */
#ifndef COLUMN_TYPE_H
#define COLUMN_TYPE_H

#include "base/arena.h"
#include "base/error.h"

enum type_kind {
    TYPE_NULL, /* VOID */
    TYPE_BOOLEAN,
    TYPE_BYTE,
    TYPE_SHORT,
    TYPE_INTEGER,
    TYPE_LONG,
    TYPE_FLOAT,
    TYPE_DOUBLE,
    TYPE_DECIMAL,
    TYPE_STRING,
    TYPE_BINARY,
    TYPE_DATE,                /* days since 1970-01-01, proleptic Gregorian */
    TYPE_TIMESTAMP,           /* microseconds since the epoch, UTC */
    TYPE_TIMESTAMP_NTZ,       /* microseconds of local time */
    TYPE_YEAR_MONTH_INTERVAL, /* months */
    TYPE_DAY_TIME_INTERVAL,   /* microseconds */
    TYPE_CALENDAR_INTERVAL,   /* months, days, microseconds */
    TYPE_ARRAY,
    TYPE_MAP,
    TYPE_STRUCT,
    TYPE_KIND_COUNT,
};

enum interval_field { INTERVAL_YEAR, INTERVAL_MONTH, INTERVAL_DAY, INTERVAL_HOUR, INTERVAL_MINUTE, INTERVAL_SECOND };

struct type_field {
    struct bytes name;
    const struct type *type;
    bool nullable;
    struct bytes metadata; /* JSON object text, or BYTES_NULL for {} */
};

struct type {
    enum type_kind kind;
    uint8_t precision, scale;           /* DECIMAL: 1..38, 0..38 */
    uint8_t interval_from, interval_to; /* intervals: enum interval_field */
    int32_t length_max;                 /* STRING: VARCHAR(n) or CHAR(n) limit, 0 none */
    bool fixed_length;                  /* STRING: CHAR(n) */
    bool contains_null;                 /* ARRAY elements, MAP values */
    const struct type *element;         /* ARRAY element, MAP value */
    const struct type *key;             /* MAP key */
    const struct type_field *fields;    /* STRUCT */
    size_t field_count;
};

/* The static ones: NULL..DOUBLE, STRING, BINARY, DATE, TIMESTAMP, TIMESTAMP_NTZ, default intervals; asserts on others.
 * */
const struct type *type_simple(enum type_kind kind);
const struct type *type_decimal(struct arena *arena, int precision, int scale);
const struct type *type_array(struct arena *arena, const struct type *element, bool contains_null);
const struct type *type_map(
    struct arena *arena, const struct type *key, const struct type *value, bool value_contains_null);
const struct type *type_interval(struct arena *arena, enum interval_field from, enum interval_field to);
/* VARCHAR(length), or CHAR(length) when fixed. */
const struct type *type_text_limited(struct arena *arena, int32_t length, bool fixed);
/* Copies the field array, not the names. */
const struct type *type_struct(struct arena *arena, const struct type_field *fields, size_t field_count);
const struct type *type_copy(struct arena *arena, const struct type *type); /* deep */

bool type_equal(const struct type *left, const struct type *right); /* names and nullability too */
bool type_equal_ignoring_nullability(const struct type *left, const struct type *right);
bool type_is_numeric(const struct type *type);  /* BYTE..DECIMAL */
bool type_is_integral(const struct type *type); /* BYTE..LONG */
bool type_is_orderable(const struct type *type);
/* Bytes of one value in `values` (see column.h); 0 for NULL, ARRAY, MAP, STRUCT. */
size_t type_value_size(const struct type *type);
/* Index of the field with that name, exact first and then ignoring ASCII case; -1 when absent. */
int type_field_index(const struct type *type, struct bytes name);

void type_format_simple(const struct type *type, struct buffer *out); /* simpleString: "struct<a:int>" */
void type_format_sql(const struct type *type, struct buffer *out);    /* "STRUCT<a: INT>" as in error messages */
void type_format_ddl(const struct type *type, struct buffer *out);    /* struct: "a INT,b STRING" (toDDL) */
void type_format_json(const struct type *type, struct buffer *out);   /* StructType.json */
void type_format_tree(const struct type *type, int level, struct buffer *out); /* printSchema; level 0: all */
/* Parses Spark's JSON schema (a type or a struct). Depth at most 100. */
const struct type *type_parse_json(struct arena *arena, struct bytes json, struct error *error);
/* Parses a DDL column list ("a INT COMMENT 'x', b ARRAY<STRING> NOT NULL") or a single type ("int", "struct<a:int>").
 * */
const struct type *type_parse_ddl(struct arena *arena, struct bytes text, struct error *error);
/* Only a single type name, as in CAST(x AS type). */
const struct type *type_parse_name(struct arena *arena, struct bytes text, struct error *error);

#endif
