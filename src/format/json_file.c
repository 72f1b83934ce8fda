/* json_file.c: JSON as a file format: a record per line, or (multiLine) a record or an array of records per file; and
 * readers shared by threads. */
#include <stdlib.h>

#include "format/json_reader.h"
#include "format/text.h"
#include "world/world.h"

bool json_option_known(struct bytes name) {
    static const char *const names[] = {"mode", "columnNameOfCorruptRecord", "timestampFormat", "timestampNTZFormat",
        "dateFormat", "timeZone", "locale", "primitivesAsString", "prefersDecimal", "allowComments",
        "allowUnquotedFieldNames", "allowSingleQuotes", "allowNumericLeadingZeros", "allowNonNumericNumbers",
        "allowBackslashEscapingAnyCharacter", "allowUnquotedControlChars", "multiLine", "lineSep", "encoding",
        "charset", "dropFieldIfAllNull", "ignoreNullFields", "samplingRatio", "compression", "inferTimestamp", "pretty",
        "enableDateTimeParsingFallback"};
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        if (bytes_equal_ignore_case(name, bytes_from_text(names[i]))) {
            return true;
        }
    }
    return false;
}

/* ---- readers for many threads ---- */

struct json_readers {
    struct world_mutex mutex;
    struct arena arena;
    const struct type *schema;
    struct format_options options;
    const struct timezone *zone;
    VECTOR(struct json_reader *) idle;
    struct format_report report;
};

struct json_readers *json_readers_create(
    const struct type *schema, const struct format_options *options, const struct timezone *zone, struct error *error) {
    struct json_reader *first = json_reader_create(schema, options, zone, error);
    if (first == NULL) {
        return NULL;
    }
    struct json_readers *readers = calloc(1, sizeof *readers);
    ASSERT(readers != NULL);
    world_mutex_init(&readers->mutex);
    readers->schema = schema;
    readers->zone = zone;
    size_t count = options != NULL ? options->count : 0;
    struct format_option *items = ARENA_ARRAY(&readers->arena, struct format_option, count + 1);
    for (size_t i = 0; i < count; i++) {
        items[i].name = arena_copy(&readers->arena, options->items[i].name);
        items[i].value = arena_copy(&readers->arena, options->items[i].value);
    }
    readers->options = (struct format_options){items, count};
    VECTOR_PUSH(&readers->idle, first);
    return readers;
}

void json_readers_destroy(struct json_readers *readers) {
    if (readers == NULL) {
        return;
    }
    for (size_t i = 0; i < readers->idle.count; i++) {
        json_reader_destroy(readers->idle.items[i]);
    }
    VECTOR_FREE(&readers->idle);
    world_mutex_destroy(&readers->mutex);
    arena_destroy(&readers->arena);
    free(readers);
}

struct json_reader *json_readers_take(struct json_readers *readers) {
    world_mutex_lock(&readers->mutex);
    struct json_reader *reader = readers->idle.count > 0 ? VECTOR_POP(&readers->idle) : NULL;
    world_mutex_unlock(&readers->mutex);
    if (reader == NULL) {
        struct error error;
        reader = json_reader_create(readers->schema, &readers->options, readers->zone, &error);
        ASSERT(reader != NULL); /* the first one was made of the same */
    }
    return reader;
}

void json_readers_give(struct json_readers *readers, struct json_reader *reader) {
    world_mutex_lock(&readers->mutex);
    format_report_add(&readers->report, &reader->report);
    memset(&reader->report, 0, sizeof reader->report);
    VECTOR_PUSH(&readers->idle, reader);
    world_mutex_unlock(&readers->mutex);
}

void json_readers_report(struct json_readers *readers, struct format_report *report) {
    world_mutex_lock(&readers->mutex);
    *report = readers->report;
    world_mutex_unlock(&readers->mutex);
}

/* ---- files ---- */

struct json_file {
    struct format_source source;
    struct format_read_request request;
    struct json_reader *reader;
    struct text_lines lines;
    struct json_scan documents; /* multiLine: the elements of an array still to come */
    struct arena scratch;
    bool multi_line, in_array, done;
};

static struct format_reader *open_json(
    const struct format_source *source, const struct format_read_request *request, struct error *error) {
    bool multi_line = false;
    if (!format_option_boolean(request->options, "multiLine", &multi_line, error)) {
        return NULL;
    }
    struct json_reader *reader = json_reader_create(request->schema, request->options, request->zone, error);
    if (reader == NULL) {
        return NULL;
    }
    reader->leniency &= ~(unsigned)JSON_REPLACE_INVALID_UTF8; /* files are read as bytes: bad UTF-8 is malformed */
    struct json_file *file = calloc(1, sizeof *file);
    ASSERT(file != NULL);
    file->source = *source;
    file->request = *request;
    file->request.batch_rows = request->batch_rows != 0 ? request->batch_rows : BATCH_ROWS_TARGET;
    file->reader = reader;
    file->multi_line = multi_line;
    struct bytes data = source->data;
    if (data.size >= 3 && memcmp(data.data, "\xef\xbb\xbf", 3) == 0 && request->range_start == 0) {
        data = bytes_slice(data, 3, data.size - 3); /* byte order mark */
    }
    text_lines_init(
        &file->lines, data, request->range_start, request->range_end, format_option_get(request->options, "lineSep"));
    json_scan_init(&file->documents, data, reader->leniency, &file->scratch);
    file->done = multi_line && request->range_start > 0;
    return (struct format_reader *)file;
}

/* multiLine: the next record. A malformed file is one bad record. */
static bool next_document(struct json_file *file, struct bytes *record) {
    struct json_scan *scan = &file->documents;
    bool more;
    if (file->done) {
        return false;
    }
    if (!file->in_array && json_peek(scan) == JSON_TOKEN_ARRAY) {
        bool empty;
        if (json_enter(scan, ']', &empty) && empty) {
            file->done = true;
            return false;
        }
        file->in_array = true;
    }
    if (!file->in_array) {
        file->done = true;
        *record = bytes_make(scan->position, (size_t)(scan->end - scan->position));
        return bytes_trim(*record).size > 0;
    }
    (void)json_space(scan);
    const uint8_t *start = scan->position;
    bool good = json_skip(scan);
    *record = bytes_make(start, (size_t)((good ? scan->position : scan->end) - start));
    file->done = !good || !json_continue(scan, ']', &more) || !more;
    return true;
}

static size_t gather(struct json_file *file, struct string_view *views) {
    size_t count = 0;
    struct bytes record;
    while (count < file->request.batch_rows &&
           (file->multi_line ? next_document(file, &record) : text_lines_next(&file->lines, &record))) {
        if (bytes_trim(record).size > 0) {
            views[count++] = (struct string_view){record.data, (uint32_t)record.size, 0};
        }
    }
    return count;
}

/* Without the rows that were malformed or null. */
static struct batch *drop_bad(struct batch *batch, const struct column *rows, const struct column *flags) {
    uint32_t *indexes = arena_allocate(&batch->arena, (batch->row_count + 1) * sizeof *indexes);
    size_t count = 0;
    for (size_t i = 0; i < batch->row_count; i++) {
        if (!column_is_null(rows, i) && (flags == NULL || column_is_null(flags, i))) {
            indexes[count++] = (uint32_t)i;
        }
    }
    if (count == batch->row_count) {
        return batch;
    }
    struct batch *kept = batch_take(batch, indexes, count);
    batch_release(batch);
    return kept;
}

static enum format_next next(struct format_reader *opaque, struct batch **out, struct error *error) {
    struct json_file *file = (struct json_file *)opaque;
    struct batch *batch = batch_create(file->request.schema);
    struct string_view *views = arena_allocate(&batch->arena, file->request.batch_rows * sizeof *views);
    struct column texts = {.type = type_simple(TYPE_STRING), .row_count = gather(file, views), .values = views};
    if (texts.row_count == 0) {
        batch_release(batch);
        return FORMAT_NEXT_END;
    }
    format_source_keep(&file->source, batch);
    struct column *rows =
        json_reader_parse(file->reader, &batch->arena, &texts, texts.row_count, file->request.report, error);
    if (rows == NULL) {
        error_prefix(error,
            "Malformed records are detected in record parsing (Parse Mode: FAILFAST; mode PERMISSIVE makes them null)");
        batch_release(batch);
        return FORMAT_NEXT_ERROR;
    }
    batch->row_count = texts.row_count;
    for (size_t i = 0; i < batch->column_count; i++) {
        batch->columns[i] = rows->children[i];
    }
    if (file->reader->mode == FORMAT_DROPMALFORMED) {
        batch = drop_bad(batch, rows, json_reader_bad_rows(file->reader, &batch->arena, texts.row_count));
    }
    *out = batch;
    return FORMAT_NEXT_BATCH;
}

static void close_json(struct format_reader *opaque) {
    struct json_file *file = (struct json_file *)opaque;
    if (file != NULL) {
        json_reader_destroy(file->reader);
        arena_destroy(&file->scratch);
        free(file);
    }
}

static bool infer(struct arena *arena, const struct format_source *source, const struct format_options *options,
    const struct timezone *zone, const struct type **schema, struct error *error) {
    struct json_file file = {.source = *source, .request = {.batch_rows = 1}};
    struct json_inference *inference = json_inference_create(options, zone, error);
    if (inference == NULL || !format_option_boolean(options, "multiLine", &file.multi_line, error)) {
        json_inference_destroy(inference);
        return false;
    }
    json_inference_seed(inference, *schema);
    text_lines_init(&file.lines, source->data, 0, 0, format_option_get(options, "lineSep"));
    json_scan_init(&file.documents, source->data, JSON_SPARK_DEFAULTS, &file.scratch);
    struct string_view view;
    while (gather(&file, &view) > 0) {
        if (!json_inference_add(inference, bytes_make(view.data, view.size)) &&
            format_mode_get(options) == FORMAT_FAILFAST) {
            json_inference_destroy(inference);
            arena_destroy(&file.scratch);
            return error_set(
                error, ERROR_INVALID, "Malformed records are detected in schema inference. Parse Mode: FAILFAST.");
        }
    }
    *schema = json_inference_result(inference, arena);
    json_inference_destroy(inference);
    arena_destroy(&file.scratch);
    return true;
}

/* ---- writing ---- */

struct json_writer {
    struct format_output output;
    struct json_write_options options;
    const struct type *schema;
    struct bytes separator;
    struct buffer buffer;
};

static struct format_writer *create(const struct type *schema, const struct format_options *options,
    const struct timezone *zone, struct format_output output, struct error *error) {
    struct json_write_options write_options;
    if (!json_write_options_get(options, zone, &write_options, error)) {
        return NULL;
    }
    struct json_writer *writer = calloc(1, sizeof *writer);
    ASSERT(writer != NULL);
    writer->output = output;
    writer->options = write_options;
    writer->schema = schema;
    writer->separator = format_option_get(options, "lineSep");
    writer->separator = writer->separator.data != NULL ? writer->separator : BYTES("\n");
    return (struct format_writer *)writer;
}

static bool write_json(struct format_writer *opaque, const struct batch *batch, struct error *error) {
    struct json_writer *writer = (struct json_writer *)opaque;
    struct column row = {.type = writer->schema,
        .row_count = batch->row_count,
        .children = batch->columns,
        .child_count = batch->column_count};
    buffer_clear(&writer->buffer);
    for (size_t i = 0; i < batch->row_count; i++) {
        json_write_value(&row, i, &writer->options, &writer->buffer);
        buffer_append_bytes(&writer->buffer, writer->separator);
    }
    return writer->output.write(writer->output.context, writer->buffer.data, writer->buffer.size, error);
}

static void abort_json(struct format_writer *opaque) {
    struct json_writer *writer = (struct json_writer *)opaque;
    if (writer != NULL) {
        buffer_free(&writer->buffer);
        free(writer);
    }
}

static bool finish(struct format_writer *writer, struct error *error) {
    abort_json(writer);
    return true;
}

const struct format_class format_json = {.name = "json",
    .extension = "json",
    .splittable = true,
    .infer = infer,
    .open = open_json,
    .next = next,
    .close = close_json,
    .codec = FORMAT_CODEC_NONE,
    .create = create,
    .write = write_json,
    .finish = finish,
    .abort = abort_json};
