/* state_files.c: see state_files.h. */
#include "stream/state_files.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "exec/state_chains.h"
#include "stream/state_blocks.h"
#include "stream/state_read.h"

enum { EMPTY_FILE_SIZE = 46 };

/* ---- names ---- */

static const char *store_folder(struct arena *arena, const struct state_files *files, const struct exec_query *query,
    size_t operator, size_t partition, size_t store) {
    const char *name = exec_query_state(query, operator)->stores[store].name;
    bool standard = strcmp(name, "default") == 0;
    return arena_printf(arena, "%s/state/%zu/%zu%s%s", files->checkpoint, operator, partition, standard ? "" : "/",
        standard ? "" : name);
}

struct place {
    struct state_files *files;
    struct exec_query *query;
    struct state_table *table;
    struct state_part *part; /* where the table's partition is */
    const char *folder;
    int64_t version;
    struct arena *arena;
    struct sql_error *error;
    void *context;
};
typedef bool visit_table(struct place *place);

/* Calls visit for the table of each store of a partition; false as soon as visit says so. */
static bool each_store(struct place *place, size_t operator, size_t partition, visit_table *visit) {
    struct exec_state *state = exec_query_state(place->query, operator);
    bool good = true;
    for (size_t s = 0; s < state->store_count && good; s++) {
        struct arena arena = {0};
        place->table = &state->stores[s].tables[partition];
        place->part = &state->parts[partition];
        place->arena = &arena;
        place->folder = store_folder(&arena, place->files, place->query, operator, partition, s);
        good = visit(place);
        arena_destroy(&arena);
    }
    return good;
}

/* The same for all tables. */
static bool each_table(struct place *place, visit_table *visit) {
    bool good = true;
    for (size_t o = 0; o < exec_query_state_count(place->query) && good; o++) {
        struct exec_state *state = exec_query_state(place->query, o);
        for (size_t p = 0; p < state->used_partitions && good && state->in_use; p++) {
            good = each_store(place, o, p, visit);
        }
    }
    return good;
}

/* ---- reading ---- */

static bool broken(struct place *place, const struct state_fault *fault) {
    return raise_streaming_checkpoint_invalid(place->error, place->files->checkpoint,
        arena_printf(place->error->arena, "the state file %s %s", fault->path, fault->reason));
}

static int64_t find_snapshot(const struct place *place, int64_t version) {
    return state_folder_snapshot(place->files->store, place->arena, place->folder, version);
}

/* The oldest of the partitions' newest snapshots. */
static void note_snapshot(struct state_files *files, int64_t snapshot) {
    int64_t known = __atomic_load_n(&files->snapshot_version, __ATOMIC_RELAXED);
    while (snapshot < known && !__atomic_compare_exchange_n(&files->snapshot_version, &known, snapshot, false,
                                   __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    }
}

static bool load_table(struct place *place) {
    struct state_fault fault;
    int64_t snapshot = find_snapshot(place, place->version);
    state_table_init(place->table);
    bool good = state_folder_load(
                    place->files->store, place->arena, place->folder, snapshot, place->version, place->table, &fault) ||
                broken(place, &fault);
    note_snapshot(place->files, snapshot);
    state_table_end_batch(place->table);
    return good;
}

bool state_files_load_partition(struct state_files *files, struct exec_query *query, size_t operator, size_t partition,
    int64_t version, struct sql_error *error) {
    struct place place = {.files = files, .query = query, .version = version, .error = error};
    return each_store(&place, operator, partition, load_table);
}

static bool advance_table(struct place *place) {
    struct state_fault fault;
    if (place->part->place == STATE_AWAY) {
        return true; /* it is read as of the newest version when it is needed */
    }
    const char *path = arena_printf(place->arena, "%s/%lld.delta", place->folder, (long long)place->version);
    state_chains_free(place->part->chains);
    place->part->chains = NULL;
    bool good =
        state_records_apply(place->files->store, place->arena, path, place->table, &fault) || broken(place, &fault);
    state_table_end_batch(place->table);
    return good;
}

bool state_files_advance(
    struct state_files *files, struct exec_query *query, int64_t version, struct sql_error *error) {
    struct place place = {.files = files, .query = query, .version = version, .error = error};
    return each_table(&place, advance_table);
}

static bool has_files(struct place *place) {
    int64_t snapshot = find_snapshot(place, place->version);
    bool good = true;
    for (int64_t version = snapshot + 1; version <= place->version && good; version++) {
        struct store_stat stat;
        good = store_stat(place->files->store,
                   arena_printf(place->arena, "%s/%lld.delta", place->folder, (long long)version), &stat, NULL) &&
               stat.size >= EMPTY_FILE_SIZE;
    }
    return good;
}

bool state_files_are_there(const struct state_files *files, const struct exec_query *query, int64_t version) {
    struct place place = {.files = (struct state_files *)(uintptr_t)files,
        .query = (struct exec_query *)(uintptr_t)query,
        .version = version};
    return version == 0 || each_table(&place, has_files);
}

/* ---- writing ---- */

/* A checksum file that Hadoop left beside a file of this name would no longer fit. */
static void drop_checksums(struct state_files *files, const char *folder, const char *name, struct arena *arena) {
    struct error ignored;
    if (store_exists(files->store, arena_printf(arena, "%s/%s", folder, name))) {
        (void)store_delete(files->store, arena_printf(arena, "%s/.%s.crc", folder, name), false, &ignored);
        (void)store_delete(files->store, arena_printf(arena, "%s/%s.crc", folder, name), false, &ignored);
    }
}

static void put_entry(struct state_blocks *blocks, const struct state_entry *entry) {
    state_blocks_put(blocks, state_entry_key(entry), entry->present ? state_entry_value(entry) : BYTES_NULL);
}

static void put_changes(struct state_blocks *blocks, const struct state_table *table) {
    enum { AHEAD = 8 };
    size_t count = table->changed.count;
    const uint32_t *changed = table->changed.items;
    for (size_t i = 0; i < count && !blocks->failed; i++) {
        if (i + 2 * AHEAD < count) {
            __builtin_prefetch(&table->entries[changed[i + 2 * AHEAD]]);
        }
        if (i + AHEAD < count) {
            __builtin_prefetch(table->entries[changed[i + AHEAD]].data);
        }
        put_entry(blocks, &table->entries[changed[i]]);
    }
}

static void put_everything(struct state_blocks *blocks, const struct state_table *table) {
    for (size_t i = 0; i < table->entry_count && !blocks->failed; i++) {
        if (table->entries[i].data != NULL && table->entries[i].present) {
            put_entry(blocks, &table->entries[i]);
        }
    }
}

static bool write_table_file(struct place *place, const char *suffix, bool everything) {
    struct error problem = {0};
    const char *name = arena_printf(place->arena, "%lld.%s", (long long)place->version, suffix);
    const char *path = arena_printf(place->arena, "%s/%s", place->folder, name);
    drop_checksums(place->files, place->folder, name, place->arena);
    struct store_writer *file = store_writer_open(place->files->store, path, STORE_WRITE_REPLACE, &problem);
    if (file == NULL) {
        return sql_error_from(place->error, &problem);
    }
    struct state_blocks *blocks = malloc(sizeof *blocks);
    ASSERT(blocks != NULL);
    state_blocks_begin(blocks, file, &problem);
    if (everything) {
        put_everything(blocks, place->table);
    } else {
        put_changes(blocks, place->table);
    }
    bool good = state_blocks_end(blocks);
    free(blocks);
    if (good) {
        good = store_writer_commit(file, &problem);
    } else {
        store_writer_abort(file);
    }
    return good || sql_error_from(place->error, &problem);
}

/* Files that the oldest version to keep does not need. */
static bool delete_old(struct place *place) {
    struct store_entries entries = {0};
    struct error ignored;
    int64_t number, needed = find_snapshot(place, place->version);
    if (needed == 0 || !store_list(place->files->store, place->arena, place->folder, NULL, 0, &entries, &ignored)) {
        return true;
    }
    for (size_t i = 0; i < entries.count; i++) {
        struct bytes name = bytes_from_text(entries.items[i].name);
        size_t dot = bytes_find(name, '.', 1);
        if (dot == SIZE_MAX || entries.items[i].stat.is_directory) {
            continue;
        }
        size_t start = name.data[0] == '.';
        bool snapshot = bytes_starts_with(bytes_slice(name, dot, name.size - dot), ".snapshot");
        if (bytes_to_int64(bytes_slice(name, start, dot - start), &number) &&
            (number < needed || (number == needed && !snapshot))) {
            (void)store_delete(place->files->store,
                arena_printf(place->arena, "%s/%s", place->folder, entries.items[i].name), false, &ignored);
        }
    }
    return true;
}

/* ---- metadata and schemas ---- */

static void append_utf(struct bytes text, struct buffer *out) {
    uint8_t size[2];
    store_be16(size, (uint16_t)text.size);
    buffer_append(out, size, 2);
    buffer_append_bytes(out, text);
}

/* A schema in pieces of at most 65,535 / 3 characters. */
static void append_schema(const struct type *type, struct buffer *out) {
    struct buffer json = {0};
    enum { PIECE = 65535 / 3 };
    uint8_t count[4];
    type_format_json(type, &json);
    store_be32(count, (uint32_t)((json.size + PIECE - 1) / PIECE));
    buffer_append(out, count, 4);
    for (size_t at = 0; at < json.size; at += PIECE) {
        append_utf(bytes_slice(buffer_view(&json), at, json.size - at < PIECE ? json.size - at : PIECE), out);
    }
    buffer_free(&json);
}

static void format_schema(const struct exec_store *store, struct buffer *out) {
    append_utf(BYTES("v2"), out);
    append_schema(store->key, out);
    append_schema(store->value, out);
}

static void format_metadata(const struct exec_state *state, size_t operator, struct buffer * out) {
    buffer_printf(out,
        "v1\n{\"operatorInfo\":{\"operatorId\":%zu,\"operatorName\":\"%s\"},\"stateStoreInfo\":[", operator,
        state->operator_name);
    for (size_t i = 0; i < state->store_count; i++) {
        buffer_printf(out, "%s{\"storeName\":\"%s\",\"numColsPrefixKey\":%d,\"numPartitions\":%zu}", i > 0 ? "," : "",
            state->stores[i].name, state->stores[i].prefix_columns, state->partition_count);
    }
    buffer_append_text(out, "]}");
}

static bool write_text(struct state_files *files, const char *path, struct bytes text, struct sql_error *error) {
    struct error problem = {0};
    return store_exists(files->store, path) ||
           store_write_file(files->store, path, text, STORE_WRITE_REPLACE, &problem) || sql_error_from(error, &problem);
}

static bool write_descriptions(struct state_files *files, struct exec_query *query, struct sql_error *error) {
    bool good = true;
    for (size_t o = 0; o < exec_query_state_count(query) && good; o++) {
        const struct exec_state *state = exec_query_state(query, o);
        struct arena arena = {0};
        struct buffer text = {0};
        format_metadata(state, o, &text);
        good = !state->in_use ||
               write_text(files, arena_printf(&arena, "%s/state/%zu/_metadata/metadata", files->checkpoint, o),
                   buffer_view(&text), error);
        for (size_t s = 0; s < state->store_count && good && state->in_use; s++) {
            buffer_clear(&text);
            format_schema(&state->stores[s], &text);
            good = write_text(files,
                arena_printf(&arena, "%s/_metadata/schema", store_folder(&arena, files, query, o, 0, s)),
                buffer_view(&text), error);
        }
        buffer_free(&text);
        arena_destroy(&arena);
    }
    return good;
}

static bool snapshot_is_due(const struct state_files *files, int64_t version) {
    return version - files->snapshot_version >= files->deltas_per_snapshot;
}

/* Of a table that is not in memory, and that this batch has not changed, after it was read for that. */
static bool write_snapshot(struct place *place) {
    bool away = place->part->place == STATE_AWAY, good = true;
    if (away) {
        place->version--;
        good = load_table(place);
        place->version++;
    }
    good = good && write_table_file(place, "snapshot", true);
    if (away) {
        state_table_give_back(place->table);
    }
    return good;
}

/* The delta of one table; when it is time the snapshot, after which older files may go. What was written when a worker
 * left the partition is not written again. */
static bool save_table(struct place *place) {
    const struct state_files *files = place->files;
    bool saved = place->part->place == STATE_SAVED, good = saved || write_table_file(place, "delta", false);
    state_table_end_batch(place->table);
    if (good && snapshot_is_due(files, place->version)) {
        good = saved || write_snapshot(place);
        place->version -= files->versions_kept;
        good = good && (place->version <= 0 || delete_old(place));
    }
    return good;
}

static bool save_changes(struct place *place) {
    return write_table_file(place, "delta", false);
}

static bool save_everything(struct place *place) {
    return write_table_file(place, "snapshot", true);
}

bool state_files_save_partition(struct state_files *files, struct exec_query *query, size_t operator, size_t partition,
    int64_t version, struct sql_error *error) {
    struct place place = {.files = files, .query = query, .version = version, .error = error};
    return each_store(&place, operator, partition, save_changes) &&
           (!snapshot_is_due(files, version) || each_store(&place, operator, partition, save_everything));
}

struct state_save {
    struct state_files *files;
    struct exec_query *query;
    int64_t version;
    size_t table_count, next; /* next: atomic */
    struct world_mutex lock;
    struct sql_error *error; /* under lock, filled by the first that fails */
    int failed;              /* atomic */
};

/* Makes place the table number `index` of all that are in use; false behind the last one. */
static bool place_table(struct place *place, size_t index) {
    for (size_t o = 0; o < exec_query_state_count(place->query); o++) {
        struct exec_state *state = exec_query_state(place->query, o);
        size_t count = state->in_use ? state->used_partitions * state->store_count : 0;
        if (index < count) {
            size_t partition = index / state->store_count, store = index % state->store_count;
            place->table = &state->stores[store].tables[partition];
            place->part = &state->parts[partition];
            place->folder = store_folder(place->arena, place->files, place->query, o, partition, store);
            return true;
        }
        index -= count;
    }
    return false;
}

struct state_save *state_files_save_begin(
    struct state_files *files, struct exec_query *query, int64_t version, struct sql_error *error) {
    if (!write_descriptions(files, query, error)) {
        return NULL;
    }
    struct state_save *save = calloc(1, sizeof *save);
    ASSERT(save != NULL);
    *save = (struct state_save){.files = files, .query = query, .version = version, .error = error};
    for (size_t o = 0; o < exec_query_state_count(query); o++) {
        const struct exec_state *state = exec_query_state(query, o);
        save->table_count += state->in_use ? state->used_partitions * state->store_count : 0;
    }
    world_mutex_init(&save->lock);
    return save;
}

size_t state_files_save_count(const struct state_save *save) {
    return save->table_count;
}

void state_files_save_some(struct state_save *save) {
    size_t index;
    while ((index = __atomic_fetch_add(&save->next, 1, __ATOMIC_RELAXED)) < save->table_count &&
           !__atomic_load_n(&save->failed, __ATOMIC_RELAXED)) {
        struct arena arena = {0};
        struct sql_error error = {.arena = &arena};
        struct place place = {
            .files = save->files, .query = save->query, .version = save->version, .arena = &arena, .error = &error};
        if (place_table(&place, index) && !save_table(&place)) {
            world_mutex_lock(&save->lock);
            if (!save->failed) {
                sql_error_copy(save->error, &error);
            }
            __atomic_store_n(&save->failed, 1, __ATOMIC_RELAXED);
            world_mutex_unlock(&save->lock);
        }
        arena_destroy(&arena);
    }
}

bool state_files_save_end(struct state_save *save) {
    struct state_files *files = save->files;
    bool good = !save->failed;
    if (good && save->table_count > 0 && snapshot_is_due(files, save->version)) {
        files->snapshot_version = save->version;
    }
    exec_query_note_saved(save->query);
    good = good && exec_query_account_state(save->query, save->error);
    world_mutex_destroy(&save->lock);
    free(save);
    return good;
}

/* ---- what the checkpoint was made by ---- */

/* The same kinds of fields in the same order; names and nullability do not count. */
static bool same_fields(const struct type *left, const struct type *right) {
    if (left->kind != right->kind || left->precision != right->precision || left->scale != right->scale ||
        left->field_count != right->field_count) {
        return false;
    }
    bool same = true;
    for (size_t i = 0; i < left->field_count && same && left->kind == TYPE_STRUCT; i++) {
        same = same_fields(left->fields[i].type, right->fields[i].type);
    }
    if (left->kind == TYPE_ARRAY || left->kind == TYPE_MAP) {
        same = same_fields(left->element, right->element);
    }
    return same && (left->kind != TYPE_MAP || same_fields(left->key, right->key));
}

static const char *json_of(struct arena *arena, const struct type *type) {
    struct buffer text = {0};
    type_format_json(type, &text);
    const char *copy = arena_text(arena, buffer_view(&text));
    buffer_free(&text);
    return copy;
}

static bool check_schema(const struct state_files *files, const struct exec_store *store, const char *folder,
    struct arena *arena, struct sql_error *error) {
    const struct type *key, *value;
    const char *path = arena_printf(arena, "%s/_metadata/schema", folder);
    if (!store_exists(files->store, path) || !state_schema_read(files->store, arena, path, &key, &value)) {
        return true;
    }
    if (!same_fields(key, store->key)) {
        return raise_state_store_key_schema_not_compatible(
            error, json_of(error->arena, key), json_of(error->arena, store->key));
    }
    /* Rows of a deduplication are one null, whatever earlier versions of Spark wrote here. */
    bool nothing = store->value->field_count == 1 && store->value->fields[0].type->kind == TYPE_NULL;
    return nothing || same_fields(value, store->value) ||
           raise_state_store_value_schema_not_compatible(
               error, json_of(error->arena, value), json_of(error->arena, store->value));
}

/* "(OperatorId: 0 -> OperatorName: stateStoreSave)" for each; the checkpoint's own are read from its metadata. */
static bool check_operators(const struct state_files *files, struct exec_query *query, struct sql_error *error) {
    struct buffer ours = {0}, theirs = {0};
    struct arena arena = {0};
    size_t count = exec_query_state_count(query);
    bool same = true;
    for (size_t o = 0; o < 64; o++) {
        struct buffer text = {0};
        struct error ignored;
        const char *path = arena_printf(&arena, "%s/state/%zu/_metadata/metadata", files->checkpoint, o);
        const char *mine = o < count ? exec_query_state(query, o)->operator_name : NULL, *found = NULL;
        json_t *root = NULL;
        if (store_exists(files->store, path) && store_read_file(files->store, path, 1 << 20, &text, &ignored) &&
            text.size > 3) {
            root = json_loadb((const char *)text.data + 3, text.size - 3, 0, NULL);
            found = json_string_value(json_object_get(json_object_get(root, "operatorInfo"), "operatorName"));
        }
        same = same && (found == NULL ? o >= count : mine != NULL && strcmp(found, mine) == 0);
        if (mine != NULL) {
            buffer_printf(&ours, "%s(OperatorId: %zu -> OperatorName: %s)", ours.size > 0 ? ", " : "", o, mine);
        }
        if (found != NULL) {
            buffer_printf(&theirs, "%s(OperatorId: %zu -> OperatorName: %s)", theirs.size > 0 ? ", " : "", o, found);
        }
        json_decref(root);
        buffer_free(&text);
    }
    bool good = same || theirs.size == 0 ||
                raise_streaming_stateful_operator_not_match_in_state_metadata(error,
                    arena_text(error->arena, buffer_view(&theirs)), arena_text(error->arena, buffer_view(&ours)));
    buffer_free(&ours);
    buffer_free(&theirs);
    arena_destroy(&arena);
    return good;
}

bool state_files_check(const struct state_files *files, struct exec_query *query, struct sql_error *error) {
    bool good = check_operators(files, query, error);
    for (size_t o = 0; o < exec_query_state_count(query) && good; o++) {
        const struct exec_state *state = exec_query_state(query, o);
        for (size_t s = 0; s < state->store_count && good; s++) {
            struct arena arena = {0};
            good = check_schema(files, &state->stores[s], store_folder(&arena, files, query, o, 0, s), &arena, error);
            arena_destroy(&arena);
        }
    }
    return good;
}

struct path_list {
    VECTOR(char *) items;
};

static bool list_path(struct place *place) {
    static const char *const suffixes[] = {"delta", "snapshot"}; /* the second one seldom is there */
    struct path_list *list = place->context;
    for (size_t i = 0; i < ARRAY_COUNT(suffixes); i++) {
        VECTOR_PUSH(&list->items,
            strdup(arena_printf(place->arena, "%s/%lld.%s", place->folder, (long long)place->version, suffixes[i])));
    }
    return true;
}

size_t state_files_paths(
    const struct state_files *files, const struct exec_query *query, int64_t version, char ***paths) {
    struct path_list list = {0};
    struct place place = {.files = (struct state_files *)(uintptr_t)files,
        .query = (struct exec_query *)(uintptr_t)query,
        .version = version,
        .context = &list};
    (void)each_table(&place, list_path);
    *paths = list.items.items;
    return list.items.count;
}
