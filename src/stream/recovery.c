/* recovery.c: what a query believes of its checkpoint after the power failed.
 *
 * Files of a batch are synced in the background, some time after it. Until then a kill of the process harms nothing,
 * but a loss of power may leave any of them absent, empty or torn, and the log of a topic shorter than the offsets that
 * were read from it. So each offsets/N of ours names the start of the machine under which it was written
 * ("raudal.stream.boot" in its settings, which Spark ignores), and a note in the data folder, itself synced, the newest
 * batch that is on the disk with everything before it. When the newest batch was written under another start of the
 * machine, all behind the note is taken back: state and notes of sources first, then what the sink has of it, commits
 * and offsets last and the newest first, so that a crash meanwhile finds the same to do. A batch that another program
 * wrote (a real Spark that went on from here) is believed, and with it all before.
 *
 * Not of a query that writes to Kafka exactly once: which of its batches are in force is Kafka's to say. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/map.h"
#include "stream/internal.h"

/* ---- the note ---- */

/* Of the query and the place of its checkpoint: a copy of a checkpoint elsewhere is another one. */
static const char *note_path(struct arena *arena, const struct stream_query *query) {
    char id[UUID_TEXT_SIZE];
    uuid_format(query->id, id);
    return arena_printf(arena, "%s/%s-%016llx", query->manager->notes_directory, id,
        (unsigned long long)hash_bytes(bytes_from_text(query->checkpoint.location), 0));
}

/* The batch and, behind a line feed, the checkpoint's place. */
static bool read_note(struct store *store, const char *path, struct buffer *text, int64_t *batch_id) {
    struct error ignored;
    buffer_clear(text);
    if (!store_exists(store, path) || !store_read_file(store, path, 1 << 16, text, &ignored)) {
        return false;
    }
    struct bytes all = buffer_view(text);
    size_t line_end = bytes_find(all, '\n', 0);
    return line_end != SIZE_MAX && bytes_to_int64(bytes_slice(all, 0, line_end), batch_id);
}

static bool read_mark(const struct stream_query *query, int64_t *batch_id) {
    struct arena arena = {0};
    struct buffer text = {0};
    bool good = read_note(query->checkpoint.store, note_path(&arena, query), &text, batch_id);
    buffer_free(&text);
    arena_destroy(&arena);
    return good;
}

/* Notes of checkpoints that somebody has deleted. */
static void clear_notes(struct store *store, const char *directory) {
    struct arena arena = {0};
    struct buffer text = {0};
    struct store_entries entries = {0};
    struct error ignored;
    int64_t batch_id;
    if (!store_exists(store, directory) || !store_list(store, &arena, directory, NULL, 0, &entries, &ignored)) {
        entries.count = 0;
    }
    for (size_t i = 0; i < entries.count; i++) {
        const char *path = store_path_join(&arena, directory, entries.items[i].name);
        if (!read_note(store, path, &text, &batch_id)) {
            continue;
        }
        size_t line_end = bytes_find(buffer_view(&text), '\n', 0) + 1;
        struct bytes location = bytes_trim(bytes_slice(buffer_view(&text), line_end, text.size - line_end));
        struct store_stat stat;
        struct error problem = {0};
        const char *metadata = store_path_join(&arena, arena_text(&arena, location), "metadata");
        if (!store_stat(store, metadata, &stat, &problem) && problem.code == ERROR_NOT_FOUND) {
            (void)store_delete(store, path, false, &ignored);
        }
    }
    buffer_free(&text);
    arena_destroy(&arena);
}

bool recovery_mark_synced(struct stream_query *query, int64_t batch_id, struct error *error) {
    struct store *store = query->checkpoint.store;
    struct arena arena = {0};
    struct buffer text = {0};
    if (!__atomic_exchange_n(&query->manager->notes_are_cleared, true, __ATOMIC_RELAXED)) {
        clear_notes(store, query->manager->notes_directory);
    }
    buffer_printf(&text, "%lld\n%s\n", (long long)batch_id, query->checkpoint.location);
    bool good = store_write_file(
        store, note_path(&arena, query), buffer_view(&text), STORE_WRITE_REPLACE | STORE_WRITE_SYNC, error);
    buffer_free(&text);
    arena_destroy(&arena);
    return good;
}

/* ---- what was lost ---- */

/* The start of the machine that offsets/<batch> names; false when its settings are not whole. */
static bool boot_of(const struct checkpoint *checkpoint, int64_t batch_id, uint64_t *boot_id) {
    struct arena arena = {0};
    struct buffer text = {0};
    struct error ignored;
    json_t *root = NULL;
    const char *path = arena_printf(&arena, "%s/offsets/%lld", checkpoint->location, (long long)batch_id);
    if (store_read_file(checkpoint->store, path, 256 << 20, &text, &ignored)) {
        struct bytes all = buffer_view(&text);
        size_t first = bytes_find(all, '\n', 0),
               second = first == SIZE_MAX ? SIZE_MAX : bytes_find(all, '\n', first + 1);
        size_t end = second == SIZE_MAX ? all.size : second;
        root = first == SIZE_MAX ? NULL : json_loadb((const char *)all.data + first + 1, end - first - 1, 0, NULL);
    }
    const char *name = json_string_value(json_object_get(json_object_get(root, "conf"), "raudal.stream.boot"));
    *boot_id = name == NULL ? 0 : strtoull(name, NULL, 16);
    bool good = json_is_object(root);
    json_decref(root);
    buffer_free(&text);
    arena_destroy(&arena);
    return good;
}

/* The number in "12", "12.delta", ".12.delta.crc"; -1 without one. */
static int64_t number_of(const char *name) {
    struct bytes text = bytes_from_text(name + (name[0] == '.'));
    size_t dot = bytes_find(text, '.', 0);
    int64_t number;
    return bytes_to_int64(dot == SIZE_MAX ? text : bytes_slice(text, 0, dot), &number) && number >= 0 ? number : -1;
}

static int64_t newest_name(const struct checkpoint *checkpoint, const char *folder) {
    struct arena arena = {0};
    struct store_entries entries = {0};
    struct error ignored;
    int64_t newest = -1;
    const char *path = store_path_join(&arena, checkpoint->location, folder);
    if (store_exists(checkpoint->store, path)) {
        (void)store_list(checkpoint->store, &arena, path, NULL, 0, &entries, &ignored);
    }
    for (size_t i = 0; i < entries.count; i++) {
        int64_t number = number_of(entries.items[i].name);
        newest = number > newest ? number : newest;
    }
    arena_destroy(&arena);
    return newest;
}

static void find_loss(struct stream_query *query) {
    const struct checkpoint *checkpoint = &query->checkpoint;
    struct loss *loss = &query->loss;
    uint64_t now = world_boot_id(query->manager->options.world), boot_id = 0;
    int64_t at = newest_name(checkpoint, "offsets");
    *loss = (struct loss){.written_until = at};
    if (!read_mark(query, &loss->whole_until) || at <= loss->whole_until || now == 0) {
        return;
    }
    while (at > loss->whole_until && !boot_of(checkpoint, at, &boot_id)) {
        at--;
    }
    loss->happened = at <= loss->whole_until || (boot_id != 0 && boot_id != now);
}

/* ---- taking back ---- */

struct removal {
    struct store *store;
    struct arena arena;
    int64_t after; /* files with greater numbers go */
    struct error error;
    bool failed;
};

static void remove_path(struct removal *removal, const char *path) {
    struct error problem = {0};
    if (!store_delete(removal->store, path, true, &problem) && problem.code != ERROR_NOT_FOUND && !removal->failed) {
        removal->failed = true;
        removal->error = problem;
    }
}

static int compare_numbers(const void *left, const void *right) {
    int64_t a = number_of(((const struct store_entry *)left)->name),
            b = number_of(((const struct store_entry *)right)->name);
    return (a < b) - (a > b); /* the newest first */
}

/* Files below a folder, `depth` folders down. */
static void remove_newer(struct removal *removal, const char *folder, int depth) {
    struct store_entries entries = {0};
    struct error problem = {0};
    if (!store_exists(removal->store, folder)) {
        return;
    }
    if (!store_list(removal->store, &removal->arena, folder, NULL, 0, &entries, &problem)) {
        removal->error = problem;
        removal->failed = true;
        return;
    }
    if (entries.count > 0) {
        qsort(entries.items, entries.count, sizeof *entries.items, compare_numbers);
    }
    for (size_t i = 0; i < entries.count && !removal->failed; i++) {
        const char *path = store_path_join(&removal->arena, folder, entries.items[i].name);
        if (entries.items[i].stat.is_directory) {
            if (depth > 0) {
                remove_newer(removal, path, depth - 1);
            }
        } else if (number_of(entries.items[i].name) > removal->after) {
            remove_path(removal, path);
        }
    }
}

static bool end_removal(struct removal *removal, struct sql_error *error) {
    arena_destroy(&removal->arena);
    return !removal->failed || sql_error_from(error, &removal->error);
}

/* Notes of a file source behind the one that the newest whole batch names. */
static void remove_notes(
    struct removal *removal, const struct checkpoint *checkpoint, const struct buffer *offset, size_t source) {
    json_t *root = json_loadb((const char *)offset->data, offset->size, JSON_DECODE_ANY, NULL);
    json_t *number = json_object_get(root, "logOffset");
    if (json_is_integer(number)) {
        removal->after = json_integer_value(number);
        remove_newer(removal, arena_printf(&removal->arena, "%s/sources/%zu", checkpoint->location, source), 0);
    }
    json_decref(root);
}

static bool count_sources(const struct checkpoint *checkpoint, int64_t batch_id, size_t *count) {
    struct arena arena = {0};
    struct buffer text = {0};
    struct error ignored;
    bool good = store_read_file(checkpoint->store,
        arena_printf(&arena, "%s/offsets/%lld", checkpoint->location, (long long)batch_id), 256 << 20, &text, &ignored);
    *count = 0;
    for (size_t i = 0, lines = 0; i < text.size; i++) {
        lines += text.data[i] == '\n';
        *count = lines > 1 ? lines - 1 : 0;
    }
    buffer_free(&text);
    arena_destroy(&arena);
    return good;
}

bool recovery_begin(struct stream_query *query, struct sql_error *error) {
    const struct checkpoint *checkpoint = &query->checkpoint;
    struct removal removal = {.store = checkpoint->store};
    struct loss *loss = &query->loss;
    struct offset_entry entry = {0};
    size_t source_count;
    bool exactly_once = query->sink_class == &kafka_sink_class && query->exactly_once;
    if (checkpoint->temporary || exactly_once) {
        return true;
    }
    find_loss(query);
    query->sync_everything = true;
    if (!loss->happened) {
        return true;
    }
    service_log_write(query->manager->options.service_log, LOG_WARN, "MicroBatchExecution",
        "The machine stopped before the newest batches were on the disk: the query goes back from batch %lld to %lld",
        (long long)loss->written_until, (long long)loss->whole_until);
    const char *state = store_path_join(&removal.arena, checkpoint->location, "state");
    const char *sources = store_path_join(&removal.arena, checkpoint->location, "sources");
    if (loss->whole_until < 0) {
        remove_path(&removal, state);
        remove_path(&removal, sources);
        return end_removal(&removal, error);
    }
    removal.after = loss->whole_until + 1;
    remove_newer(&removal, state, 3);
    if (!removal.failed && count_sources(checkpoint, loss->whole_until, &source_count) &&
        checkpoint_read_offsets(checkpoint, loss->whole_until, source_count, &entry, error)) {
        for (size_t i = 0; i < source_count; i++) {
            remove_notes(&removal, checkpoint, &entry.offsets[i], i);
        }
    }
    offset_entry_free(&entry);
    return end_removal(&removal, error) && error->condition == 0;
}

bool recovery_end(struct stream_query *query, struct sql_error *error) {
    struct removal removal = {.store = query->checkpoint.store, .after = query->loss.whole_until};
    static const char *const folders[] = {"commits", "offsets"};
    if (!query->loss.happened) {
        return true;
    }
    if (query->sink_class->take_back != NULL &&
        !query->sink_class->take_back(query->sink, query->loss.whole_until, query->loss.written_until, error)) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_COUNT(folders); i++) {
        remove_newer(&removal, store_path_join(&removal.arena, query->checkpoint.location, folders[i]), 0);
    }
    return end_removal(&removal, error);
}
