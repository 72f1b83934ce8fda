/* format.c: what the formats share (see format.h). */
#include "format/format.h"

#include <stdio.h>
#include <strings.h>

static struct world *zone_world;

void format_set_world(struct world *world) {
    zone_world = world;
}

/* ---- options ---- */

struct bytes format_option_get(const struct format_options *options, const char *name) {
    for (size_t i = options != NULL ? options->count : 0; i-- > 0;) {
        if (bytes_equal_ignore_case(options->items[i].name, bytes_from_text(name))) {
            return options->items[i].value;
        }
    }
    return BYTES_NULL;
}

bool format_option_boolean(const struct format_options *options, const char *name, bool *value, struct error *error) {
    struct bytes text = format_option_get(options, name);
    if (text.data == NULL) {
        return true;
    }
    bool yes = bytes_equal_ignore_case(text, BYTES("true")), no = bytes_equal_ignore_case(text, BYTES("false"));
    if (!yes && !no) {
        return error_set(error, ERROR_INVALID, "option %s is true or false, not %.*s", name, BYTES_ARGS(text));
    }
    *value = yes;
    return true;
}

bool format_option_int64(const struct format_options *options, const char *name, int64_t *value, struct error *error) {
    struct bytes text = format_option_get(options, name);
    if (text.data != NULL && !bytes_to_int64(text, value)) {
        return error_set(error, ERROR_INVALID, "option %s is a whole number, not %.*s", name, BYTES_ARGS(text));
    }
    return true;
}

bool format_option_zone(const struct format_options *options, const struct timezone **zone, struct error *error) {
    struct bytes text = format_option_get(options, "timeZone");
    if (text.data == NULL) {
        *zone = *zone != NULL ? *zone : timezone_utc();
        return true;
    }
    *zone = timezone_get(zone_world, text, error);
    return *zone != NULL;
}

enum format_mode format_mode_get(const struct format_options *options) {
    struct bytes text = format_option_get(options, "mode");
    return bytes_equal_ignore_case(text, BYTES("FAILFAST"))        ? FORMAT_FAILFAST
           : bytes_equal_ignore_case(text, BYTES("DROPMALFORMED")) ? FORMAT_DROPMALFORMED
                                                                   : FORMAT_PERMISSIVE;
}

/* ---- reports ---- */

void format_report_add(struct format_report *into, const struct format_report *from) {
    if (into->bad_record_count == 0 && from->bad_record_count > 0) {
        into->first_bad_index = into->record_count + from->first_bad_index;
        memcpy(into->first_bad_field, from->first_bad_field, sizeof into->first_bad_field);
        memcpy(into->first_bad_record, from->first_bad_record, sizeof into->first_bad_record);
        memcpy(into->reason, from->reason, sizeof into->reason);
        memcpy(into->expected, from->expected, sizeof into->expected);
        memcpy(into->found, from->found, sizeof into->found);
    }
    into->record_count += from->record_count;
    into->bad_record_count += from->bad_record_count;
}

void format_reports_init(struct format_reports *reports) {
    *reports = (struct format_reports){0};
    world_mutex_init(&reports->mutex);
}

void format_reports_destroy(struct format_reports *reports) {
    world_mutex_destroy(&reports->mutex);
}

void format_reports_add(struct format_reports *reports, const struct format_report *report) {
    world_mutex_lock(&reports->mutex);
    format_report_add(&reports->report, report);
    world_mutex_unlock(&reports->mutex);
}

struct format_report format_reports_get(struct format_reports *reports) {
    world_mutex_lock(&reports->mutex);
    struct format_report report = reports->report;
    world_mutex_unlock(&reports->mutex);
    return report;
}

/* ---- bytes in and out ---- */

void format_source_keep(const struct format_source *source, struct batch *batch) {
    if (source->retain != NULL) {
        source->retain(source->owner);
        arena_on_destroy(&batch->arena, source->release, source->owner);
    }
}

static bool write_to_buffer(void *context, const void *data, size_t size, struct error *error) {
    buffer_append(context, data, size);
    return true;
}

struct format_output format_output_buffer(struct buffer *buffer) {
    return (struct format_output){write_to_buffer, buffer};
}

/* ---- table ---- */

static const struct format_class *const classes[] = {&format_parquet, &format_json, &format_csv, &format_text};

const struct format_class *format_find(struct bytes name) {
    static const char prefix[] = "org.apache.spark.sql.execution.datasources.";
    if (name.size > sizeof prefix && bytes_starts_with(name, prefix)) {
        name = bytes_slice(name, sizeof prefix - 1, name.size - (sizeof prefix - 1));
        name.size = bytes_find(name, '.', 0) != SIZE_MAX ? bytes_find(name, '.', 0) : name.size;
    } else if (bytes_starts_with(name, "org.apache.spark.sql.")) {
        name = bytes_slice(name, 21, name.size - 21);
    }
    for (size_t i = 0; i < ARRAY_COUNT(classes); i++) {
        if (bytes_equal_ignore_case(name, bytes_from_text(classes[i]->name))) {
            return classes[i];
        }
    }
    return NULL;
}

bool format_codec_get(const struct format_class *format, const struct format_options *options, enum format_codec *codec,
    struct error *error) {
    static const struct {
        const char *name;
        enum format_codec codec;
    } names[] = {{"none", FORMAT_CODEC_NONE}, {"uncompressed", FORMAT_CODEC_NONE}, {"snappy", FORMAT_CODEC_SNAPPY},
        {"gzip", FORMAT_CODEC_GZIP}, {"lz4", FORMAT_CODEC_LZ4}, {"lz4_raw", FORMAT_CODEC_LZ4},
        {"lz4raw", FORMAT_CODEC_LZ4}, {"zstd", FORMAT_CODEC_ZSTD}};
    static const char *const refused[] = {"lzo", "brotli", "bzip2", "deflate", "xz"};
    struct bytes text = format_option_get(options, "compression");
    text = text.data == NULL && format == &format_parquet ? format_option_get(options, "parquet.compression") : text;
    *codec = format->codec;
    if (text.data == NULL) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (bytes_equal_ignore_case(text, bytes_from_text(names[i].name))) {
            *codec = names[i].codec;
            bool text_format = format != &format_parquet;
            if (text_format && *codec != FORMAT_CODEC_NONE && *codec != FORMAT_CODEC_GZIP &&
                *codec != FORMAT_CODEC_ZSTD) {
                return error_set(error, ERROR_UNSUPPORTED,
                    "%s files are written uncompressed or with gzip or zstd, not %s", format->name, names[i].name);
            }
            return true;
        }
    }
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        if (bytes_equal_ignore_case(text, bytes_from_text(refused[i]))) {
            return error_set(error, ERROR_UNSUPPORTED,
                "the codec %s is not supported; take snappy, gzip, lz4_raw, zstd or none", refused[i]);
        }
    }
    return error_set(error, ERROR_INVALID,
        "The codec %.*s is not available. Known codecs are none, uncompressed, snappy, gzip, lz4, zstd.",
        BYTES_ARGS(text));
}

void format_file_suffix(const struct format_class *format, enum format_codec codec, struct buffer *out) {
    static const char *const suffixes[] = {"", ".snappy", ".gz", ".lz4raw", ".zstd"};
    static const char *const text_suffixes[] = {"", ".snappy", ".gz", ".lz4", ".zst"};
    if (format == &format_parquet) {
        buffer_printf(out, "%s.%s", suffixes[codec], format->extension);
    } else {
        buffer_printf(out, ".%s%s", format->extension, text_suffixes[codec]);
    }
}
