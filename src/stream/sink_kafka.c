/* sink_kafka.c: rows as records of a topic: columns value (needed), key, headers, topic, partition. A partition of the
 * engine gathers a record batch per partition of a topic; they are appended when the rows are all there. At least once:
 * a batch that is run again is appended again. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/map.h"
#include "kafka/client.h"
#include "stream/sink.h"
#include "wire/record_batch.h"

enum { BATCH_SIZE_MAX = 512 << 10 };

/* Records for one partition of a topic. */
struct outgoing {
    char *topic;
    int32_t partition;
    struct buffer bytes;
    struct record_builder builder;
    size_t start; /* of the batch at the end of bytes */
    int32_t count;
    bool open;
    struct outgoing *next;
};

struct row_record {
    struct bytes key, value, headers, topic;
    int32_t header_count, partition; /* -1: by key */
};

struct kafka_sink {
    struct sink base;
    struct arena arena;
    struct stream_kafka *kafka;
    const struct type *schema;
    int key, value, topic, partition, headers; /* columns; -1: absent */
    char *fixed_topic;
    struct world *world;
    struct world_mutex mutex;
    struct outgoing *outgoing;
    struct map counts; /* topic to its number of partitions + 1 */
    uint32_t next_partition;
    /* commit */
    int waiting;
    struct error problem;
    void (*done)(void *argument, const struct error *error);
    void *argument;
};

static int find_column(const struct type *schema, const char *name) {
    return type_field_index(schema, bytes_from_text(name));
}

static bool check_columns(const struct kafka_sink *sink, struct sql_error *error) {
    const struct type_field *fields = sink->schema->fields;
    if (sink->value < 0) {
        return raise_invalid_data_source_option(error, "Required attribute 'value' not found.");
    }
    if (sink->fixed_topic == NULL && sink->topic < 0) {
        return raise_invalid_data_source_option(error,
            "topic option required when no 'topic' attribute is present. Use the topic option for setting a topic.");
    }
    int texts[] = {sink->value, sink->key};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        if (texts[i] >= 0 && fields[texts[i]].type->kind != TYPE_STRING && fields[texts[i]].type->kind != TYPE_BINARY) {
            return raise_invalid_data_source_option(error,
                arena_printf(error->arena, "%s attribute type must be a string or binary", i == 0 ? "value" : "key"));
        }
    }
    if (sink->topic >= 0 && fields[sink->topic].type->kind != TYPE_STRING) {
        return raise_invalid_data_source_option(error, "topic attribute type must be a string");
    }
    if (sink->partition >= 0 && fields[sink->partition].type->kind != TYPE_INTEGER) {
        return raise_invalid_data_source_option(error, "partition attribute type must be an int");
    }
    if (sink->headers >= 0) {
        const struct type *type = fields[sink->headers].type,
                          *element = type->kind == TYPE_ARRAY ? type->element : NULL;
        bool good = element != NULL && element->kind == TYPE_STRUCT && element->field_count == 2 &&
                    element->fields[0].type->kind == TYPE_STRING && element->fields[1].type->kind == TYPE_BINARY;
        return good || raise_invalid_data_source_option(
                           error, "headers attribute type must be an array of struct<key: string, value: binary>");
    }
    return true;
}

static void kafka_destroy(struct sink *base);

static struct sink *kafka_create(
    const struct sink_class *class, const struct sink_request *request, struct sql_error *error) {
    struct kafka_sink *sink = calloc(1, sizeof *sink);
    ASSERT(sink != NULL);
    struct bytes servers = sink_option(request, "kafka.bootstrap.servers"), topic = sink_option(request, "topic");
    struct error problem = {0};
    sink->base.class = class;
    sink->kafka = request->context->kafka;
    sink->world = request->context->world;
    sink->schema = request->schema;
    sink->key = find_column(request->schema, "key");
    sink->value = find_column(request->schema, "value");
    sink->topic = find_column(request->schema, "topic");
    sink->partition = find_column(request->schema, "partition");
    sink->headers = find_column(request->schema, "headers");
    sink->fixed_topic = topic.data == NULL ? NULL : arena_text(&sink->arena, bytes_trim(topic));
    world_mutex_init(&sink->mutex);
    bool good = true;
    if (servers.data == NULL) {
        good = raise_invalid_data_source_option(
            error, "Option 'kafka.bootstrap.servers' must be specified for configuring Kafka producer");
    } else if (sink->kafka == NULL) {
        good = raise_unsupported_feature_not_in_this_program(error,
            "The sink kafka without the broker of this Raudal (it was started with --only)",
            "Start Raudal with the kafka service.");
    } else if (!sink->kafka->class->is_own(sink->kafka, servers, &problem)) {
        good = problem.code == ERROR_CLOSED ? sql_error_from(error, &problem)
                                            : raise_unsupported_feature_not_in_this_program(
                                                  error, problem.message, "Name this Raudal's own broker.");
    }
    if (!good || !check_columns(sink, error)) {
        kafka_destroy(&sink->base);
        return NULL;
    }
    return &sink->base;
}

static void clear(struct kafka_sink *sink) {
    while (sink->outgoing != NULL) {
        struct outgoing *outgoing = sink->outgoing;
        sink->outgoing = outgoing->next;
        buffer_free(&outgoing->bytes);
        free(outgoing->topic);
        free(outgoing);
    }
}

static void kafka_destroy(struct sink *base) {
    struct kafka_sink *sink = (struct kafka_sink *)base;
    clear(sink);
    map_free(&sink->counts);
    world_mutex_destroy(&sink->mutex);
    arena_destroy(&sink->arena);
    free(sink);
}

static bool kafka_begin(struct sink *base, int64_t batch_id, bool *done, struct sql_error *error) {
    clear((struct kafka_sink *)base);
    map_free(&((struct kafka_sink *)base)->counts);
    ((struct kafka_sink *)base)->counts = (struct map){0};
    base->rows = 0;
    return true;
}

static void kafka_abort(struct sink *base) {
    clear((struct kafka_sink *)base);
}

/* Number of partitions; a topic that is not there yet counts as one partition and is made at commit. */
static int32_t partition_count(struct kafka_sink *sink, struct bytes topic) {
    size_t known = (size_t)map_get(&sink->counts, topic);
    if (known == 0) {
        struct stream_kafka_list list = {0};
        struct error missing;
        char *name = strndup((const char *)topic.data, topic.size);
        (void)sink->kafka->class->partitions(sink->kafka, name, &list, &missing);
        known = (list.count > 0 ? list.count : 1) + 1;
        map_set(&sink->counts, topic, (void *)known);
        stream_kafka_list_free(&list);
        free(name);
    }
    return (int32_t)known - 1;
}

static struct outgoing *find_outgoing(struct kafka_sink *sink, struct bytes topic, int32_t partition) {
    for (struct outgoing *outgoing = sink->outgoing; outgoing != NULL; outgoing = outgoing->next) {
        if (outgoing->partition == partition && bytes_equal_text(topic, outgoing->topic)) {
            return outgoing;
        }
    }
    struct outgoing *outgoing = calloc(1, sizeof *outgoing);
    ASSERT(outgoing != NULL);
    *outgoing = (struct outgoing){
        .topic = strndup((const char *)topic.data, topic.size), .partition = partition, .next = sink->outgoing};
    sink->outgoing = outgoing;
    return outgoing;
}

static void end_batch(struct outgoing *outgoing) {
    if (outgoing->open) {
        record_builder_end(&outgoing->builder, -1, -1, -1, -1);
        outgoing->open = false;
    }
}

static void add_record(struct kafka_sink *sink, struct outgoing *outgoing, const struct row_record *record) {
    if (outgoing->open && outgoing->bytes.size - outgoing->start > BATCH_SIZE_MAX) {
        end_batch(outgoing);
    }
    if (!outgoing->open) {
        outgoing->start = outgoing->bytes.size;
        outgoing->count = 0;
        record_builder_begin(&outgoing->builder, &outgoing->bytes, 0, 0);
        outgoing->open = true;
    }
    record_builder_add(&outgoing->builder, outgoing->count++, world_wall_ms(sink->world), record->key, record->value,
        record->headers, record->header_count);
}

static struct bytes text_at(const struct batch *batch, int column, size_t row) {
    if (column < 0 || column_is_null(batch->columns[column], row)) {
        return BYTES_NULL;
    }
    struct string_view view = COLUMN_AT(batch->columns[column], struct string_view, row);
    return bytes_make(view.data, view.size);
}

static void encode_headers(const struct column *column, size_t row, struct buffer *out, int32_t *count) {
    row = column->constant ? 0 : row;
    const struct column *element = column->children[0];
    *count = column_is_null(column, row) ? 0 : column->offsets[row + 1] - column->offsets[row];
    for (int32_t i = 0; i < *count; i++) {
        size_t at = (size_t)(column->offsets[row] + i);
        struct string_view key = COLUMN_AT(element->children[0], struct string_view, at),
                           value = COLUMN_AT(element->children[1], struct string_view, at);
        bool null = column_is_null(element->children[1], at);
        varlong_append(out, key.size);
        buffer_append(out, key.data, key.size);
        varlong_append(out, null ? -1 : (int64_t)value.size);
        buffer_append(out, value.data, null ? 0 : value.size);
    }
}

static bool put_row(
    struct kafka_sink *sink, const struct batch *batch, size_t row, struct buffer *headers, struct error *error) {
    struct row_record record = {
        .key = text_at(batch, sink->key, row), .value = text_at(batch, sink->value, row), .partition = -1};
    record.topic = sink->fixed_topic != NULL ? bytes_from_text(sink->fixed_topic) : text_at(batch, sink->topic, row);
    if (record.topic.size == 0) {
        return error_set(
            error, ERROR_INVALID, "null topic present in the data. Use the topic option for setting a topic.");
    }
    buffer_clear(headers);
    if (sink->headers >= 0) {
        encode_headers(batch->columns[sink->headers], row, headers, &record.header_count);
        record.headers = buffer_view(headers);
    }
    int32_t count = partition_count(sink, record.topic);
    if (sink->partition >= 0 && !column_is_null(batch->columns[sink->partition], row)) {
        record.partition = COLUMN_AT(batch->columns[sink->partition], int32_t, row);
    }
    if (record.partition < 0) { /* without a key in turn, a stretch of rows each */
        record.partition = record.key.data != NULL ? kafka_partition_for_key(record.key, count)
                                                   : (int32_t)(sink->next_partition++ / 1024 % (uint32_t)count);
    }
    add_record(sink, find_outgoing(sink, record.topic, record.partition), &record);
    return true;
}

static bool kafka_write(struct sink *base, struct batch *batch, size_t partition, struct error *error) {
    struct kafka_sink *sink = (struct kafka_sink *)base;
    struct buffer headers = {0};
    bool good = true;
    world_mutex_lock(&sink->mutex);
    base->rows += (int64_t)batch->row_count;
    for (size_t row = 0; row < batch->row_count && good; row++) {
        good = put_row(sink, batch, row, &headers, error);
    }
    world_mutex_unlock(&sink->mutex);
    buffer_free(&headers);
    return good;
}

/* ---- commit: topics first, then the records; whoever ends last calls done ---- */

static void one_done(struct kafka_sink *sink, const struct error *error) {
    world_mutex_lock(&sink->mutex);
    if (error != NULL && error->code != ERROR_NONE && sink->problem.code == ERROR_NONE) {
        sink->problem = *error;
    }
    bool last = --sink->waiting == 0;
    world_mutex_unlock(&sink->mutex);
    if (last) {
        struct error problem = sink->problem;
        sink->done(sink->argument, problem.code == ERROR_NONE ? NULL : &problem);
    }
}

static void appended(void *argument, const struct error *error) {
    one_done(argument, error);
}

struct ensured {
    struct kafka_sink *sink;
    struct outgoing *outgoing;
};

static void topic_ready(void *argument, int32_t count, const struct error *error) {
    struct ensured *ensured = argument;
    struct kafka_sink *sink = ensured->sink;
    struct outgoing *outgoing = ensured->outgoing;
    free(ensured);
    if (count < 0) {
        one_done(sink, error);
        return;
    }
    sink->kafka->class->append(
        sink->kafka, outgoing->topic, outgoing->partition, outgoing->bytes.data, outgoing->bytes.size, appended, sink);
}

static void kafka_commit(
    struct sink *base, int64_t batch_id, void (*done)(void *argument, const struct error *error), void *argument) {
    struct kafka_sink *sink = (struct kafka_sink *)base;
    sink->done = done;
    sink->argument = argument;
    sink->problem = (struct error){0};
    sink->waiting = 1;
    VECTOR(struct ensured *) calls = {0};
    for (struct outgoing *outgoing = sink->outgoing; outgoing != NULL; outgoing = outgoing->next) {
        end_batch(outgoing);
        struct ensured *call = malloc(sizeof *call);
        ASSERT(call != NULL);
        *call = (struct ensured){sink, outgoing};
        VECTOR_PUSH(&calls, call);
        sink->waiting++;
    }
    for (size_t i = 0; i < calls.count; i++) {
        sink->kafka->class->ensure_topic(sink->kafka, calls.items[i]->outgoing->topic, topic_ready, calls.items[i]);
    }
    VECTOR_FREE(&calls);
    one_done(sink, NULL);
}

static void kafka_describe(struct sink *sink, struct buffer *out) {
    buffer_printf(out, "org.apache.spark.sql.kafka010.KafkaSourceProvider$KafkaTable@%08x",
        (unsigned)((uintptr_t)sink >> 4 & 0x7fffffff));
}

const struct sink_class kafka_sink_class = {.name = "kafka",
    .class_name = "org.apache.spark.sql.kafka010.KafkaSourceProvider$KafkaTable",
    .needs_location = true,
    .recovers = true,
    .append = true,
    .complete = true,
    .update = true,
    .create = kafka_create,
    .destroy = kafka_destroy,
    .begin = kafka_begin,
    .write = kafka_write,
    .commit = kafka_commit,
    .abort = kafka_abort,
    .describe = kafka_describe,
    .counts_rows = true};
