/* metadata_log.c: the files of the cluster metadata and what a start writes into them.
 *
 * __cluster_metadata-0 is a partition like others, plus
 *  - quorum-state: JSON with the leader and its epoch (static voters: data_version 0);
 *  - <end offset>-<epoch>.checkpoint: a snapshot, as record batches: a control batch with a SnapshotHeader, data
 * batches with the records, a control batch with a SnapshotFooter. The log may begin where the newest one ends.
 * bootstrap.checkpoint beside it, of the same form, holds the feature levels that a formatted directory starts with.
 *
 * A start raises the leader epoch by one, writes quorum-state, and appends a LeaderChange control record. In a new
 * directory the feature levels follow, between BeginTransaction and EndTransaction, as Kafka's controller writes them.
 */
#include "kafka/metadata_internal.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

#define PATH_SIZE 1024
#define SNAPSHOT_SIZE_MAX ((size_t)1 << 30)

enum control_type { CONTROL_LEADER_CHANGE = 2, CONTROL_SNAPSHOT_HEADER = 3, CONTROL_SNAPSHOT_FOOTER = 4 };

static void path_in(const struct metadata *metadata, const char *name, char out[PATH_SIZE]) {
    snprintf(out, PATH_SIZE, "%s/__cluster_metadata-0/%s", log_manager_directory(metadata->logs), name);
}

/* ---- reading ---- */

static bool replay_file(struct metadata *metadata, const char *path, struct error *error) {
    struct buffer bytes = {0};
    bool ok = world_read_file(metadata->world, path, SNAPSHOT_SIZE_MAX, &bytes, error) &&
              (metadata_replay_batches(metadata, buffer_view(&bytes), error) || error_prefix(error, "%s", path));
    buffer_free(&bytes);
    return ok;
}

/* Newest snapshot that the log goes on from: its end offset lies within the log. */
static bool replay_snapshot(struct metadata *metadata, int64_t *offset, struct error *error) {
    char directory[PATH_SIZE], path[PATH_SIZE], newest[64] = "";
    path_in(metadata, "", directory);
    struct world_names names = {0};
    if (!world_list(metadata->world, directory, &names, error))
        return false;
    *offset = -1;
    for (size_t i = 0; i < names.count; i++) {
        struct bytes name = bytes_from_text(names.items[i].name);
        int64_t end_offset;
        if (name.size != 42 || !bytes_ends_with(name, ".checkpoint") ||
            !bytes_to_int64(bytes_slice(name, 0, 20), &end_offset))
            continue;
        if (end_offset > *offset && end_offset >= log_start_offset(metadata->log) &&
            end_offset <= log_end_offset(metadata->log)) {
            *offset = end_offset;
            snprintf(newest, sizeof newest, "%s", names.items[i].name);
        }
    }
    world_names_free(&names);
    if (*offset < 0) {
        if (log_start_offset(metadata->log) > 0)
            return error_set(error, ERROR_CORRUPT,
                "the log starts at offset %lld and there is no snapshot of what came before",
                (long long)log_start_offset(metadata->log));
        *offset = 0;
        return true;
    }
    path_in(metadata, newest, path);
    return replay_file(metadata, path, error);
}

static bool replay_log(struct metadata *metadata, int64_t offset, struct error *error) {
    for (;;) {
        struct log_view view;
        enum log_status status = log_read_map(metadata->log, offset, 4 << 20, LOG_READ_TO_END, &view, error);
        if (status != LOG_STATUS_OK)
            return error_prefix(error, "%s", log_status_name(status));
        if (!view.map)
            return offset == log_end_offset(metadata->log) ||
                   error_set(error, ERROR_CORRUPT,
                       "the records from offset %lld on are damaged; restore the folder from a copy",
                       (long long)offset);
        bool ok = view.skipped_to == view.skipped_from ||
                  error_set(error, ERROR_CORRUPT,
                      "the records of offsets %lld to %lld are damaged; restore the folder from a copy",
                      (long long)view.skipped_from, (long long)view.skipped_to - 1);
        ok = ok && metadata_replay_batches(metadata, view.batches, error);
        offset = view.next_offset;
        log_map_release(view.map);
        if (!ok)
            return false;
    }
}

/* ---- quorum-state ---- */

static bool read_quorum_epoch(struct metadata *metadata, int32_t *epoch, struct error *error) {
    char path[PATH_SIZE];
    path_in(metadata, "quorum-state", path);
    *epoch = 0;
    if (!world_exists(metadata->world, path))
        return true;
    struct buffer text = {0};
    if (!world_read_file(metadata->world, path, 65536, &text, error))
        return false;
    json_t *state = json_loadb((const char *)text.data, text.size, 0, NULL);
    json_t *value = state ? json_object_get(state, "leaderEpoch") : NULL;
    bool ok = json_is_integer(value);
    if (ok)
        *epoch = (int32_t)json_integer_value(value);
    else
        error_set(error, ERROR_CORRUPT, "%s has no leaderEpoch", path);
    json_decref(state);
    buffer_free(&text);
    return ok;
}

static bool write_quorum_state(struct metadata *metadata, struct error *error) {
    char path[PATH_SIZE];
    struct buffer text = {0};
    path_in(metadata, "quorum-state", path);
    buffer_printf(&text,
        "{\"clusterId\":\"\",\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":-1,\"appliedOffset\":0,"
        "\"currentVoters\":[{\"voterId\":%d}],\"data_version\":0}",
        metadata->node_id, metadata->epoch, metadata->node_id);
    bool ok = world_write_file(metadata->world, path, buffer_view(&text), true, error);
    buffer_free(&text);
    return ok;
}

/* ---- control records ---- */

/* Appends a control batch with one record to `out`. */
static bool control_batch(struct buffer *out, int64_t base_offset, int32_t epoch, int64_t now_ms,
    enum control_type type, const struct wire_message *message, const void *value, struct error *error) {
    uint8_t key[4];
    store_be16(key, 0);
    store_be16(key + 2, (uint16_t)type);
    struct buffer encoded = {0};
    bool ok = wire_encode(message, 0, value, &encoded, NULL, error);
    struct record_builder builder;
    if (ok) {
        record_builder_begin(&builder, out, base_offset, RECORD_BATCH_CONTROL);
        record_builder_add(
            &builder, base_offset, now_ms, bytes_make(key, sizeof key), buffer_view(&encoded), BYTES_NULL, 0);
        record_builder_end(&builder, -1, -1, -1, epoch);
    }
    buffer_free(&encoded);
    return ok;
}

static bool append_leader_change(struct metadata *metadata, struct error *error) {
    struct kafka_leader_change_voter voter = {.voter_id = metadata->node_id};
    struct kafka_leader_change_granting_voter granting = {.voter_id = metadata->node_id};
    struct kafka_leader_change value = {.leader_id = metadata->node_id};
    value.voters.items = &voter;
    value.granting_voters.items = &granting;
    value.voters.count = value.granting_voters.count = 1;
    struct buffer bytes = {0};
    struct log_append_options options = {
        .leader_epoch = metadata->epoch, .checksum_verified = true, .from_coordinator = true};
    struct log_append_result result;
    bool ok = control_batch(&bytes, 0, metadata->epoch, world_wall_ms(metadata->world), CONTROL_LEADER_CHANGE,
                  &kafka_leader_change_message, &value, error) &&
              log_append(metadata->log, bytes.data, bytes.size, &options, &result, error) == LOG_STATUS_OK;
    buffer_free(&bytes);
    return ok;
}

/* ---- a new directory ---- */

static const struct {
    const char *name;
    int16_t level;
} new_features[] = {{"metadata.version", METADATA_VERSION_NEW}, {"group.version", 1}, {"transaction.version", 2}};

static bool add_features(struct change *change, struct error *error) {
    for (size_t i = 0; i < ARRAY_COUNT(new_features); i++) {
        struct kafka_feature_level_record record = {bytes_from_text(new_features[i].name), new_features[i].level};
        if (!change_add(change, &kafka_feature_level_record_message, 0, &record, error))
            return false;
    }
    return true;
}

/* bootstrap.checkpoint, as kafka-storage format writes it. */
static bool write_bootstrap(struct metadata *metadata, const char *path, struct error *error) {
    int64_t now_ms = world_wall_ms(metadata->world);
    struct kafka_snapshot_header header = {.last_contained_log_timestamp = now_ms};
    struct kafka_snapshot_footer footer = {0};
    struct buffer file = {0};
    struct change change;
    change_begin(&change, metadata, 0);
    bool ok = add_features(&change, error) && control_batch(&file, 0, 0, now_ms, CONTROL_SNAPSHOT_HEADER,
                                                  &kafka_snapshot_header_message, &header, error);
    if (ok) {
        record_builder_end(&change.builder, -1, -1, -1, 0);
        store_be64(change.bytes.data, 1);
        buffer_append(&file, change.bytes.data, change.bytes.size);
        ok = control_batch(&file, 1 + (int64_t)ARRAY_COUNT(new_features), 0, now_ms, CONTROL_SNAPSHOT_FOOTER,
                 &kafka_snapshot_footer_message, &footer, error) &&
             world_write_file(metadata->world, path, buffer_view(&file), true, error);
    }
    change_discard(&change);
    buffer_free(&file);
    return ok;
}

/* Feature levels of a directory that has none in its log: those it was formatted with, else ours. They go into the log
 * as one transaction. */
static bool bootstrap(struct metadata *metadata, struct error *error) {
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/bootstrap.checkpoint", log_manager_directory(metadata->logs));
    if (metadata->features.count == 0 && world_exists(metadata->world, path)) {
        if (!replay_file(metadata, path, error))
            return false;
    } else if (metadata->features.count == 0 && !write_bootstrap(metadata, path, error)) {
        return false;
    }
    struct kafka_begin_transaction_record begin = {BYTES("Bootstrap records")};
    struct kafka_end_transaction_record end = {0};
    struct change change;
    change_begin(&change, metadata, 0);
    bool ok = change_add(&change, &kafka_begin_transaction_record_message, 0, &begin, error);
    if (metadata->features.count == 0)
        ok = ok && add_features(&change, error);
    for (size_t i = 0; ok && i < metadata->features.count; i++) {
        struct kafka_feature_level_record record = {
            bytes_from_text(metadata->features.items[i].name), metadata->features.items[i].level};
        ok = change_add(&change, &kafka_feature_level_record_message, 0, &record, error);
    }
    ok = ok && change_add(&change, &kafka_end_transaction_record_message, 0, &end, error);
    if (!ok) {
        change_discard(&change);
        return false;
    }
    return change_commit(&change, error);
}

/* ---- taking over ---- */

/* A transaction that the last leader did not end never happened; the log must say so, or what follows would belong to
 * it. */
static bool abort_transaction(struct metadata *metadata, struct error *error) {
    if (!metadata->in_transaction)
        return true;
    struct kafka_abort_transaction_record record = {BYTES("leader changed")};
    struct change change;
    change_begin(&change, metadata, 0);
    if (!change_add(&change, &kafka_abort_transaction_record_message, 0, &record, error)) {
        change_discard(&change);
        return false;
    }
    return change_commit(&change, error);
}

static bool lead(struct change *change, const struct metadata_topic *topic, int32_t index, bool clear_eligible,
    struct error *error) {
    struct kafka_partition_change_record record;
    int32_t node = change->metadata->node_id;
    wire_set_defaults(&kafka_partition_change_record_struct, &record);
    record.partition_id = index;
    record.topic_id = topic->id;
    record.isr.items = &node;
    record.isr.count = 1;
    record.leader = node;
    int16_t version = 0;
    if (clear_eligible && metadata_level(change->metadata, "metadata.version") >= METADATA_VERSION_ELR) {
        version = 2;
        record.eligible_leaders.items = record.last_known_leaders.items = &node; /* empty, not null */
        record.eligible_leaders.count = record.last_known_leaders.count = 0;
    }
    return change_add(change, &kafka_partition_change_record_message, version, &record, error);
}

/* A clean stop of Kafka leaves its partitions without a leader. Those that have a replica here are led by this node
 * again. */
static bool take_leadership(struct metadata *metadata, struct error *error) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&metadata->topics, &cursor));) {
        struct topic_image *image = entry->value;
        struct change change;
        change_begin(&change, metadata, 0);
        bool ok = true;
        for (size_t i = 0; ok && i < image->partitions.count; i++)
            if (image->images.items[i].is_replica && image->partitions.items[i].leader != metadata->node_id)
                ok = lead(&change, &image->topic, (int32_t)i, image->images.items[i].has_eligible, error);
        if (!ok || change.values.count == 0)
            change_discard(&change);
        else
            ok = change_commit(&change, error);
        if (!ok)
            return false;
    }
    return true;
}

static bool check_partitions(struct metadata *metadata, struct error *error) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&metadata->topics, &cursor));) {
        const struct topic_image *image = entry->value;
        for (size_t i = 0; i < image->images.count; i++)
            if (!image->images.items[i].known)
                return error_set(error, ERROR_CORRUPT, "partition %zu of topic %s is missing", i, image->topic.name);
    }
    return true;
}

bool metadata_load(struct metadata *metadata, struct error *error) {
    const struct uuid id = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};
    struct log_config config;
    log_config_defaults(&config);
    config.retention_ms = -1;
    config.max_message_bytes = INT32_MAX;
    config.timestamp_after_max_ms = INT64_MAX;
    metadata->log = log_open(metadata->logs, "__cluster_metadata", id, 0, &config, true, error);
    int64_t offset;
    int32_t quorum_epoch;
    if (!metadata->log || !replay_snapshot(metadata, &offset, error) || !replay_log(metadata, offset, error) ||
        !check_partitions(metadata, error) || !read_quorum_epoch(metadata, &quorum_epoch, error))
        return false;
    int32_t log_epoch = log_latest_epoch(metadata->log);
    metadata->epoch = (quorum_epoch > log_epoch ? quorum_epoch : log_epoch) + 1;
    bool fresh = metadata_level(metadata, "metadata.version") == 0 || log_end_offset(metadata->log) == 0;
    if (!write_quorum_state(metadata, error) || !append_leader_change(metadata, error) ||
        !abort_transaction(metadata, error) || (fresh && !bootstrap(metadata, error)))
        return false;
    return take_leadership(metadata, error);
}

bool metadata_register_broker(struct metadata *metadata, const char *host, uint16_t port, struct error *error) {
    static const char *const names[] = {"metadata.version", "group.version", "transaction.version"};
    struct kafka_register_broker_record_endpoint endpoint = {
        .name = BYTES("PLAINTEXT"), .host = bytes_from_text(host), .port = port};
    struct kafka_register_broker_record_feature features[ARRAY_COUNT(names)];
    for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
        int16_t level = metadata_level(metadata, names[i]);
        features[i] = (struct kafka_register_broker_record_feature){bytes_from_text(names[i]), i == 0 ? 7 : 0, level};
    }
    struct kafka_register_broker_record record;
    wire_set_defaults(&kafka_register_broker_record_struct, &record);
    uint8_t random[16];
    world_random(metadata->world, random, sizeof random);
    record.broker_id = metadata->node_id;
    record.incarnation_id = uuid_from_random(random);
    record.broker_epoch = log_end_offset(metadata->log);
    record.endpoints.items = &endpoint;
    record.endpoints.count = 1;
    record.features.items = features;
    record.features.count = (int32_t)ARRAY_COUNT(names);
    record.fenced = true; /* for good: a real Kafka that opens the directory after a kill need not wait for this
                             registration to expire */
    int16_t level = metadata_level(metadata, "metadata.version");
    int16_t version = level >= METADATA_VERSION_DIRECTORIES ? 3 : level >= METADATA_VERSION_REPLICA_ZERO ? 2 : 1;
    if (version == 3) {
        record.log_dirs.items = &metadata->directory_id;
        record.log_dirs.count = 1;
    }
    struct change change;
    change_begin(&change, metadata, 0);
    if (!change_add(&change, &kafka_register_broker_record_message, version, &record, error)) {
        change_discard(&change);
        return false;
    }
    if (!change_commit(&change, error))
        return false;
    metadata->broker_epoch = record.broker_epoch;
    log_manager_set_broker_epoch(metadata->logs, record.broker_epoch);
    return true;
}
