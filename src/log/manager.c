/* manager.c: the log directory: its lock and identity, the table of open partitions, checkpoints, timers.
 *
 * Order of a clean stop, as Kafka's: segments are synced and closed, then the recovery-point, log-start-offset and high
 * watermark checkpoints are written and synced, and last .kafka_cleanshutdown; the file is deleted at the next start.
 */
#include "log/internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

#define CLEAN_FILE ".kafka_cleanshutdown"
#define TICK_MS 200

static void path_in(const struct log_manager *manager, const char *name, char out[LOG_PATH_SIZE]) {
    int length = snprintf(out, LOG_PATH_SIZE, "%s/%s", manager->directory, name);
    ASSERT(length > 0 && length < LOG_PATH_SIZE);
}

/* ---- identity ---- */

static bool write_meta_properties(struct log_manager *manager, struct error *error) {
    char path[LOG_PATH_SIZE], directory_id[UUID_BASE64_SIZE];
    path_in(manager, "meta.properties", path);
    uuid_format_base64(manager->directory_id, directory_id);
    struct buffer text = {0};
    buffer_printf(&text, "#\nversion=1\ncluster.id=%s\nnode.id=%d\ndirectory.id=%s\n", manager->cluster_id,
        manager->node_id, directory_id);
    bool ok = world_write_file(manager->world, path, buffer_view(&text), true, error);
    buffer_free(&text);
    return ok;
}

/* Ids in Kafka's text form must not start with a hyphen (they would look like an option). */
static struct uuid new_id(struct log_manager *manager) {
    for (;;) {
        uint8_t random[16];
        char text[UUID_BASE64_SIZE];
        world_random(manager->world, random, sizeof random);
        struct uuid id = uuid_from_random(random);
        uuid_format_base64(id, text);
        if (text[0] != '-')
            return id;
    }
}

struct meta {
    char cluster_id[64];
    struct bytes version, directory_id, node_id;
};

static void read_property(struct bytes line, struct meta *meta) {
    size_t equals = bytes_find(line, '=', 0);
    if (line.size == 0 || line.data[0] == '#' || equals == SIZE_MAX)
        return;
    struct bytes name = bytes_trim(bytes_slice(line, 0, equals));
    struct bytes value = bytes_trim(bytes_slice(line, equals + 1, line.size - equals - 1));
    if (bytes_equal_text(name, "cluster.id"))
        snprintf(meta->cluster_id, sizeof meta->cluster_id, "%.*s", BYTES_ARGS(value));
    else if (bytes_equal_text(name, "directory.id"))
        meta->directory_id = value;
    else if (bytes_equal_text(name, "node.id") || bytes_equal_text(name, "broker.id"))
        meta->node_id = value;
    else if (bytes_equal_text(name, "version"))
        meta->version = value;
}

static bool check_meta(struct log_manager *manager, const char *path, const struct meta *meta, struct error *error) {
    const char *asked = manager->options.cluster_id;
    int64_t node_id = -1;
    if (asked && *asked && strcmp(asked, meta->cluster_id) != 0)
        return error_set(error, ERROR_INVALID,
            "%s belongs to cluster %s, not to %s: give that cluster id or another data folder", path, meta->cluster_id,
            asked);
    if (!bytes_to_int64(meta->node_id, &node_id) || node_id != manager->node_id)
        return error_set(error, ERROR_INVALID,
            "%s belongs to node %.*s, this is node %d: set kafka.node.id to that number or take "
            "another data folder",
            path, BYTES_ARGS(meta->node_id), manager->node_id);
    return true;
}

static bool read_meta_properties(struct log_manager *manager, struct error *error) {
    char path[LOG_PATH_SIZE];
    path_in(manager, "meta.properties", path);
    if (!world_exists(manager->world, path)) {
        const char *asked = manager->options.cluster_id;
        char made[UUID_BASE64_SIZE];
        uuid_format_base64(new_id(manager), made);
        snprintf(manager->cluster_id, sizeof manager->cluster_id, "%s", asked && *asked ? asked : made);
        manager->directory_id = new_id(manager);
        return write_meta_properties(manager, error);
    }
    struct buffer text = {0};
    if (!world_read_file(manager->world, path, 65536, &text, error))
        return false;
    struct meta meta = {0};
    for (size_t at = 0; at < text.size;) {
        size_t end = bytes_find(buffer_view(&text), '\n', at);
        end = end == SIZE_MAX ? text.size : end;
        read_property(bytes_slice(buffer_view(&text), at, end - at), &meta);
        at = end + 1;
    }
    bool ok = check_meta(manager, path, &meta, error);
    if (ok) {
        snprintf(manager->cluster_id, sizeof manager->cluster_id, "%s", meta.cluster_id);
        if (!uuid_parse_base64(meta.directory_id, &manager->directory_id)) {
            manager->directory_id = new_id(manager);
            ok = write_meta_properties(manager, error);
        }
    }
    buffer_free(&text);
    return ok;
}

static bool take_lock(struct log_manager *manager, struct error *error) {
    char path[LOG_PATH_SIZE];
    path_in(manager, ".lock", path);
    manager->lock_file =
        world_file_open(manager->world, path, WORLD_OPEN_READ | WORLD_OPEN_WRITE | WORLD_OPEN_CREATE, 0644, error);
    if (!manager->lock_file)
        return false;
    return world_file_lock(manager->lock_file, error) ||
           error_prefix(error, "the Kafka log directory %s is in use by another process", manager->directory);
}

/* A checkpoint that cannot be read is named and left out: without a recovery point everything is scanned. */
static void read_checkpoint(struct log_manager *manager, const char *name, struct map *offsets) {
    char path[LOG_PATH_SIZE];
    struct error error;
    path_in(manager, name, path);
    if (checkpoint_read(manager->world, path, offsets, &error))
        return;
    service_log_write(
        manager->service_log, LOG_WARN, "kafka.log.LogManager", "Going on without a checkpoint: %s", error.message);
    checkpoint_free(offsets);
    *offsets = (struct map){0};
}

static void read_checkpoints(struct log_manager *manager) {
    read_checkpoint(manager, "recovery-point-offset-checkpoint", &manager->recovery_points);
    read_checkpoint(manager, "log-start-offset-checkpoint", &manager->start_offsets);
    read_checkpoint(manager, "cleaner-offset-checkpoint", &manager->clean_offsets);
}

/* A partition's directory is "<topic>-<number>". */
static bool is_partition_name(const char *name) {
    const char *dash = strrchr(name, '-');
    if (!dash || dash == name || !dash[1])
        return false;
    for (const char *digit = dash + 1; *digit; digit++)
        if (*digit < '0' || *digit > '9')
            return false;
    return true;
}

static bool list_directory(struct log_manager *manager, struct error *error) {
    struct world_names names = {0};
    if (!world_list(manager->world, manager->directory, &names, error))
        return false;
    for (size_t i = 0; i < names.count; i++) {
        struct world_name name = names.items[i];
        if (name.kind != WORLD_FILE_DIRECTORY)
            continue;
        if (bytes_ends_with(bytes_from_text(name.name), "-delete")) {
            char path[LOG_PATH_SIZE];
            path_in(manager, name.name, path);
            manager_remove_later(manager, path, 0);
        } else if (is_partition_name(name.name)) {
            VECTOR_PUSH(&manager->found, ((struct world_name){strdup(name.name), name.kind}));
        }
    }
    world_names_free(&names);
    return true;
}

/* ---- open ---- */

static void tick(void *argument);

void log_manager_configure(struct log_manager *manager, int64_t producer_expiration_ms, int64_t cleaner_backoff_ms) {
    manager->options.producer_expiration_ms = producer_expiration_ms;
    manager->options.cleaner_backoff_ms = cleaner_backoff_ms > 0 ? cleaner_backoff_ms : 1;
}

static void take_options(struct log_manager *manager, const struct log_manager_options *options) {
    manager->options = *options;
    manager->world = options->world;
    manager->loop = options->loop;
    manager->disk_pool = options->disk_pool;
    manager->node_id = options->node_id;
    manager->service_log = options->service_log;
    manager->directory = strdup(options->directory);
    struct log_manager_options *set = &manager->options;
    if (set->producer_expiration_ms <= 0)
        set->producer_expiration_ms = 24 * 3600 * 1000;
    if (set->retention_check_ms <= 0)
        set->retention_check_ms = 5 * 60 * 1000;
    if (set->checkpoint_ms <= 0)
        set->checkpoint_ms = 60 * 1000;
    if (set->cleaner_backoff_ms <= 0)
        set->cleaner_backoff_ms = 15 * 1000;
    if (set->open_files_max <= 0)
        set->open_files_max = 512;
    if (options->metrics) {
        manager->appended_bytes = metrics_get(options->metrics, METRIC_COUNTER, "kafka_log_appended_bytes_total",
            "Bytes of record batches appended to partitions", "");
        manager->appended_batches = metrics_get(options->metrics, METRIC_COUNTER, "kafka_log_appended_batches_total",
            "Record batches appended to partitions", "");
        manager->quarantined_batches = metrics_get(options->metrics, METRIC_COUNTER,
            "kafka_log_quarantined_batches_total", "Record batches whose checksum was wrong when they were read", "");
        manager->scrubbed_bytes = metrics_get(options->metrics, METRIC_COUNTER, "kafka_log_scrubbed_bytes_total",
            "Bytes of record batches that the background verification has read", "");
        manager->scrub_passes = metrics_get(options->metrics, METRIC_COUNTER, "kafka_log_scrub_passes_total",
            "Passes of the background verification over all partitions", "");
    }
}

int64_t manager_now_ms(struct log_manager *manager) {
    return world_monotonic_ns(manager->world) / 1000000;
}

static bool open_directory(struct log_manager *manager, struct error *error) {
    if (!world_mkdirs(manager->world, manager->directory, 0755, error) || !take_lock(manager, error) ||
        !read_meta_properties(manager, error) || !list_directory(manager, error))
        return false;
    char path[LOG_PATH_SIZE];
    path_in(manager, CLEAN_FILE, path);
    read_checkpoints(manager);
    manager->was_clean = world_exists(manager->world, path);
    return !manager->was_clean || world_unlink(manager->world, path, error);
}

struct log_manager *log_manager_open(const struct log_manager_options *options, struct error *error) {
    struct log_manager *manager = calloc(1, sizeof *manager);
    ASSERT(manager);
    manager->references = 1;
    manager->broker_epoch = -1;
    take_options(manager, options);
    list_init(&manager->files);
    world_mutex_init(&manager->files_mutex);
    world_mutex_init(&manager->job_mutex);
    world_mutex_init(&manager->clean_mutex);
    if (!open_directory(manager, error)) {
        manager_release(manager);
        return NULL;
    }
    int64_t now_ms = manager_now_ms(manager);
    manager->next_retention_ms = now_ms + 30 * 1000; /* log.initial.task.delay.ms */
    manager->next_checkpoint_ms = now_ms + manager->options.checkpoint_ms;
    manager->next_clean_ms = now_ms + manager->options.cleaner_backoff_ms;
    if (manager->loop) {
        manager->timer = world_timer_create(manager->loop, tick, manager);
        world_timer_start(manager->timer, TICK_MS, TICK_MS);
    }
    return manager;
}

struct log_manager *manager_retain(struct log_manager *manager) {
    __atomic_fetch_add(&manager->references, 1, __ATOMIC_RELAXED);
    return manager;
}

void manager_release(struct log_manager *manager) {
    if (__atomic_sub_fetch(&manager->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    if (manager->lock_file)
        world_file_close(manager->lock_file);
    for (size_t i = 0; i < manager->removals.count; i++)
        free(manager->removals.items[i].path);
    VECTOR_FREE(&manager->removals);
    scrub_free(manager);
    world_names_free(&manager->found);
    map_free(&manager->logs);
    map_free(&manager->opened);
    checkpoint_free(&manager->recovery_points);
    checkpoint_free(&manager->start_offsets);
    checkpoint_free(&manager->clean_offsets);
    world_mutex_destroy(&manager->files_mutex);
    world_mutex_destroy(&manager->job_mutex);
    world_mutex_destroy(&manager->clean_mutex);
    free(manager->directory);
    free(manager);
}

void manager_run(struct log_manager *manager, world_function *work, world_function *done, void *argument) {
    if (manager->loop && manager->disk_pool) {
        world_pool_run(manager->disk_pool, manager->loop, work, done, argument);
        return;
    }
    work(argument);
    if (manager->loop)
        world_loop_post(manager->loop, done, argument);
    else
        done(argument);
}

/* ---- facts ---- */

const char *log_manager_directory(const struct log_manager *manager) {
    return manager->directory;
}
const char *log_manager_cluster_id(const struct log_manager *manager) {
    return manager->cluster_id;
}
struct uuid log_manager_directory_id(const struct log_manager *manager) {
    return manager->directory_id;
}
int32_t log_manager_node_id(const struct log_manager *manager) {
    return manager->node_id;
}
bool log_manager_was_clean(const struct log_manager *manager) {
    return manager->was_clean;
}
void log_manager_set_broker_epoch(struct log_manager *manager, int64_t broker_epoch) {
    manager->broker_epoch = broker_epoch;
}
struct world *log_manager_world(const struct log_manager *manager) {
    return manager->world;
}
struct world_loop *log_manager_loop(const struct log_manager *manager) {
    return manager->loop;
}
void log_manager_on_advance(
    struct log_manager *manager, void (*function)(void *argument, struct partition_log *log), void *argument) {
    manager->on_advance = function;
    manager->on_advance_argument = argument;
}

/* ---- partitions ---- */

static int64_t checkpointed(const struct map *offsets, const char *name, int64_t otherwise) {
    const int64_t *value = map_get_text(offsets, name);
    return value ? *value : otherwise;
}

static struct partition_log *make_log(struct log_manager *manager, const char *topic, struct uuid topic_id,
    int32_t partition, const struct log_config *config) {
    struct partition_log *log = calloc(1, sizeof *log);
    ASSERT(log);
    char name[320], path[LOG_PATH_SIZE];
    snprintf(name, sizeof name, "%s-%d", topic, partition);
    path_in(manager, name, path);
    log->references = 1;
    log->manager = manager_retain(manager);
    log->world = manager->world;
    log->topic = strdup(topic);
    log->topic_id = topic_id;
    log->partition = partition;
    log->name = strdup(name);
    log->directory = strdup(path);
    log->config = *config;
    world_mutex_init(&log->mutex);
    world_mutex_init(&log->job_mutex);
    list_init(&log->waiters);
    log->dirty_since_ms = -1;
    log->producers.snapshot_offset = -1;
    log->start_offset = checkpointed(&manager->start_offsets, name, 0);
    log->recovery_point = checkpointed(&manager->recovery_points, name, 0);
    log->clean_offset = checkpointed(&manager->clean_offsets, name, 0);
    return log;
}

struct partition_log *log_retain(struct partition_log *log) {
    __atomic_fetch_add(&log->references, 1, __ATOMIC_RELAXED);
    return log;
}

void log_release(struct partition_log *log) {
    if (!log || __atomic_sub_fetch(&log->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    ASSERT(log->segments.count == 0);
    producer_clear(&log->producers);
    VECTOR_FREE(&log->epochs.entries);
    VECTOR_FREE(&log->sync_waiters);
    VECTOR_FREE(&log->segments);
    world_mutex_destroy(&log->mutex);
    world_mutex_destroy(&log->job_mutex);
    manager_release(log->manager);
    for (size_t i = 0; i < log->failures.count; i++)
        free(log->failures.items[i]);
    VECTOR_FREE(&log->failures);
    free(log->topic);
    free(log->name);
    free(log->directory);
    free(log);
}

/* Lets the segments of a partition that failed to open go. */
static void abandon(struct partition_log *log) {
    __atomic_store_n(&log->closed, true, __ATOMIC_RELEASE);
    VECTOR(struct segment *) segments = {log->segments.items, log->segments.count, log->segments.capacity};
    log->segments.items = NULL;
    log->segments.count = log->segments.capacity = 0;
    for (size_t i = 0; i < segments.count; i++)
        segment_release(segments.items[i]);
    VECTOR_FREE(&segments);
    log_release(log);
}

/* With flush_messages = 1 nothing is served that is not synced, so what recovery kept is synced first. */
static bool publish_loaded(struct partition_log *log, struct error *error) {
    if (log->config.flush_messages <= 1 && log->recovery_point < log->end_offset)
        for (size_t i = 0; i < log->segments.count; i++) {
            struct segment *segment = log->segments.items[i];
            if (segment->next_offset <= log->recovery_point)
                continue;
            if (!segment_sync(segment, error))
                return false;
        }
    if (log->config.flush_messages <= 1)
        log->recovery_point = log->end_offset;
    log->high_watermark = log->end_offset;
    producer_high_watermark(&log->producers, log->high_watermark);
    int64_t unstable = producer_first_unstable(&log->producers);
    log->stable_offset = unstable < log->high_watermark ? unstable : log->high_watermark;
    return true;
}

struct partition_log *log_open(struct log_manager *manager, const char *topic, struct uuid topic_id, int32_t partition,
    const struct log_config *config, bool create, struct error *error) {
    char name[320];
    int length = snprintf(name, sizeof name, "%s-%d", topic, partition);
    if (length >= 250 + 6 || strchr(topic, '/') || partition < 0) {
        error_set(error, ERROR_INVALID, "topic name %.260s cannot be a directory name", topic);
        return NULL;
    }
    ASSERT(!map_get_text(&manager->logs, name));
    struct partition_log *log = make_log(manager, topic, topic_id, partition, config);
    /* Kafka's own metadata log is in no checkpoint, so it is always scanned. */
    bool clean = manager->was_clean && strcmp(name, "__cluster_metadata-0") != 0;
    if (!log_load(log, clean, create, error) || !publish_loaded(log, error)) {
        abandon(log);
        return NULL;
    }
    for (size_t i = 0; i < log->segments.count; i++)
        segment_close_files(log->segments.items[i]);
    map_set_text(&manager->logs, name, log);
    map_set_text(&manager->opened, name, log);
    return log;
}

struct partition_log *log_find(struct log_manager *manager, const char *topic, int32_t partition) {
    char name[320];
    snprintf(name, sizeof name, "%s-%d", topic, partition);
    return map_get_text(&manager->logs, name);
}

struct partition_log *log_next(struct log_manager *manager, size_t *cursor) {
    struct map_entry *entry = map_next(&manager->logs, cursor);
    return entry ? entry->value : NULL;
}

void log_configure(struct partition_log *log, const struct log_config *config) {
    world_mutex_lock(&log->mutex);
    log->config = *config;
    world_mutex_unlock(&log->mutex);
    log_publish(log);
}

const struct log_config *log_config_of(const struct partition_log *log) {
    return &log->config;
}

void manager_forget(struct log_manager *manager, struct partition_log *log) {
    map_remove(&manager->logs, bytes_from_text(log->name));
}

bool log_manager_unopened(struct log_manager *manager, struct world_names *names, struct error *error) {
    for (size_t i = 0; i < manager->found.count; i++)
        if (!map_get_text(&manager->opened, manager->found.items[i].name))
            VECTOR_PUSH(names, ((struct world_name){strdup(manager->found.items[i].name), WORLD_FILE_DIRECTORY}));
    return true;
}

bool log_manager_set_strays_aside(struct log_manager *manager, struct error *error) {
    for (size_t i = 0; i < manager->found.count; i++) {
        const char *name = manager->found.items[i].name;
        if (map_get_text(&manager->opened, name))
            continue;
        char from[LOG_PATH_SIZE], to[LOG_PATH_SIZE], suffix[64];
        snprintf(suffix, sizeof suffix, "%016llx%016llx", (unsigned long long)world_random_u64(manager->world),
            (unsigned long long)world_random_u64(manager->world));
        path_in(manager, name, from);
        snprintf(to, sizeof to, "%s/%s.%s-stray", manager->directory, name, suffix);
        service_log_write(manager->service_log, LOG_WARN, "kafka.log.LogManager",
            "Found stray log dir %s: the cluster's metadata does not know this partition; it is renamed to %s and its "
            "data is kept",
            from, to);
        if (!world_rename(manager->world, from, to, error))
            return false;
    }
    world_names_free(&manager->found);
    manager->found = (struct world_names){0};
    return true;
}

/* ---- removals ---- */

void manager_remove_later(struct log_manager *manager, const char *path, int64_t delay_ms) {
    VECTOR_PUSH(
        &manager->removals, ((struct removal){strdup(path), manager_now_ms(manager) + (delay_ms > 0 ? delay_ms : 0)}));
}

struct removal_job {
    struct log_manager *manager;
    VECTOR(char *) paths;
};

static void removal_work(void *argument) {
    struct removal_job *job = argument;
    struct error error;
    for (size_t i = 0; i < job->paths.count; i++)
        if (!world_remove_tree(job->manager->world, job->paths.items[i], &error))
            service_log_write(job->manager->service_log, LOG_WARN, "kafka.log.LogManager",
                "%s could not be removed: %s", job->paths.items[i], error.message);
}

static void removal_done(void *argument) {
    struct removal_job *job = argument;
    for (size_t i = 0; i < job->paths.count; i++)
        free(job->paths.items[i]);
    VECTOR_FREE(&job->paths);
    manager_release(job->manager);
    free(job);
}

static void run_removals(struct log_manager *manager, int64_t now_ms) {
    struct removal_job *job = NULL;
    for (size_t i = 0; i < manager->removals.count;) {
        if (manager->removals.items[i].due_ms > now_ms) {
            i++;
            continue;
        }
        if (!job) {
            job = calloc(1, sizeof *job);
            ASSERT(job);
            job->manager = manager_retain(manager);
        }
        VECTOR_PUSH(&job->paths, manager->removals.items[i].path);
        VECTOR_REMOVE(&manager->removals, i);
    }
    if (job)
        manager_run(manager, removal_work, removal_done, job);
}

static void remove_now(struct log_manager *manager) {
    struct error error;
    for (size_t i = 0; i < manager->removals.count; i++) {
        world_remove_tree(
            manager->world, manager->removals.items[i].path, &error); /* what is left goes at the next start */
        free(manager->removals.items[i].path);
    }
    manager->removals.count = 0;
}

/* ---- checkpoints ---- */

enum checkpoint_kind { RECOVERY_POINTS, HIGH_WATERMARKS, START_OFFSETS, CLEAN_OFFSETS, CHECKPOINT_COUNT };
static const char *const checkpoint_names[CHECKPOINT_COUNT] = {"recovery-point-offset-checkpoint",
    "replication-offset-checkpoint", "log-start-offset-checkpoint", "cleaner-offset-checkpoint"};

struct checkpoint_job {
    struct log_manager *manager;
    bool ok;
    struct error error;
    struct {
        size_t count;
        struct buffer lines;
    } files[CHECKPOINT_COUNT];
};

static void add_line(
    struct checkpoint_job *job, enum checkpoint_kind kind, const struct partition_log *log, int64_t offset) {
    buffer_printf(&job->files[kind].lines, "%s %d %lld\n", log->topic, log->partition, (long long)offset);
    job->files[kind].count++;
}

static struct checkpoint_job *gather_checkpoints(struct log_manager *manager) {
    struct checkpoint_job *job = calloc(1, sizeof *job);
    ASSERT(job);
    job->manager = manager_retain(manager);
    size_t cursor = 0;
    for (struct partition_log *log; (log = log_next(manager, &cursor));) {
        if (strcmp(log->topic, "__cluster_metadata") == 0)
            continue;
        add_line(job, RECOVERY_POINTS, log, log->recovery_point);
        add_line(job, HIGH_WATERMARKS, log, log->high_watermark);
        if (log->segments.count > 0 && log->start_offset > log->segments.items[0]->base_offset)
            add_line(job, START_OFFSETS, log, log->start_offset);
        if (log->config.cleanup_policy & LOG_CLEANUP_COMPACT && log->clean_offset > 0)
            add_line(job, CLEAN_OFFSETS, log, log->clean_offset);
    }
    return job;
}

static void checkpoint_work(void *argument) {
    struct checkpoint_job *job = argument;
    char path[LOG_PATH_SIZE];
    world_mutex_lock(&job->manager->job_mutex);
    job->ok = true;
    for (int kind = 0; job->ok && kind < CHECKPOINT_COUNT; kind++) {
        path_in(job->manager, checkpoint_names[kind], path);
        job->ok = checkpoint_write(
            job->manager->world, path, job->files[kind].count, &job->files[kind].lines, true, &job->error);
    }
    world_mutex_unlock(&job->manager->job_mutex);
}

static void checkpoint_free_job(struct checkpoint_job *job) {
    for (int kind = 0; kind < CHECKPOINT_COUNT; kind++)
        buffer_free(&job->files[kind].lines);
    manager_release(job->manager);
    free(job);
}

static void checkpoint_done(void *argument) {
    struct checkpoint_job *job = argument;
    struct log_manager *manager = job->manager;
    manager->checkpoint_running = false;
    if (manager->checkpoint_again && !manager_is_closing(manager))
        manager_checkpoint_soon(manager);
    if (!job->ok)
        service_log_write(job->manager->service_log, LOG_ERROR, "kafka.log.LogManager",
            "Checkpoints could not be written: %s", job->error.message);
    checkpoint_free_job(job);
}

void manager_checkpoint_soon(struct log_manager *manager) {
    manager->checkpoint_again = manager->checkpoint_running;
    if (manager->checkpoint_running)
        return;
    manager->checkpoint_running = true;
    manager_run(manager, checkpoint_work, checkpoint_done, gather_checkpoints(manager));
}

bool log_manager_write_checkpoints(struct log_manager *manager, struct error *error) {
    struct checkpoint_job *job = gather_checkpoints(manager);
    checkpoint_work(job);
    bool ok = job->ok;
    if (!ok && error)
        *error = job->error;
    checkpoint_free_job(job);
    return ok;
}

/* ---- timers ---- */

bool log_manager_run_retention(struct log_manager *manager, struct error *error) {
    size_t cursor = 0;
    bool ok = true;
    struct error one;
    for (struct partition_log *log; (log = log_next(manager, &cursor));)
        if (strcmp(log->topic, "__cluster_metadata") != 0 && !log_retention(log, &one)) {
            service_log_write(
                manager->service_log, LOG_ERROR, "kafka.log.LogManager", "Retention of %s: %s", log->name, one.message);
            *error = one;
            ok = false;
        }
    return ok;
}

static void clean_work(void *argument) {
    clean_run(argument);
}

static void clean_done(void *argument) {
    clean_swap(argument);
}

/* Starts cleaning the partition with the largest dirty share. */
static bool start_cleaning(struct log_manager *manager) {
    struct partition_log *best = NULL;
    double best_ratio = 0, ratio;
    size_t cursor = 0;
    for (struct partition_log *log; (log = log_next(manager, &cursor));)
        if (clean_is_due(log, &ratio) && (!best || ratio > best_ratio)) {
            best = log;
            best_ratio = ratio;
        }
    struct clean_job *job = best ? clean_plan(best) : NULL;
    if (job)
        manager_run(manager, clean_work, clean_done, job);
    return job != NULL;
}

bool log_manager_run_cleaner(struct log_manager *manager, struct error *error) {
    size_t cursor = 0;
    for (struct partition_log *log; (log = log_next(manager, &cursor));) {
        struct clean_job *job = log->cleaning ? NULL : clean_plan(log);
        if (job) {
            clean_run(job);
            clean_swap(job);
        }
    }
    return true;
}

static void tick(void *argument) {
    struct log_manager *manager = argument;
    int64_t now_ms = manager_now_ms(manager);
    size_t cursor = 0;
    for (struct partition_log *log; (log = log_next(manager, &cursor));)
        log_tick(log, now_ms);
    scrub_tick(manager, now_ms);
    run_removals(manager, now_ms);
    if (now_ms >= manager->next_retention_ms) {
        struct error error;
        manager->next_retention_ms = now_ms + manager->options.retention_check_ms;
        log_manager_run_retention(manager, &error);
    }
    if (now_ms >= manager->next_clean_ms) {
        bool started = start_cleaning(manager);
        manager->next_clean_ms = now_ms + (started ? 1000 : manager->options.cleaner_backoff_ms);
    }
    if (now_ms >= manager->next_checkpoint_ms && !manager->checkpoint_running) {
        manager->next_checkpoint_ms = now_ms + manager->options.checkpoint_ms;
        manager_checkpoint_soon(manager);
    }
}

/* ---- close ---- */

static void close_partitions(struct log_manager *manager) {
    for (;;) {
        size_t cursor = 0;
        struct partition_log *log = log_next(manager, &cursor);
        if (!log)
            break;
        log_close(log);
    }
}

/* Syncs and ends every partition; false when one failed (its directory is scanned at the next start then). */
static bool finish_partitions(struct log_manager *manager) {
    size_t cursor = 0;
    bool ok = true;
    struct error error;
    for (struct partition_log *log; (log = log_next(manager, &cursor));)
        if (log->failure || !log_finish(log, &error)) {
            service_log_write(manager->service_log, LOG_ERROR, "kafka.log.LogManager", "Stopping %s: %s", log->name,
                log->failure ? log->failure : error.message);
            ok = false;
        }
    return ok;
}

static bool write_clean_file(struct log_manager *manager, struct error *error) {
    char path[LOG_PATH_SIZE];
    path_in(manager, CLEAN_FILE, path);
    char text[64];
    snprintf(text, sizeof text, "{\"version\":0,\"brokerEpoch\":%lld}", (long long)manager->broker_epoch);
    return world_write_file(manager->world, path, bytes_from_text(text), true, error);
}

void log_manager_close(struct log_manager *manager) {
    __atomic_store_n(&manager->closing, true, __ATOMIC_RELEASE);
    if (manager->timer)
        world_timer_destroy(manager->timer);
    manager->timer = NULL;
    world_mutex_lock(&manager->clean_mutex); /* waits for a running cleaner, which sees `closing` and gives up */
    world_mutex_unlock(&manager->clean_mutex);
    remove_now(manager);
    bool ok = finish_partitions(manager);
    struct checkpoint_job *job = gather_checkpoints(manager);
    checkpoint_work(job);
    ok = ok && job->ok;
    checkpoint_free_job(job);
    close_partitions(manager);
    struct error error;
    if (ok && !write_clean_file(manager, &error))
        service_log_write(manager->service_log, LOG_ERROR, "kafka.log.LogManager", "%s", error.message);
    world_file_close(manager->lock_file); /* now, not when the last reader lets go of its partition */
    manager->lock_file = NULL;
    manager_release(manager);
}
