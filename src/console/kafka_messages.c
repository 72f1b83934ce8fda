/* kafka_messages.c: the messages of a topic: GET …/topics/{name}/messages with
 *
 *     mode       LATEST (default, newest first), EARLIEST, FROM_OFFSET, TO_OFFSET, FROM_TIMESTAMP, TO_TIMESTAMP
 *     position   of the last four: an offset or milliseconds
 *     partitions 0,2 (default: all)      limit  up to 1000 (default 50)
 *     from=0:17,2:5 / before=…           where to go on, as `next` of the last answer says; instead of the mode
 *     text, filter (kafka_filter.h), keyFormat, valueFormat
 *
 * A live tail asks for `from` again whenever /api/changes says that something is new. */
#include <inttypes.h>
#include <stdlib.h>

#include "base/assert.h"
#include "console/kafka_messages.h"

enum { LIMIT_DEFAULT = 50, SHOWN_SIZE_MAX = 32 << 10, WHOLE_SIZE_MAX = 4 << 20, POSITIONS_MAX = 10000 };

struct messages_state {
    struct message_query query;
    enum message_format key_format, value_format;
};

void message_query_free(struct message_query *query) {
    free(query->topic);
    free((void *)(uintptr_t)query->text.data);
    filter_free(query->filter);
    VECTOR_FREE(&query->positions);
}

/* ---- arguments ---- */

static bool query_number(
    const struct http_request *request, const char *name, int64_t standard, int64_t *value, struct error *error) {
    struct bytes text = http_query(request, name);
    *value = standard;
    if (text.size > 0 && !bytes_to_int64(text, value))
        return error_set(error, ERROR_INVALID, "%s=%.*s is not a number", name, BYTES_ARGS(text));
    return true;
}

/* "0:17,2:5" or, without offsets, "0,2". */
static bool parse_positions(
    struct bytes text, int32_t partition_count, struct message_query *query, struct error *error) {
    for (size_t at = 0; at < text.size;) {
        size_t comma = bytes_find(text, ',', at), end = comma == SIZE_MAX ? text.size : comma;
        struct bytes item = bytes_slice(text, at, end - at);
        size_t colon = bytes_find(item, ':', 0);
        int64_t partition, offset = 0;
        if (!bytes_to_int64(bytes_slice(item, 0, colon == SIZE_MAX ? item.size : colon), &partition) ||
            (colon != SIZE_MAX && !bytes_to_int64(bytes_slice(item, colon + 1, item.size - colon - 1), &offset)) ||
            partition < 0 || partition >= partition_count || offset < 0)
            return error_set(error, ERROR_INVALID, "There is no partition %.*s", BYTES_ARGS(item));
        if (query->positions.count == POSITIONS_MAX)
            return error_set(error, ERROR_LIMIT, "too many partitions");
        VECTOR_PUSH(&query->positions, ((struct message_position){.partition = (int32_t)partition, .offset = offset}));
        at = end + 1;
    }
    return true;
}

static const struct {
    const char *name;
    bool backwards, needs_position, is_time;
} modes[] = {{"LATEST", true, false, false}, {"EARLIEST", false, false, false}, {"FROM_OFFSET", false, true, false},
    {"TO_OFFSET", true, true, false}, {"FROM_TIMESTAMP", false, true, true}, {"TO_TIMESTAMP", true, true, true}};

/* Where a mode starts in one partition. */
static int64_t start_of(struct partition_log *log, size_t mode, int64_t wanted) {
    struct log_time_offset found = {.offset = -1};
    struct error error = {0};
    if (!modes[mode].needs_position)
        return modes[mode].backwards ? INT64_MAX : 0;
    if (!modes[mode].is_time)
        return modes[mode].backwards && wanted < INT64_MAX ? wanted + 1 : wanted;
    if (modes[mode].backwards && wanted < INT64_MAX)
        wanted++;
    if (log_offset_for_time(log, wanted, LOG_READ_UNCOMMITTED, &found, &error) != LOG_STATUS_OK || found.offset < 0)
        return log_high_watermark(log);
    return found.offset;
}

static bool parse_mode(struct page *page, struct message_query *query, struct error *error) {
    struct bytes name = http_query(page->request, "mode");
    int64_t wanted;
    size_t mode = 0;
    while (name.size > 0 && mode < ARRAY_COUNT(modes) && !bytes_equal_text(name, modes[mode].name))
        mode++;
    if (mode == ARRAY_COUNT(modes))
        return error_set(error, ERROR_INVALID, "There is no mode %.*s", BYTES_ARGS(name));
    if (!query_number(page->request, "position", -1, &wanted, error))
        return false;
    if (modes[mode].needs_position && wanted < 0)
        return error_set(error, ERROR_INVALID, "mode=%s needs a position", modes[mode].name);
    query->backwards = modes[mode].backwards;
    for (size_t i = 0; i < query->positions.count; i++) {
        struct message_position *position = &query->positions.items[i];
        struct partition_log *log =
            kafka_client_partition(page->console->options.kafka, query->topic, position->partition);
        if (log == NULL)
            continue;
        position->offset = start_of(log, mode, wanted);
        log_release(log);
    }
    return true;
}

bool message_query_parse(struct page *page, struct message_query *query, struct error *error) {
    struct http_request *request = page->request;
    struct kafka_client *client = page->console->options.kafka;
    struct bytes from = http_query(request, "from"), before = http_query(request, "before");
    struct bytes text = http_query(request, "text"), filter = http_query(request, "filter");
    int64_t limit;
    query->topic = strdup((const char *)http_parameter(request, "name").data);
    query->size_max = SHOWN_SIZE_MAX;
    query->text =
        bytes_make(strndup((const char *)(text.size > 0 ? text.data : (const uint8_t *)""), text.size), text.size);
    int32_t partition_count = kafka_client_partition_count(client, query->topic);
    if (partition_count < 0)
        return error_set(error, ERROR_NOT_FOUND, "There is no topic %s", query->topic);
    if (!query_number(request, "limit", LIMIT_DEFAULT, &limit, error))
        return false;
    query->count_max = (size_t)(limit < 1 ? 1 : limit > MESSAGE_COUNT_MAX ? MESSAGE_COUNT_MAX : limit);
    if (bytes_trim(filter).size > 0 && (query->filter = filter_parse(filter, error)) == NULL)
        return false;
    if (from.size > 0 || before.size > 0) {
        query->backwards = from.size == 0;
        return parse_positions(from.size > 0 ? from : before, partition_count, query, error);
    }
    if (!parse_positions(http_query(request, "partitions"), partition_count, query, error))
        return false;
    for (int32_t i = 0; query->positions.count < (size_t)partition_count && i < partition_count &&
                        http_query(request, "partitions").size == 0;
         i++)
        VECTOR_PUSH(&query->positions, ((struct message_position){.partition = i}));
    return parse_mode(page, query, error);
}

/* ---- answers ---- */

static json_t *describe_headers(const struct message *message) {
    json_t *list = json_array();
    struct bytes rest = message->headers;
    struct record_header header;
    for (int32_t i = 0; i < message->header_count && record_header_next(&rest, &header); i++) {
        json_t *name = bytes_is_utf8(header.key) ? json_stringn((const char *)header.key.data, header.key.size) : NULL;
        json_array_append_new(list, json_pack("{s:o, s:o}", "name", name != NULL ? name : json_string("?"), "value",
                                        message_decode("", header.value, BYTES_NULL, false, FORMAT_AUTO)));
    }
    return list;
}

json_t *message_describe(const char *topic, const struct message *message, enum message_format key_format,
    enum message_format value_format) {
    return json_pack("{s:i, s:I, s:I, s:o, s:o, s:o, s:I, s:I, s:b}", "partition", (int)message->partition, "offset",
        (json_int_t)message->offset, "timestamp", (json_int_t)message->timestamp_ms, "key",
        message_decode(topic, message->key, message->key, true, key_format), "value",
        message_decode(topic, message->value, message->key, false, value_format), "headers", describe_headers(message),
        "keySize", (json_int_t)message->key_size, "valueSize", (json_int_t)message->value_size, "cut",
        message->key.size < message->key_size || message->value.size < message->value_size);
}

static json_t *describe_positions(const struct message_query *query, bool ends) {
    struct buffer text = {0};
    for (size_t i = 0; i < query->positions.count; i++)
        buffer_printf(&text, "%s%" PRId32 ":%" PRId64, i > 0 ? "," : "", query->positions.items[i].partition,
            ends ? query->positions.items[i].high : query->positions.items[i].offset);
    json_t *result = json_stringn(buffer_text(&text), text.size);
    buffer_free(&text);
    return result;
}

static void gather_messages(struct page *page) {
    struct messages_state *state = page->state;
    struct message_result result;
    struct error error = {0};
    int64_t total = 0;
    message_read(page->console, &state->query, &result, &error);
    json_t *list = json_array();
    for (size_t i = 0; i < result.messages.count; i++)
        json_array_append_new(list,
            message_describe(state->query.topic, &result.messages.items[i], state->key_format, state->value_format));
    for (size_t i = 0; i < state->query.positions.count; i++)
        total += state->query.positions.items[i].high - state->query.positions.items[i].low;
    json_object_set_new(page->data, "messages", list);
    json_object_set_new(
        page->data, state->query.backwards ? "before" : "from", describe_positions(&state->query, false));
    json_object_set_new(page->data, "ends", describe_positions(&state->query, true));
    json_object_set_new(page->data, "end", json_boolean(result.is_end));
    json_object_set_new(page->data, "scanned", json_integer(result.scanned));
    json_object_set_new(page->data, "total", json_integer(total));
    if (error.code != ERROR_NONE)
        json_object_set_new(page->data, "warning", json_string(error.message));
    message_result_free(&result);
}

static void release(void *argument) {
    struct messages_state *state = argument;
    message_query_free(&state->query);
    free(state);
}

static struct messages_state *begin(struct page *page, struct error *error) {
    struct messages_state *state = calloc(1, sizeof *state);
    ASSERT(state != NULL);
    page->state = state;
    page->release = release;
    state->key_format = message_format_find(http_query(page->request, "keyFormat"));
    state->value_format = message_format_find(http_query(page->request, "valueFormat"));
    if (state->key_format == FORMAT_COUNT || state->value_format == FORMAT_COUNT)
        error_set(error, ERROR_INVALID,
            "There is no such format; there are auto, string, json, hex, base64, int32, "
            "int64, float, double and uuid");
    else
        message_query_parse(page, &state->query, error);
    return state;
}

void kafka_handle_messages(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    struct error error = {0};
    begin(page, &error);
    if (error.code != ERROR_NONE) {
        page_fail(page, &error);
        page_finish(page);
        return;
    }
    page_gather_on_disk_pool(page, gather_messages);
}

static void gather_message(struct page *page) {
    struct messages_state *state = page->state;
    struct message_result result;
    struct error error = {0};
    int64_t wanted = state->query.positions.items[0].offset;
    message_read(page->console, &state->query, &result, &error);
    if (error.code == ERROR_NONE && (result.messages.count == 0 || result.messages.items[0].offset != wanted))
        error_set(&error, ERROR_NOT_FOUND, "There is no message at offset %" PRId64, wanted);
    if (error.code != ERROR_NONE)
        page_fail(page, &error);
    else
        json_object_set_new(page->data, "message",
            message_describe(state->query.topic, &result.messages.items[0], state->key_format, state->value_format));
    message_result_free(&result);
}

/* GET …/topics/{name}/messages/{partition}/{offset}: one, whole up to 4 MiB. */
void kafka_handle_message(struct http_request *request, void *context) {
    struct page *page = page_create(request, context, NULL);
    struct error error = {0};
    int64_t partition, offset;
    struct messages_state *state = begin(page, &error);
    if (error.code == ERROR_NONE && (!bytes_to_int64(http_parameter(request, "partition"), &partition) ||
                                        !bytes_to_int64(http_parameter(request, "offset"), &offset) || partition < 0 ||
                                        partition >= (int64_t)state->query.positions.count || offset < 0))
        error_set(&error, ERROR_NOT_FOUND, "There is no such message");
    if (error.code != ERROR_NONE) {
        page_fail(page, &error);
        page_finish(page);
        return;
    }
    state->query.positions.count = 1;
    state->query.positions.items[0] = (struct message_position){.partition = (int32_t)partition, .offset = offset};
    state->query.backwards = false;
    state->query.count_max = 1;
    state->query.size_max = WHOLE_SIZE_MAX;
    page_gather_on_disk_pool(page, gather_message);
}
