/* kafka_ranges.c: see kafka_ranges.h.
 *
 * A checkpoint names offsets, and offsets mean nothing in a topic that was deleted and made again. The ids of the
 * topics are noted beside the initial offsets, in sources/<i>/topics: {"topic":"id"}. Spark reads only files there
 * whose names are numbers. */
#include "stream/kafka_ranges.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "base/assert.h"

enum { TOPICS_SIZE_MAX = 16 << 20, PARTITIONS_MAX = 100000 };

/* ---- sharing out ---- */

/* How many of `wanted` parts a range gets by its share of all offsets, at least one. */
static int64_t part_count(int64_t size, int64_t total, int64_t wanted) {
    double parts = floor((double)size / (double)total * (double)wanted + 0.5);
    return parts < 1 ? 1 : (int64_t)parts;
}

/* The range in `parts` parts, the last ones one longer when it does not divide. */
static void divide(const struct kafka_range *range, int64_t parts, struct kafka_range *out, size_t *count) {
    int64_t left = range->end - range->start, start = range->start;
    for (int64_t part = 0; part < parts; part++) {
        int64_t size = left / (parts - part);
        left -= size;
        out[*count] = *range;
        out[*count].start = start;
        out[*count].end = start + size;
        *count += size > 0;
        start += size;
    }
}

static void set_parts(struct kafka_ranges *ranges, const int64_t *parts, struct arena *arena) {
    int64_t total = 0;
    size_t count = 0;
    for (size_t i = 0; i < ranges->count; i++) {
        total += parts[i];
    }
    struct kafka_range *out = ARENA_ARRAY(arena, struct kafka_range, (size_t)total + 1);
    for (size_t i = 0; i < ranges->count; i++) {
        divide(&ranges->items[i], parts[i], out, &count);
    }
    *ranges = (struct kafka_ranges){out, count};
}

static int64_t size_of(const struct kafka_range *range) {
    return range->end - range->start;
}

void kafka_ranges_split(struct kafka_ranges *ranges, int64_t partitions_min, int64_t records_max, struct arena *arena) {
    int64_t total = 0, small = 0, small_count = 0;
    for (size_t i = 0; i < ranges->count; i++) {
        total += size_of(&ranges->items[i]);
    }
    partitions_min = partitions_min < PARTITIONS_MAX ? partitions_min : PARTITIONS_MAX;
    if (records_max > 0) {
        int64_t *parts = ARENA_ARRAY(arena, int64_t, ranges->count + 1);
        records_max = records_max < total / PARTITIONS_MAX + 1 ? total / PARTITIONS_MAX + 1 : records_max;
        for (size_t i = 0; i < ranges->count; i++) {
            parts[i] = (size_of(&ranges->items[i]) + records_max - 1) / records_max;
        }
        set_parts(ranges, parts, arena);
    }
    if ((int64_t)ranges->count >= partitions_min || total == 0) {
        return;
    }
    /* Ranges whose share is one part stay whole; the rest share out what is left among themselves. */
    for (size_t i = 0; i < ranges->count; i++) {
        bool whole = part_count(size_of(&ranges->items[i]), total, partitions_min) == 1;
        small += whole ? size_of(&ranges->items[i]) : 0;
        small_count += whole;
    }
    int64_t *parts = ARENA_ARRAY(arena, int64_t, ranges->count + 1);
    int64_t wanted = partitions_min - small_count > 1 ? partitions_min - small_count : 1;
    for (size_t i = 0; i < ranges->count; i++) {
        bool whole = part_count(size_of(&ranges->items[i]), total, partitions_min) == 1;
        parts[i] = whole ? 1 : part_count(size_of(&ranges->items[i]), total - small, wanted);
    }
    set_parts(ranges, parts, arena);
}

/* ---- the topics' ids ---- */

void kafka_topics_free(struct kafka_topics *topics) {
    for (size_t i = 0; i < topics->count; i++) {
        free(topics->items[i].topic);
    }
    VECTOR_FREE(topics);
}

void kafka_topics_read(struct kafka_topics *topics, struct store *store, const char *path) {
    struct buffer text = {0};
    struct error ignored = {0};
    struct uuid id;
    const char *topic;
    json_t *value, *root = NULL;
    if (store_exists(store, path) && store_read_file(store, path, TOPICS_SIZE_MAX, &text, &ignored)) {
        root = json_loadb((const char *)text.data, text.size, 0, NULL);
    }
    json_object_foreach(root, topic, value) {
        if (json_is_string(value) && uuid_parse_base64(bytes_from_text(json_string_value(value)), &id)) {
            VECTOR_PUSH(topics, ((struct kafka_topic_seen){strdup(topic), id}));
        }
    }
    json_decref(root);
    buffer_free(&text);
}

/* A note that cannot be written is no reason to stop: it is tried again with the next new topic. */
static void write_topics(const struct kafka_topics *topics, struct store *store, const char *path) {
    struct buffer text = {0};
    struct error ignored = {0};
    for (size_t i = 0; i < topics->count; i++) {
        char id[UUID_BASE64_SIZE];
        uuid_format_base64(topics->items[i].id, id);
        buffer_append_byte(&text, i == 0 ? '{' : ',');
        buffer_append_json_string(&text, bytes_from_text(topics->items[i].topic));
        buffer_printf(&text, ":\"%s\"", id);
    }
    buffer_append_byte(&text, '}');
    (void)store_write_file(store, path, buffer_view(&text), STORE_WRITE_REPLACE, &ignored);
    buffer_free(&text);
}

bool kafka_topics_check(struct kafka_topics *topics, struct stream_kafka *kafka, const struct kafka_offsets *offsets,
    struct store *store, const char *path, const char **again) {
    size_t known = topics->count;
    for (size_t i = 0; i < offsets->count; i++) {
        const char *topic = offsets->items[i].topic;
        struct uuid id;
        if ((i > 0 && strcmp(topic, offsets->items[i - 1].topic) == 0) || !kafka->class->topic_id(kafka, topic, &id)) {
            continue;
        }
        struct kafka_topic_seen *seen = NULL;
        for (size_t j = 0; j < topics->count && seen == NULL; j++) {
            seen = strcmp(topics->items[j].topic, topic) == 0 ? &topics->items[j] : NULL;
        }
        if (seen == NULL) {
            VECTOR_PUSH(topics, ((struct kafka_topic_seen){strdup(topic), id}));
        } else if (!uuid_equal(seen->id, id)) {
            *again = seen->topic;
            return false;
        }
    }
    if (topics->count > known) {
        write_topics(topics, store, path);
    }
    return true;
}
