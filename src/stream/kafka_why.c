#include "stream/kafka_why.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "column/column.h"
#include "stream/kafka_read.h"
#include "wire/record_batch.h"

/* ---- reasons ---- */

static void add(struct stream_reasons *reasons, enum stream_reason_kind kind, const char *subject, const char *other,
    int64_t count) {
    if (reasons->count < ARRAY_COUNT(reasons->items))
        reasons->items[reasons->count++] = (struct stream_reason){
            kind, arena_strdup(reasons->arena, subject), arena_strdup(reasons->arena, other), "", count};
}

/* Messages of a topic: all there are, those before and behind the query's place. */
struct standing {
    const char *topic;
    bool ever_written;
    int64_t before, behind;
};

static void stand(struct stream_kafka *kafka, const struct kafka_offset *at, struct standing *standing) {
    int64_t earliest, latest;
    struct error ignored;
    if (!kafka->class->offsets(kafka, at->topic, at->partition, &earliest, &latest, &ignored))
        return;
    int64_t start = at->offset < earliest ? earliest : at->offset > latest ? latest : at->offset;
    standing->ever_written |= latest > 0;
    standing->before += start - earliest;
    standing->behind += latest - start;
}

static bool any_topic(void *argument, const char *topic) {
    return true;
}

/* The topic that may have been meant: near enough by name and, when asked, with messages; "" without. */
static const char *nearest(struct stream_kafka *kafka, const char *topic, bool with_messages, struct arena *arena) {
    struct stream_kafka_list list = {0};
    struct error ignored;
    struct bytes wanted = bytes_from_text(topic);
    size_t best = wanted.size / 3 + 2;
    const char *found = "";
    if (!kafka->class->each_topic(kafka, any_topic, NULL, &list, &ignored))
        return found;
    for (size_t i = 0; i < list.count; i++) {
        const char *name = list.items[i].topic;
        struct standing standing = {0};
        if (strcmp(name, topic) == 0 || bytes_edit_distance(wanted, bytes_from_text(name)) >= best)
            continue;
        stand(kafka, &(struct kafka_offset){list.items[i].topic, list.items[i].partition, 0}, &standing);
        if (with_messages && !standing.ever_written)
            continue;
        best = bytes_edit_distance(wanted, bytes_from_text(name));
        found = arena_strdup(arena, name);
    }
    stream_kafka_list_free(&list);
    return found;
}

static bool is_missing(struct stream_kafka *kafka, const char *topic) {
    struct stream_kafka_list list = {0};
    struct error error = {0};
    bool missing = !kafka->class->partitions(kafka, topic, &list, &error) && error.code == ERROR_NOT_FOUND;
    stream_kafka_list_free(&list);
    return missing;
}

static void add_standing(struct stream_kafka *kafka, const struct kafka_options *options, const char *read_before,
    bool read_now, const struct standing *standing, struct stream_reasons *reasons) {
    const char *topic = standing->topic;
    if (standing->behind > 0)
        add(reasons, STREAM_REASON_BEHIND, topic, "", standing->behind);
    else if (!standing->ever_written)
        add(reasons, STREAM_REASON_TOPIC_EMPTY, topic, nearest(kafka, topic, true, reasons->arena), 0);
    else if (read_now || standing->before == 0)
        add(reasons, STREAM_REASON_ALL_READ, topic, "", 0);
    else if (read_before != NULL)
        add(reasons, STREAM_REASON_GOES_ON, topic, read_before, standing->before);
    else if (options->start.limit == KAFKA_LIMIT_LATEST)
        add(reasons, STREAM_REASON_STARTED_AT_LATEST, topic, "", standing->before);
    else
        add(reasons, STREAM_REASON_ALL_READ, topic, "", 0);
}

void kafka_reasons(struct stream_kafka *kafka, const struct kafka_options *options, struct bytes start,
    const char *read_before, bool read_now, int64_t wait_ms, struct stream_reasons *reasons) {
    struct kafka_offsets offsets = {0};
    struct error error = {0};
    if (!kafka->class->is_own(kafka, BYTES("kafka:9092"), &error) && error.code == ERROR_CLOSED) {
        add(reasons, STREAM_REASON_BROKER_STOPPED, "", "", 0);
        return;
    }
    for (size_t i = 0; options->strategy == KAFKA_SUBSCRIBE && i < options->topic_count; i++)
        if (is_missing(kafka, options->topics[i]))
            add(reasons, STREAM_REASON_TOPIC_MISSING, options->topics[i],
                nearest(kafka, options->topics[i], false, reasons->arena), 0);
    bool parsed = kafka_offsets_parse(start, &offsets, &error);
    if (parsed && offsets.count == 0 && options->strategy == KAFKA_SUBSCRIBE_PATTERN)
        add(reasons, STREAM_REASON_TOPIC_MISSING, arena_text(reasons->arena, options->pattern), "", 0);
    int64_t behind = 0;
    for (size_t i = 0; parsed && i < offsets.count;) { /* sorted by topic */
        struct standing standing = {.topic = offsets.items[i].topic};
        for (; i < offsets.count && strcmp(offsets.items[i].topic, standing.topic) == 0; i++)
            stand(kafka, &offsets.items[i], &standing);
        if (!is_missing(kafka, standing.topic))
            add_standing(kafka, options, read_before, read_now, &standing, reasons);
        behind += standing.behind;
    }
    if (wait_ms > 0 && behind > 0)
        add(reasons, STREAM_REASON_MINIMUM,
            arena_printf(reasons->arena, "%lld", (long long)options->offsets_per_trigger_min),
            arena_printf(reasons->arena, "%lld", (long long)((wait_ms + 999) / 1000)), behind);
    kafka_offsets_free(&offsets);
}

/* ---- lag ---- */

static int64_t time_of(struct stream_kafka *kafka, const struct kafka_offset *at) {
    struct stream_kafka_chunk chunk = {0};
    struct record_batch batch;
    struct error ignored = {0};
    int64_t time_ms = INT64_MAX;
    if (kafka->class->read(kafka, at->topic, at->partition, at->offset, RECORD_BATCH_HEADER_SIZE, false, &chunk,
            &ignored) != STREAM_KAFKA_OK)
        return time_ms;
    if (chunk.batches.size >= RECORD_BATCH_HEADER_SIZE && record_batch_parse_header(chunk.batches.data, &batch))
        time_ms = batch.base_timestamp;
    kafka->class->release(chunk.owner);
    return time_ms;
}

void kafka_add_lag(struct stream_kafka *kafka, struct bytes position, struct stream_lag *lag) {
    struct kafka_offsets offsets = {0};
    struct error ignored = {0};
    bool parsed = kafka_offsets_parse(position, &offsets, &ignored);
    for (size_t i = 0; i < offsets.count && parsed; i++) {
        struct kafka_offset at = offsets.items[i];
        int64_t earliest, latest;
        if (!kafka->class->offsets(kafka, at.topic, at.partition, &earliest, &latest, &ignored))
            continue;
        at.offset = at.offset < earliest ? earliest : at.offset;
        if (at.offset >= latest)
            continue;
        int64_t time_ms = time_of(kafka, &at);
        lag->messages += latest - at.offset;
        lag->oldest_ms = time_ms < lag->oldest_ms ? time_ms : lag->oldest_ms;
    }
    kafka_offsets_free(&offsets);
}

/* ---- finding a record ---- */

/* Looks at the values of one partition's range. */
static int64_t find_in_partition(
    struct stream_kafka *kafka, const struct kafka_offset *end, int64_t start, struct bytes text) {
    static const size_t columns[] = {KAFKA_VALUE, KAFKA_OFFSET};
    struct arena arena = {0};
    struct sql_error error = {.arena = &arena};
    struct type_field *fields = ARENA_ARRAY(&arena, struct type_field, 2);
    fields[0] = kafka_row_type(false)->fields[KAFKA_VALUE];
    fields[1] = kafka_row_type(false)->fields[KAFKA_OFFSET];
    struct kafka_reader_options options = {.kafka = kafka,
        .topic = end->topic,
        .partition = end->partition,
        .start = start,
        .end = end->offset,
        .columns = columns,
        .column_count = ARRAY_COUNT(columns),
        .schema = type_struct(&arena, fields, 2)};
    struct kafka_reader *reader = kafka_reader_create(&options);
    struct batch *batch;
    int64_t bytes, found = -1;
    while (found < 0 && kafka_reader_next(reader, &batch, &bytes, &error) == SOURCE_BATCH) {
        const int64_t *offsets = batch->columns[1]->values;
        const struct string_view *values = batch->columns[0]->values;
        for (size_t i = 0; i < batch->row_count && found < 0; i++)
            if (!column_is_null(batch->columns[0], i) && values[i].size >= text.size &&
                memcmp(values[i].data, text.data, text.size) == 0)
                found = offsets[i];
        batch_release(batch);
    }
    kafka_reader_destroy(reader);
    arena_destroy(&arena);
    return found;
}

void kafka_find_record(
    struct stream_kafka *kafka, struct bytes start, struct bytes end, struct bytes text, char *place, size_t size) {
    struct kafka_offsets from = {0}, to = {0};
    struct error ignored;
    place[0] = 0;
    if (kafka_offsets_parse(start, &from, &ignored) && kafka_offsets_parse(end, &to, &ignored))
        for (size_t i = 0; i < to.count && place[0] == 0; i++) {
            int64_t first = kafka_offsets_get(&from, to.items[i].topic, to.items[i].partition);
            int64_t found = find_in_partition(kafka, &to.items[i], first < 0 ? 0 : first, text);
            if (found >= 0)
                snprintf(
                    place, size, "%s-%d offset %lld", to.items[i].topic, (int)to.items[i].partition, (long long)found);
        }
    kafka_offsets_free(&from);
    kafka_offsets_free(&to);
}
