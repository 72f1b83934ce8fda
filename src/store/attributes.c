/* attributes.c: owner, group, mode, replication and block size in one extended attribute, as lines "name=value"; only
 * what differs from the default is written, and a file whose attributes are all default has none. Also the clients' own
 * extended attributes. */
#include "store/store_internal.h"

#include <errno.h>
#include <stdlib.h>

static void copy_text(char out[64], struct bytes value) {
    size_t size = value.size < 63 ? value.size : 63;
    memcpy(out, value.data, size);
    out[size] = 0;
}

static void parse_line(struct store_attributes *attributes, struct bytes line) {
    size_t equals = bytes_find(line, '=', 0);
    if (equals == SIZE_MAX) {
        return;
    }
    struct bytes name = bytes_slice(line, 0, equals), value = bytes_slice(line, equals + 1, line.size - equals - 1);
    int64_t number = 0;
    bool is_number = bytes_to_int64(value, &number);
    if (bytes_equal_text(name, "owner")) {
        copy_text(attributes->owner, value);
    } else if (bytes_equal_text(name, "group")) {
        copy_text(attributes->group, value);
    } else if (bytes_equal_text(name, "mode") && value.size > 0 && value.size < 6) {
        char text[8] = {0};
        memcpy(text, value.data, value.size);
        attributes->mode = (int)strtol(text, NULL, 8) & 01777;
    } else if (bytes_equal_text(name, "replication") && is_number && number > 0 && number <= 32767) {
        attributes->replication = (int)number;
    } else if (bytes_equal_text(name, "blocksize") && is_number && number > 0) {
        attributes->block_size = number;
    }
}

void store_attributes_read(struct store *store, const char *machine_path, struct store_attributes *attributes) {
    *attributes = (struct store_attributes){.mode = -1};
    if (!store->has_xattrs) {
        return;
    }
    uint8_t data[512];
    ssize_t size = world_xattr_get(store->world, machine_path, STORE_ATTRIBUTES, data, sizeof data, NULL);
    if (size <= 0) {
        return;
    }
    struct bytes text = bytes_make(data, (size_t)size);
    for (size_t start = 0; start < text.size;) {
        size_t end = bytes_find(text, '\n', start);
        end = end == SIZE_MAX ? text.size : end;
        parse_line(attributes, bytes_slice(text, start, end - start));
        start = end + 1;
    }
}

bool store_attributes_empty(const struct store_attributes *attributes) {
    return attributes->owner[0] == 0 && attributes->group[0] == 0 && attributes->mode < 0 &&
           attributes->replication == 0 && attributes->block_size == 0;
}

bool store_attributes_write(
    struct store *store, const char *machine_path, const struct store_attributes *attributes, struct error *error) {
    if (store_attributes_empty(attributes)) {
        return store->has_xattrs ? world_xattr_remove(store->world, machine_path, STORE_ATTRIBUTES, error) : true;
    }
    if (!store->has_xattrs) {
        return error_set(error, ERROR_UNSUPPORTED,
            "the file system of the store keeps no extended attributes, so owner, group, mode and replication cannot "
            "be changed there");
    }
    struct buffer text = {0};
    if (attributes->owner[0]) {
        buffer_printf(&text, "owner=%s\n", attributes->owner);
    }
    if (attributes->group[0]) {
        buffer_printf(&text, "group=%s\n", attributes->group);
    }
    if (attributes->mode >= 0) {
        buffer_printf(&text, "mode=%o\n", (unsigned)attributes->mode);
    }
    if (attributes->replication > 0) {
        buffer_printf(&text, "replication=%d\n", attributes->replication);
    }
    if (attributes->block_size > 0) {
        buffer_printf(&text, "blocksize=%lld\n", (long long)attributes->block_size);
    }
    bool ok = world_xattr_set(store->world, machine_path, STORE_ATTRIBUTES, buffer_view(&text), error);
    buffer_free(&text);
    return ok;
}

void store_attributes_inherit(struct store *store, const char *parent_machine, const struct store_owner *owner,
    bool is_directory, struct store_attributes *attributes) {
    struct store_attributes parent;
    store_attributes_read(store, parent_machine, &parent);
    *attributes = (struct store_attributes){.mode = -1};
    const char *group = owner && owner->group ? owner->group : parent.group;
    if (group[0] && strcmp(group, store->group) != 0) {
        snprintf(attributes->group, sizeof attributes->group, "%s", group);
    }
    if (owner && owner->user && strcmp(owner->user, store->user) != 0) {
        snprintf(attributes->owner, sizeof attributes->owner, "%s", owner->user);
    }
    if (owner && owner->mode != 0 && owner->mode != (is_directory ? STORE_DIRECTORY_MODE : STORE_FILE_MODE)) {
        attributes->mode = (int)(owner->mode & 01777);
    }
}

/* ---- setters ---- */

static bool change(struct store *store, const char *path, struct store_place *place, struct world_stat *stat,
    struct store_attributes *attributes, struct error *error) {
    if (!store_locate(store, path, place, error)) {
        return false;
    }
    struct error problem = {0};
    if (!world_stat(store->world, place->machine, stat, &problem)) {
        if (problem.code == ERROR_NOT_FOUND) {
            return store_not_found(store, path, error);
        }
        if (error) {
            *error = problem;
        }
        return false;
    }
    if (!place->on_machine) {
        store_attributes_read(store, place->machine, attributes);
    }
    return true;
}

static bool machine_refused(const char *path, const char *what, struct error *error) {
    return error_set(
        error, ERROR_UNSUPPORTED, "%s: the %s of a file outside the store cannot be changed here", path, what);
}

bool store_set_mode(struct store *store, const char *path, uint32_t mode, struct error *error) {
    struct store_place place;
    struct store_attributes attributes;
    struct world_stat stat;
    if (!change(store, path, &place, &stat, &attributes, error)) {
        return false;
    }
    if (place.on_machine) {
        return world_set_mode(store->world, place.machine, mode & 07777, error);
    }
    uint32_t usual = stat.kind == WORLD_FILE_DIRECTORY ? STORE_DIRECTORY_MODE : STORE_FILE_MODE;
    attributes.mode = (mode & 01777) == usual ? -1 : (int)(mode & 01777);
    return store_attributes_write(store, place.machine, &attributes, error);
}

static bool valid_name(const char *name) {
    size_t size = strlen(name);
    return size > 0 && size < 64 && !strpbrk(name, "\n/:=") && bytes_is_utf8(bytes_from_text(name));
}

bool store_set_owner(struct store *store, const char *path, const char *owner, const char *group, struct error *error) {
    struct store_place place;
    struct store_attributes attributes;
    struct world_stat stat;
    if (!change(store, path, &place, &stat, &attributes, error)) {
        return false;
    }
    if (place.on_machine) {
        return machine_refused(path, "owner", error);
    }
    if ((owner && !valid_name(owner)) || (group && !valid_name(group))) {
        return error_set(
            error, ERROR_INVALID, "'%s' is not a name of a user or group", owner && !valid_name(owner) ? owner : group);
    }
    if (owner) {
        snprintf(attributes.owner, sizeof attributes.owner, "%s", strcmp(owner, store->user) == 0 ? "" : owner);
    }
    if (group) {
        snprintf(attributes.group, sizeof attributes.group, "%s", strcmp(group, store->group) == 0 ? "" : group);
    }
    return store_attributes_write(store, place.machine, &attributes, error);
}

bool store_set_replication(struct store *store, const char *path, int replication, struct error *error) {
    struct store_place place;
    struct store_attributes attributes;
    struct world_stat stat;
    if (!change(store, path, &place, &stat, &attributes, error)) {
        return false;
    }
    if (place.on_machine) {
        return machine_refused(path, "replication", error);
    }
    if (stat.kind == WORLD_FILE_DIRECTORY) {
        return error_set(error, ERROR_IS_DIRECTORY, "Path is not a file: %s", path);
    }
    if (replication < 1 || replication > 512) {
        return error_set(error, ERROR_INVALID, "Requested replication factor of %d is %s for %s", replication,
            replication < 1 ? "less than the required minimum of 1" : "more than the maximum of 512", path);
    }
    attributes.replication = replication == store->replication ? 0 : replication;
    return store_attributes_write(store, place.machine, &attributes, error);
}

bool store_set_times(
    struct store *store, const char *path, int64_t modified_ms, int64_t accessed_ms, struct error *error) {
    struct store_place place;
    struct store_attributes attributes;
    struct world_stat stat;
    if (!change(store, path, &place, &stat, &attributes, error)) {
        return false;
    }
    return world_set_times(store->world, place.machine, modified_ms, accessed_ms, error);
}

/* ---- clients' own attributes ---- */

#define XATTR_SIZE_MAX 16384

static bool xattr_place(struct store *store, const char *path, struct store_place *place, struct error *error) {
    struct world_stat stat;
    struct store_attributes attributes;
    if (!change(store, path, place, &stat, &attributes, error)) {
        return false;
    }
    if (place->on_machine) {
        return machine_refused(path, "extended attributes", error);
    }
    return store->has_xattrs
               ? true
               : error_set(error, ERROR_UNSUPPORTED, "the file system of the store keeps no extended attributes");
}

static bool xattr_name(const char *name, char out[256], struct error *error) {
    if (name[0] == 0 || strlen(name) > 255 - sizeof STORE_XATTR_PREFIX) {
        return error_set(error, ERROR_INVALID, "The XAttr name '%.300s' is empty or too long", name);
    }
    snprintf(out, 256, STORE_XATTR_PREFIX "%s", name);
    return true;
}

bool store_xattr_get(struct store *store, struct arena *arena, const char *path, const char *name, struct bytes *value,
    struct error *error) {
    struct store_place place;
    char full[256];
    if (!xattr_place(store, path, &place, error) || !xattr_name(name, full, error)) {
        return false;
    }
    uint8_t *data = arena_allocate(arena, XATTR_SIZE_MAX);
    ssize_t size = world_xattr_get(store->world, place.machine, full, data, XATTR_SIZE_MAX, NULL);
    if (size < 0) {
        return error_set(
            error, ERROR_NOT_FOUND, "No matching attributes found for remove operation: %s has no %s", path, name);
    }
    *value = bytes_make(data, (size_t)size);
    return true;
}

bool store_xattr_set(struct store *store, const char *path, const char *name, struct bytes value, struct error *error) {
    struct store_place place;
    char full[256];
    if (!xattr_place(store, path, &place, error) || !xattr_name(name, full, error)) {
        return false;
    }
    if (value.size > XATTR_SIZE_MAX) {
        return error_set(error, ERROR_LIMIT,
            "The XAttr is too big. The maximum combined size of the name and value is %d, but the total size is %zu",
            XATTR_SIZE_MAX, value.size);
    }
    return world_xattr_set(store->world, place.machine, full, value, error);
}

bool store_xattr_remove(struct store *store, const char *path, const char *name, struct error *error) {
    struct store_place place;
    char full[256];
    return xattr_place(store, path, &place, error) && xattr_name(name, full, error) &&
           world_xattr_remove(store->world, place.machine, full, error);
}

bool store_xattr_list(
    struct store *store, struct arena *arena, const char *path, char ***names, size_t *count, struct error *error) {
    struct store_place place;
    *count = 0;
    if (!xattr_place(store, path, &place, error)) {
        return false;
    }
    struct world_names all = {0};
    if (!world_xattr_list(store->world, place.machine, &all, error)) {
        return false;
    }
    *names = ARENA_ARRAY(arena, char *, all.count + 1);
    for (size_t i = 0; i < all.count; i++) {
        if (strncmp(all.items[i].name, STORE_XATTR_PREFIX, sizeof STORE_XATTR_PREFIX - 1) == 0) {
            (*names)[(*count)++] = arena_strdup(arena, all.items[i].name + sizeof STORE_XATTR_PREFIX - 1);
        }
    }
    world_names_free(&all);
    return true;
}

void store_mode_text(uint32_t mode, char out[STORE_MODE_TEXT_SIZE]) {
    static const char letters[] = "rwxrwxrwx";
    for (int i = 0; i < 9; i++)
        out[i] = mode & (1u << (8 - i)) ? letters[i] : '-';
    if (mode & 01000)
        out[8] = mode & 1 ? 't' : 'T';
    out[9] = 0;
}
