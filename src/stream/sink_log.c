/* sink_log.c: see sink_log.h. */
#include "stream/sink_log.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/assert.h"
#include "base/map.h"

enum { LOG_FILE_MAX = 256 << 20, COMPACT_INTERVAL = 10 };

/* ---- files of a log ---- */

/* Batches that have a whole (not empty) file; compact[i] tells which are compact. Sorted. */
struct log_batch {
    int64_t batch_id;
    bool compact, empty;
};
struct log_batches {
    struct log_batch *items;
    size_t count, capacity;
};

static int compare_batches(const void *left, const void *right) {
    const struct log_batch *a = left, *b = right;
    return a->batch_id != b->batch_id ? (a->batch_id > b->batch_id) - (a->batch_id < b->batch_id)
                                      : a->compact - b->compact;
}

static bool list_batches(struct store *store, const char *directory, struct log_batches *batches, struct error *error) {
    struct arena arena = {0};
    struct store_entries entries = {0};
    if (!store_exists(store, directory)) {
        return true;
    }
    bool good = store_list(store, &arena, directory, NULL, 0, &entries, error);
    for (size_t i = 0; good && i < entries.count; i++) {
        struct bytes name = bytes_from_text(entries.items[i].name);
        bool compact = bytes_ends_with(name, ".compact");
        int64_t batch_id;
        name.size -= compact ? 8 : 0;
        if (name.size > 0 && name.data[0] != '-' && bytes_to_int64(name, &batch_id) &&
            !entries.items[i].stat.is_directory) {
            VECTOR_PUSH(batches, ((struct log_batch){batch_id, compact, entries.items[i].stat.size == 0}));
        }
    }
    if (batches->count > 0) {
        qsort(batches->items, batches->count, sizeof *batches->items, compare_batches);
    }
    arena_destroy(&arena);
    return good;
}

static bool latest_batch(struct store *store, const char *directory, int64_t *batch_id, struct error *error) {
    struct log_batches batches = {0};
    bool good = list_batches(store, directory, &batches, error);
    *batch_id = -1;
    for (size_t i = 0; i < batches.count; i++) {
        *batch_id = batches.items[i].empty ? *batch_id : batches.items[i].batch_id;
    }
    VECTOR_FREE(&batches);
    return good;
}

/* Writes a file that must not be there yet, or is empty. */
static bool write_new(struct store *store, const char *path, struct bytes data, struct error *error) {
    struct store_stat stat;
    bool empty = store_stat(store, path, &stat, NULL) && stat.size == 0;
    return store_write_file(store, path, data, empty ? STORE_WRITE_REPLACE : 0, error);
}

static bool write_batch(const struct checkpoint *checkpoint, const char *folder, int64_t batch_id, struct bytes data,
    struct sql_error *error) {
    struct arena arena = {0};
    struct error problem = {0};
    char *path = arena_printf(&arena, "%s/%s/%lld", checkpoint->location, folder, (long long)batch_id);
    bool good = write_new(checkpoint->store, path, data, &problem);
    if (!good && problem.code == ERROR_EXISTS) {
        raise_concurrent_stream_log_update(error, arena_printf(error->arena, "%lld", (long long)batch_id));
    } else if (!good) {
        sql_error_from(error, &problem);
    }
    arena_destroy(&arena);
    return good;
}

/* ---- checkpoint ---- */

bool checkpoint_open(const struct checkpoint *checkpoint, struct uuid *id, bool *is_new, struct sql_error *error) {
    struct arena arena = {0};
    struct buffer text = {0};
    struct error problem = {0};
    char *path = store_path_join(&arena, checkpoint->location, "metadata");
    bool good = true;
    *is_new = !store_exists(checkpoint->store, path) ||
              !store_read_file(checkpoint->store, path, 1 << 20, &text, &problem) || text.size == 0;
    if (!*is_new) {
        json_t *root = json_loadb((const char *)text.data, text.size, 0, NULL);
        const char *written = json_string_value(json_object_get(root, "id"));
        good = (written != NULL && uuid_parse(bytes_from_text(written), id)) ||
               raise_streaming_checkpoint_invalid(error, checkpoint->location, "the file metadata holds no query id");
        json_decref(root);
    } else {
        uint8_t random[16];
        char name[UUID_TEXT_SIZE];
        int64_t offsets, commits;
        good = checkpoint_latest(checkpoint, &offsets, &commits, error);
        if (good && (offsets >= 0 || commits >= 0)) {
            good = raise_streaming_checkpoint_invalid(error, checkpoint->location,
                "the file metadata is missing while there are offsets or commits; restore it, or start with another "
                "checkpoint");
        }
        struct store_stat stat;
        bool empty = store_stat(checkpoint->store, path, &stat, NULL) && stat.size == 0;
        int flags = (empty ? STORE_WRITE_REPLACE : 0) | (checkpoint->temporary ? 0 : STORE_WRITE_SYNC);
        world_random(store_world(checkpoint->store), random, sizeof random);
        *id = uuid_from_random(random);
        uuid_format(*id, name);
        buffer_clear(&text);
        buffer_printf(&text, "{\"id\":\"%s\"}", name);
        good = good && (store_write_file(checkpoint->store, path, buffer_view(&text), flags, &problem) ||
                           sql_error_from(error, &problem));
    }
    buffer_free(&text);
    arena_destroy(&arena);
    return good;
}

void offset_entry_free(struct offset_entry *entry) {
    for (size_t i = 0; i < entry->source_count; i++) {
        buffer_free(&entry->offsets[i]);
    }
    free(entry->offsets);
    *entry = (struct offset_entry){0};
}

bool checkpoint_latest(
    const struct checkpoint *checkpoint, int64_t *offsets, int64_t *commits, struct sql_error *error) {
    struct arena arena = {0};
    struct error problem = {0};
    bool good =
        latest_batch(checkpoint->store, store_path_join(&arena, checkpoint->location, "offsets"), offsets, &problem) &&
        latest_batch(checkpoint->store, store_path_join(&arena, checkpoint->location, "commits"), commits, &problem);
    arena_destroy(&arena);
    return good || sql_error_from(error, &problem);
}

static struct bytes take_line(struct bytes *rest) {
    size_t end = bytes_find(*rest, '\n', 0);
    struct bytes line = end == SIZE_MAX ? *rest : bytes_slice(*rest, 0, end);
    *rest = end == SIZE_MAX ? BYTES_NULL : bytes_slice(*rest, end + 1, rest->size - end - 1);
    return line;
}

/* Settings whose other values mean another form of the state than is read and written here. */
static bool check_settings(json_t *settings, const char **reason) {
    static const struct {
        const char *name, *value, *reason;
    } expected[] = {
        {"spark.sql.streaming.stateStore.providerClass",
            "org.apache.spark.sql.execution.streaming.state.HDFSBackedStateStoreProvider",
            "its state is in RocksDB, which is not read here"},
        {"spark.sql.streaming.stateStore.compression.codec", "lz4", "its state is not compressed with lz4"},
        {"spark.sql.streaming.stateStore.encodingFormat", "unsaferow", "its state is not kept as UnsafeRow"},
        {"spark.sql.streaming.stateStore.rowChecksum.enabled", "false", "its state has checksums in its rows"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(expected); i++) {
        const char *value = json_string_value(json_object_get(settings, expected[i].name));
        if (value != NULL && strcmp(value, expected[i].value) != 0) {
            *reason = expected[i].reason;
            return false;
        }
    }
    return true;
}

static bool has_value(json_t *settings, const char *name, const char *wanted) {
    const char *value = json_string_value(json_object_get(settings, name));
    return value != NULL && strcmp(value, wanted) == 0;
}

static bool parse_metadata(struct bytes metadata, struct offset_entry *entry, const char **reason) {
    json_t *root = json_loadb((const char *)metadata.data, metadata.size, 0, NULL);
    *reason = "its second line is not JSON";
    bool good = json_is_object(root);
    json_t *settings = json_object_get(root, "conf");
    entry->watermark_ms = json_integer_value(json_object_get(root, "batchWatermarkMs"));
    entry->timestamp_ms = json_integer_value(json_object_get(root, "batchTimestampMs"));
    const char *partitions = json_string_value(json_object_get(settings, "spark.sql.shuffle.partitions"));
    const char *policy = json_string_value(json_object_get(settings, "spark.sql.streaming.multipleWatermarkPolicy"));
    entry->old_aggregations = !has_value(settings, "spark.sql.streaming.aggregation.stateFormatVersion", "2");
    entry->old_joins = !has_value(settings, "spark.sql.streaming.join.stateFormatVersion", "2");
    entry->loose_distribution =
        !has_value(settings, "spark.sql.streaming.statefulOperator.useStrictDistribution", "true");
    entry->exactly_once = json_object_get(settings, "raudal.stream.kafka.exactlyOnce") != NULL;
    const char *boot = json_string_value(json_object_get(settings, "raudal.stream.boot"));
    entry->boot_id = boot == NULL ? 0 : strtoull(boot, NULL, 16);
    entry->watermark_is_maximum = policy != NULL && strcmp(policy, "max") == 0;
    if (partitions == NULL || !bytes_to_int64(bytes_from_text(partitions), &entry->shuffle_partitions)) {
        entry->shuffle_partitions = 0;
    }
    good = good && check_settings(settings, reason);
    json_decref(root);
    return good;
}

static bool parse_offsets(struct bytes text, size_t source_count, struct offset_entry *entry, const char **reason) {
    struct bytes version = take_line(&text), metadata = take_line(&text);
    *reason = "its first line is not v1";
    if (!bytes_equal(version, BYTES("v1"))) {
        *reason =
            bytes_equal(version, BYTES("v2")) ? "it has version v2 (named sources), which is not supported" : *reason;
        return false;
    }
    if (!parse_metadata(metadata, entry, reason)) {
        return false;
    }
    size_t count = 0;
    *reason = "it has another number of sources than the query: sources of a query cannot be added or taken away";
    while (text.data != NULL && source_count != SIZE_MAX) {
        struct bytes line = take_line(&text);
        if (count == source_count) {
            return false;
        }
        if (!bytes_equal(line, BYTES("-"))) {
            buffer_append_bytes(&entry->offsets[count], line);
        }
        count++;
    }
    return source_count == SIZE_MAX || count == source_count;
}

static bool read_offsets(const struct checkpoint *checkpoint, int64_t batch_id, size_t source_count,
    struct offset_entry *entry, struct sql_error *error) {
    struct arena arena = {0};
    struct buffer text = {0};
    struct error problem = {0};
    const char *reason;
    *entry = (struct offset_entry){.batch_id = batch_id,
        .source_count = source_count == SIZE_MAX ? 0 : source_count,
        .offsets = calloc(source_count == SIZE_MAX ? 1 : source_count + 1, sizeof *entry->offsets)};
    ASSERT(entry->offsets != NULL);
    bool good = store_read_file(checkpoint->store,
        arena_printf(&arena, "%s/offsets/%lld", checkpoint->location, (long long)batch_id), LOG_FILE_MAX, &text,
        &problem);
    if (!good) {
        sql_error_from(error, &problem);
    } else if (!parse_offsets(buffer_view(&text), source_count, entry, &reason)) {
        good = raise_streaming_checkpoint_invalid(error, checkpoint->location,
            arena_printf(error->arena, "the file offsets/%lld cannot be used: %s", (long long)batch_id, reason));
    }
    buffer_free(&text);
    arena_destroy(&arena);
    return good;
}

bool checkpoint_read_offsets(const struct checkpoint *checkpoint, int64_t batch_id, size_t source_count,
    struct offset_entry *entry, struct sql_error *error) {
    return read_offsets(checkpoint, batch_id, source_count, entry, error);
}

bool checkpoint_read_settings(
    const struct checkpoint *checkpoint, int64_t batch_id, struct offset_entry *entry, struct sql_error *error) {
    return read_offsets(checkpoint, batch_id, SIZE_MAX, entry, error);
}

bool checkpoint_write_offsets(
    const struct checkpoint *checkpoint, const struct offset_entry *entry, struct sql_error *error) {
    /* The settings that Spark freezes with a query, at its defaults. */
    static const char *const settings =
        "\"spark.sql.streaming.stateStore.providerClass\":"
        "\"org.apache.spark.sql.execution.streaming.state.HDFSBackedStateStoreProvider\","
        "\"spark.sql.dropDuplicates.deterministicKeyOrder.enabled\":\"true\","
        "\"spark.sql.streaming.stateStore.rocksdb.mergeOperatorVersion\":\"2\","
        "\"spark.sql.streaming.stateStore.rocksdb.formatVersion\":\"5\","
        "\"spark.sql.streaming.queryEvolution.enableSourceEvolution\":\"false\","
        "\"spark.sql.streaming.stateStore.encodingFormat\":\"unsaferow\","
        "\"spark.sql.streaming.statefulOperator.useStrictDistribution\":\"true\","
        "\"spark.sql.streaming.flatMapGroupsWithState.stateFormatVersion\":\"2\","
        "\"spark.sql.streaming.stateStore.rowChecksum.enabled\":\"false\","
        "\"spark.sql.streaming.statefulOperator.alwaysNullableOutput.enabled\":\"true\","
        "\"spark.sql.streaming.aggregation.stateFormatVersion\":\"2\","
        "\"spark.sql.function.protobufExtensions.enabled\":\"false\","
        "\"spark.sql.streaming.join.stateFormatVersion\":\"2\","
        "\"spark.sql.streaming.stateStore.compression.codec\":\"lz4\","
        "\"spark.sql.optimizer.pruneFiltersCanPruneStreamingSubplan\":\"false\"";
    struct buffer text = {0};
    buffer_printf(&text,
        "v1\n{\"batchWatermarkMs\":%lld,\"batchTimestampMs\":%lld,\"conf\":{%s,"
        "\"spark.sql.streaming.multipleWatermarkPolicy\":\"%s\",\"spark.sql.shuffle.partitions\":\"%lld\"%s",
        (long long)entry->watermark_ms, (long long)entry->timestamp_ms, settings,
        entry->watermark_is_maximum ? "max" : "min", (long long)entry->shuffle_partitions,
        entry->exactly_once ? ",\"raudal.stream.kafka.exactlyOnce\":\"true\"" : "");
    if (entry->boot_id != 0) {
        buffer_printf(&text, ",\"raudal.stream.boot\":\"%llx\"", (unsigned long long)entry->boot_id);
    }
    buffer_append_text(&text, "}}");
    for (size_t i = 0; i < entry->source_count; i++) {
        buffer_append_byte(&text, '\n');
        if (entry->offsets[i].size == 0) {
            buffer_append_byte(&text, '-');
        }
        buffer_append_bytes(&text, buffer_view(&entry->offsets[i]));
    }
    bool good = write_batch(checkpoint, "offsets", entry->batch_id, buffer_view(&text), error);
    buffer_free(&text);
    return good;
}

bool checkpoint_write_commit(
    const struct checkpoint *checkpoint, int64_t batch_id, int64_t next_watermark_ms, struct sql_error *error) {
    struct buffer text = {0};
    buffer_printf(&text, "v1\n{\"nextBatchWatermarkMs\":%lld}", (long long)next_watermark_ms);
    bool good = write_batch(checkpoint, "commits", batch_id, buffer_view(&text), error);
    buffer_free(&text);
    return good;
}

bool checkpoint_read_commit(
    const struct checkpoint *checkpoint, int64_t batch_id, int64_t *next_watermark_ms, struct sql_error *error) {
    struct arena arena = {0};
    struct buffer text = {0};
    struct error problem = {0};
    bool good = store_read_file(checkpoint->store,
        arena_printf(&arena, "%s/commits/%lld", checkpoint->location, (long long)batch_id), LOG_FILE_MAX, &text,
        &problem);
    if (!good) {
        sql_error_from(error, &problem);
    }
    struct bytes rest = buffer_view(&text), version = good ? take_line(&rest) : BYTES_NULL;
    json_t *root = good && rest.data != NULL ? json_loadb((const char *)rest.data, rest.size, 0, NULL) : NULL;
    *next_watermark_ms = json_integer_value(json_object_get(root, "nextBatchWatermarkMs"));
    if (good && !bytes_equal(version, BYTES("v1"))) {
        good = raise_streaming_checkpoint_invalid(error, checkpoint->location,
            arena_printf(error->arena, "the file commits/%lld has another version than v1", (long long)batch_id));
    }
    json_decref(root);
    buffer_free(&text);
    arena_destroy(&arena);
    return good;
}

void checkpoint_purge(const struct checkpoint *checkpoint, int64_t *purged_until, int64_t batch_id) {
    static const char *const folders[] = {"offsets", "commits"};
    for (size_t i = 0; i < ARRAY_COUNT(folders) && batch_id > *purged_until; i++) {
        struct arena arena = {0};
        struct error ignored;
        struct log_batches batches = {0};
        char *folder = store_path_join(&arena, checkpoint->location, folders[i]);
        if (*purged_until == 0) {
            (void)list_batches(checkpoint->store, folder, &batches, &ignored);
        }
        int64_t first = batches.count > 0 ? batches.items[0].batch_id : *purged_until;
        for (int64_t number = first; number < batch_id; number++) {
            (void)store_delete(
                checkpoint->store, arena_printf(&arena, "%s/%lld", folder, (long long)number), false, &ignored);
        }
        VECTOR_FREE(&batches);
        arena_destroy(&arena);
    }
    *purged_until = batch_id > *purged_until ? batch_id : *purged_until;
}

/* ---- the file sink's log ---- */

static char *log_path(struct arena *arena, const char *directory, int64_t batch_id, bool compact) {
    return arena_printf(arena, "%s/_spark_metadata/%lld%s", strcmp(directory, "/") == 0 ? "" : directory,
        (long long)batch_id, compact ? ".compact" : "");
}

bool sink_log_latest(struct store *store, const char *directory, int64_t *batch_id, struct error *error) {
    struct arena arena = {0};
    bool good = latest_batch(store, store_path_join(&arena, directory, "_spark_metadata"), batch_id, error);
    arena_destroy(&arena);
    return good;
}

bool sink_log_take_back(struct store *store, const char *directory, int64_t batch_id, struct error *error) {
    struct arena arena = {0};
    struct log_batches batches = {0};
    bool good = list_batches(store, store_path_join(&arena, directory, "_spark_metadata"), &batches, error);
    for (size_t i = batches.count; i-- > 0 && good && batches.items[i].batch_id > batch_id;) {
        const char *path = log_path(&arena, directory, batches.items[i].batch_id, batches.items[i].compact);
        good = store_delete(store, path, false, error) || error->code == ERROR_NOT_FOUND;
    }
    VECTOR_FREE(&batches);
    arena_destroy(&arena);
    return good;
}

static bool parse_entry(struct arena *arena, struct bytes line, struct sink_entries *entries, struct error *error) {
    json_t *root = json_loadb((const char *)line.data, line.size, 0, NULL);
    const char *path = json_string_value(json_object_get(root, "path")),
               *action = json_string_value(json_object_get(root, "action"));
    bool good = path != NULL;
    if (good && (action == NULL || strcmp(action, "delete") != 0)) {
        VECTOR_PUSH(entries, ((struct sink_entry){bytes_from_text(arena_strdup(arena, path)),
                                 json_integer_value(json_object_get(root, "size")),
                                 json_integer_value(json_object_get(root, "modificationTime")),
                                 json_integer_value(json_object_get(root, "blockSize")),
                                 (int)json_integer_value(json_object_get(root, "blockReplication"))}));
    }
    json_decref(root);
    return good || error_set(error, ERROR_CORRUPT, "an entry of _spark_metadata is not JSON with a path: %.*s",
                       (int)(line.size < 200 ? line.size : 200), (const char *)line.data);
}

static bool read_log_file(
    struct store *store, struct arena *arena, const char *path, struct sink_entries *entries, struct error *error) {
    struct buffer text = {0};
    bool good = store_read_file(store, path, LOG_FILE_MAX, &text, error);
    struct bytes rest = buffer_view(&text);
    if (good && !bytes_equal(take_line(&rest), BYTES("v1"))) {
        good = error_set(error, ERROR_CORRUPT, "%s: its first line is not v1", path);
    }
    while (good && rest.data != NULL) {
        struct bytes line = take_line(&rest);
        good = line.size == 0 || parse_entry(arena, line, entries, error);
    }
    buffer_free(&text);
    return good;
}

bool sink_log_read(struct store *store, struct arena *arena, const char *directory, struct sink_entries *entries,
    struct error *error) {
    struct log_batches batches = {0};
    bool good = list_batches(store, store_path_join(arena, directory, "_spark_metadata"), &batches, error);
    size_t first = 0;
    for (size_t i = 0; i < batches.count; i++) {
        first = batches.items[i].compact && !batches.items[i].empty ? i : first;
    }
    for (size_t i = first; i < batches.count && good; i++) {
        good = batches.items[i].empty ||
               read_log_file(store, arena,
                   log_path(arena, directory, batches.items[i].batch_id, batches.items[i].compact), entries, error);
    }
    VECTOR_FREE(&batches);
    return good;
}

static void append_entry(const struct sink_entry *entry, struct buffer *out) {
    buffer_append_text(out, "\n{\"path\":");
    buffer_append_json_string(out, entry->uri);
    buffer_printf(out,
        ",\"size\":%lld,\"isDir\":false,\"modificationTime\":%lld,\"blockReplication\":%d,\"blockSize\":%lld,"
        "\"action\":\"add\"}",
        (long long)entry->size, (long long)entry->modified_ms, entry->replication, (long long)entry->block_size);
}

bool sink_log_write(struct store *store, const char *directory, const char *authority, int64_t batch_id,
    const struct written_files *files, struct error *error) {
    struct arena arena = {0};
    struct buffer text = {0}, uri = {0};
    struct sink_entries before = {0};
    bool compact = (batch_id + 1) % COMPACT_INTERVAL == 0, good = true;
    buffer_append_text(&text, "v1");
    if (compact) {
        good = sink_log_read(store, &arena, directory, &before, error);
        for (size_t i = 0; i < before.count; i++) {
            append_entry(&before.items[i], &text);
        }
    }
    for (size_t i = 0; i < files->count && good; i++) {
        struct store_stat stat;
        buffer_clear(&uri);
        file_uri(files->items[i].path, authority, &uri);
        good = store_stat(store, files->items[i].path, &stat, error);
        append_entry(
            &(struct sink_entry){buffer_view(&uri), files->items[i].size, stat.modified_ms,
                stat.block_size > 0 ? stat.block_size : 134217728, stat.replication > 0 ? stat.replication : 1},
            &text);
    }
    good = good && write_new(store, log_path(&arena, directory, batch_id, compact), buffer_view(&text), error);
    buffer_free(&text);
    buffer_free(&uri);
    VECTOR_FREE(&before);
    arena_destroy(&arena);
    return good;
}
