/* files.c: open files of segments, opened when first used and closed by least recent use, so that a directory of ten
 * thousand partitions needs only as many descriptors as it has busy ones. */
#include "log/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

static const char *const suffixes[SEGMENT_FILE_COUNT] = {".log", ".index", ".timeindex"};

void segment_path(const struct partition_log *log, int64_t base_offset, const char *suffix, char out[LOG_PATH_SIZE]) {
    int length = snprintf(out, LOG_PATH_SIZE, "%s/%020lld%s", log->directory, (long long)base_offset, suffix);
    ASSERT(length > 0 && length < LOG_PATH_SIZE);
}

/* Takes the least recently used idle file off the table when there are too many. Under files_mutex. */
static struct open_file *take_idle(struct log_manager *manager) {
    if (manager->file_count <= manager->options.open_files_max)
        return NULL;
    LIST_FOR_EACH(node, &manager->files) {
        struct open_file *file = CONTAINER_OF(node, struct open_file, node);
        if (file->references == 1) {
            list_remove(&file->node);
            file->segment->files[file->kind] = NULL;
            file->segment = NULL;
            manager->file_count--;
            return file;
        }
    }
    return NULL;
}

static void free_file(struct open_file *file) {
    world_file_close(file->file);
    free(file);
}

static struct open_file *find_open(struct segment *segment, enum segment_file_kind kind) {
    struct log_manager *manager = segment->manager;
    world_mutex_lock(&manager->files_mutex);
    struct open_file *file = segment->files[kind];
    if (file) {
        file->references++;
        list_remove(&file->node);
        list_append(&manager->files, &file->node);
    }
    world_mutex_unlock(&manager->files_mutex);
    return file;
}

struct open_file *segment_file(struct segment *segment, enum segment_file_kind kind, struct error *error) {
    struct log_manager *manager = segment->manager;
    struct open_file *file = find_open(segment, kind);
    if (file)
        return file;
    char path[LOG_PATH_SIZE], suffix[32];
    bool deleted = __atomic_load_n(&segment->deleted, __ATOMIC_ACQUIRE);
    snprintf(suffix, sizeof suffix, "%s%s", suffixes[kind], deleted ? ".deleted" : "");
    segment_path(segment->log, segment->base_offset, suffix, path);
    struct error denied = {0};
    struct world_file *opened = world_file_open(manager->world, path, WORLD_OPEN_READ | WORLD_OPEN_WRITE, 0, &denied);
    bool read_only = !opened && denied.code == ERROR_DENIED;
    if (read_only) /* what a read-only disk has can be read */
        opened = world_file_open(manager->world, path, WORLD_OPEN_READ, 0, &denied);
    if (!opened) {
        *error = denied;
        return NULL;
    }
    file = calloc(1, sizeof *file);
    ASSERT(file);
    *file =
        (struct open_file){.file = opened, .segment = segment, .kind = kind, .read_only = read_only, .references = 2};
    world_mutex_lock(&manager->files_mutex);
    struct open_file *other = segment->files[kind], *idle = NULL;
    if (other) {
        other->references++;
    } else {
        segment->files[kind] = file;
        list_append(&manager->files, &file->node);
        manager->file_count++;
        idle = take_idle(manager);
    }
    world_mutex_unlock(&manager->files_mutex);
    if (other) {
        free_file(file);
        file = other;
    }
    if (idle)
        free_file(idle);
    return file;
}

/* Takes the segment's open file of this kind off the table; others may still hold it. */
static void give_up(struct segment *segment, enum segment_file_kind kind) {
    world_mutex_lock(&segment->manager->files_mutex);
    struct open_file *file = segment->files[kind];
    if (file) {
        list_remove(&file->node);
        file->segment = NULL;
        segment->files[kind] = NULL;
        segment->manager->file_count--;
    }
    world_mutex_unlock(&segment->manager->files_mutex);
    file_release(segment->manager, file);
}

struct open_file *segment_file_to_write(struct segment *segment, enum segment_file_kind kind, struct error *error) {
    struct open_file *file = segment_file(segment, kind, error);
    if (!file || !file->read_only)
        return file;
    file_release(segment->manager, file);
    give_up(segment, kind);
    file = segment_file(segment, kind, error);
    if (!file || !file->read_only)
        return file;
    file_release(segment->manager, file);
    char path[LOG_PATH_SIZE];
    segment_path(segment->log, segment->base_offset, suffixes[kind], path);
    error_set(error, ERROR_DENIED, "%s: the disk is read-only", path);
    return NULL;
}

void file_retain(struct log_manager *manager, struct open_file *file) {
    world_mutex_lock(&manager->files_mutex);
    file->references++;
    world_mutex_unlock(&manager->files_mutex);
}

void file_release(struct log_manager *manager, struct open_file *file) {
    if (!file)
        return;
    world_mutex_lock(&manager->files_mutex);
    bool last = --file->references == 0;
    world_mutex_unlock(&manager->files_mutex);
    if (last)
        free_file(file);
}

struct segment *segment_create(struct partition_log *log, int64_t base_offset) {
    struct segment *segment = calloc(1, sizeof *segment);
    ASSERT(segment);
    segment->references = 1;
    segment->manager = manager_retain(log->manager);
    segment->log = log_retain(log);
    segment->base_offset = segment->next_offset = base_offset;
    segment->first_timestamp = segment->max_timestamp = segment->max_timestamp_offset = -1;
    segment->created_ms = world_wall_ms(log->world);
    return segment;
}

struct segment *segment_retain(struct segment *segment) {
    __atomic_fetch_add(&segment->references, 1, __ATOMIC_RELAXED);
    return segment;
}

/* Closes what the segment has open, except what others still hold. */
void segment_close_files(struct segment *segment) {
    for (int kind = 0; kind < SEGMENT_FILE_COUNT; kind++)
        give_up(segment, (enum segment_file_kind)kind);
}

void segment_release(struct segment *segment) {
    if (!segment || __atomic_sub_fetch(&segment->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    segment_close_files(segment);
    VECTOR_FREE(&segment->index);
    VECTOR_FREE(&segment->time_index);
    VECTOR_FREE(&segment->verified);
    VECTOR_FREE(&segment->quarantine);
    VECTOR_FREE(&segment->unwritten_transactions);
    manager_release(segment->manager);
    log_release(segment->log);
    free(segment);
}
