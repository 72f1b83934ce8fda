/* csv.c: comma-separated values by the rules of Spark's univocity parser: quotes inside quoted values are escaped by
 * the escape character (a backslash unless told otherwise), an unquoted empty value is NULL, a quoted one emptyValue
 * (""), what equals nullValue ("") is NULL, a record with too few or too many values is malformed. */
#include "format/csv.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/vector.h"
#include "column/builder.h"
#include "column/text.h"
#include "format/datetime.h"
#include "format/text.h"

struct csv_dialect {
    struct bytes separator, null_value, empty_value, nan_value, positive_inf, negative_inf, line_separator;
    int quote, escape, quote_escape, comment; /* -1: none */
    bool header, multi_line, trim_left, trim_right, quote_all, escape_quotes;
    enum format_mode mode;
    int64_t columns_max, characters_max;
    const struct timezone *zone;
    struct bytes timestamp_text, timestamp_ntz_text, date_text;
    const struct datetime_pattern *timestamp_pattern, *timestamp_ntz_pattern, *date_pattern;
};

static const char *const known[] = {"sep", "delimiter", "encoding", "charset", "quote", "escape",
    "charToEscapeQuoteEscaping", "comment", "header", "inferSchema", "preferDate", "enforceSchema",
    "ignoreLeadingWhiteSpace", "ignoreTrailingWhiteSpace", "nullValue", "emptyValue", "nanValue", "positiveInf",
    "negativeInf", "dateFormat", "timestampFormat", "timestampNTZFormat", "maxColumns", "maxCharsPerColumn", "mode",
    "columnNameOfCorruptRecord", "multiLine", "lineSep", "quoteAll", "escapeQuotes", "samplingRatio", "compression",
    "timeZone", "locale", "enableDateTimeParsingFallback", "unescapedQuoteHandling"};

bool csv_option_known(struct bytes name) {
    for (size_t i = 0; i < ARRAY_COUNT(known); i++) {
        if (bytes_equal_ignore_case(name, bytes_from_text(known[i]))) {
            return true;
        }
    }
    return false;
}

/* ---- options ---- */

static struct bytes get_text(
    struct arena *arena, const struct format_options *options, const char *name, struct bytes otherwise) {
    struct bytes text = format_option_get(options, name);
    return text.data != NULL ? arena_copy(arena, text) : otherwise;
}

/* One character, or none for the empty text. */
static bool get_character(const struct format_options *options, const char *name, int *value, struct error *error) {
    struct bytes text = format_option_get(options, name);
    if (text.data == NULL) {
        return true;
    }
    bool tab = bytes_equal(text, BYTES("\\t"));
    if (text.size > 1 && !tab) {
        return error_set(
            error, ERROR_INVALID, "option %s cannot be more than one character: %.*s", name, BYTES_ARGS(text));
    }
    *value = text.size == 0 || text.data[0] == 0 ? -1 : tab ? '\t' : text.data[0];
    return true;
}

static bool get_pattern(struct arena *arena, const struct format_options *options, const char *name, struct bytes *text,
    const struct datetime_pattern **pattern, struct error *error) {
    *text = get_text(arena, options, name, BYTES_NULL);
    *pattern = text->data == NULL ? NULL : datetime_pattern_compile(arena, *text, error);
    return text->data == NULL || *pattern != NULL;
}

static struct bytes unescape_separator(struct arena *arena, struct bytes text) {
    static const char from[] = "tnrbf\\\"'", to[] = "\t\n\r\b\f\\\"'";
    uint8_t *out = arena_allocate(arena, text.size + 1);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        const char *found = text.data[i] == '\\' && i + 1 < text.size ? strchr(from, text.data[i + 1]) : NULL;
        out[size++] = found != NULL && *found != 0 ? (uint8_t)to[found - from] : text.data[i];
        i += found != NULL && *found != 0;
    }
    return bytes_make(out, size);
}

static bool get_dialect(struct arena *arena, const struct format_options *options, const struct timezone *zone,
    bool writing, struct csv_dialect *dialect, struct error *error) {
    struct bytes encoding = get_text(arena, options, "encoding", get_text(arena, options, "charset", BYTES("UTF-8")));
    if (!bytes_equal_ignore_case(encoding, BYTES("UTF-8")) && !bytes_equal_ignore_case(encoding, BYTES("US-ASCII"))) {
        return error_set(
            error, ERROR_UNSUPPORTED, "option encoding: CSV is read as UTF-8, not %.*s", BYTES_ARGS(encoding));
    }
    *dialect = (struct csv_dialect){.quote = '"',
        .escape = '\\',
        .quote_escape = -1,
        .comment = -1,
        .escape_quotes = true,
        .columns_max = 20480,
        .characters_max = -1,
        .zone = zone,
        .mode = format_mode_get(options),
        .trim_left = writing,
        .trim_right = writing};
    dialect->separator =
        unescape_separator(arena, get_text(arena, options, "sep", get_text(arena, options, "delimiter", BYTES(","))));
    dialect->null_value = get_text(arena, options, "nullValue", BYTES(""));
    dialect->empty_value = get_text(arena, options, "emptyValue", writing ? BYTES("\"\"") : BYTES(""));
    dialect->nan_value = get_text(arena, options, "nanValue", BYTES("NaN"));
    dialect->positive_inf = get_text(arena, options, "positiveInf", BYTES("Inf"));
    dialect->negative_inf = get_text(arena, options, "negativeInf", BYTES("-Inf"));
    dialect->line_separator = get_text(arena, options, "lineSep", writing ? BYTES("\n") : BYTES_NULL);
    if (dialect->separator.size == 0) {
        return error_set(error, ERROR_INVALID, "Delimiter cannot be empty string");
    }
    return format_option_boolean(options, "header", &dialect->header, error) &&
           format_option_boolean(options, "multiLine", &dialect->multi_line, error) &&
           format_option_boolean(options, "ignoreLeadingWhiteSpace", &dialect->trim_left, error) &&
           format_option_boolean(options, "ignoreTrailingWhiteSpace", &dialect->trim_right, error) &&
           format_option_boolean(options, "quoteAll", &dialect->quote_all, error) &&
           format_option_boolean(options, "escapeQuotes", &dialect->escape_quotes, error) &&
           format_option_int64(options, "maxColumns", &dialect->columns_max, error) &&
           format_option_int64(options, "maxCharsPerColumn", &dialect->characters_max, error) &&
           get_character(options, "quote", &dialect->quote, error) &&
           get_character(options, "escape", &dialect->escape, error) &&
           get_character(options, "charToEscapeQuoteEscaping", &dialect->quote_escape, error) &&
           get_character(options, "comment", &dialect->comment, error) &&
           format_option_zone(options, &dialect->zone, error) &&
           get_pattern(
               arena, options, "timestampFormat", &dialect->timestamp_text, &dialect->timestamp_pattern, error) &&
           get_pattern(arena, options, "timestampNTZFormat", &dialect->timestamp_ntz_text,
               &dialect->timestamp_ntz_pattern, error) &&
           get_pattern(arena, options, "dateFormat", &dialect->date_text, &dialect->date_pattern, error);
}

/* ---- one record ---- */

struct csv_value {
    struct bytes text;
    bool quoted;
};

struct csv_record {
    VECTOR(struct csv_value) values;
    size_t size; /* bytes used of the text, without the line's end */
    bool too_long;
};

static bool at_separator(const struct csv_dialect *dialect, struct bytes text, size_t at) {
    return text.data[at] == dialect->separator.data[0] && text.size - at >= dialect->separator.size &&
           memcmp(text.data + at, dialect->separator.data, dialect->separator.size) == 0;
}

static bool at_line_end(const struct csv_dialect *dialect, struct bytes text, size_t at) {
    return dialect->multi_line && (text.data[at] == '\n' || text.data[at] == '\r');
}

/* A value that begins with a quote at *at. Bytes behind the closing quote belong to it, as univocity has it. */
static struct bytes quoted_value(
    const struct csv_dialect *dialect, struct arena *arena, struct bytes text, size_t *at) {
    size_t i = *at + 1, start = i;
    uint8_t *out = NULL;
    size_t size = 0;
    for (; i < text.size; i++) {
        uint8_t c = text.data[i];
        bool escapes = dialect->escape >= 0 && c == dialect->escape && i + 1 < text.size &&
                       (text.data[i + 1] == dialect->quote ||
                           (dialect->escape != dialect->quote && text.data[i + 1] == dialect->escape &&
                               (dialect->quote_escape < 0 || dialect->quote_escape == dialect->escape)));
        if (escapes || out != NULL) {
            if (out == NULL) {
                out = arena_allocate(arena, text.size - start + 1);
                memcpy(out, text.data + start, i - start);
                size = i - start;
            }
        }
        if (escapes) {
            out[size++] = text.data[++i];
        } else if (c == dialect->quote) {
            size_t next = i + 1;
            while (next < text.size && (text.data[next] == ' ' || text.data[next] == '\t') &&
                   !at_separator(dialect, text, next)) {
                next++;
            }
            if (next == text.size || at_separator(dialect, text, next) || at_line_end(dialect, text, next)) {
                *at = next;
                return out != NULL ? bytes_make(out, size) : bytes_make(text.data + start, i - start);
            }
            if (out != NULL) {
                out[size++] = c;
            }
        } else if (out != NULL) {
            out[size++] = c;
        }
    }
    *at = text.size; /* never closed: all that is left */
    return out != NULL ? bytes_make(out, size) : bytes_make(text.data + start, text.size - start);
}

static struct bytes bare_value(const struct csv_dialect *dialect, struct bytes text, size_t *at) {
    size_t start = *at;
    while (*at < text.size && !at_separator(dialect, text, *at) && !at_line_end(dialect, text, *at)) {
        ++*at;
    }
    struct bytes value = bytes_slice(text, start, *at - start);
    while (dialect->trim_right && value.size > 0 && value.data[value.size - 1] <= ' ') {
        value.size--;
    }
    return value;
}

static void read_record(
    const struct csv_dialect *dialect, struct arena *arena, struct bytes text, struct csv_record *record) {
    size_t at = 0;
    record->values.count = 0;
    record->too_long = false;
    for (;;) {
        while (at < text.size && dialect->trim_left && (text.data[at] == ' ' || text.data[at] == '\t') &&
               !at_separator(dialect, text, at)) {
            at++;
        }
        struct csv_value *value = VECTOR_ADD(&record->values);
        value->quoted = at < text.size && dialect->quote >= 0 && text.data[at] == dialect->quote;
        value->text = value->quoted ? quoted_value(dialect, arena, text, &at) : bare_value(dialect, text, &at);
        record->too_long |= dialect->characters_max >= 0 && value->text.size > (uint64_t)dialect->characters_max;
        if (at == text.size || at_line_end(dialect, text, at) ||
            record->values.count > (uint64_t)dialect->columns_max) {
            break;
        }
        at += dialect->separator.size;
        if (at == text.size) {
            *VECTOR_ADD(&record->values) = (struct csv_value){bytes_make(text.data + at, 0), false};
            break;
        }
    }
    record->size = at;
    record->too_long |= record->values.count > (uint64_t)dialect->columns_max;
}

/* ---- values ---- */

static bool parse_real(const struct csv_dialect *dialect, struct bytes text, double *value) {
    if (bytes_equal(text, dialect->nan_value)) {
        *value = (double)NAN;
        return true;
    }
    if (bytes_equal(text, dialect->positive_inf) || bytes_equal(text, dialect->negative_inf)) {
        *value = bytes_equal(text, dialect->positive_inf) ? (double)INFINITY : -(double)INFINITY;
        return true;
    }
    return value_parse_double(text, value);
}

static bool put_integer(const struct type *type, struct bytes text, struct column_builder *builder) {
    static const int64_t limits[][2] = {
        {INT8_MIN, INT8_MAX}, {INT16_MIN, INT16_MAX}, {INT32_MIN, INT32_MAX}, {INT64_MIN, INT64_MAX}};
    int64_t value;
    size_t kind = (size_t)type->kind - TYPE_BYTE;
    if (!bytes_to_int64(text, &value) || value < limits[kind][0] || value > limits[kind][1]) {
        return false;
    }
    column_builder_append(builder, &value); /* little-endian: the low bytes */
    return true;
}

static bool put_time(
    const struct csv_dialect *dialect, const struct type *type, struct bytes text, struct column_builder *builder) {
    int64_t instant;
    int32_t days;
    bool good;
    if (type->kind == TYPE_DATE) {
        good = dialect->date_pattern != NULL ? datetime_parse_date(dialect->date_pattern, text, &days)
                                             : value_parse_date(text, &days);
        if (good) {
            column_builder_append(builder, &days);
        }
        return good;
    }
    bool local = type->kind == TYPE_TIMESTAMP_NTZ;
    const struct datetime_pattern *pattern = local ? dialect->timestamp_ntz_pattern : dialect->timestamp_pattern;
    good = pattern != NULL ? datetime_parse_timestamp(pattern, text, local ? timezone_utc() : dialect->zone, &instant)
           : local         ? value_parse_timestamp_ntz(text, &instant)
                           : value_parse_timestamp(text, dialect->zone, &instant);
    if (good) {
        column_builder_append(builder, &instant);
    }
    return good;
}

static bool put_value(const struct csv_dialect *dialect, const struct type *type, const struct csv_value *value,
    struct arena *arena, struct column_builder *builder) {
    struct bytes text = value->quoted && value->text.size == 0 ? dialect->empty_value : value->text;
    bool absent = !value->quoted && text.size == 0;
    if (absent ||
        bytes_equal(text, dialect->null_value)) { /* so "" is NULL too, unless one of the two says something else */
        column_builder_null(builder);
        return true;
    }
    double real;
    float single;
    __int128 decimal;
    uint8_t boolean;
    switch (type->kind) {
    case TYPE_STRING:
    case TYPE_BINARY:
        column_builder_append_string(builder, text);
        return true;
    case TYPE_BOOLEAN:
        boolean = bytes_equal_ignore_case(text, BYTES("true"));
        if (boolean || bytes_equal_ignore_case(text, BYTES("false"))) {
            column_builder_append(builder, &boolean);
            return true;
        }
        return false;
    case TYPE_BYTE:
    case TYPE_SHORT:
    case TYPE_INTEGER:
    case TYPE_LONG:
        return put_integer(type, text, builder);
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        if (!parse_real(dialect, text, &real)) {
            return false;
        }
        single = (float)real;
        column_builder_append(builder, type->kind == TYPE_FLOAT ? (void *)&single : (void *)&real);
        return true;
    case TYPE_DECIMAL:
        if (!value_parse_decimal(text, type->precision, type->scale, &decimal)) {
            return false;
        }
        column_builder_append(builder, &decimal);
        return true;
    case TYPE_DATE:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
        return put_time(dialect, type, text, builder);
    default:
        return false;
    }
}

/* ---- reader ---- */

struct csv_reader {
    struct arena arena;
    const struct type *schema;
    struct csv_dialect dialect;
    struct csv_record record;
    struct column_builder *builders;
    size_t *places;     /* per field of the schema its value in a record; SIZE_MAX: the column for corrupt records */
    size_t value_count; /* values a record of the right shape has */
    bool *bad;          /* of the last parse */
};

struct csv_reader *csv_reader_create(
    const struct type *schema, const struct format_options *options, const struct timezone *zone, struct error *error) {
    struct csv_reader *reader = calloc(1, sizeof *reader);
    ASSERT(reader != NULL);
    reader->schema = schema;
    struct bytes corrupt = format_option_get(options, "columnNameOfCorruptRecord");
    corrupt = corrupt.data != NULL ? corrupt : BYTES("_corrupt_record");
    bool good = get_dialect(&reader->arena, options, zone, false, &reader->dialect, error);
    reader->builders = ARENA_ARRAY(&reader->arena, struct column_builder, schema->field_count + 1);
    reader->places = ARENA_ARRAY(&reader->arena, size_t, schema->field_count + 1);
    for (size_t i = 0; i < schema->field_count && good; i++) {
        enum type_kind kind = schema->fields[i].type->kind;
        bool is_corrupt = bytes_equal(schema->fields[i].name, corrupt) && kind == TYPE_STRING;
        reader->places[i] = is_corrupt ? SIZE_MAX : reader->value_count++;
        if (kind == TYPE_STRUCT || kind == TYPE_ARRAY || kind == TYPE_MAP || kind > TYPE_TIMESTAMP_NTZ ||
            kind == TYPE_NULL) {
            struct buffer text = {0};
            type_format_sql(schema->fields[i].type, &text);
            good = error_set(error, ERROR_UNSUPPORTED,
                "The CSV datasource doesn't support the column `%.*s` of the type \"%.*s\".",
                BYTES_ARGS(schema->fields[i].name), BYTES_ARGS(buffer_view(&text)));
            buffer_free(&text);
        }
    }
    if (!good) {
        csv_reader_destroy(reader);
        return NULL;
    }
    return reader;
}

void csv_reader_destroy(struct csv_reader *reader) {
    if (reader != NULL) {
        VECTOR_FREE(&reader->record.values);
        arena_destroy(&reader->arena);
        free(reader);
    }
}

static void note_bad(struct format_report *report, struct bytes line, struct bytes field, const char *reason) {
    if (report->bad_record_count++ > 0) {
        return;
    }
    report->first_bad_index = report->record_count;
    snprintf(report->first_bad_field, sizeof report->first_bad_field, "%.*s", BYTES_ARGS(field));
    snprintf(report->first_bad_record, sizeof report->first_bad_record, "%.*s",
        (int)(line.size < 255 ? line.size : 255), (const char *)line.data);
    snprintf(report->reason, sizeof report->reason, "%s", reason);
}

/* One record into the builders; true when all was well. */
static bool put_record(
    struct csv_reader *reader, struct arena *arena, struct bytes line, struct format_report *report) {
    struct csv_record *record = &reader->record;
    read_record(&reader->dialect, arena, line, record);
    bool good = record->values.count == reader->value_count && !record->too_long;
    if (!good) {
        note_bad(report, line, BYTES(""), "a record with another number of values than the schema");
    }
    size_t corrupt = SIZE_MAX;
    for (size_t i = 0; i < reader->schema->field_count; i++) {
        size_t place = reader->places[i];
        if (place == SIZE_MAX) {
            corrupt = i;
        } else if (place >= record->values.count) {
            column_builder_null(&reader->builders[i]);
        } else if (!put_value(&reader->dialect, reader->schema->fields[i].type, &record->values.items[place], arena,
                       &reader->builders[i])) {
            column_builder_null(&reader->builders[i]);
            if (good) {
                note_bad(report, line, reader->schema->fields[i].name, "a value that is not of the column's type");
            }
            good = false;
        }
    }
    if (corrupt != SIZE_MAX) {
        if (good) {
            column_builder_null(&reader->builders[corrupt]);
        } else {
            column_builder_append_string(&reader->builders[corrupt], bytes_slice(line, 0, record->size));
        }
    }
    report->record_count++;
    return good;
}

static void begin(struct csv_reader *reader, struct arena *arena, size_t row_count) {
    for (size_t i = 0; i < reader->schema->field_count; i++) {
        column_builder_init(&reader->builders[i], arena, reader->schema->fields[i].type, row_count);
    }
}

static bool fail_fast(const struct format_report *report, struct error *error) {
    return error_set(error, ERROR_INVALID,
        "Malformed records are detected in record parsing: %s (%s). Parse Mode: FAILFAST. To process malformed "
        "records as null result, try setting the option 'mode' as 'PERMISSIVE'.",
        report->first_bad_record, report->reason);
}

struct column *csv_reader_parse(struct csv_reader *reader, struct arena *arena, const struct column *texts,
    size_t row_count, struct format_report *report, struct error *error) {
    struct format_report now = {0};
    size_t rows = texts->constant ? 1 : row_count;
    struct column *result = ARENA_NEW(arena, struct column);
    result->type = reader->schema;
    result->row_count = rows;
    result->constant = texts->constant;
    begin(reader, arena, rows);
    uint8_t *validity = NULL;
    for (size_t row = 0; row < rows; row++) {
        if (column_is_null(texts, row)) {
            validity = validity != NULL ? validity : column_make_nullable(arena, result);
            bit_clear(validity, row);
            for (size_t i = 0; i < reader->schema->field_count; i++) {
                column_builder_null(&reader->builders[i]);
            }
            continue;
        }
        struct string_view view = COLUMN_AT(texts, struct string_view, row);
        if (!put_record(reader, arena, bytes_make(view.data, view.size), &now) &&
            reader->dialect.mode == FORMAT_FAILFAST) {
            fail_fast(&now, error);
            return NULL;
        }
    }
    result->child_count = reader->schema->field_count;
    result->children = ARENA_ARRAY(arena, struct column *, result->child_count + 1);
    for (size_t i = 0; i < result->child_count; i++) {
        result->children[i] = column_builder_finish(&reader->builders[i]);
        result->children[i]->constant = texts->constant;
    }
    if (report != NULL) {
        format_report_add(report, &now);
    }
    return result;
}

/* ---- files ---- */

struct csv_file {
    struct format_source source;
    struct format_read_request request;
    struct csv_reader *reader;
    struct text_lines lines;
    size_t wanted_count; /* columns of the request */
};

/* The next record's text. multiLine: up to the end of the file; the parser finds where it ends. */
static bool next_line(struct text_lines *lines, const struct csv_dialect *dialect, struct bytes *line) {
    for (;;) {
        if (dialect->multi_line) {
            while (lines->position < lines->end &&
                   (lines->data.data[lines->position] == '\n' || lines->data.data[lines->position] == '\r')) {
                lines->position++;
            }
            if (lines->position >= lines->end) {
                return false;
            }
            *line = bytes_make(lines->data.data + lines->position, lines->data.size - lines->position);
        } else if (!text_lines_next(lines, line)) {
            return false;
        }
        bool comment = dialect->comment >= 0 && line->size > 0 && line->data[0] == dialect->comment;
        if (!comment && bytes_trim(*line).size > 0) {
            return true;
        }
        if (dialect->multi_line) {
            size_t end = bytes_find(*line, '\n', 0);
            lines->position = end == SIZE_MAX ? lines->end : lines->position + end + 1;
        }
    }
}

static struct format_reader *open_csv(
    const struct format_source *source, const struct format_read_request *request, struct error *error) {
    struct csv_reader *reader = csv_reader_create(request->schema, request->options, request->zone, error);
    if (reader == NULL) {
        return NULL;
    }
    struct csv_file *file = calloc(1, sizeof *file);
    ASSERT(file != NULL);
    file->source = *source;
    file->request = *request;
    file->request.batch_rows = request->batch_rows != 0 ? request->batch_rows : BATCH_ROWS_TARGET;
    file->reader = reader;
    struct bytes data = source->data;
    if (data.size >= 3 && memcmp(data.data, "\xef\xbb\xbf", 3) == 0 && request->range_start == 0) {
        data = bytes_slice(data, 3, data.size - 3);
    }
    text_lines_init(&file->lines, data, request->range_start, request->range_end, reader->dialect.line_separator);
    if (reader->dialect.multi_line && request->range_start > 0) {
        file->lines.position = file->lines.end = data.size;
    }
    struct bytes header;
    if (reader->dialect.header && request->range_start == 0 && next_line(&file->lines, &reader->dialect, &header) &&
        reader->dialect.multi_line) {
        read_record(&reader->dialect, &reader->arena, header, &reader->record);
        file->lines.position += reader->record.size;
    }
    return (struct format_reader *)file;
}

static enum format_next next(struct format_reader *opaque, struct batch **out, struct error *error) {
    struct csv_file *file = (struct csv_file *)opaque;
    struct csv_reader *reader = file->reader;
    struct batch *batch = batch_create(file->request.schema);
    struct format_report now = {0};
    struct bytes line;
    begin(reader, &batch->arena, file->request.batch_rows);
    while (batch->row_count < file->request.batch_rows && next_line(&file->lines, &reader->dialect, &line)) {
        bool good = put_record(reader, &batch->arena, line, &now);
        if (reader->dialect.multi_line) {
            file->lines.position += reader->record.size;
        }
        if (!good && reader->dialect.mode == FORMAT_FAILFAST) {
            fail_fast(&now, error);
            batch_release(batch);
            return FORMAT_NEXT_ERROR;
        }
        if (!good && reader->dialect.mode == FORMAT_DROPMALFORMED) {
            for (size_t i = 0; i < reader->schema->field_count; i++) {
                column_builder_truncate(&reader->builders[i], batch->row_count);
            }
        } else {
            batch->row_count++;
        }
    }
    if (file->request.report != NULL) {
        format_report_add(file->request.report, &now);
    }
    if (batch->row_count == 0) {
        batch_release(batch);
        return FORMAT_NEXT_END;
    }
    format_source_keep(&file->source, batch);
    /* empty_value may be what a string points to */
    for (size_t i = 0; i < batch->column_count; i++) {
        batch->columns[i] = column_builder_finish(&reader->builders[i]);
    }
    *out = batch;
    return FORMAT_NEXT_BATCH;
}

static void close_csv(struct format_reader *opaque) {
    struct csv_file *file = (struct csv_file *)opaque;
    if (file != NULL) {
        csv_reader_destroy(file->reader);
        free(file);
    }
}

/* ---- inference ---- */

static enum type_kind infer_kind(
    const struct csv_dialect *dialect, const struct csv_value *value, enum type_kind before) {
    struct bytes text = value->text;
    int64_t integer;
    int32_t days;
    double real;
    if (bytes_equal(text, dialect->null_value) || before == TYPE_STRING) {
        return before;
    }
    enum type_kind kind = TYPE_STRING;
    if (bytes_to_int64(text, &integer)) {
        kind = integer >= INT32_MIN && integer <= INT32_MAX ? TYPE_INTEGER : TYPE_LONG;
    } else if (parse_real(dialect, text, &real)) {
        kind = TYPE_DOUBLE;
    } else if (dialect->date_pattern != NULL ? datetime_parse_date(dialect->date_pattern, text, &days)
                                             : text.size == 10 && value_parse_date(text, &days)) {
        kind = TYPE_DATE;
    } else if (dialect->timestamp_pattern != NULL
                   ? datetime_parse_timestamp(dialect->timestamp_pattern, text, dialect->zone, &integer)
                   : text.size > 10 && value_parse_timestamp(text, dialect->zone, &integer)) {
        kind = TYPE_TIMESTAMP;
    } else if (bytes_equal_ignore_case(text, BYTES("true")) || bytes_equal_ignore_case(text, BYTES("false"))) {
        kind = TYPE_BOOLEAN;
    }
    if (before == TYPE_NULL || before == kind) {
        return kind;
    }
    bool numbers = (before == TYPE_INTEGER || before == TYPE_LONG || before == TYPE_DOUBLE) &&
                   (kind == TYPE_INTEGER || kind == TYPE_LONG || kind == TYPE_DOUBLE);
    bool times = (before == TYPE_DATE || before == TYPE_TIMESTAMP) && (kind == TYPE_DATE || kind == TYPE_TIMESTAMP);
    return numbers ? (kind > before ? kind : before) : times ? TYPE_TIMESTAMP : TYPE_STRING;
}

static bool infer(struct arena *arena, const struct format_source *source, const struct format_options *options,
    const struct timezone *zone, const struct type **schema, struct error *error) {
    struct csv_dialect dialect;
    struct csv_record record = {0};
    struct text_lines lines;
    struct bytes line;
    bool infer_types = false;
    if (!get_dialect(arena, options, zone, false, &dialect, error) ||
        !format_option_boolean(options, "inferSchema", &infer_types, error)) {
        return false;
    }
    text_lines_init(&lines, source->data, 0, 0, dialect.line_separator);
    struct type_field *fields = NULL;
    enum type_kind *kinds = NULL;
    size_t count = 0;
    for (bool first = true; next_line(&lines, &dialect, &line); first = false) {
        read_record(&dialect, arena, line, &record);
        lines.position += dialect.multi_line ? record.size : 0;
        if (first) {
            count = record.values.count;
            fields = ARENA_ARRAY(arena, struct type_field, count + 1);
            kinds = ARENA_ARRAY(arena, enum type_kind, count + 1);
            for (size_t i = 0; i < count; i++) {
                struct bytes text = record.values.items[i].text;
                char *name =
                    dialect.header && text.size > 0 ? arena_text(arena, text) : arena_printf(arena, "_c%zu", i);
                fields[i] = (struct type_field){bytes_from_text(name), NULL, true, BYTES_NULL};
                kinds[i] = *schema != NULL && i < (*schema)->field_count ? (*schema)->fields[i].type->kind : TYPE_NULL;
            }
            if (dialect.header) {
                continue;
            }
        }
        if (!infer_types) {
            break;
        }
        for (size_t i = 0; i < count && i < record.values.count; i++) {
            kinds[i] = infer_kind(&dialect, &record.values.items[i], kinds[i]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        fields[i].type = type_simple(infer_types && kinds[i] != TYPE_NULL ? kinds[i] : TYPE_STRING);
    }
    VECTOR_FREE(&record.values);
    *schema = *schema != NULL && count == 0 ? *schema : type_struct(arena, fields, count);
    return true;
}

/* ---- writing ---- */

struct csv_write_options {
    struct csv_dialect dialect;
};

const struct csv_write_options *csv_write_options_get(
    struct arena *arena, const struct format_options *options, const struct timezone *zone, struct error *error) {
    struct csv_write_options *result = ARENA_NEW(arena, struct csv_write_options);
    return get_dialect(arena, options, zone, true, &result->dialect, error) ? result : NULL;
}

static void append_text(struct bytes text, const struct csv_dialect *dialect, struct buffer *out) {
    while (dialect->trim_left && text.size > 0 && text.data[0] <= ' ') {
        text = bytes_slice(text, 1, text.size - 1);
    }
    while (dialect->trim_right && text.size > 0 && text.data[text.size - 1] <= ' ') {
        text.size--;
    }
    bool has_quote = false,
         special = dialect->quote_all || (text.size > 0 && dialect->comment >= 0 && text.data[0] == dialect->comment);
    for (size_t i = 0; i < text.size; i++) {
        has_quote |= text.data[i] == dialect->quote;
        special |= at_separator(dialect, text, i) || text.data[i] == '\n' || text.data[i] == '\r';
    }
    special |= has_quote && dialect->escape_quotes;
    if (!special || dialect->quote < 0) {
        buffer_append_bytes(out, text);
        return;
    }
    buffer_append_byte(out, (uint8_t)dialect->quote);
    for (size_t i = 0; i < text.size; i++) {
        bool escaped =
            dialect->escape >= 0 &&
            (text.data[i] == dialect->quote || (text.data[i] == dialect->escape && dialect->escape == dialect->quote));
        if (escaped) {
            buffer_append_byte(out, (uint8_t)dialect->escape);
        }
        buffer_append_byte(out, text.data[i]);
    }
    buffer_append_byte(out, (uint8_t)dialect->quote);
}

static void append_value(const struct column *column, size_t row, const struct csv_dialect *dialect,
    struct buffer *scratch, struct buffer *out) {
    row = column->constant ? 0 : row;
    enum type_kind kind = column->type->kind;
    if (kind == TYPE_NULL || column_is_null(column, row)) {
        buffer_append_bytes(out, dialect->null_value);
        return;
    }
    buffer_clear(scratch);
    if (kind == TYPE_TIMESTAMP || kind == TYPE_TIMESTAMP_NTZ) {
        struct arena arena = {0};
        bool local = kind == TYPE_TIMESTAMP_NTZ;
        const struct datetime_pattern *pattern = local ? dialect->timestamp_ntz_pattern : dialect->timestamp_pattern;
        pattern = pattern != NULL
                      ? pattern
                      : datetime_pattern_compile(&arena,
                            local ? BYTES("yyyy-MM-dd'T'HH:mm:ss.SSS") : BYTES("yyyy-MM-dd'T'HH:mm:ss.SSSXXX"), NULL);
        datetime_format(pattern, COLUMN_VALUES(column, int64_t)[row], local ? NULL : dialect->zone, scratch);
        arena_destroy(&arena);
    } else if (kind == TYPE_DATE && dialect->date_pattern != NULL) {
        datetime_format(
            dialect->date_pattern, (int64_t)COLUMN_VALUES(column, int32_t)[row] * 86400000000, NULL, scratch);
    } else {
        value_format(column, row, dialect->zone, scratch);
    }
    if (scratch->size == 0) {
        buffer_append_bytes(out, dialect->empty_value);
    } else {
        append_text(buffer_view(scratch), dialect, out);
    }
}

void csv_write_row(struct column *const *columns, size_t column_count, size_t row,
    const struct csv_write_options *options, struct buffer *out) {
    struct buffer scratch = {0};
    for (size_t i = 0; i < column_count; i++) {
        if (i > 0) {
            buffer_append_bytes(out, options->dialect.separator);
        }
        append_value(columns[i], row, &options->dialect, &scratch, out);
    }
    buffer_free(&scratch);
}

struct csv_writer {
    struct arena arena;
    struct format_output output;
    const struct csv_write_options *options;
    const struct type *schema;
    struct buffer buffer;
    bool began;
};

static struct format_writer *create(const struct type *schema, const struct format_options *options,
    const struct timezone *zone, struct format_output output, struct error *error) {
    struct csv_writer *writer = calloc(1, sizeof *writer);
    ASSERT(writer != NULL);
    writer->output = output;
    writer->schema = schema;
    writer->options = csv_write_options_get(&writer->arena, options, zone, error);
    for (size_t i = 0; i < schema->field_count && writer->options != NULL; i++) {
        enum type_kind kind = schema->fields[i].type->kind;
        if (kind == TYPE_STRUCT || kind == TYPE_ARRAY || kind == TYPE_MAP) {
            error_set(error, ERROR_UNSUPPORTED,
                "The CSV datasource doesn't support the column `%.*s` of a nested type.",
                BYTES_ARGS(schema->fields[i].name));
            writer->options = NULL;
        }
    }
    if (writer->options == NULL) {
        format_csv.abort((struct format_writer *)writer);
        return NULL;
    }
    return (struct format_writer *)writer;
}

static void put_header(struct csv_writer *writer) {
    const struct csv_dialect *dialect = &writer->options->dialect;
    for (size_t i = 0; dialect->header && i < writer->schema->field_count; i++) {
        if (i > 0) {
            buffer_append_bytes(&writer->buffer, dialect->separator);
        }
        append_text(writer->schema->fields[i].name, dialect, &writer->buffer);
    }
    if (dialect->header) {
        buffer_append_bytes(&writer->buffer, dialect->line_separator);
    }
    writer->began = true;
}

static bool write_csv(struct format_writer *opaque, const struct batch *batch, struct error *error) {
    struct csv_writer *writer = (struct csv_writer *)opaque;
    buffer_clear(&writer->buffer);
    if (!writer->began) {
        put_header(writer);
    }
    for (size_t i = 0; i < batch->row_count; i++) {
        size_t before = writer->buffer.size;
        csv_write_row(batch->columns, batch->column_count, i, writer->options, &writer->buffer);
        if (writer->buffer.size > before) { /* Spark leaves empty lines out: a NULL that is alone in its row */
            buffer_append_bytes(&writer->buffer, writer->options->dialect.line_separator);
        }
    }
    return writer->output.write(writer->output.context, writer->buffer.data, writer->buffer.size, error);
}

static void abort_csv(struct format_writer *opaque) {
    struct csv_writer *writer = (struct csv_writer *)opaque;
    if (writer != NULL) {
        buffer_free(&writer->buffer);
        arena_destroy(&writer->arena);
        free(writer);
    }
}

static bool finish(struct format_writer *opaque, struct error *error) {
    struct csv_writer *writer = (struct csv_writer *)opaque;
    bool good = true;
    if (!writer->began) {
        put_header(writer);
        good = writer->output.write(writer->output.context, writer->buffer.data, writer->buffer.size, error);
    }
    abort_csv(opaque);
    return good;
}

const struct format_class format_csv = {.name = "csv",
    .extension = "csv",
    .splittable = true,
    .infer = infer,
    .open = open_csv,
    .next = next,
    .close = close_csv,
    .codec = FORMAT_CODEC_NONE,
    .create = create,
    .write = write_csv,
    .finish = finish,
    .abort = abort_csv};
