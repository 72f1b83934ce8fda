/* text.c: lines, and the text format. */
#include "format/text.h"

#include <stdlib.h>

static size_t line_end(const struct text_lines *lines, size_t from, size_t *separator) {
    struct bytes data = lines->data;
    if (lines->separator.data != NULL && lines->separator.size > 0) {
        const uint8_t *found =
            data.size > from ? memmem(data.data + from, data.size - from, lines->separator.data, lines->separator.size)
                             : NULL;
        *separator = found == NULL ? 0 : lines->separator.size;
        return found == NULL ? data.size : (size_t)(found - data.data);
    }
    const uint8_t *start = data.data + from, *end = data.data + data.size;
    const uint8_t *feed = from < data.size ? memchr(start, '\n', data.size - from) : NULL;
    const uint8_t *limit = feed != NULL ? feed : end;
    const uint8_t *carriage = from < data.size ? memchr(start, '\r', (size_t)(limit - start)) : NULL;
    if (carriage != NULL) {
        *separator = carriage + 1 < end && carriage[1] == '\n' ? 2 : 1;
        return (size_t)(carriage - data.data);
    }
    *separator = feed != NULL;
    return (size_t)(limit - data.data);
}

void text_lines_init(
    struct text_lines *lines, struct bytes data, int64_t range_start, int64_t range_end, struct bytes separator) {
    *lines = (struct text_lines){data, 0, data.size, separator};
    if (range_end > 0 && (uint64_t)range_end < data.size) {
        lines->end = (size_t)range_end;
    }
    if (range_start > 0) {
        /* The line that covers the byte before the range belongs to the range before. */
        size_t from = (uint64_t)range_start - 1 < data.size ? (size_t)range_start - 1 : data.size, size;
        lines->position = line_end(lines, from, &size) + size;
        lines->position = size == 0 ? data.size : lines->position;
    }
}

bool text_lines_next(struct text_lines *lines, struct bytes *line) {
    if (lines->position >= lines->end) {
        return false;
    }
    size_t separator, end = line_end(lines, lines->position, &separator);
    *line = bytes_make(lines->data.data + lines->position, end - lines->position);
    lines->position = end + separator;
    return true;
}

/* ---- format ---- */

struct text_reader {
    struct format_source source;
    struct format_read_request request;
    struct text_lines lines;
    bool whole, done;
};

static bool infer(struct arena *arena, const struct format_source *source, const struct format_options *options,
    const struct timezone *zone, const struct type **schema, struct error *error) {
    struct type_field field = {BYTES("value"), type_simple(TYPE_STRING), true, BYTES_NULL};
    *schema = type_struct(arena, &field, 1);
    return true;
}

static struct format_reader *open_text(
    const struct format_source *source, const struct format_read_request *request, struct error *error) {
    bool whole = false;
    if (!format_option_boolean(request->options, "wholetext", &whole, error)) {
        return NULL;
    }
    if (request->schema->field_count > 1 ||
        (request->schema->field_count == 1 && request->schema->fields[0].type->kind != TYPE_STRING)) {
        error_set(error, ERROR_INVALID, "Text data source supports only a single column of type STRING");
        return NULL;
    }
    struct text_reader *reader = calloc(1, sizeof *reader);
    ASSERT(reader != NULL);
    reader->source = *source;
    reader->request = *request;
    reader->whole = whole;
    reader->request.batch_rows = request->batch_rows != 0 ? request->batch_rows : BATCH_ROWS_TARGET;
    text_lines_init(&reader->lines, source->data, request->range_start, request->range_end,
        format_option_get(request->options, "lineSep"));
    return (struct format_reader *)reader;
}

static bool next_text(struct text_reader *reader, struct bytes *text) {
    if (!reader->whole) {
        return text_lines_next(&reader->lines, text);
    }
    *text = reader->source.data;
    bool first = !reader->done && reader->request.range_start == 0;
    reader->done = true;
    return first;
}

static enum format_next next(struct format_reader *opaque, struct batch **out, struct error *error) {
    struct text_reader *reader = (struct text_reader *)opaque;
    struct batch *batch = batch_create(reader->request.schema);
    struct string_view *views = arena_allocate(&batch->arena, reader->request.batch_rows * sizeof *views);
    struct bytes text;
    while (batch->row_count < reader->request.batch_rows && next_text(reader, &text)) {
        views[batch->row_count++] = (struct string_view){text.data, (uint32_t)text.size, 0};
    }
    if (batch->row_count == 0) {
        batch_release(batch);
        return FORMAT_NEXT_END;
    }
    format_source_keep(&reader->source, batch);
    if (batch->column_count > 0) {
        batch->columns[0] = ARENA_NEW(&batch->arena, struct column);
        *batch->columns[0] = (struct column){
            .type = reader->request.schema->fields[0].type, .row_count = batch->row_count, .values = views};
    }
    *out = batch;
    return FORMAT_NEXT_BATCH;
}

static void close_text(struct format_reader *reader) {
    free(reader);
}

struct text_writer {
    struct format_output output;
    struct bytes separator;
    struct buffer buffer;
};

static struct format_writer *create(const struct type *schema, const struct format_options *options,
    const struct timezone *zone, struct format_output output, struct error *error) {
    if (schema->field_count != 1 || schema->fields[0].type->kind != TYPE_STRING) {
        error_set(error, ERROR_INVALID,
            "Text data source supports only a single column of type STRING, and you have %zu columns.",
            schema->field_count);
        return NULL;
    }
    struct text_writer *writer = calloc(1, sizeof *writer);
    ASSERT(writer != NULL);
    writer->output = output;
    writer->separator = format_option_get(options, "lineSep");
    writer->separator = writer->separator.data != NULL ? writer->separator : BYTES("\n");
    return (struct format_writer *)writer;
}

static bool write_text(struct format_writer *opaque, const struct batch *batch, struct error *error) {
    struct text_writer *writer = (struct text_writer *)opaque;
    const struct column *column = batch->columns[0];
    buffer_clear(&writer->buffer);
    for (size_t i = 0; i < batch->row_count; i++) {
        if (!column_is_null(column, i)) {
            struct string_view view = COLUMN_AT(column, struct string_view, i);
            buffer_append(&writer->buffer, view.data, view.size);
        }
        buffer_append_bytes(&writer->buffer, writer->separator);
    }
    return writer->output.write(writer->output.context, writer->buffer.data, writer->buffer.size, error);
}

static void abort_text(struct format_writer *opaque) {
    struct text_writer *writer = (struct text_writer *)opaque;
    if (writer != NULL) {
        buffer_free(&writer->buffer);
        free(writer);
    }
}

static bool finish(struct format_writer *writer, struct error *error) {
    abort_text(writer);
    return true;
}

const struct format_class format_text = {.name = "text",
    .extension = "txt",
    .splittable = true,
    .infer = infer,
    .open = open_text,
    .next = next,
    .close = close_text,
    .codec = FORMAT_CODEC_NONE,
    .create = create,
    .write = write_text,
    .finish = finish,
    .abort = abort_text};
