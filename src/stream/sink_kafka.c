/* sink_kafka.c: rows as records of a topic: columns value (needed), key, headers, topic, partition. A partition of the
 * engine gathers a record batch per partition of a topic; they are appended when the rows are all there.
 *
 * A streaming query writes exactly once: records, the query's offsets and the batch's number are one transaction, whose
 * decision is the only commit point (stream/kafka_source.h). A batch that is in force is skipped when the query goes on
 * before it. raudal.stream.kafka.exactlyOnce=false and batch writes append at least once, as Spark does. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/map.h"
#include "kafka/client.h"
#include "stream/kafka_options.h"
#include "stream/sink.h"
#include "wire/record_batch.h"

enum { BATCH_SIZE_MAX = 512 << 10, PIECE_SIZE_MAX = 4 << 20, SENDING_MAX = 32 << 20 };

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
    /* exactly once */
    bool exactly_once;
    char *name; /* of the writer */
    struct stream_kafka_writer *writer;
    int64_t latest;
    struct kafka_offsets positions;
    /* opening and committing */
    int64_t batch_id;
    enum { PHASE_TOPICS, PHASE_RECORDS } phase;
    int waiting;                    /* calls, and who makes them */
    const struct outgoing *sending; /* the next to be sent */
    size_t sent, sending_size;      /* of it; of what is on its way */
    bool is_sending;
    struct error problem;
    void (*done)(void *argument, const struct error *error);
    void *argument;
};

static int find_column(const struct type *schema, const char *name) {
    return type_field_index(schema, bytes_from_text(name));
}

static bool refuse_type(const struct type_field *field, const char *wanted, struct sql_error *error) {
    struct buffer text = {0};
    type_format_simple(field->type, &text);
    char *message = arena_printf(error->arena, "%.*s attribute unsupported type %s. %.*s must be a(n) %s",
        BYTES_ARGS(field->name), buffer_text(&text), BYTES_ARGS(field->name), wanted);
    buffer_free(&text);
    return raise__legacy_error_temp_3102(error, message);
}

static bool check_columns(const struct kafka_sink *sink, struct sql_error *error) {
    const struct type_field *fields = sink->schema->fields;
    if (sink->fixed_topic == NULL && sink->topic < 0) {
        return raise__legacy_error_temp_3102(error,
            "topic option required when no 'topic' attribute is present. Use the topic option for setting a topic.");
    }
    if (sink->value < 0) {
        return raise__legacy_error_temp_3102(error, "Required attribute 'value' not found");
    }
    if (sink->topic >= 0 && fields[sink->topic].type->kind != TYPE_STRING) {
        return refuse_type(&fields[sink->topic], "string", error);
    }
    int texts[] = {sink->key, sink->value};
    for (size_t i = 0; i < ARRAY_COUNT(texts); i++) {
        if (texts[i] >= 0 && fields[texts[i]].type->kind != TYPE_STRING && fields[texts[i]].type->kind != TYPE_BINARY) {
            return refuse_type(&fields[texts[i]], "string or binary", error);
        }
    }
    if (sink->headers >= 0) {
        const struct type *type = fields[sink->headers].type,
                          *element = type->kind == TYPE_ARRAY ? type->element : NULL;
        bool good = element != NULL && element->kind == TYPE_STRUCT && element->field_count == 2 &&
                    element->fields[0].type->kind == TYPE_STRING && element->fields[1].type->kind == TYPE_BINARY;
        if (!good) {
            return refuse_type(&fields[sink->headers], "array<struct<key:string,value:binary>>", error);
        }
    }
    return sink->partition < 0 || fields[sink->partition].type->kind == TYPE_INTEGER ||
           refuse_type(&fields[sink->partition], "int", error);
}

static bool check_options(const struct sink_request *request, struct sql_error *error) {
    static const char *const refused[][2] = {
        {"kafka.key.serializer", "Kafka option 'key.serializer' is not supported as keys are serialized with "
                                 "ByteArraySerializer."},
        {"kafka.value.serializer", "Kafka option 'value.serializer' is not supported as value are serialized with "
                                   "ByteArraySerializer."}};
    for (size_t i = 0; i < ARRAY_COUNT(refused); i++) {
        if (sink_option(request, refused[i][0]).data != NULL) {
            return raise__legacy_error_illegal_argument(error, refused[i][1]);
        }
    }
    return true;
}

static void kafka_destroy(struct sink *base);

static struct sink *kafka_create(
    const struct sink_class *class, const struct sink_request *request, struct sql_error *error) {
    struct kafka_sink *sink = calloc(1, sizeof *sink);
    ASSERT(sink != NULL);
    struct bytes servers = sink_option(request, "kafka.bootstrap.servers"), topic = sink_option(request, "topic");
    char id[UUID_TEXT_SIZE];
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
    uuid_format(request->query_id, id);
    sink->name = arena_printf(&sink->arena, "raudal-%s", id);
    sink->exactly_once = request->streaming && request->exactly_once;
    sink->latest = INT64_MAX;
    world_mutex_init(&sink->mutex);
    bool good = true;
    if (servers.data == NULL) {
        good = raise__legacy_error_illegal_argument(
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
    if (!good || !check_options(request, error) || !check_columns(sink, error)) {
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
    if (sink->writer != NULL) {
        sink->kafka->class->writer_close(sink->writer);
    }
    kafka_offsets_free(&sink->positions);
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

/* ---- opening ---- */

static void writer_opened(
    void *argument, struct stream_kafka_writer *writer, int64_t latest_batch_id, const struct error *error) {
    struct kafka_sink *sink = argument;
    sink->writer = writer;
    sink->latest = latest_batch_id;
    sink->done(sink->argument, error);
}

static void kafka_open(struct sink *base, void (*done)(void *argument, const struct error *error), void *argument) {
    struct kafka_sink *sink = (struct kafka_sink *)base;
    if (sink->exactly_once) {
        sink->done = done;
        sink->argument = argument;
        sink->kafka->class->writer_open(sink->kafka, sink->name, writer_opened, sink);
    } else {
        done(argument, NULL);
    }
}

static bool kafka_latest(struct sink *base, int64_t *batch_id, struct sql_error *error) {
    *batch_id = ((struct kafka_sink *)base)->latest;
    return true;
}

static void kafka_stand(struct sink *base, struct bytes offsets) {
    struct error ignored;
    (void)kafka_offsets_parse(offsets, &((struct kafka_sink *)base)->positions, &ignored);
}

/* ---- commit: topics first, then the records, a few MiB of them at a time, then the decision; whoever ends last in a
 * step begins the next ---- */

static void leave(struct kafka_sink *sink);

static void finish(struct kafka_sink *sink) {
    struct error problem = sink->problem;
    sink->done(sink->argument, problem.code == ERROR_NONE ? NULL : &problem);
}

static void note_problem(struct kafka_sink *sink, const struct error *error) {
    world_mutex_lock(&sink->mutex);
    if (error != NULL && error->code != ERROR_NONE && sink->problem.code == ERROR_NONE) {
        sink->problem = *error;
    }
    world_mutex_unlock(&sink->mutex);
}

struct piece {
    struct kafka_sink *sink;
    const struct outgoing *outgoing;
    struct bytes batches;
};

/* The next whole record batches of one partition; false when there are none, or enough is on its way. */
static bool take_piece(struct kafka_sink *sink, struct piece *piece) {
    size_t size = 0;
    while (sink->sending != NULL && sink->sent == sink->sending->bytes.size) {
        sink->sending = sink->sending->next;
        sink->sent = 0;
    }
    if (sink->sending == NULL || sink->problem.code != ERROR_NONE || sink->sending_size >= SENDING_MAX) {
        return false;
    }
    const struct buffer *bytes = &sink->sending->bytes;
    do {
        size += 12 + (size_t)load_be32(bytes->data + sink->sent + size + 8); /* offset and length, then so many */
    } while (sink->sent + size < bytes->size && size < PIECE_SIZE_MAX);
    *piece = (struct piece){sink, sink->sending, bytes_make(bytes->data + sink->sent, size)};
    sink->sent += size;
    sink->sending_size += size;
    sink->waiting++;
    return true;
}

static void send_pieces(struct kafka_sink *sink);

static void appended(void *argument, const struct error *error) {
    struct piece *piece = argument;
    struct kafka_sink *sink = piece->sink;
    note_problem(sink, error);
    world_mutex_lock(&sink->mutex);
    sink->sending_size -= piece->batches.size;
    world_mutex_unlock(&sink->mutex);
    free(piece);
    send_pieces(sink);
    leave(sink);
}

static void send_piece(struct kafka_sink *sink, const struct piece *piece) {
    const struct stream_kafka_class *class = sink->kafka->class;
    const struct outgoing *outgoing = piece->outgoing;
    struct piece *call = malloc(sizeof *call);
    ASSERT(call != NULL);
    *call = *piece;
    if (sink->exactly_once) {
        class->writer_append(sink->writer, outgoing->topic, outgoing->partition, piece->batches.data,
            piece->batches.size, appended, call);
    } else {
        class->append(sink->kafka, outgoing->topic, outgoing->partition, piece->batches.data, piece->batches.size,
            appended, call);
    }
}

/* One thread at a time: the pieces of a partition keep their order. */
static void send_pieces(struct kafka_sink *sink) {
    struct piece piece;
    world_mutex_lock(&sink->mutex);
    bool mine = !sink->is_sending;
    sink->waiting += mine;
    while (mine && (sink->is_sending = take_piece(sink, &piece))) {
        world_mutex_unlock(&sink->mutex);
        send_piece(sink, &piece);
        world_mutex_lock(&sink->mutex);
    }
    world_mutex_unlock(&sink->mutex);
    if (mine) {
        leave(sink);
    }
}

static void committed(void *argument, const struct error *error) {
    struct kafka_sink *sink = argument;
    note_problem(sink, error);
    sink->latest = error == NULL ? sink->batch_id : sink->latest;
    finish(sink);
}

static void decide(struct kafka_sink *sink) {
    VECTOR(struct stream_kafka_position) positions = {0};
    for (size_t i = 0; i < sink->positions.count; i++) {
        const struct kafka_offset *offset = &sink->positions.items[i];
        VECTOR_PUSH(&positions, ((struct stream_kafka_position){offset->topic, offset->partition, offset->offset}));
    }
    sink->kafka->class->writer_commit(sink->writer, sink->batch_id, positions.items, positions.count, committed, sink);
    VECTOR_FREE(&positions);
}

static void leave(struct kafka_sink *sink) {
    world_mutex_lock(&sink->mutex);
    bool last = --sink->waiting == 0;
    world_mutex_unlock(&sink->mutex);
    if (!last) {
        return;
    }
    if (sink->problem.code != ERROR_NONE || (sink->phase == PHASE_RECORDS && !sink->exactly_once)) {
        finish(sink);
    } else if (sink->phase == PHASE_RECORDS) {
        decide(sink);
    } else {
        sink->phase = PHASE_RECORDS;
        send_pieces(sink);
    }
}

static void topic_ready(void *argument, int32_t count, const struct error *error) {
    struct kafka_sink *sink = argument;
    if (count < 0) {
        note_problem(sink, error);
    }
    leave(sink);
}

static void kafka_commit(
    struct sink *base, int64_t batch_id, void (*done)(void *argument, const struct error *error), void *argument) {
    struct kafka_sink *sink = (struct kafka_sink *)base;
    VECTOR(const char *) topics = {0};
    sink->done = done;
    sink->argument = argument;
    sink->batch_id = batch_id;
    sink->problem = (struct error){0};
    sink->phase = PHASE_TOPICS;
    sink->sending = sink->outgoing;
    sink->sent = sink->sending_size = 0;
    for (struct outgoing *outgoing = sink->outgoing; outgoing != NULL; outgoing = outgoing->next) {
        end_batch(outgoing);
        VECTOR_PUSH(&topics, outgoing->topic);
    }
    sink->waiting = 1 + (int)topics.count;
    for (size_t i = 0; i < topics.count; i++) {
        sink->kafka->class->ensure_topic(sink->kafka, topics.items[i], topic_ready, sink);
    }
    VECTOR_FREE(&topics);
    leave(sink);
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
    .open = kafka_open,
    .latest = kafka_latest,
    .begin = kafka_begin,
    .write = kafka_write,
    .stand = kafka_stand,
    .commit = kafka_commit,
    .abort = kafka_abort,
    .describe = kafka_describe,
    .counts_rows = true,
    .is_quick = true};
