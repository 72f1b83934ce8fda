/* lag.c: how far behind a query is: shown to Kafka's own tools as a consumer group, to pages and /metrics in messages
 * and seconds; and how long rows took from the append to the sink. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "stream/internal.h"

enum { SHOW_EVERY_MS = 500 };

/* ---- latency ---- */

const double stream_latency_bounds[STREAM_LATENCY_BUCKETS] = {
    0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 15, 60};

void lag_note_append(struct stream_query *query) {
    if (__atomic_load_n(&query->appended_ns, __ATOMIC_RELAXED) == 0) {
        int64_t none = 0, now = world_monotonic_ns(query->manager->options.world);
        (void)__atomic_compare_exchange_n(&query->appended_ns, &none, now, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
    }
}

void lag_begin_batch(struct stream_query *query) {
    query->batch_appended_ns = __atomic_exchange_n(&query->appended_ns, 0, __ATOMIC_ACQ_REL);
}

void lag_end_batch(struct stream_query *query) {
    int64_t rows = 0, now = world_monotonic_ns(query->manager->options.world);
    for (size_t i = 0; i < query->source_count; i++) {
        rows += query->sources[i].rows;
    }
    if (query->batch_appended_ns == 0 || rows == 0) {
        return;
    }
    struct stream_latency *latency = &query->latency;
    double seconds = (double)(now - query->batch_appended_ns) / 1e9;
    size_t bucket = 0;
    while (bucket < STREAM_LATENCY_BUCKETS && seconds > stream_latency_bounds[bucket]) {
        bucket++;
    }
    latency->counts[bucket]++;
    latency->count++;
    latency->sum_seconds += seconds;
}

/* ---- showing the query's place ---- */

static void show(struct stream_query *query, bool gone) {
    char id[UUID_TEXT_SIZE], name[256];
    uuid_format(query->id, id);
    snprintf(name, sizeof name, "%.*s", query->start.name.size > 0 ? (int)query->start.name.size : UUID_TEXT_SIZE - 1,
        query->start.name.size > 0 ? (const char *)query->start.name.data : id);
    for (size_t i = 0; i < query->source_count; i++) {
        struct query_source *source = &query->sources[i];
        if (source->reading != NULL && source->reading->class->show != NULL) {
            source->reading->class->show(source->reading, name, gone ? BYTES_NULL : buffer_view(&source->start));
        }
    }
    query->lag_waits = false;
    query->lag_shown_ms = world_wall_ms(query->manager->options.world);
}

static void show_fired(void *argument) {
    struct stream_query *query = argument;
    if (query->lag_waits && query->state != QUERY_ENDED) {
        show(query, false);
    }
}

/* At once, but not more often than twice a second. */
void lag_show(struct stream_query *query) {
    int64_t since = world_wall_ms(query->manager->options.world) - query->lag_shown_ms;
    if (since < 0 || since >= SHOW_EVERY_MS) {
        show(query, false);
        return;
    }
    if (query->lag_timer == NULL) {
        query->lag_timer = world_timer_create(query->manager->options.loop, show_fired, query);
    }
    if (!query->lag_waits) {
        query->lag_waits = true;
        world_timer_start(query->lag_timer, SHOW_EVERY_MS - since, 0);
    }
}

/* Without a checkpoint to go on from, and without a name, nobody can come back to this place. */
void lag_end(struct stream_query *query) {
    bool gone = query->checkpoint.temporary && query->start.name.size == 0;
    if (query->lag_shown_ms > 0 && (gone || query->lag_waits)) {
        show(query, gone);
    }
}

/* ---- telling ---- */

bool stream_query_lag(struct stream_query *query, int64_t *messages, double *seconds) {
    struct stream_lag lag = {.oldest_ms = INT64_MAX};
    bool any = false;
    for (size_t i = 0; i < query->source_count && query->state > QUERY_STARTING && query->state < QUERY_ENDED; i++) {
        struct query_source *source = &query->sources[i];
        if (source->reading->class->lag != NULL) {
            source->reading->class->lag(source->reading, buffer_view(&source->start), &lag);
            any = true;
        }
    }
    int64_t waits_ms = world_wall_ms(query->manager->options.world) - lag.oldest_ms;
    *messages = lag.messages;
    *seconds = lag.oldest_ms == INT64_MAX || waits_ms < 0 ? 0 : (double)waits_ms / 1000;
    return any;
}

static void put_labels(const struct stream_query *query, struct buffer *out) {
    char id[UUID_TEXT_SIZE];
    uuid_format(query->id, id);
    buffer_printf(out, "id=\"%s\",name=", id);
    buffer_append_json_string(out, query->start.name.size > 0 ? query->start.name : BYTES(""));
}

static void put_lag(struct stream_query *query, bool as_seconds, struct buffer *out) {
    int64_t messages;
    double seconds;
    if (!stream_query_lag(query, &messages, &seconds)) {
        return;
    }
    buffer_printf(out, "raudal_streaming_lag_%s{", as_seconds ? "seconds" : "messages");
    put_labels(query, out);
    if (as_seconds) {
        buffer_printf(out, "} %.3f\n", seconds);
    } else {
        buffer_printf(out, "} %lld\n", (long long)messages);
    }
}

static void put_latency(const struct stream_query *query, struct buffer *out) {
    const struct stream_latency *latency = &query->latency;
    uint64_t below = 0;
    for (size_t i = 0; i <= STREAM_LATENCY_BUCKETS; i++) {
        below += latency->counts[i];
        buffer_append_text(out, "raudal_streaming_latency_seconds_bucket{");
        put_labels(query, out);
        if (i < STREAM_LATENCY_BUCKETS) {
            buffer_printf(out, ",le=\"%g\"} %llu\n", stream_latency_bounds[i], (unsigned long long)below);
        } else {
            buffer_printf(out, ",le=\"+Inf\"} %llu\n", (unsigned long long)below);
        }
    }
    buffer_append_text(out, "raudal_streaming_latency_seconds_sum{");
    put_labels(query, out);
    buffer_printf(out, "} %.6f\nraudal_streaming_latency_seconds_count{", latency->sum_seconds);
    put_labels(query, out);
    buffer_printf(out, "} %llu\n", (unsigned long long)latency->count);
}

static const struct {
    const char *name, *type, *help;
} families[] = {
    {"raudal_streaming_lag_messages", "gauge", "Messages of its topics that a streaming query has not read"},
    {"raudal_streaming_lag_seconds", "gauge", "How long the oldest of them has been waiting"},
    {"raudal_streaming_latency_seconds", "histogram", "From the append to a topic until the batch was in the sink"},
};

void stream_manager_metrics(struct stream_manager *manager, struct buffer *out) {
    for (size_t i = 0; i < ARRAY_COUNT(families); i++) {
        buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", families[i].name, families[i].help, families[i].name,
            families[i].type);
        LIST_FOR_EACH(node, &manager->queries) {
            struct stream_query *query = CONTAINER_OF(node, struct stream_query, node);
            if (query->state == QUERY_STARTING || query->state == QUERY_ENDED) {
                continue;
            }
            if (i < 2) {
                put_lag(query, i == 1, out);
            } else {
                put_latency(query, out);
            }
        }
    }
}
