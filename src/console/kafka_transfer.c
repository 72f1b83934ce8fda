/* kafka_transfer.c: messages in and out: sending one, exporting and importing many, as JSON lines or CSV.
 *
 * JSON lines: {"partition": 0, "offset": 5, "timestamp": 1763840000000, "key": "a", "value": "…", "headers": {"h":
 * "x"}}. CSV: the same columns with a line of names; headers as JSON text. A null is null, in CSV an empty field
 * without quotes; bytes that are no UTF-8 are given as base64 in keyBase64 / valueBase64. Importing reads what
 * exporting wrote: key, value, headers and, where given and existing, the partition; a timestamp is kept. Either every
 * line is fine or nothing is sent. */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "console/kafka_messages.h"

enum { EXPORT_STEP = 500, EXPORT_SIZE_MAX = 8 << 20, BATCH_SIZE_MAX = 512 << 10, HEADERS_MAX = 1000 };

/* ---- batches per partition ---- */

struct outgoing {
    struct page *page;
    char *topic;
    int32_t partition_count, next_partition;
    struct building {
        struct buffer bytes;
        struct record_builder builder;
        bool open;
    } * building; /* by partition */
    int64_t count;
    _Atomic int32_t waiting; /* appends under way */
    int64_t base_offset;
    int32_t last_partition;
    struct error error;
    bool is_csv; /* of an import */
};

static struct outgoing *outgoing_new(struct page *page, const char *topic) {
    struct outgoing *outgoing = calloc(1, sizeof *outgoing);
    ASSERT(outgoing != NULL);
    outgoing->page = page;
    outgoing->topic = strdup(topic);
    outgoing->partition_count = kafka_client_partition_count(page->console->options.kafka, topic);
    if (outgoing->partition_count <= 0) {
        error_set(&outgoing->error, ERROR_NOT_FOUND, "There is no topic %s", topic);
        return outgoing;
    }
    outgoing->next_partition = (int32_t)(world_wall_ms(page->console->options.world) % outgoing->partition_count);
    outgoing->building = calloc((size_t)outgoing->partition_count, sizeof *outgoing->building);
    ASSERT(outgoing->building != NULL);
    return outgoing;
}

static void outgoing_release(void *argument) {
    struct outgoing *outgoing = argument;
    for (int32_t i = 0; outgoing->building != NULL && i < outgoing->partition_count; i++)
        buffer_free(&outgoing->building[i].bytes);
    free(outgoing->building);
    free(outgoing->topic);
    free(outgoing);
}

static void close_batch(struct building *building) {
    if (building->open)
        record_builder_end(&building->builder, -1, -1, -1, -1);
    building->open = false;
}

/* partition -1: by key, or the partitions in turn. */
static void add_record(struct outgoing *outgoing, int64_t partition, int64_t timestamp_ms, struct bytes key,
    struct bytes value, struct bytes headers, int32_t header_count) {
    if (partition < 0 || partition >= outgoing->partition_count)
        partition = key.data != NULL ? kafka_partition_for_key(key, outgoing->partition_count)
                                     : outgoing->next_partition++ % outgoing->partition_count;
    struct building *building = &outgoing->building[partition];
    if (building->open && building->bytes.size - building->builder.start > BATCH_SIZE_MAX)
        close_batch(building);
    if (!building->open)
        record_builder_begin(&building->builder, &building->bytes, 0, 0);
    building->open = true;
    record_builder_add(&building->builder, building->builder.count, timestamp_ms, key, value, headers, header_count);
    outgoing->last_partition = (int32_t)partition;
    outgoing->count++;
}

static void on_appended(void *argument, int64_t base_offset, const struct error *error) {
    struct outgoing *outgoing = argument;
    struct page *page = outgoing->page;
    if (error->code != ERROR_NONE && outgoing->error.code == ERROR_NONE)
        outgoing->error = *error;
    outgoing->base_offset = base_offset;
    if (atomic_fetch_sub(&outgoing->waiting, 1) > 1)
        return;
    if (outgoing->error.code != ERROR_NONE) {
        page_fail(page, &outgoing->error);
    } else {
        json_object_set_new(page->data, "count", json_integer(outgoing->count));
        json_object_set_new(page->data, "partition", json_integer(outgoing->last_partition));
        json_object_set_new(page->data, "offset", json_integer(outgoing->base_offset));
    }
    page_post_finish(page);
}

/* Appends what was gathered; the page is finished, and `outgoing` freed, when all of it is committed: that may be as
 * soon as the last partition's append was asked for. */
static void append_all(struct outgoing *outgoing) {
    struct kafka_client *client = outgoing->page->console->options.kafka;
    int32_t left = 0;
    for (int32_t i = 0; i < outgoing->partition_count; i++)
        left += outgoing->building[i].bytes.size > 0;
    outgoing->waiting = left;
    if (left == 0) {
        json_object_set_new(outgoing->page->data, "count", json_integer(0));
        page_post_finish(outgoing->page);
    }
    for (int32_t i = 0; left > 0; i++) {
        struct building *building = &outgoing->building[i];
        if (building->bytes.size == 0)
            continue;
        left--;
        close_batch(building);
        kafka_client_append(client, outgoing->topic, i, buffer_view(&building->bytes), on_appended, outgoing);
    }
}

/* ---- a record from JSON ---- */

static bool add_header(struct buffer *out, int32_t *count, const char *name, const json_t *value, struct error *error) {
    size_t size = strlen(name);
    if (!json_is_string(value) && !json_is_null(value))
        return error_set(error, ERROR_INVALID, "The header %s is not a text", name);
    if (++*count > HEADERS_MAX)
        return error_set(error, ERROR_LIMIT, "more than %d headers", HEADERS_MAX);
    varlong_append(out, (int64_t)size);
    buffer_append(out, name, size);
    varlong_append(out, json_is_null(value) ? -1 : (int64_t)json_string_length(value));
    if (json_is_string(value))
        buffer_append(out, json_string_value(value), json_string_length(value));
    return true;
}

/* {"name": "text"} or [{"name": …, "value": …}] */
static bool parse_headers(json_t *headers, struct buffer *out, int32_t *count, struct error *error) {
    const char *name;
    size_t i;
    json_t *value;
    if (headers != NULL && !json_is_null(headers) && !json_is_object(headers) && !json_is_array(headers))
        return error_set(error, ERROR_INVALID, "headers is neither an object nor a list");
    json_object_foreach(headers, name, value) if (!add_header(out, count, name, value, error)) return false;
    json_array_foreach(headers, i, value) {
        const json_t *text = json_object_get(value, "value");
        if (!json_is_string(json_object_get(value, "name")))
            return error_set(error, ERROR_INVALID, "A header has no name");
        if (!add_header(out, count, page_text(value, "name"), text != NULL ? text : json_null(), error))
            return false;
    }
    return true;
}

/* The field `name` in `format`, or `base64_name`; *part.data NULL when null or absent. */
static bool parse_part(const json_t *record, const char *name, const char *base64_name, enum message_format format,
    struct buffer *memory, struct bytes *part, struct error *error) {
    const json_t *value = json_object_get(record, name), *packed = json_object_get(record, base64_name);
    *part = BYTES_NULL;
    if (json_is_string(packed)) {
        value = packed;
        format = FORMAT_BASE64;
    } else if (value == NULL || json_is_null(value)) {
        return true;
    }
    if (json_is_string(value)) {
        if (!message_encode(bytes_make(json_string_value(value), json_string_length(value)), format, memory, error))
            return false;
    } else { /* an object, a number: its JSON text */
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        buffer_append_text(memory, text == NULL ? "" : text);
        free(text);
    }
    *part = memory->size == 0 ? BYTES("") : buffer_view(memory);
    return true;
}

static bool add_json(struct outgoing *outgoing, json_t *record, enum message_format key_format,
    enum message_format value_format, struct error *error) {
    struct buffer key_memory = {0}, value_memory = {0}, headers = {0};
    struct bytes key, value;
    int32_t header_count = 0;
    const json_t *partition = json_object_get(record, "partition"), *timestamp = json_object_get(record, "timestamp");
    bool ok = json_is_object(record) || error_set(error, ERROR_INVALID, "this is not a JSON object");
    ok = ok && parse_part(record, "key", "keyBase64", key_format, &key_memory, &key, error) &&
         parse_part(record, "value", "valueBase64", value_format, &value_memory, &value, error) &&
         parse_headers(json_object_get(record, "headers"), &headers, &header_count, error);
    if (ok && key_memory.size + value_memory.size + headers.size > ((size_t)64 << 20))
        ok = error_set(error, ERROR_LIMIT, "the message is too large");
    if (ok)
        add_record(outgoing, json_is_integer(partition) ? json_integer_value(partition) : -1,
            json_is_integer(timestamp) && json_integer_value(timestamp) >= 0
                ? json_integer_value(timestamp)
                : world_wall_ms(outgoing->page->console->options.world),
            key, value, buffer_view(&headers), header_count);
    buffer_free(&key_memory);
    buffer_free(&value_memory);
    buffer_free(&headers);
    return ok;
}

/* POST …/topics/{name}/messages {"key", "value", "headers", "partition", "keyFormat", "valueFormat"} */
void kafka_handle_send(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    struct outgoing *outgoing = outgoing_new(page, (const char *)http_parameter(request, "name").data);
    struct bytes body = http_body(request);
    page->state = outgoing;
    page->release = outgoing_release;
    json_t *record = json_loadb((const char *)body.data, body.size, 0, NULL);
    enum message_format key_format = message_format_find(bytes_from_text(page_text(record, "keyFormat")));
    enum message_format value_format = message_format_find(bytes_from_text(page_text(record, "valueFormat")));
    const json_t *partition = json_object_get(record, "partition");
    struct error *error = &outgoing->error;
    if (error->code == ERROR_NONE && record == NULL)
        error_set(error, ERROR_INVALID, "The body is not a JSON object");
    else if (error->code == ERROR_NONE && json_is_integer(partition) &&
             (json_integer_value(partition) < 0 || json_integer_value(partition) >= outgoing->partition_count))
        error_set(error, ERROR_NOT_FOUND, "The topic %s has the partitions 0 to %d", outgoing->topic,
            outgoing->partition_count - 1);
    else if (error->code == ERROR_NONE)
        add_json(outgoing, record, key_format, value_format, error);
    json_decref(record);
    if (error->code != ERROR_NONE) {
        page_fail(page, error);
        page_finish(page);
        return;
    }
    append_all(outgoing);
}

/* ---- CSV ---- */

/* Takes one field off the text (RFC 4180); *quoted tells an empty text from a null. Sets *line_end behind a last field.
 */
static bool csv_field(struct bytes text, size_t *at, struct buffer *field, bool *quoted, bool *line_end) {
    buffer_clear(field);
    *quoted = *at < text.size && text.data[*at] == '"';
    if (*quoted) {
        for (++*at;; ++*at) {
            if (*at >= text.size)
                return false;
            if (text.data[*at] == '"') {
                if (*at + 1 < text.size && text.data[*at + 1] == '"')
                    ++*at;
                else
                    break;
            }
            buffer_append_byte(field, text.data[*at]);
        }
        ++*at;
    } else {
        while (*at < text.size && text.data[*at] != ',' && text.data[*at] != '\n' && text.data[*at] != '\r')
            buffer_append_byte(field, text.data[(*at)++]);
    }
    if (*at < text.size && text.data[*at] == '\r')
        ++*at;
    *line_end = *at >= text.size || text.data[*at] == '\n';
    if (*at < text.size && text.data[*at] != '\n' && text.data[*at] != ',')
        return false;
    if (*at < text.size)
        ++*at;
    return true;
}

enum { CSV_COLUMNS_MAX = 32 };

/* One line as a JSON object by the names of the first; NULL with a reason. */
static json_t *csv_record(struct bytes text, size_t *at, char *names[], size_t name_count, struct error *error) {
    struct buffer field = {0};
    json_t *record = json_object();
    bool quoted, line_end = false;
    for (size_t i = 0; !line_end; i++) {
        if (!csv_field(text, at, &field, &quoted, &line_end) || i >= name_count) {
            error_set(error, ERROR_INVALID,
                i >= name_count ? "more fields than names in the first line"
                                : "a quotation mark is not where it can be");
            break;
        }
        struct bytes view = bytes_make(buffer_text(&field), field.size);
        int64_t number;
        json_t *value = NULL;
        if (field.size == 0 && !quoted)
            value = json_null();
        else if ((strcmp(names[i], "partition") == 0 || strcmp(names[i], "timestamp") == 0) &&
                 bytes_to_int64(view, &number))
            value = json_integer(number);
        else if (strcmp(names[i], "headers") == 0)
            value = json_loadb((const char *)view.data, view.size, 0, NULL);
        else
            value = json_stringn((const char *)view.data, view.size);
        if (value == NULL)
            error_set(error, ERROR_INVALID, "the field %s cannot be read", names[i]);
        else
            json_object_set_new(record, names[i], value);
    }
    buffer_free(&field);
    if (error->code == ERROR_NONE)
        return record;
    json_decref(record);
    return NULL;
}

static bool import_csv(struct outgoing *outgoing, struct bytes text, struct error *error) {
    char *names[CSV_COLUMNS_MAX];
    size_t name_count = 0, at = 0;
    int64_t line = 1;
    struct buffer field = {0};
    bool quoted, line_end = false, ok = true;
    while (!line_end && name_count < CSV_COLUMNS_MAX && csv_field(text, &at, &field, &quoted, &line_end))
        names[name_count++] = strdup(buffer_text(&field));
    buffer_free(&field);
    if (!line_end)
        ok = error_set(error, ERROR_INVALID, "Line 1 does not name the columns");
    while (ok && at < text.size) {
        line++;
        if (text.data[at] == '\n') {
            at++;
            continue;
        }
        json_t *record = csv_record(text, &at, names, name_count, error);
        ok = record != NULL && add_json(outgoing, record, FORMAT_STRING, FORMAT_STRING, error);
        json_decref(record);
        if (!ok)
            error_prefix(error, "Record %" PRId64, line - 1);
    }
    for (size_t i = 0; i < name_count; i++)
        free(names[i]);
    return ok;
}

static bool import_json_lines(struct outgoing *outgoing, struct bytes text, struct error *error) {
    int64_t line = 0;
    for (size_t at = 0; at < text.size;) {
        size_t end = bytes_find(text, '\n', at);
        end = end == SIZE_MAX ? text.size : end;
        struct bytes part = bytes_trim(bytes_slice(text, at, end - at));
        at = end + 1;
        line++;
        if (part.size == 0)
            continue;
        json_error_t problem;
        json_t *record = json_loadb((const char *)part.data, part.size, 0, &problem);
        bool ok = record == NULL ? error_set(error, ERROR_INVALID, "%s at column %d", problem.text, problem.column)
                                 : add_json(outgoing, record, FORMAT_STRING, FORMAT_STRING, error);
        json_decref(record);
        if (!ok)
            return error_prefix(error, "Line %" PRId64, line);
    }
    return true;
}

static void run_import(void *argument) {
    struct page *page = argument;
    struct outgoing *outgoing = page->state;
    struct bytes body = bytes_from_text(page->text);
    if (bytes_starts_with(body, "\xef\xbb\xbf"))
        body = bytes_slice(body, 3, body.size - 3);
    if (outgoing->is_csv ? import_csv(outgoing, body, &outgoing->error)
                         : import_json_lines(outgoing, body, &outgoing->error)) {
        append_all(outgoing);
        return;
    }
    page_fail(page, &outgoing->error);
    page_post_finish(page);
}

/* POST …/topics/{name}/messages/import?format=jsonl|csv, the file as the body */
void kafka_handle_import(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    struct outgoing *outgoing = outgoing_new(page, (const char *)http_parameter(request, "name").data);
    struct bytes format = http_query(request, "format"), body = http_body(request);
    page->state = outgoing;
    page->release = outgoing_release;
    bool csv = bytes_equal_text(format, "csv");
    if (!csv && format.size > 0 && !bytes_equal_text(format, "jsonl"))
        error_set(&outgoing->error, ERROR_INVALID, "format is jsonl or csv");
    else if (memchr(body.data, 0, body.size) != NULL)
        error_set(&outgoing->error, ERROR_INVALID, "The file is not a text");
    if (outgoing->error.code != ERROR_NONE) {
        page_fail(page, &outgoing->error);
        page_finish(page);
        return;
    }
    page->text = strndup((const char *)body.data, body.size);
    outgoing->is_csv = csv;
    world_pool_submit(page->console->options.disk_pool, run_import, page);
}

/* ---- exporting: a stream, each piece read on the disk pool ---- */

struct export {
    struct http_request *request;
    struct console *console;
    struct message_query query;
    bool csv, is_over, with_head;
    struct buffer piece;
    bool failed;
    bool is_reading; /* on the disk pool; loop thread */
    bool is_ended;   /* the request is over: freed when the reading is */
};

static void append_csv(struct buffer *out, const char *text) {
    buffer_append_byte(out, '"');
    for (; *text != 0; text++) {
        if (*text == '"')
            buffer_append_byte(out, '"');
        buffer_append_byte(out, (uint8_t)*text);
    }
    buffer_append_byte(out, '"');
}

static bool is_text(struct bytes data) {
    return bytes_is_utf8(data) && (data.size == 0 || memchr(data.data, 0, data.size) == NULL);
}

static void set_part(json_t *record, const char *name, const char *base64_name, struct bytes data) {
    struct buffer text = {0};
    if (data.data == NULL) {
        json_object_set_new(record, name, json_null());
    } else if (is_text(data)) {
        json_object_set_new(record, name, json_stringn((const char *)data.data, data.size));
    } else {
        buffer_append_base64(&text, data);
        json_object_set_new(record, base64_name, json_stringn(buffer_text(&text), text.size));
        buffer_free(&text);
    }
}

static json_t *export_headers(const struct message *message) {
    json_t *list = json_array();
    struct bytes rest = message->headers;
    struct record_header header;
    for (int32_t i = 0; i < message->header_count && record_header_next(&rest, &header); i++) {
        json_t *one = json_object();
        json_t *name = is_text(header.key) ? json_stringn((const char *)header.key.data, header.key.size) : NULL;
        json_object_set_new(one, "name", name != NULL ? name : json_string("?"));
        set_part(one, "value", "valueBase64", header.value);
        json_array_append_new(list, one);
    }
    return list;
}

static void export_message(struct export *export, const struct message *message) {
    json_t *record = json_object();
    json_object_set_new(record, "partition", json_integer(message->partition));
    json_object_set_new(record, "offset", json_integer(message->offset));
    json_object_set_new(record, "timestamp", json_integer(message->timestamp_ms));
    set_part(record, "key", "keyBase64", message->key);
    set_part(record, "value", "valueBase64", message->value);
    json_object_set_new(record, "headers", export_headers(message));
    if (!export->csv) {
        char *text = json_dumps(record, JSON_COMPACT);
        buffer_append_text(&export->piece, text);
        free(text);
    } else {
        static const char *const texts[] = {"key", "value", "keyBase64", "valueBase64"};
        char *headers = json_dumps(json_object_get(record, "headers"), JSON_COMPACT);
        buffer_printf(
            &export->piece, "%d,%" PRId64 ",%" PRId64, message->partition, message->offset, message->timestamp_ms);
        for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
            buffer_append_byte(&export->piece, ',');
            if (json_is_string(json_object_get(record, texts[i])))
                append_csv(&export->piece, page_text(record, texts[i]));
        }
        buffer_append_byte(&export->piece, ',');
        append_csv(&export->piece, headers);
        free(headers);
    }
    buffer_append_byte(&export->piece, '\n');
    json_decref(record);
}

static void free_export(struct export *export) {
    message_query_free(&export->query);
    buffer_free(&export->piece);
    free(export);
}

static void give_export(void *argument) {
    struct export *export = argument;
    export->is_reading = false;
    if (export->is_ended) {
        http_break_stream(export->request);
        free_export(export);
    } else if (export->failed)
        http_break_stream(export->request);
    else
        http_give_piece(export->request, buffer_view(&export->piece));
}

static void read_export(void *argument) {
    struct export *export = argument;
    struct error error = {0};
    buffer_clear(&export->piece);
    if (export->with_head)
        buffer_append_text(&export->piece, "partition,offset,timestamp,key,value,keyBase64,valueBase64,headers\n");
    export->with_head = false;
    while (export->piece.size == 0 && !export->is_over && error.code == ERROR_NONE) {
        struct message_result result;
        message_read(export->console, &export->query, &result, &error);
        for (size_t i = 0; i < result.messages.count; i++)
            export_message(export, &result.messages.items[i]);
        export->is_over = result.is_end;
        message_result_free(&result);
    }
    export->failed = error.code != ERROR_NONE;
    world_loop_post(export->console->options.loop, give_export, export);
}

static void next_export(struct http_request *request, void *argument, size_t size_max) {
    struct export *export = argument;
    export->is_reading = true;
    world_pool_submit(export->console->options.disk_pool, read_export, export);
}

static void end_export(struct http_request *request, void *state, bool broken) {
    struct export *export = state;
    export->is_ended = true;
    if (!export->is_reading)
        free_export(export);
}

/* GET …/topics/{name}/messages/export?format=jsonl|csv and the arguments of …/messages, oldest first. What comes in
 * while it runs is exported too. */
void kafka_handle_export(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    struct export *export = calloc(1, sizeof *export);
    struct error error = {0};
    char disposition[400];
    ASSERT(export != NULL);
    *export = (struct export){.request = request, .console = context};
    export->csv = export->with_head = bytes_equal_text(http_query(request, "format"), "csv");
    if (!message_query_parse(page, &export->query, &error)) {
        page_fail(page, &error);
        page_finish(page);
        free_export(export);
        return;
    }
    export->query.count_max = EXPORT_STEP;
    export->query.size_max = EXPORT_SIZE_MAX;
    if (export->query.backwards) { /* all of it, oldest first */
        export->query.backwards = false;
        for (size_t i = 0; i < export->query.positions.count; i++)
            export->query.positions.items[i].offset = 0;
    }
    snprintf(disposition, sizeof disposition, "attachment; filename=\"%s.%s\"", export->query.topic,
        export->csv ? "csv" : "jsonl");
    http_add_header(request, "Content-Disposition", disposition);
    http_on_end(request, end_export);
    http_set_state(request, export);
    page_discard(page);
    http_respond_stream(request, 200, export->csv ? "text/csv; charset=utf-8" : "application/x-ndjson; charset=utf-8",
        -1, next_export, export);
}
