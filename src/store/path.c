/* path.c: what programs write as a path, and canonical paths. */
#include "store/store_internal.h"

#include "base/assert.h"
#include <stdlib.h>

static const char *const usual_names[] = {"namenode", "datanode", "localhost", "hadoop", "hdfs", "spark-master"};

bool store_is_usual_name(struct bytes host) {
    for (size_t i = 0; i < ARRAY_COUNT(usual_names); i++) {
        if (bytes_equal_ignore_case(host, bytes_from_text(usual_names[i]))) {
            return true;
        }
    }
    return false;
}

const char *store_usual_names(void) {
    return "namenode, datanode, localhost, hadoop, hdfs, spark-master";
}

static bool is_own_name(struct store *store, struct bytes name) {
    if (store_is_usual_name(name)) {
        return true;
    }
    for (struct store_name *own = store->own_names; own; own = own->next) {
        if (bytes_equal_ignore_case(name, bytes_from_text(own->text))) {
            return true;
        }
    }
    return false;
}

/* host of "host", "host:port", "[::1]:port", "user@host". */
static struct bytes authority_host(struct bytes authority) {
    size_t at = bytes_find(authority, '@', 0);
    if (at != SIZE_MAX) {
        authority = bytes_slice(authority, at + 1, authority.size - at - 1);
    }
    if (authority.size > 0 && authority.data[0] == '[') {
        size_t end = bytes_find(authority, ']', 0);
        return end == SIZE_MAX ? authority : bytes_slice(authority, 1, end - 1);
    }
    size_t colon = bytes_find(authority, ':', 0);
    return colon == SIZE_MAX ? authority : bytes_slice(authority, 0, colon);
}

static bool authority_refused(struct store *store, struct bytes authority, struct error *error) {
    struct buffer names = {0};
    buffer_append_text(&names, store_usual_names());
    for (struct store_name *own = store->own_names; own; own = own->next) {
        buffer_printf(&names, ", %s", own->text);
    }
    error_set(error, ERROR_INVALID, "hdfs://%.*s is not this Raudal's store; its own names are %s",
        BYTES_ARGS(authority), buffer_text(&names));
    buffer_free(&names);
    return false;
}

/* Appends the components of `path` to out ("" or "/a" so far), leaving out empty ones and ".", going up at "..". */
static bool append_components(struct buffer *out, struct bytes path, bool check_names, struct error *error) {
    size_t base = out->size;
    for (size_t start = 0; start < path.size;) {
        size_t end = bytes_find(path, '/', start);
        end = end == SIZE_MAX ? path.size : end;
        struct bytes name = bytes_slice(path, start, end - start);
        start = end + 1;
        if (name.size == 0 || bytes_equal_text(name, ".")) {
            continue;
        }
        if (bytes_equal_text(name, "..")) {
            while (out->size > base && out->data[--out->size] != '/') {
            }
            continue;
        }
        if (name.size > STORE_NAME_SIZE_MAX) {
            return error_set(error, ERROR_LIMIT,
                "The maximum path component name limit of %.*s is exceeded: limit=%d length=%zu", BYTES_ARGS(name),
                STORE_NAME_SIZE_MAX, name.size);
        }
        if (check_names && bytes_find(name, ':', 0) != SIZE_MAX) {
            return error_set(
                error, ERROR_INVALID, "'%.*s' cannot be a name in the store: it contains ':'", BYTES_ARGS(name));
        }
        buffer_append_byte(out, '/');
        buffer_append_bytes(out, name);
    }
    if (out->size > STORE_PATH_SIZE_MAX) {
        return error_set(
            error, ERROR_LIMIT, "The path is too long: %zu bytes, limit %d", out->size, STORE_PATH_SIZE_MAX);
    }
    return true;
}

static char *finish(struct arena *arena, const char *prefix, struct bytes base, struct bytes path, bool check_names,
    struct error *error) {
    struct buffer out = {0};
    char *result = NULL;
    if (append_components(&out, base, check_names, error)) {
        struct buffer rest = {0};
        if (append_components(&rest, path, check_names, error)) {
            buffer_append_bytes(&out, buffer_view(&rest));
            result = arena_printf(arena, "%s%s", prefix, out.size == 0 ? "/" : buffer_text(&out));
        }
        buffer_free(&rest);
    }
    buffer_free(&out);
    return result;
}

/* The machine's folder when `path` lies below a volume's container side. */
static char *volume_path(struct store *store, struct arena *arena, struct bytes path, struct error *error) {
    for (size_t i = 0; i < store->volume_count; i++) {
        struct bytes side = bytes_from_text(store->volumes[i].container_path);
        if (bytes_starts_with(path, store->volumes[i].container_path) &&
            (path.size == side.size || path.data[side.size] == '/')) {
            return finish(arena, "file:", bytes_from_text(store->volumes[i].machine_path),
                bytes_slice(path, side.size, path.size - side.size), false, error);
        }
    }
    return NULL;
}

static char *resolve_absolute(
    struct store *store, struct arena *arena, struct bytes path, bool on_machine, struct error *error) {
    char *volume = volume_path(store, arena, path, error);
    if (volume) {
        return volume;
    }
    return finish(arena, on_machine ? "file:" : "", BYTES_NULL, path, !on_machine, error);
}

char *store_resolve(struct store *store, struct arena *arena, const char *uri, const char *user, struct error *error) {
    struct bytes text = bytes_from_text(uri);
    if (text.size == 0) {
        error_set(error, ERROR_INVALID, "Can not create a Path from an empty string");
        return NULL;
    }
    if (!bytes_is_utf8(text)) {
        error_set(error, ERROR_INVALID, "the path is not UTF-8");
        return NULL;
    }
    if (text.data[0] == '/') {
        return resolve_absolute(store, arena, text, false, error);
    }
    size_t colon = bytes_find(text, ':', 0), slash = bytes_find(text, '/', 0);
    if (colon == SIZE_MAX || (slash != SIZE_MAX && slash < colon)) {
        char *home = arena_printf(arena, "/user/%s", user ? user : store->user);
        return finish(arena, "", bytes_from_text(home), text, true, error);
    }
    struct bytes scheme = bytes_slice(text, 0, colon), rest = bytes_slice(text, colon + 1, text.size - colon - 1),
                 authority = BYTES_NULL;
    if (bytes_starts_with(rest, "//")) {
        size_t end = bytes_find(rest, '/', 2);
        end = end == SIZE_MAX ? rest.size : end;
        authority = bytes_slice(rest, 2, end - 2);
        rest = bytes_slice(rest, end, rest.size - end);
    }
    if (bytes_equal_ignore_case(scheme, BYTES("file"))) {
        if (authority.size > 0 && !bytes_equal_text(authority, "localhost")) {
            error_set(error, ERROR_INVALID, "'%s': a file: path has no host; write file:///%.*s%.*s", uri,
                BYTES_ARGS(authority), BYTES_ARGS(rest));
            return NULL;
        }
        return resolve_absolute(store, arena, rest, true, error);
    }
    if (bytes_equal_ignore_case(scheme, BYTES("hdfs")) || bytes_equal_ignore_case(scheme, BYTES("webhdfs"))) {
        if (authority.size > 0 && !is_own_name(store, authority_host(authority))) {
            authority_refused(store, authority, error);
            return NULL;
        }
        return finish(arena, "", BYTES_NULL, rest, true, error);
    }
    error_set(error, ERROR_UNSUPPORTED,
        "No FileSystem for scheme \"%.*s\" (in '%s'): Raudal knows hdfs: and file:", BYTES_ARGS(scheme), uri);
    return NULL;
}

bool store_path_check(const char *path, struct error *error) {
    struct bytes text = bytes_from_text(path);
    if (text.size == 0 || text.data[0] != '/') {
        return error_set(error, ERROR_INVALID, "Invalid path name %s", path ? path : "");
    }
    if (text.size > STORE_PATH_SIZE_MAX) {
        return error_set(error, ERROR_LIMIT, "Pathname too long: %zu bytes, limit %d", text.size, STORE_PATH_SIZE_MAX);
    }
    for (size_t start = 1; start < text.size;) {
        size_t end = bytes_find(text, '/', start);
        end = end == SIZE_MAX ? text.size : end;
        struct bytes name = bytes_slice(text, start, end - start);
        if (name.size == 0 || bytes_equal_text(name, ".") || bytes_equal_text(name, "..") ||
            bytes_find(name, ':', 0) != SIZE_MAX) {
            return error_set(error, ERROR_INVALID, "Invalid path name %s", path);
        }
        if (name.size > STORE_NAME_SIZE_MAX) {
            return error_set(error, ERROR_LIMIT,
                "The maximum path component name limit of %.*s in directory %.*s is exceeded: limit=%d length=%zu",
                BYTES_ARGS(name), (int)(start > 1 ? start - 1 : 1), path, STORE_NAME_SIZE_MAX, name.size);
        }
        start = end + 1;
    }
    if (text.size > 1 && text.data[text.size - 1] == '/') {
        return error_set(error, ERROR_INVALID, "Invalid path name %s", path);
    }
    return bytes_is_utf8(text) ? true : error_set(error, ERROR_INVALID, "the path is not UTF-8");
}

char *store_path_parent(struct arena *arena, const char *path) {
    const char *slash = strrchr(path, '/');
    if (!slash || slash[1] == 0) {
        return NULL;
    }
    size_t size = (size_t)(slash - path);
    bool root = size == 0 || (size == 5 && strncmp(path, "file:", 5) == 0);
    return arena_text(arena, bytes_make(path, root ? size + 1 : size));
}

char *store_path_join(struct arena *arena, const char *path, const char *child) {
    size_t size = strlen(path);
    while (*child == '/') {
        child++;
    }
    return arena_printf(arena, "%s%s%s", path, size > 0 && path[size - 1] == '/' ? "" : "/", child);
}

const char *store_path_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ---- places ---- */

static bool check_links(struct store *store, struct store_place *place, struct error *error) {
    size_t root_size = strlen(store->root);
    char *end = place->machine + root_size;
    while (*end) {
        char *next = strchr(end + 1, '/');
        char saved = next ? *next : 0;
        if (next) {
            *next = 0;
        }
        struct world_stat stat;
        struct error problem = {0};
        bool found = world_stat_link(store->world, place->machine, &stat, &problem);
        if (found && stat.kind == WORLD_FILE_SYMLINK) {
            error_set(error, ERROR_DENIED, "%s: %s is a symbolic link; the store does not follow links", place->path,
                place->machine + root_size);
        }
        bool is_link = found && stat.kind == WORLD_FILE_SYMLINK;
        bool is_file_in_the_way = found && next && stat.kind != WORLD_FILE_DIRECTORY && !is_link;
        if (is_file_in_the_way) {
            error_set(error, ERROR_NOT_DIRECTORY, "%s (is not a directory)", place->machine + root_size);
        }
        if (next) {
            *next = saved;
        }
        if (is_link || is_file_in_the_way) {
            return false;
        }
        if (!found) {
            return problem.code == ERROR_NOT_FOUND ? true : (error ? (*error = problem, false) : false);
        }
        if (!next) {
            break;
        }
        end = next;
    }
    return true;
}

bool store_locate(struct store *store, const char *path, struct store_place *place, struct error *error) {
    place->path = path;
    place->on_machine = strncmp(path, "file:/", 6) == 0;
    if (place->on_machine) {
        if (strlen(path) > STORE_PATH_SIZE_MAX) {
            return error_set(
                error, ERROR_LIMIT, "The path is too long: %zu bytes, limit %d", strlen(path), STORE_PATH_SIZE_MAX);
        }
        place->is_root = path[6] == 0;
        memcpy(place->machine, path + 5, strlen(path + 5) + 1);
        return true;
    }
    if (!store_path_check(path, error)) {
        return false;
    }
    if (store->namenode_is_stopped) {
        return error_set(error, ERROR_CLOSED,
            "java.net.ConnectException: Call to namenode failed on connection exception: the namenode is stopped, so "
            "%s "
            "cannot be reached (start it with: docker start namenode, or raudal start namenode)",
            path);
    }
    place->is_root = path[1] == 0;
    if (strncmp(path, "/" STORE_RESERVED, sizeof STORE_RESERVED) == 0 &&
        (path[sizeof STORE_RESERVED] == 0 || path[sizeof STORE_RESERVED] == '/')) {
        return error_set(error, ERROR_DENIED, "%s is reserved by Raudal", path);
    }
    size_t root_size = strlen(store->root);
    memcpy(place->machine, store->root, root_size);
    memcpy(place->machine + root_size, place->is_root ? "" : path, place->is_root ? 1 : strlen(path) + 1);
    return check_links(store, place, error);
}

bool store_locate_entry(struct store *store, const char *path, struct store_place *place, struct error *error) {
    if (!store_locate(store, path, place, error)) {
        return false;
    }
    return place->is_root ? error_set(error, ERROR_DENIED, "The root %s cannot be changed", path) : true;
}

bool store_not_found(struct store *store, const char *path, struct error *error) {
    if (path[0] == '/' && world_exists(store->world, path)) {
        return error_set(error, ERROR_NOT_FOUND,
            "%s does not exist in the store (hdfs://%s%s). It exists on this machine: write file:%s", path,
            store->authority, path, path);
    }
    return error_set(error, ERROR_NOT_FOUND, "%s does not exist", path);
}

void store_temporary_path(struct store *store, const struct store_place *place, char *out, size_t size) {
    uint64_t number = __atomic_add_fetch(&store->next_temporary, 1, __ATOMIC_RELAXED);
    if (!place->on_machine) {
        snprintf(out, size, "%s/%016llx-%llu", store->temporary, (unsigned long long)store->life,
            (unsigned long long)number);
        return;
    }
    const char *name = store_path_name(place->machine);
    snprintf(out, size, "%.*s.%.200s.%016llx-%llu.tmp", (int)(name - place->machine), place->machine, name,
        (unsigned long long)store->life, (unsigned long long)number);
}

char *store_machine_path(struct store *store, struct arena *arena, const char *path) {
    if (strncmp(path, "file:/", 6) == 0) {
        return arena_strdup(arena, path + 5);
    }
    return arena_printf(arena, "%s%s", store->root, strcmp(path, "/") == 0 ? "" : path);
}
