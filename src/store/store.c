/* store.c: opening and closing the store; space. */
#include "store/store_internal.h"

#include "base/assert.h"
#include <stdlib.h>

#define USED_SIZE_AGE_MS 10000

static char *text_copy(const char *text) {
    char *copy = strdup(text);
    ASSERT(copy);
    return copy;
}

static char *text_join(const char *left, const char *right) {
    struct buffer out = {0};
    buffer_printf(&out, "%s%s", left, right);
    char *text = text_copy(buffer_text(&out));
    buffer_free(&out);
    return text;
}

void store_add_own_name(struct store *store, const char *name) {
    size_t size = strlen(name) + 1;
    struct store_name *own = calloc(1, sizeof *own + size);
    ASSERT(own);
    memcpy(own->text, name, size);
    own->next = store->own_names;
    store->own_names = own;
}

static void copy_options(struct store *store, const struct store_options *options) {
    store->world = options->world;
    store->log = options->log;
    snprintf(store->authority, sizeof store->authority, "%s",
        options->authority != NULL ? options->authority : "namenode:9000");
    store->block_size = options->block_size > 0 ? options->block_size : 134217728;
    store->replication = options->replication > 0 ? options->replication : 1;
    snprintf(store->user, sizeof store->user, "%s", options->user);
    snprintf(store->group, sizeof store->group, "%s", options->group ? options->group : "supergroup");
    store->root = text_copy(options->directory);
    for (size_t size = strlen(store->root); size > 1 && store->root[size - 1] == '/'; size--) {
        store->root[size - 1] = 0;
    }
    store->temporary = text_join(store->root, "/" STORE_RESERVED "/tmp");
    store->leases_directory = text_join(store->root, "/" STORE_RESERVED "/leases");
    for (size_t i = options->own_name_count; i > 0; i--) {
        store_add_own_name(store, options->own_names[i - 1]);
    }
    store->volumes = calloc(options->volume_count + 1, sizeof *store->volumes);
    ASSERT(store->volumes);
    for (size_t i = 0; i < options->volume_count; i++) {
        store->volumes[i].container_path = text_copy(options->volumes[i].container_path);
        store->volumes[i].machine_path = text_copy(options->volumes[i].machine_path);
    }
    store->volume_count = options->volume_count;
}

static void free_all(struct store *store) {
    for (size_t i = 0; i < store->volume_count; i++) {
        free((char *)store->volumes[i].container_path);
        free((char *)store->volumes[i].machine_path);
    }
    while (store->own_names) {
        struct store_name *own = store->own_names;
        store->own_names = own->next;
        free(own);
    }
    free(store->volumes);
    free(store->root);
    free(store->temporary);
    free(store->leases_directory);
    free(store);
}

static bool has_xattrs(struct store *store) {
    struct error problem = {0};
    if (world_xattr_set(store->world, store->temporary, "user.raudal.probe", BYTES("1"), &problem)) {
        world_xattr_remove(store->world, store->temporary, "user.raudal.probe", NULL);
        return true;
    }
    service_log_write(store->log, LOG_WARN, "Store",
        "%s keeps no extended attributes: owner, group, mode and replication of files cannot be changed there (%s)",
        store->root, problem.message);
    return false;
}

struct store *store_open(const struct store_options *options, struct error *error) {
    ASSERT(options->world && options->directory && options->user);
    struct store *store = calloc(1, sizeof *store);
    ASSERT(store);
    copy_options(store, options);
    store->life = world_random_u64(store->world);
    bool ok = strlen(store->root) <= 500
                  ? true
                  : error_set(error, ERROR_LIMIT, "the path of the store is too long: %s", store->root);
    ok = ok && world_mkdirs(store->world, store->root, 0755, error) &&
         world_remove_tree(store->world, store->temporary, error) &&
         world_mkdirs(store->world, store->temporary, 0755, error);
    if (!ok) {
        free_all(store);
        return NULL;
    }
    store->has_xattrs = has_xattrs(store);
    world_mutex_init(&store->space_mutex);
    store->used_ms = -USED_SIZE_AGE_MS - 1;
    if (!store_lease_start(store, error)) {
        world_mutex_destroy(&store->space_mutex);
        store_lease_stop(store);
        free_all(store);
        return NULL;
    }
    return store;
}

void store_close(struct store *store) {
    if (store) {
        store_lease_stop(store);
        world_mutex_destroy(&store->space_mutex);
        free_all(store);
    }
}

const char *store_user(const struct store *store) {
    return store->user;
}

const char *store_group(const struct store *store) {
    return store->group;
}

const char *store_authority(const struct store *store) {
    return store->authority;
}

int64_t store_block_size(const struct store *store) {
    return store->block_size;
}

int store_replication(const struct store *store) {
    return store->replication;
}

void store_set_stopped(struct store *store, bool namenode, bool datanode) {
    store->namenode_is_stopped = namenode;
    store->datanode_is_stopped = datanode;
}

struct world *store_world(const struct store *store) {
    return store->world;
}

bool store_space(
    struct store *store, int64_t *total_size, int64_t *used_size, int64_t *free_size, struct error *error) {
    if (!world_disk_space(store->world, store->root, total_size, free_size, error)) {
        return false;
    }
    int64_t now = world_monotonic_ns(store->world) / 1000000;
    world_mutex_lock(&store->space_mutex);
    bool fresh = now - store->used_ms <= USED_SIZE_AGE_MS;
    *used_size = store->used_size;
    world_mutex_unlock(&store->space_mutex);
    if (fresh) {
        return true;
    }
    struct store_summary summary;
    if (!store_summarize(store, "/", &summary, error)) {
        return false;
    }
    world_mutex_lock(&store->space_mutex);
    *used_size = store->used_size = summary.size;
    store->used_ms = now;
    world_mutex_unlock(&store->space_mutex);
    return true;
}
