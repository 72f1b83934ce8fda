/* state_operators.c: see state_operators.h. */
#include "stream/state_operators.h"

#include <jansson.h>
#include <stdlib.h>

#include "base/bytes.h"

enum { METADATA_SIZE_MAX = 16 << 20 };

static int compare_numbers(const void *left, const void *right) {
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

void state_numbers_list(
    struct store *store, struct arena *arena, const char *folder, bool folders, struct state_numbers *numbers) {
    struct store_entries entries = {0};
    struct error ignored;
    int64_t number;
    if (!store_exists(store, folder) || !store_list(store, arena, folder, NULL, 0, &entries, &ignored)) {
        return;
    }
    for (size_t i = 0; i < entries.count; i++) {
        if (entries.items[i].stat.is_directory == folders &&
            bytes_to_int64(bytes_from_text(entries.items[i].name), &number)) {
            VECTOR_PUSH(numbers, number);
        }
    }
    if (numbers->count > 1) {
        qsort(numbers->items, numbers->count, sizeof *numbers->items, compare_numbers);
    }
}

/* The file that holds for a batch: of version 2 the newest at or before it. NULL: none. */
static const char *metadata_path(
    struct store *store, struct arena *arena, const char *folder, int64_t batch_id, int *version) {
    const char *second = arena_printf(arena, "%s/v2", folder), *path = NULL;
    *version = store_exists(store, second) ? 2 : 1;
    if (*version == 1) {
        return arena_printf(arena, "%s/metadata", folder);
    }
    struct state_numbers batches = {0};
    state_numbers_list(store, arena, second, false, &batches);
    for (size_t i = 0; i < batches.count && batches.items[i] <= batch_id; i++) {
        path = arena_printf(arena, "%s/%lld", second, (long long)batches.items[i]);
    }
    VECTOR_FREE(&batches);
    return path;
}

static const char *text_of(struct arena *arena, json_t *object, const char *name) {
    const char *text = json_string_value(json_object_get(object, name));
    return text == NULL ? NULL : arena_text(arena, bytes_from_text(text));
}

static bool take_stores(struct arena *arena, json_t *root, int version, struct state_store_infos *infos) {
    json_t *operator= json_object_get(root, "operatorInfo"), *stores = json_object_get(root, "stateStoreInfo"), *each;
    const char *name = text_of(arena, operator, "operatorName");
    size_t index;
    if (name == NULL || !json_is_array(stores)) {
        return false;
    }
    json_array_foreach(stores, index, each) {
        struct state_store_info info = {.operator_id = json_integer_value(json_object_get(operator, "operatorId")),
            .operator_name = name,
            .store_name = text_of(arena, each, "storeName"),
            .partition_count = json_integer_value(json_object_get(each, "numPartitions")),
            .prefix_columns = version == 1 ? json_integer_value(json_object_get(each, "numColsPrefixKey")) : -1,
            .version = version,
            .properties = version == 1 ? NULL : text_of(arena, root, "operatorPropertiesJson")};
        if (info.store_name == NULL) {
            return false;
        }
        VECTOR_PUSH(infos, info);
    }
    return true;
}

static bool read_operator(
    struct store *store, struct arena *arena, const char *folder, int64_t batch_id, struct state_store_infos *infos) {
    struct buffer text = {0};
    struct error ignored;
    int version;
    const char *path = metadata_path(store, arena, folder, batch_id, &version);
    bool good =
        path != NULL && store_exists(store, path) && store_read_file(store, path, METADATA_SIZE_MAX, &text, &ignored);
    struct bytes content = buffer_view(&text);
    size_t line = good ? bytes_find(content, '\n', 0) : SIZE_MAX;
    json_t *root =
        line == SIZE_MAX ? NULL : json_loadb((const char *)content.data + line + 1, content.size - line - 1, 0, NULL);
    good = root != NULL && take_stores(arena, root, version, infos);
    json_decref(root);
    buffer_free(&text);
    return good;
}

void state_operators_list(struct store *store, struct arena *arena, const char *checkpoint, int64_t batch_id,
    struct state_store_infos *infos) {
    struct state_numbers operators = {0};
    const char *folder = arena_printf(arena, "%s/state", checkpoint);
    bool good = true;
    state_numbers_list(store, arena, folder, true, &operators);
    for (size_t i = 0; i < operators.count && good; i++) {
        good = read_operator(store, arena,
            arena_printf(arena, "%s/%lld/_metadata", folder, (long long)operators.items[i]), batch_id, infos);
    }
    if (!good) {
        infos->count = 0;
    }
    VECTOR_FREE(&operators);
}
