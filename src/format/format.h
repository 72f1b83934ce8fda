/* format.h: what the data formats share: options, bytes that come from a file and go to one, reports on bad records,
 * and one table of formats for code that does not care which it is. A format turns bytes into column batches and back;
 * it knows neither files nor the engine. */
#ifndef FORMAT_FORMAT_H
#define FORMAT_FORMAT_H

#include "base/arena.h"
#include "base/error.h"
#include "column/column.h"
#include "column/timezone.h"
#include "world/world.h"

/* The world whose zone files option timeZone is looked up in; set once at start. */
void format_set_world(struct world *world);

/* ---- options: names as Spark's users write them, compared without case ---- */

struct format_option {
    struct bytes name, value;
};
struct format_options {
    const struct format_option *items;
    size_t count;
};
/* The last one of that name; BYTES_NULL when it is not given. */
struct bytes format_option_get(const struct format_options *options, const char *name);
/* Each leaves *value as it is when the option is absent; a text that is not of the kind is ERROR_INVALID naming option
 * and text. */
bool format_option_boolean(const struct format_options *options, const char *name, bool *value, struct error *error);
bool format_option_int64(const struct format_options *options, const char *name, int64_t *value, struct error *error);

/* Option "timeZone": replaces *zone when given. */
bool format_option_zone(const struct format_options *options, const struct timezone **zone, struct error *error);

enum format_mode { FORMAT_PERMISSIVE, FORMAT_DROPMALFORMED, FORMAT_FAILFAST };
/* Option "mode"; an unknown text is PERMISSIVE, as in Spark. */
enum format_mode format_mode_get(const struct format_options *options);

/* ---- what was wrong with the input: kept by whoever parses, shown by `raudal status` and FAILFAST errors ---- */

struct format_report {
    uint64_t record_count;
    uint64_t bad_record_count;  /* malformed, or with a field of the wrong type */
    uint64_t first_bad_index;   /* count of records before the first bad one */
    char first_bad_field[128];  /* "a.b", or "" when the record as a whole is malformed */
    char first_bad_record[256]; /* its start */
    char reason[128];           /* of the first one */
    char expected[64];          /* the type of that field, "INT"; "" when the record as a whole is malformed */
    char found[128];            /* what stands there instead, as it is written */
};
/* Adds `from` to `into`; keeps the first bad record that either saw. */
void format_report_add(struct format_report *into, const struct format_report *from);
/* One that several threads add to. */
struct format_reports {
    struct world_mutex mutex;
    struct format_report report;
};
void format_reports_init(struct format_reports *reports);
void format_reports_destroy(struct format_reports *reports);
void format_reports_add(struct format_reports *reports, const struct format_report *report);
struct format_report format_reports_get(struct format_reports *reports);

/* ---- bytes in and out ---- */

/* The whole of a file as bytes (a map). Batches whose strings point into it hold a reference. */
struct format_source {
    struct bytes data;
    void (*retain)(void *owner); /* NULL: the bytes outlive every batch */
    void (*release)(void *owner);
    void *owner;
};
/* Makes the batch hold a reference to the source until it is freed. */
void format_source_keep(const struct format_source *source, struct batch *batch);

struct format_output {
    bool (*write)(void *context, const void *data, size_t size, struct error *error);
    void *context;
};
/* Appends to a struct buffer (context). */
struct format_output format_output_buffer(struct buffer *buffer);

enum format_codec {
    FORMAT_CODEC_NONE,
    FORMAT_CODEC_SNAPPY,
    FORMAT_CODEC_GZIP,
    FORMAT_CODEC_LZ4, /* LZ4_RAW */
    FORMAT_CODEC_ZSTD,
};

/* ---- one table of formats ---- */

enum format_next { FORMAT_NEXT_BATCH, FORMAT_NEXT_END, FORMAT_NEXT_ERROR };

struct format_reader;
struct format_writer;

/* Comparisons of a column with a constant that all rows of interest satisfy: lets a reader leave out parts of a file.
 */
enum format_compare {
    FORMAT_EQUAL,
    FORMAT_LESS,
    FORMAT_LESS_EQUAL,
    FORMAT_GREATER,
    FORMAT_GREATER_EQUAL,
    FORMAT_NOT_NULL
};
struct format_filter {
    struct bytes column; /* a top-level field */
    enum format_compare compare;
    const struct column *value; /* one row of the column's type; NULL for NOT_NULL */
};

struct format_read_request {
    const struct type
        *schema; /* STRUCT: the fields wanted, by name; a subset of the file's; absent ones come as nulls */
    const struct format_options *options;
    const struct timezone *zone; /* session time zone, for texts without one */
    const struct format_filter *filters;
    size_t filter_count;
    size_t batch_rows;              /* 0: BATCH_ROWS_TARGET */
    int64_t range_start, range_end; /* the part of the file whose records this reader gives (a record belongs where it
                                       starts); 0, 0: all */
    struct format_report *report;   /* may be NULL */
};

struct format_class {
    const char *name;      /* "parquet" */
    const char *extension; /* of part files, after the codec's: "parquet", "json", "csv", "txt" */
    bool splittable;       /* range_start and range_end are honoured */
    /* Schema of a file (several for JSON and CSV: merged with what *schema holds when not NULL). In arena. */
    bool (*infer)(struct arena *arena, const struct format_source *source, const struct format_options *options,
        const struct timezone *zone, const struct type **schema, struct error *error);
    struct format_reader *(*open)(
        const struct format_source *source, const struct format_read_request *request, struct error *error);
    /* A batch of at most batch_rows rows, the caller's. */
    enum format_next (*next)(struct format_reader *reader, struct batch **batch, struct error *error);
    void (*close)(struct format_reader *reader); /* NULL is fine */

    /* Default codec when option "compression" is absent. */
    enum format_codec codec;
    struct format_writer *(*create)(const struct type *schema, const struct format_options *options,
        const struct timezone *zone, struct format_output output, struct error *error);
    bool (*write)(struct format_writer *writer, const struct batch *batch, struct error *error);
    bool (*finish)(
        struct format_writer *writer, struct error *error); /* writes what is left (footer) and frees, also on error */
    void (*abort)(struct format_writer *writer);            /* frees; NULL is fine */
};

extern const struct format_class format_parquet, format_json, format_csv, format_text;
/* By short name or by the class names that programs use ("org.apache.spark.sql.parquet"), without case; NULL when there
 * is none. */
const struct format_class *format_find(struct bytes name);
/* Codec of option "compression" or the format's own; ERROR_INVALID for one that Spark does not know, ERROR_UNSUPPORTED
 * for bzip2, lzo, … */
bool format_codec_get(const struct format_class *format, const struct format_options *options, enum format_codec *codec,
    struct error *error);
/* What stands between "-c000" and the format's extension in a part file's name: ".snappy", ".gz" (after the extension
 * for text formats), … */
void format_file_suffix(const struct format_class *format, enum format_codec codec, struct buffer *out);

#endif
