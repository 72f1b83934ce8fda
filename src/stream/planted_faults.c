/* planted_faults.c: see planted_faults.h. Each __wrap_X stands before the real X. */
#include "stream/planted_faults.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "kafka/broker.h"
#include "kafka/client.h"
#include "log/internal.h"
#include "stream/internal.h"
#include "world/world.h"

enum planted_fault planted_fault;

const char *planted_fault_name(enum planted_fault fault) {
    static const char *const names[FAULT_COUNT] = {"none", "ack before append", "duplicate sequence accepted",
        "sync skipped", "high watermark past the synced offset", "aborted data visible", "marker before offsets",
        "decision ignored", "commit before output", "offsets written after the batch", "rename before write",
        "sink log without files", "state one batch behind", "watermark goes back", "batches not synced"};
    return names[fault];
}

#define WRAP(result, name, ...)                                                                                        \
    result __real_##name(__VA_ARGS__);                                                                                 \
    result __wrap_##name(__VA_ARGS__);                                                                                 \
    result __wrap_##name(__VA_ARGS__)

/* ---- the log ---- */

WRAP(enum log_status, producer_check, struct producer_state *state, const struct record_batch *batch,
    struct producer_batch *duplicate, struct error *error) {
    return planted_fault == FAULT_DUPLICATE_SEQUENCE ? LOG_STATUS_OK
                                                     : __real_producer_check(state, batch, duplicate, error);
}

WRAP(bool, world_file_sync, struct world_file *file, struct error *error) {
    return planted_fault == FAULT_SYNC_SKIPPED || __real_world_file_sync(file, error);
}

WRAP(bool, store_sync_files, struct store *store, const char *const *paths, size_t count, struct error *error) {
    return planted_fault == FAULT_BATCHES_NOT_SYNCED || __real_store_sync_files(store, paths, count, error);
}

WRAP(int64_t, log_high_watermark, struct partition_log *log) {
    return planted_fault == FAULT_HIGH_WATERMARK_TOO_HIGH ? log_end_offset(log) : __real_log_high_watermark(log);
}

WRAP(bool, log_batch_is_hidden, const struct log_aborted_list *list, const struct record_batch *batch) {
    static const struct log_aborted_list none;
    return __real_log_batch_is_hidden(planted_fault == FAULT_ABORTED_VISIBLE ? &none : list, batch);
}

/* ---- the broker ---- */

struct late_append {
    struct kafka_client *client;
    struct world_loop *loop;
    char *topic;
    int32_t partition;
    struct buffer batches;
    int turns;
};

void __real_kafka_client_append(struct kafka_client *client, const char *topic, int32_t partition, struct bytes batches,
    kafka_append_done *done, void *argument);

static void appended_late(void *argument, int64_t base_offset, const struct error *error) {
    struct late_append *late = argument;
    buffer_free(&late->batches);
    free(late->topic);
    free(late);
}

static void append_late(void *argument) {
    struct late_append *late = argument;
    if (late->turns-- > 0) {
        world_loop_post(late->loop, append_late, late);
        return;
    }
    __real_kafka_client_append(
        late->client, late->topic, late->partition, buffer_view(&late->batches), appended_late, late);
}

struct world_loop *planted_fault_loop; /* of the broker */

WRAP(void, kafka_client_append, struct kafka_client *client, const char *topic, int32_t partition, struct bytes batches,
    kafka_append_done *done, void *argument) {
    if (planted_fault != FAULT_ACK_BEFORE_APPEND) {
        __real_kafka_client_append(client, topic, partition, batches, done, argument);
        return;
    }
    struct error none = {0};
    struct late_append *late = calloc(1, sizeof *late);
    *late = (struct late_append){
        .client = client, .loop = planted_fault_loop, .topic = strdup(topic), .partition = partition, .turns = 20};
    buffer_append_bytes(&late->batches, batches);
    world_loop_post(late->loop, append_late, late);
    done(argument, 0, &none);
}

/* The offsets of the transaction that is to be ended, and whom to tell. */
static struct late_offsets {
    struct kafka_producer *producer;
    char *group;
    struct kafka_producer_offset offsets[8];
    size_t count;
    kafka_done *done;
    void *argument;
} late_offsets;

void __real_kafka_producer_commit_offsets(struct kafka_producer *producer, const char *group,
    const struct kafka_producer_offset *offsets, size_t offset_count, kafka_done *done, void *argument);
void __real_kafka_producer_end(struct kafka_producer *producer, bool commit, kafka_done *done, void *argument);

WRAP(void, kafka_producer_commit_offsets, struct kafka_producer *producer, const char *group,
    const struct kafka_producer_offset *offsets, size_t offset_count, kafka_done *done, void *argument) {
    if (planted_fault != FAULT_MARKER_BEFORE_OFFSETS) {
        __real_kafka_producer_commit_offsets(producer, group, offsets, offset_count, done, argument);
        return;
    }
    struct error none = {0};
    planted_fault_crash();
    late_offsets.producer = producer;
    late_offsets.group = strdup(group);
    for (size_t i = 0; i < offset_count && i < 8; i++) {
        late_offsets.offsets[late_offsets.count++] = (struct kafka_producer_offset){
            strdup(offsets[i].topic), offsets[i].partition, offsets[i].offset, strdup(offsets[i].metadata)};
    }
    done(argument, &none);
}

static void end_offsets(void *argument, const struct error *error) {
    __real_kafka_producer_end(late_offsets.producer, true, late_offsets.done, late_offsets.argument);
    late_offsets.producer = NULL;
}

static void write_late_offsets(void *argument, const struct error *error) {
    __real_kafka_producer_commit_offsets(
        late_offsets.producer, late_offsets.group, late_offsets.offsets, late_offsets.count, end_offsets, NULL);
}

WRAP(void, kafka_producer_end, struct kafka_producer *producer, bool commit, kafka_done *done, void *argument) {
    bool late = commit && planted_fault == FAULT_MARKER_BEFORE_OFFSETS && late_offsets.producer == producer;
    if (late) {
        late_offsets.done = done;
        late_offsets.argument = argument;
    }
    __real_kafka_producer_end(producer, commit, late ? write_late_offsets : done, argument);
}

void __real_kafka_client_group(struct kafka_client *client, const char *group, kafka_groups_done *done, void *argument);

WRAP(
    void, kafka_client_group, struct kafka_client *client, const char *group, kafka_groups_done *done, void *argument) {
    __real_kafka_client_group(client, planted_fault == FAULT_DECISION_IGNORED ? "nobody" : group, done, argument);
}

/* ---- the checkpoint ---- */

static struct late_entry {
    struct store *store;
    char *location;
    struct offset_entry entry;
} late_entries[4];

static struct late_entry *late_entry_of(const char *location) {
    struct late_entry *found = NULL;
    for (size_t i = 0; i < ARRAY_COUNT(late_entries); i++) {
        if (late_entries[i].location != NULL && strcmp(late_entries[i].location, location) == 0) {
            return &late_entries[i];
        }
        found = late_entries[i].location == NULL ? &late_entries[i] : found;
    }
    ASSERT(found != NULL);
    return found;
}

WRAP(bool, checkpoint_write_offsets, const struct checkpoint *checkpoint, const struct offset_entry *entry,
    struct sql_error *error) {
    if (planted_fault != FAULT_OFFSETS_AFTER_BATCH) {
        return __real_checkpoint_write_offsets(checkpoint, entry, error);
    }
    struct late_entry *late = late_entry_of(checkpoint->location);
    free(late->location);
    offset_entry_free(&late->entry);
    *late = (struct late_entry){checkpoint->store, strdup(checkpoint->location), *entry};
    late->entry.offsets = calloc(entry->source_count + 1, sizeof *entry->offsets);
    for (size_t i = 0; i < entry->source_count; i++) {
        buffer_append_bytes(&late->entry.offsets[i], buffer_view(&entry->offsets[i]));
    }
    return true;
}

bool __real_checkpoint_write_commit(
    const struct checkpoint *checkpoint, int64_t batch_id, int64_t next_watermark_ms, struct sql_error *error);

WRAP(bool, checkpoint_write_commit, const struct checkpoint *checkpoint, int64_t batch_id, int64_t next_watermark_ms,
    struct sql_error *error) {
    struct late_entry *late = late_entry_of(checkpoint->location);
    if (late->location != NULL && late->entry.batch_id == batch_id) {
        if (!__real_checkpoint_write_offsets(checkpoint, &late->entry, error)) {
            return false;
        }
    }
    if (planted_fault == FAULT_COMMIT_BEFORE_OUTPUT) {
        return true;
    }
    return __real_checkpoint_write_commit(checkpoint, batch_id, next_watermark_ms, error);
}

WRAP(struct state_save *, state_files_save_begin, struct state_files *files, struct exec_query *query, int64_t version,
    struct sql_error *error) {
    if (planted_fault == FAULT_COMMIT_BEFORE_OUTPUT) {
        struct checkpoint checkpoint = {files->store, (char *)(uintptr_t)files->checkpoint};
        struct sql_error ignored = {.arena = error->arena};
        (void)__real_checkpoint_write_commit(&checkpoint, version - 1, 0, &ignored);
    }
    return __real_state_files_save_begin(files, query, version, error);
}

WRAP(bool, state_files_load_partition, struct state_files *files, struct exec_query *query, size_t operator,
    size_t partition, int64_t version, struct sql_error *error) {
    bool behind = planted_fault == FAULT_STATE_BEHIND && version > 1;
    return __real_state_files_load_partition(
        files, query, operator, partition, behind ? version - 1 : version, error);
}

WRAP(bool, checkpoint_read_commit, const struct checkpoint *checkpoint, int64_t batch_id, int64_t *next_watermark_ms,
    struct sql_error *error) {
    bool good = __real_checkpoint_read_commit(checkpoint, batch_id, next_watermark_ms, error);
    *next_watermark_ms = planted_fault == FAULT_WATERMARK_GOES_BACK ? 0 : *next_watermark_ms;
    return good;
}

WRAP(bool, checkpoint_read_offsets, const struct checkpoint *checkpoint, int64_t batch_id, size_t source_count,
    struct offset_entry *entry, struct sql_error *error) {
    bool good = __real_checkpoint_read_offsets(checkpoint, batch_id, source_count, entry, error);
    entry->watermark_ms = planted_fault == FAULT_WATERMARK_GOES_BACK ? 0 : entry->watermark_ms;
    return good;
}

/* ---- files ---- */

WRAP(bool, store_write_file, struct store *store, const char *path, struct bytes data, int flags, struct error *error) {
    if (planted_fault == FAULT_RENAME_BEFORE_WRITE && data.size > 1) {
        struct bytes part = bytes_slice(data, 0, data.size / 2);
        if (!__real_store_write_file(store, path, part, flags, error)) {
            return false;
        }
        flags |= STORE_WRITE_REPLACE;
    }
    return __real_store_write_file(store, path, data, flags, error);
}

WRAP(bool, sink_log_write, struct store *store, const char *directory, const char *authority, int64_t batch_id,
    const struct written_files *files, struct error *error) {
    bool good = __real_sink_log_write(store, directory, authority, batch_id, files, error);
    for (size_t i = 0; i < files->count && good && planted_fault == FAULT_SINK_LOG_WITHOUT_FILES; i++) {
        struct buffer content = {0};
        good = store_read_file(store, files->items[i].path, 1 << 24, &content, error) &&
               store_delete(store, files->items[i].path, false, error) &&
               __real_store_write_file(store, files->items[i].path, buffer_view(&content), 0, error);
        buffer_free(&content);
    }
    return good;
}

void planted_fault_crash(void) {
    for (size_t i = 0; i < late_offsets.count; i++) {
        free((char *)(uintptr_t)late_offsets.offsets[i].topic);
        free((char *)(uintptr_t)late_offsets.offsets[i].metadata);
    }
    free(late_offsets.group);
    late_offsets = (struct late_offsets){0};
    for (size_t i = 0; i < ARRAY_COUNT(late_entries); i++) {
        free(late_entries[i].location);
        offset_entry_free(&late_entries[i].entry);
        late_entries[i] = (struct late_entry){0};
    }
}
