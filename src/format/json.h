/* json.h: JSON text to columns and back with Spark's semantics: from_json, to_json, JSON lines, schema inference,
 * get_json_object. */
#ifndef FORMAT_JSON_H
#define FORMAT_JSON_H

#include "format/format.h"

enum { JSON_DEPTH_MAX = 1000 };

/* ---- typed reading ---- */

/* Options: mode, columnNameOfCorruptRecord, timestampFormat, timestampNTZFormat, dateFormat, timeZone, locale (en-US
 * only), primitivesAsString, prefersDecimal, allowComments, allowUnquotedFieldNames, allowSingleQuotes,
 * allowNumericLeadingZeros, allowNonNumericNumbers, allowBackslashEscapingAnyCharacter, allowUnquotedControlChars,
 * multiLine, lineSep, encoding (UTF-8 only), dropFieldIfAllNull, ignoreNullFields, samplingRatio. Others are left to
 * the caller to refuse or to mention. */

struct json_reader;

/* A reader of records of `schema` (STRUCT, ARRAY or MAP), which outlives it. It learns the shape of the records as it
 * reads, so it has one user at a time: one per worker. NULL with an error for option values or types that JSON cannot
 * give (CALENDAR_INTERVAL). */
struct json_reader *json_reader_create(
    const struct type *schema, const struct format_options *options, const struct timezone *zone, struct error *error);
void json_reader_destroy(struct json_reader *reader); /* NULL is fine */
/* Readers of one schema for kernels that run on many threads: take one for a batch, give it back. Any thread. */
struct json_readers;
struct json_readers *json_readers_create(
    const struct type *schema, const struct format_options *options, const struct timezone *zone, struct error *error);
void json_readers_destroy(struct json_readers *readers);
struct json_reader *json_readers_take(struct json_readers *readers);
void json_readers_give(struct json_readers *readers, struct json_reader *reader);
/* What all readers reported so far (json_reader_parse with report NULL counts here). */
void json_readers_report(struct json_readers *readers, struct format_report *report);
/* Whether json_reader_create knows an option of that name. */
bool json_option_known(struct bytes name);

/* from_json: one value per row of `texts` (STRING or BINARY, possibly constant). Result in `arena`; its strings point
 * into the texts' bytes where they need no change: keep their batch. Null texts and texts of white space give null.
 * PERMISSIVE: a malformed record gives a struct of nulls (or null for ARRAY and MAP), a field of the wrong type null,
 * and the column named by columnNameOfCorruptRecord the record's text. FAILFAST: NULL with an error. `report` (may be
 * NULL) is added to. */
struct column *json_reader_parse(struct json_reader *reader, struct arena *arena, const struct column *texts,
    size_t row_count, struct format_report *report, struct error *error);

/* ---- writing ---- */

struct json_write_options {
    bool keep_null_fields; /* ignoreNullFields=false */
    bool pretty;
    const struct timezone *zone;                                      /* NULL: UTC */
    struct bytes timestamp_format, timestamp_ntz_format, date_format; /* absent: Spark's defaults */
};
bool json_write_options_get(const struct format_options *options, const struct timezone *zone,
    struct json_write_options *result, struct error *error);
/* Appends the value at row as JSON (null as "null"). */
void json_write_value(
    const struct column *column, size_t row, const struct json_write_options *options, struct buffer *out);

/* ---- schemas ---- */

struct json_inference; /* the type that all records seen so far fit into */
struct json_inference *json_inference_create(
    const struct format_options *options, const struct timezone *zone, struct error *error);
void json_inference_destroy(struct json_inference *inference);
/* Adds one record; false (and counted) when it is malformed: with PERMISSIVE the column for corrupt records joins the
 * schema. */
bool json_inference_add(struct json_inference *inference, struct bytes record);
/* The type in `arena`: fields sorted by name, nulls as STRING. */
const struct type *json_inference_result(struct json_inference *inference, struct arena *arena);
/* schema_of_json: type of one text (fields in name order); NULL with an error for malformed text. */
const struct type *json_schema_of(
    struct arena *arena, struct bytes text, const struct format_options *options, struct error *error);

/* ---- untyped access ---- */

/* A path such as $.a.b[0]['c'][*]; NULL when it is not one (the function then gives null). In arena. */
struct json_path;
const struct json_path *json_path_parse(struct arena *arena, struct bytes text);
/* get_json_object: false for null. Strings come unquoted, the rest as JSON. Appends to out. */
bool json_path_get(const struct json_path *path, struct bytes json, struct buffer *out);
/* json_tuple: texts of top-level fields; values[i].data NULL for null. Strings in arena or in json. */
void json_tuple(struct arena *arena, struct bytes json, const struct bytes *names, size_t count, struct bytes *values);
/* json_array_length: -1 when not an array. json_object_keys: false when not an object. */
int64_t json_array_length(struct bytes json);
bool json_object_keys(struct arena *arena, struct bytes json, struct bytes **keys, size_t *count);

#endif
