/* state_files.c: see state_files.h. */
#include "stream/state_files.h"

#define XXH_INLINE_ALL
#include <jansson.h>
#include <lz4.h>
#include <stdio.h>
#include <stdlib.h>
#include <xxhash.h>

#include "base/assert.h"
#include "stream/state_blocks.h"

enum {
    BLOCK_SIZE_LIMIT = 32 << 20,
    HEADER_SIZE = 21,
    METHOD_RAW = 0x10,
    EMPTY_FILE_SIZE = 46,
    FILE_SIZE_MAX = 2000 << 20,
};
static const uint32_t CHECKSUM_SEED = 0x9747b28c;

/* Everything in a file as it was before compression. */
static bool read_blocks(struct bytes file, struct buffer *out) {
    while (file.size >= HEADER_SIZE && memcmp(file.data, "LZ4Block", 8) == 0) {
        uint8_t method = file.data[8] & 0xf0;
        uint32_t stored = load_le32(file.data + 9), raw = load_le32(file.data + 13);
        uint32_t checksum = load_le32(file.data + 17);
        file = bytes_slice(file, HEADER_SIZE, file.size - HEADER_SIZE);
        if (raw == 0) {
            return stored == 0;
        }
        if (stored > file.size || raw > BLOCK_SIZE_LIMIT || (method == METHOD_RAW && stored != raw)) {
            return false;
        }
        uint8_t *to = buffer_extend(out, raw);
        if (method == METHOD_RAW) {
            memcpy(to, file.data, raw);
        } else if (LZ4_decompress_safe((const char *)file.data, (char *)to, (int)stored, (int)raw) != (int)raw) {
            return false;
        }
        if ((XXH32(to, raw, CHECKSUM_SEED) & 0x0fffffff) != checksum) {
            return false;
        }
        file = bytes_slice(file, stored, file.size - stored);
    }
    return false; /* without an end */
}

/* ---- names ---- */

static const char *store_folder(struct arena *arena, const struct state_files *files, const struct exec_query *query,
    size_t operator, size_t partition, size_t store) {
    const char *name = exec_query_state(query, operator)->stores[store].name;
    bool standard = strcmp(name, "default") == 0;
    return arena_printf(arena, "%s/state/%zu/%zu%s%s", files->checkpoint, operator, partition, standard ? "" : "/",
        standard ? "" : name);
}

/* Calls visit for each table; false as soon as visit says so. */
struct place {
    struct state_files *files;
    struct exec_query *query;
    struct state_table *table;
    const char *folder;
    int64_t version;
    struct arena *arena;
    struct sql_error *error;
    void *context;
};

static bool each_table(struct place *place, bool (*visit)(struct place *place)) {
    bool good = true;
    for (size_t o = 0; o < exec_query_state_count(place->query) && good; o++) {
        struct exec_state *state = exec_query_state(place->query, o);
        for (size_t p = 0; p < state->used_partitions && good && state->in_use; p++) {
            for (size_t s = 0; s < state->store_count && good; s++) {
                struct arena arena = {0};
                place->table = &state->stores[s].tables[p];
                place->arena = &arena;
                place->folder = store_folder(&arena, place->files, place->query, o, p, s);
                good = visit(place);
                arena_destroy(&arena);
            }
        }
    }
    return good;
}

/* ---- reading ---- */

static bool broken(struct place *place, const char *path, const char *reason) {
    return raise_streaming_checkpoint_invalid(place->error, place->files->checkpoint,
        arena_printf(place->error->arena, "the state file %s %s", path, reason));
}

static bool take_length(struct bytes *rest, int32_t *length) {
    if (rest->size < 4) {
        return false;
    }
    *length = (int32_t)load_be32(rest->data);
    *rest = bytes_slice(*rest, 4, rest->size - 4);
    return true;
}

static bool take_bytes(struct bytes *rest, int32_t length, struct bytes *part) {
    if (length < 0 || (size_t)length > rest->size) {
        return false;
    }
    *part = bytes_slice(*rest, 0, (size_t)length);
    *rest = bytes_slice(*rest, (size_t)length, rest->size - (size_t)length);
    return true;
}

static bool apply_records(struct state_table *table, struct bytes rest) {
    for (;;) {
        int32_t length;
        struct bytes key, value;
        if (!take_length(&rest, &length)) {
            return false;
        }
        if (length == -1) {
            return true;
        }
        if (!take_bytes(&rest, length, &key) || !take_length(&rest, &length)) {
            return false;
        }
        uint32_t entry = length == -1 ? state_table_find(table, key) : state_table_add(table, key);
        if (length == -1) {
            if (entry != UINT32_MAX) {
                state_table_remove(table, entry);
            }
        } else if (take_bytes(&rest, length, &value)) {
            value.size &= ~(size_t)7; /* some versions of Spark wrote more than the row */
            state_table_put(table, entry, value);
        } else {
            return false;
        }
    }
}

static bool apply_file(struct place *place, int64_t version, const char *suffix) {
    struct buffer file = {0}, records = {0};
    struct error problem = {0};
    const char *path = arena_printf(place->arena, "%s/%lld.%s", place->folder, (long long)version, suffix);
    bool good = store_read_file(place->files->store, path, FILE_SIZE_MAX, &file, &problem);
    if (!good) {
        broken(place, path, arena_printf(place->error->arena, "cannot be read: %s", problem.message));
    } else if (!read_blocks(buffer_view(&file), &records) || !apply_records(place->table, buffer_view(&records))) {
        good = broken(place, path, "is not whole, or not compressed with lz4");
    }
    buffer_free(&file);
    buffer_free(&records);
    return good;
}

/* The newest snapshot of a folder at or before a version; 0 without one. */
static int64_t find_snapshot(const struct place *place, int64_t version) {
    struct store_entries entries = {0};
    struct error ignored;
    int64_t found = 0, number;
    if (!store_list(place->files->store, place->arena, place->folder, NULL, 0, &entries, &ignored)) {
        return 0;
    }
    for (size_t i = 0; i < entries.count; i++) {
        struct bytes name = bytes_from_text(entries.items[i].name);
        if (bytes_ends_with(name, ".snapshot") && entries.items[i].stat.size >= EMPTY_FILE_SIZE &&
            bytes_to_int64(bytes_slice(name, 0, name.size - 9), &number) && number <= version && number > found) {
            found = number;
        }
    }
    return found;
}

static bool load_table(struct place *place) {
    int64_t snapshot = find_snapshot(place, place->version);
    bool good = snapshot == 0 || apply_file(place, snapshot, "snapshot");
    for (int64_t version = snapshot + 1; version <= place->version && good; version++) {
        good = apply_file(place, version, "delta");
    }
    place->files->snapshot_version =
        snapshot < place->files->snapshot_version ? snapshot : place->files->snapshot_version;
    state_table_end_batch(place->table);
    return good;
}

bool state_files_load(struct state_files *files, struct exec_query *query, int64_t version, struct sql_error *error) {
    struct place place = {.files = files, .query = query, .version = version, .error = error};
    files->snapshot_version = version;
    bool good = version == 0 || each_table(&place, load_table);
    return good && exec_query_account_state(query, error);
}

static bool advance_table(struct place *place) {
    bool good = apply_file(place, place->version, "delta");
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

/* The delta of one table; when it is time the snapshot, after which older files may go. */
static bool save_table(struct place *place) {
    const struct state_files *files = place->files;
    bool good = write_table_file(place, "delta", false);
    state_table_end_batch(place->table);
    if (good && place->version - files->snapshot_version >= files->deltas_per_snapshot) {
        good = write_table_file(place, "snapshot", true);
        place->version -= files->versions_kept;
        good = good && (place->version <= 0 || delete_old(place));
    }
    return good;
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
    if (good && save->table_count > 0 && save->version - files->snapshot_version >= files->deltas_per_snapshot) {
        files->snapshot_version = save->version;
    }
    world_mutex_destroy(&save->lock);
    free(save);
    return good;
}

/* ---- what the checkpoint was made by ---- */

static const struct type *take_schema(struct arena *arena, struct bytes *rest) {
    struct buffer json = {0};
    struct error ignored;
    int32_t count;
    if (!take_length(rest, &count)) {
        return NULL;
    }
    for (int32_t i = 0; i < count && rest->size >= 2; i++) {
        struct bytes part;
        size_t size = load_be16(rest->data);
        *rest = bytes_slice(*rest, 2, rest->size - 2);
        if (!take_bytes(rest, (int32_t)size, &part)) {
            break;
        }
        buffer_append_bytes(&json, part);
    }
    const struct type *type = type_parse_json(arena, arena_copy(arena, buffer_view(&json)), &ignored);
    buffer_free(&json);
    return type;
}

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
    struct buffer text = {0};
    struct error ignored;
    const char *path = arena_printf(arena, "%s/_metadata/schema", folder);
    if (!store_exists(files->store, path) || !store_read_file(files->store, path, 16 << 20, &text, &ignored)) {
        buffer_free(&text);
        return true;
    }
    struct bytes rest = buffer_view(&text);
    bool good = true;
    if (rest.size > 4 && memcmp(rest.data, "\0\2v2", 4) == 0) {
        rest = bytes_slice(rest, 4, rest.size - 4);
        const struct type *key = take_schema(arena, &rest), *value = take_schema(arena, &rest);
        if (key != NULL && !same_fields(key, store->key)) {
            good = raise_state_store_key_schema_not_compatible(
                error, json_of(error->arena, key), json_of(error->arena, store->key));
        } else if (value != NULL && !same_fields(value, store->value)) {
            good = raise_state_store_value_schema_not_compatible(
                error, json_of(error->arena, value), json_of(error->arena, store->value));
        }
    }
    buffer_free(&text);
    return good;
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
