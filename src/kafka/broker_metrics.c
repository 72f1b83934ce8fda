/* broker_metrics.c: the broker's part of /metrics that is gathered when it is asked for, as Prometheus text.
 *
 * The names are those that dashboards for a real Kafka have: kafka_server_…, kafka_controller_…, kafka_network_… and
 * kafka_log_… as the usual rules of the JMX exporter make them from Kafka's beans, kafka_topic_… and
 * kafka_consumergroup_… as kafka_exporter has them. Counters of traffic are in the registry (base/metrics.h) with the
 * same names.
 *
 * Gathered on the broker's loop; how old the first record is that a group has not read is looked up on the disk pool,
 * because it reads the log. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "kafka/client_internal.h"
#include "kafka/consumer_group.h"
#include "kafka/groups.h"
#include "kafka/request_metrics.h"
#include "wire/record_batch.h"

struct lag {
    char *group, *topic;
    int32_t partition;
    struct partition_log *log; /* a reference */
    int64_t offset, end;
};
struct gathering {
    struct broker *broker;
    struct buffer text;
    VECTOR(struct lag) lags;
    kafka_metrics_done *done;
    void *argument;
};

/* ---- text ---- */

static void family(struct buffer *out, const char *name, const char *type, const char *help) {
    buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void gauge(struct buffer *out, const char *name, const char *help, int64_t value) {
    family(out, name, "gauge", help);
    buffer_printf(out, "%s %" PRId64 "\n", name, value);
}

static void counter(struct buffer *out, const char *name, const char *help, int64_t value) {
    family(out, name, "counter", help);
    buffer_printf(out, "%s %" PRId64 "\n", name, value);
}

/* Group ids may hold anything. */
static void put_label(struct buffer *out, const char *name, const char *value) {
    buffer_printf(out, "%s=\"", name);
    for (const char *at = value; *at; at++)
        if (*at == '\n')
            buffer_append_text(out, "\\n");
        else {
            if (*at == '"' || *at == '\\')
                buffer_append_byte(out, '\\');
            buffer_append_byte(out, (uint8_t)*at);
        }
    buffer_append_byte(out, '"');
}

/* ---- requests ---- */

static void put_requests(const struct broker *broker, struct buffer *out) {
    static const double quantiles[] = {0.5, 0.75, 0.95, 0.98, 0.99, 0.999};
    family(out, "kafka_network_requestmetrics_totaltimems", "gauge",
        "Milliseconds from a request to its answer, since the start.");
    for (size_t i = 0; i < api_count; i++)
        for (size_t k = 0; k < ARRAY_COUNT(quantiles) && broker->request_times[i].count > 0; k++)
            buffer_printf(out, "kafka_network_requestmetrics_totaltimems{request=\"%s\",quantile=\"%g\"} %.6g\n",
                api_table[i].name, quantiles[k], request_times_quantile_ms(&broker->request_times[i], quantiles[k]));
    family(out, "kafka_network_requestmetrics_totaltimems_count", "counter", "Requests that were answered.");
    for (size_t i = 0; i < api_count; i++)
        if (broker->request_times[i].count > 0)
            buffer_printf(out, "kafka_network_requestmetrics_totaltimems_count{request=\"%s\"} %" PRIu64 "\n",
                api_table[i].name, broker->request_times[i].count);
    family(out, "raudal_kafka_request_duration_seconds", "histogram", "Time from a request to its answer.");
    for (size_t i = 0; i < api_count; i++) {
        const struct request_times *times = &broker->request_times[i];
        uint64_t below = 0;
        for (size_t k = 0; k < REQUEST_TIME_BUCKETS && times->count > 0; k++) {
            below += times->counts[k];
            buffer_printf(out, "raudal_kafka_request_duration_seconds_bucket{request=\"%s\",le=\"%g\"} %" PRIu64 "\n",
                api_table[i].name, request_time_bounds[k], below);
        }
        if (times->count > 0)
            buffer_printf(out,
                "raudal_kafka_request_duration_seconds_bucket{request=\"%s\",le=\"+Inf\"} %" PRIu64 "\n"
                "raudal_kafka_request_duration_seconds_sum{request=\"%s\"} %.9g\n"
                "raudal_kafka_request_duration_seconds_count{request=\"%s\"} %" PRIu64 "\n",
                api_table[i].name, times->count, api_table[i].name, (double)times->sum_ns / 1e9, api_table[i].name,
                times->count);
    }
}

/* ---- topics ---- */

typedef int64_t partition_value(struct partition_log *log);

static int64_t one(struct partition_log *log) {
    return 1;
}
static int64_t is_offline(struct partition_log *log) {
    return log_failure(log) != NULL;
}
static int64_t segment_count(struct partition_log *log) {
    return log_segment_count(log);
}

struct partition_family {
    const char *name, *help;
    partition_value *value;
};
static const struct partition_family partition_families[] = {
    {"kafka_topic_partition_current_offset", "Offset of the next committed record.", log_high_watermark},
    {"kafka_topic_partition_oldest_offset", "Offset of the first record.", log_start_offset},
    {"kafka_topic_partition_replicas", "Replicas.", one},
    {"kafka_topic_partition_in_sync_replica", "Replicas in sync.", one},
    {"kafka_topic_partition_leader_is_preferred", "Whether the preferred broker leads.", one},
    {"kafka_topic_partition_under_replicated_partition", "Whether the partition is offline.", is_offline},
    {"kafka_log_log_size", "Bytes of the partition's log.", log_size},
    {"kafka_log_log_logstartoffset", "Offset of the first record.", log_start_offset},
    {"kafka_log_log_logendoffset", "Offset of the next record.", log_end_offset},
    {"kafka_log_log_numlogsegments", "Segment files.", segment_count},
};

static void put_topics(struct broker *broker, struct buffer *out) {
    struct arena arena = {0};
    size_t count;
    struct topic **topics = topics_sorted(broker, &arena, &count);
    family(out, "kafka_topic_partitions", "gauge", "Partitions of a topic.");
    for (size_t i = 0; i < count; i++)
        buffer_printf(out, "kafka_topic_partitions{topic=\"%s\"} %d\n", topics[i]->name, topics[i]->partition_count);
    family(out, "kafka_topic_partition_leader", "gauge", "Broker that leads the partition.");
    for (size_t i = 0; i < count; i++)
        for (int32_t p = 0; p < topics[i]->partition_count; p++)
            buffer_printf(out, "kafka_topic_partition_leader{topic=\"%s\",partition=\"%d\"} %d\n", topics[i]->name, p,
                broker->node_id);
    for (size_t f = 0; f < ARRAY_COUNT(partition_families); f++) {
        const struct partition_family *row = &partition_families[f];
        family(out, row->name, "gauge", row->help);
        for (size_t i = 0; i < count; i++)
            for (int32_t p = 0; p < topics[i]->partition_count; p++)
                buffer_printf(out, "%s{topic=\"%s\",partition=\"%d\"} %" PRId64 "\n", row->name, topics[i]->name, p,
                    row->value(topics[i]->logs[p]));
    }
    arena_destroy(&arena);
}

/* ---- the broker ---- */

struct totals {
    int64_t topics, partitions, offline, under_min;
};

static struct totals count_partitions(const struct broker *broker) {
    struct totals totals = {0};
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&broker->topics, &cursor));) {
        const struct topic *topic = entry->value;
        totals.topics++;
        totals.partitions += topic->partition_count;
        totals.under_min += topic->min_insync_replicas > 1 ? topic->partition_count : 0;
        for (int32_t p = 0; p < topic->partition_count; p++)
            totals.offline += log_failure(topic->logs[p]) != NULL;
    }
    return totals;
}

static void put_broker(struct broker *broker, struct buffer *out) {
    struct totals totals = count_partitions(broker);
    size_t waiting = 0, memory = broker->server ? net_server_input_memory(broker->server, &waiting) : 0;
    gauge(out, "kafka_brokers", "Brokers of the cluster.", 1);
    gauge(out, "kafka_server_replicamanager_leadercount", "Partitions that this broker leads.",
        totals.partitions - totals.offline);
    gauge(out, "kafka_server_replicamanager_partitioncount", "Partitions.", totals.partitions);
    gauge(out, "kafka_server_replicamanager_offlinereplicacount", "Partitions that are offline.", totals.offline);
    gauge(out, "kafka_server_replicamanager_underreplicatedpartitions", "Partitions with a replica out of sync.", 0);
    gauge(out, "kafka_server_replicamanager_underminisrpartitioncount",
        "Partitions with fewer replicas than min.insync.replicas.", totals.under_min);
    gauge(out, "kafka_server_replicamanager_atminisrpartitioncount",
        "Partitions with as many replicas as min.insync.replicas.", totals.partitions - totals.under_min);
    gauge(out, "kafka_server_replicamanager_reassigningpartitions", "Partitions on their way to other brokers.", 0);
    counter(out, "kafka_server_replicamanager_isrshrinks_total", "Replicas that fell out of sync.", 0);
    counter(out, "kafka_server_replicamanager_isrexpands_total", "Replicas that came in sync.", 0);
    gauge(out, "kafka_controller_kafkacontroller_activecontrollercount", "Whether this is the controller.", 1);
    gauge(out, "kafka_controller_kafkacontroller_activebrokercount", "Brokers that serve.", 1);
    gauge(out, "kafka_controller_kafkacontroller_fencedbrokercount", "Brokers that may not serve.", 0);
    gauge(out, "kafka_controller_kafkacontroller_globaltopiccount", "Topics.", totals.topics);
    gauge(out, "kafka_controller_kafkacontroller_globalpartitioncount", "Partitions.", totals.partitions);
    gauge(
        out, "kafka_controller_kafkacontroller_offlinepartitionscount", "Partitions without a leader.", totals.offline);
    gauge(out, "kafka_controller_kafkacontroller_preferredreplicaimbalancecount",
        "Partitions that another than the preferred broker leads.", 0);
    counter(out, "kafka_controller_controllerstats_uncleanleaderelections_total",
        "Leaders that were chosen out of sync.", 0);
    gauge(out, "kafka_log_logmanager_offlinelogdirectorycount", "Folders of log.dirs that failed.", 0);
    gauge(out, "kafka_network_socketserver_memorypoolused", "Bytes of requests in memory.", (int64_t)memory);
    gauge(out, "raudal_kafka_connections_waiting", "Connections that wait for memory for their request.",
        (int64_t)waiting);
    family(out, "kafka_server_socket_server_metrics_connection_count", "gauge", "Open connections of clients.");
    buffer_printf(out, "kafka_server_socket_server_metrics_connection_count{listener=\"PLAINTEXT\"} %zu\n",
        broker->server ? net_server_connection_count(broker->server) : 0);
}

/* ---- groups ---- */

static void take_lags(struct gathering *gathering, struct group *group) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&group->offsets, &cursor));) {
        const struct committed_offset *committed = entry->value;
        struct topic *topic = topic_find(gathering->broker, bytes_from_text(committed->topic));
        struct partition_log *log = topic ? topic_log(topic, committed->partition) : NULL;
        if (!log)
            continue;
        struct lag lag = {strdup(group->id), strdup(committed->topic), committed->partition, log_retain(log),
            committed->offset, log_high_watermark(log)};
        ASSERT(lag.group && lag.topic);
        VECTOR_PUSH(&gathering->lags, lag);
    }
}

static void put_groups(struct gathering *gathering) {
    struct groups *groups = gathering->broker->groups;
    struct buffer *out = &gathering->text;
    size_t cursor = 0;
    gauge(out, "kafka_coordinator_group_groupmetadatamanager_numgroups", "Groups.", (int64_t)groups->by_id.count);
    family(out, "kafka_consumergroup_members", "gauge", "Members of a group.");
    for (struct map_entry *entry; (entry = map_next(&groups->by_id, &cursor));) {
        struct group *group = entry->value;
        buffer_append_text(out, "kafka_consumergroup_members{");
        put_label(out, "consumergroup", group->id);
        buffer_printf(out, "} %zu\n", group->consumer ? group->consumer->member_count : group->member_count);
        take_lags(gathering, group);
    }
}

static void put_lag(struct buffer *out, const char *name, const struct lag *lag) {
    buffer_printf(out, "%s{", name);
    put_label(out, "consumergroup", lag->group);
    buffer_printf(out, ",topic=\"%s\",partition=\"%d\"} ", lag->topic, lag->partition);
}

/* When the first unread record was written, as far as its batch says; 0 when nothing is unread. */
static double lag_seconds(const struct lag *lag, int64_t now_ms) {
    struct log_view view = {0};
    struct error error = {0};
    struct record_batch batch;
    double seconds = 0;
    if (lag->offset >= lag->end)
        return 0;
    int64_t start = log_start_offset(lag->log);
    if (log_read_map(lag->log, lag->offset > start ? lag->offset : start, 1, LOG_READ_UNCOMMITTED, &view, &error) !=
        LOG_STATUS_OK)
        return 0;
    if (view.map && record_batch_parse(view.batches, &batch) == RECORD_BATCH_OK && now_ms > batch.max_timestamp)
        seconds = (double)(now_ms - batch.max_timestamp) / 1000;
    if (view.map)
        log_map_release(view.map);
    return seconds;
}

static int64_t messages(const struct lag *lag) {
    return lag->end > lag->offset ? lag->end - lag->offset : 0;
}

static int compare_lags(const void *left, const void *right) {
    const struct lag *a = left, *b = right;
    int order = strcmp(a->group, b->group);
    if (order == 0)
        order = strcmp(a->topic, b->topic);
    return order ? order : (a->partition > b->partition) - (a->partition < b->partition);
}

static void put_lags(struct gathering *gathering) {
    struct buffer *out = &gathering->text;
    int64_t now_ms = world_wall_ms(gathering->broker->world);
    if (gathering->lags.count > 0)
        qsort(gathering->lags.items, gathering->lags.count, sizeof *gathering->lags.items, compare_lags);
    family(out, "kafka_consumergroup_current_offset", "gauge", "Offset that a group has committed.");
    for (size_t i = 0; i < gathering->lags.count; i++) {
        put_lag(out, "kafka_consumergroup_current_offset", &gathering->lags.items[i]);
        buffer_printf(out, "%" PRId64 "\n", gathering->lags.items[i].offset);
    }
    family(out, "kafka_consumergroup_lag", "gauge", "Records that a group has not read.");
    for (size_t i = 0; i < gathering->lags.count; i++) {
        put_lag(out, "kafka_consumergroup_lag", &gathering->lags.items[i]);
        buffer_printf(out, "%" PRId64 "\n", messages(&gathering->lags.items[i]));
    }
    family(out, "kafka_consumergroup_lag_seconds", "gauge", "Age of the first record that a group has not read.");
    for (size_t i = 0; i < gathering->lags.count; i++) {
        put_lag(out, "kafka_consumergroup_lag_seconds", &gathering->lags.items[i]);
        buffer_printf(out, "%.3f\n", lag_seconds(&gathering->lags.items[i], now_ms));
    }
    family(out, "kafka_consumergroup_lag_sum", "gauge", "Records of a topic that a group has not read.");
    for (size_t i = 0; i < gathering->lags.count;) {
        const struct lag *first = &gathering->lags.items[i];
        int64_t sum = 0;
        for (; i < gathering->lags.count && strcmp(gathering->lags.items[i].group, first->group) == 0 &&
               strcmp(gathering->lags.items[i].topic, first->topic) == 0;
             i++)
            sum += messages(&gathering->lags.items[i]);
        buffer_append_text(out, "kafka_consumergroup_lag_sum{");
        put_label(out, "consumergroup", first->group);
        buffer_printf(out, ",topic=\"%s\"} %" PRId64 "\n", first->topic, sum);
    }
}

/* ---- the way of a scrape ---- */

static void read_lags(void *argument) {
    struct gathering *gathering = argument;
    put_lags(gathering);
    for (size_t i = 0; i < gathering->lags.count; i++) {
        free(gathering->lags.items[i].group);
        free(gathering->lags.items[i].topic);
        log_release(gathering->lags.items[i].log);
    }
    VECTOR_FREE(&gathering->lags);
    gathering->done(gathering->argument, &gathering->text);
    buffer_free(&gathering->text);
    free(gathering);
}

static void gather(void *argument) {
    struct gathering *gathering = argument;
    put_broker(gathering->broker, &gathering->text);
    put_requests(gathering->broker, &gathering->text);
    put_topics(gathering->broker, &gathering->text);
    put_groups(gathering);
    world_pool_submit(gathering->broker->disk_pool, read_lags, gathering);
}

void kafka_client_metrics(struct kafka_client *client, kafka_metrics_done *done, void *argument) {
    struct gathering *gathering = calloc(1, sizeof *gathering);
    ASSERT(gathering);
    gathering->broker = client_broker(client);
    gathering->done = done;
    gathering->argument = argument;
    world_loop_post(gathering->broker->loop, gather, gathering);
}
