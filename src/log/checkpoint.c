/* checkpoint.c: Kafka's small text files.
 *
 * Offset checkpoints of the log directory: line 1 "0", line 2 the number of entries, then "topic partition offset" per
 * line. Leader epochs of a partition: the same with "epoch startOffset". Both are written to a temporary name and
 * renamed; an empty file means no entries. */
#include "log/internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

static struct bytes next_line(struct bytes *rest) {
    size_t end = bytes_find(*rest, '\n', 0);
    size_t size = end == SIZE_MAX ? rest->size : end;
    struct bytes line = bytes_make(rest->data, size);
    size_t used = end == SIZE_MAX ? size : size + 1;
    rest->data += used;
    rest->size -= used;
    return line;
}

/* Reads version and count; *rest is then the entries. */
static bool read_head(const char *path, struct bytes *rest, int64_t *count, struct error *error) {
    *count = 0;
    if (rest->size == 0)
        return true;
    int64_t version;
    if (!bytes_to_int64(bytes_trim(next_line(rest)), &version) || version != 0)
        return error_set(error, ERROR_CORRUPT, "%s: its version is not 0", path);
    if (!bytes_to_int64(bytes_trim(next_line(rest)), count) || *count < 0)
        return error_set(error, ERROR_CORRUPT, "%s: its second line is not a number of entries", path);
    return true;
}

static bool split_last(struct bytes *line, struct bytes *last) {
    for (size_t i = line->size; i > 0; i--)
        if (line->data[i - 1] == ' ') {
            *last = bytes_make(line->data + i, line->size - i);
            *line = bytes_make(line->data, i - 1);
            return true;
        }
    return false;
}

static bool add_offset(struct bytes line, struct map *offsets) {
    struct bytes offset_text, partition_text;
    int64_t offset, partition;
    if (!split_last(&line, &offset_text) || !split_last(&line, &partition_text) ||
        !bytes_to_int64(offset_text, &offset) || !bytes_to_int64(partition_text, &partition))
        return false;
    char name[512];
    snprintf(name, sizeof name, "%.*s-%lld", BYTES_ARGS(line), (long long)partition);
    int64_t *value = malloc(sizeof *value);
    ASSERT(value);
    *value = offset;
    free(map_set_text(offsets, name, value));
    return true;
}

bool checkpoint_read(struct world *world, const char *path, struct map *offsets, struct error *error) {
    if (!world_exists(world, path))
        return true;
    struct buffer text = {0};
    if (!world_read_file(world, path, (size_t)256 << 20, &text, error))
        return false;
    struct bytes rest = buffer_view(&text);
    int64_t count, found = 0;
    bool ok = read_head(path, &rest, &count, error);
    while (ok && rest.size > 0) {
        struct bytes line = bytes_trim(next_line(&rest));
        if (line.size == 0)
            continue;
        found++;
        if (!add_offset(line, offsets))
            ok = error_set(
                error, ERROR_CORRUPT, "%s: line %lld is not \"topic partition offset\"", path, (long long)found + 2);
    }
    if (ok && found != count)
        ok = error_set(
            error, ERROR_CORRUPT, "%s: %lld entries, %lld announced", path, (long long)found, (long long)count);
    buffer_free(&text);
    return ok;
}

void checkpoint_free(struct map *offsets) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(offsets, &cursor));)
        free(entry->value);
    map_free(offsets);
}

bool checkpoint_write(
    struct world *world, const char *path, size_t count, const struct buffer *lines, bool sync, struct error *error) {
    struct buffer text = {0};
    buffer_printf(&text, "0\n%zu\n", count);
    buffer_append(&text, lines->data, lines->size);
    bool ok = world_write_file(world, path, buffer_view(&text), sync, error);
    buffer_free(&text);
    return ok;
}

/* ---- leader epochs ---- */

static void epochs_path(const char *directory, char out[LOG_PATH_SIZE]) {
    snprintf(out, LOG_PATH_SIZE, "%s/leader-epoch-checkpoint", directory);
}

bool epochs_load(struct epochs *epochs, struct world *world, const char *directory, struct error *error) {
    char path[LOG_PATH_SIZE];
    epochs_path(directory, path);
    if (!world_exists(world, path))
        return true;
    struct buffer text = {0};
    if (!world_read_file(world, path, (size_t)16 << 20, &text, error))
        return false;
    struct bytes rest = buffer_view(&text);
    int64_t count;
    bool ok = read_head(path, &rest, &count, error);
    while (ok && rest.size > 0) {
        struct bytes line = bytes_trim(next_line(&rest)), last;
        int64_t epoch, offset;
        if (line.size == 0)
            continue;
        if (!split_last(&line, &last) || !bytes_to_int64(line, &epoch) || !bytes_to_int64(last, &offset) ||
            epoch > INT32_MAX)
            ok = error_set(error, ERROR_CORRUPT, "%s: a line is not \"epoch offset\"", path);
        else
            epochs_assign(epochs, (int32_t)epoch, offset);
    }
    buffer_free(&text);
    return ok;
}

bool epochs_store(const struct epochs *epochs, struct world *world, const char *directory, struct error *error) {
    char path[LOG_PATH_SIZE];
    epochs_path(directory, path);
    struct buffer lines = {0};
    for (size_t i = 0; i < epochs->entries.count; i++)
        buffer_printf(
            &lines, "%d %lld\n", epochs->entries.items[i].epoch, (long long)epochs->entries.items[i].start_offset);
    bool ok = checkpoint_write(world, path, epochs->entries.count, &lines, false, error);
    buffer_free(&lines);
    return ok;
}

bool epochs_assign(struct epochs *epochs, int32_t epoch, int64_t offset) {
    size_t count = epochs->entries.count;
    if (epoch < 0 || (count > 0 && epochs->entries.items[count - 1].epoch >= epoch))
        return false;
    while (epochs->entries.count > 0 && epochs->entries.items[epochs->entries.count - 1].start_offset >= offset)
        epochs->entries.count--;
    VECTOR_PUSH(&epochs->entries, ((struct epoch_entry){epoch, offset}));
    return true;
}

bool epochs_truncate_start(struct epochs *epochs, int64_t start_offset) {
    bool changed = false;
    while (epochs->entries.count > 1 && epochs->entries.items[1].start_offset <= start_offset) {
        VECTOR_REMOVE(&epochs->entries, 0);
        changed = true;
    }
    if (epochs->entries.count > 0 && epochs->entries.items[0].start_offset < start_offset) {
        epochs->entries.items[0].start_offset = start_offset;
        changed = true;
    }
    return changed;
}

bool epochs_truncate_end(struct epochs *epochs, int64_t end_offset) {
    bool changed = false;
    while (epochs->entries.count > 0 && epochs->entries.items[epochs->entries.count - 1].start_offset >= end_offset) {
        epochs->entries.count--;
        changed = true;
    }
    return changed;
}
