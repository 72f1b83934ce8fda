/* files_find.c: data files below paths. Names that begin with _ or . are hidden; key=value directories give columns; a
 * directory with _spark_metadata has the files that the log names and no others. */
#include <fnmatch.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/map.h"
#include "column/text.h"
#include "format/compress.h"
#include "stream/sink_log.h"

enum { DEPTH_MAX = 64, FILE_SIZE_MAX = 1 << 30 };

struct finder {
    struct store *store;
    struct arena *arena;
    struct data_files *files;
    struct bytes glob_filter;
    bool recursive; /* recursiveFileLookup: no partition columns */
    struct error *error;
};

static bool is_hidden(const char *name) {
    return (name[0] == '_' && strchr(name, '=') == NULL) || name[0] == '.';
}

static bool is_glob(const char *path) {
    return strpbrk(path, "*?[{") != NULL;
}

static struct bytes unescape(struct arena *arena, struct bytes text) {
    uint8_t *out = arena_allocate(arena, text.size + 1);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        int high = -1, low = -1;
        if (text.data[i] == '%' && i + 2 < text.size) {
            static const char digits[] = "0123456789abcdef";
            const char *first = strchr(digits, text.data[i + 1] | 0x20),
                       *second = strchr(digits, text.data[i + 2] | 0x20);
            high = first != NULL ? (int)(first - digits) : -1;
            low = second != NULL ? (int)(second - digits) : -1;
        }
        if (high >= 0 && low >= 0) {
            out[size++] = (uint8_t)(high << 4 | low);
            i += 2;
        } else {
            out[size++] = text.data[i];
        }
    }
    return bytes_make(out, size);
}

/* key=value components of a path below `root` as values of the file; false when two files disagree on the keys. */
static bool take_partitions(struct finder *finder, const char *root, struct data_file *file) {
    struct data_files *files = finder->files;
    const char *at = file->path + strlen(root);
    struct bytes names[DEPTH_MAX], values[DEPTH_MAX];
    size_t count = 0;
    for (const char *slash = strchr(at + (*at == '/'), '/'); slash != NULL && !finder->recursive;
         slash = strchr(at, '/')) {
        at += *at == '/';
        struct bytes component = bytes_make(at, (size_t)(slash - at));
        size_t equals = bytes_find(component, '=', 0);
        if (equals != SIZE_MAX && equals > 0 && count < DEPTH_MAX) {
            names[count] = unescape(finder->arena, bytes_slice(component, 0, equals));
            struct bytes value = bytes_slice(component, equals + 1, component.size - equals - 1);
            values[count++] =
                bytes_equal(value, BYTES("__HIVE_DEFAULT_PARTITION__")) ? BYTES_NULL : unescape(finder->arena, value);
        }
        at = slash + 1;
    }
    if (files->count == 1) {
        files->partition_count = count;
        files->partition_names = ARENA_ARRAY(finder->arena, struct bytes, count + 1);
        memcpy(files->partition_names, names, count * sizeof *names);
    }
    bool same = count == files->partition_count;
    for (size_t i = 0; i < count && same; i++) {
        same = bytes_equal(names[i], files->partition_names[i]);
    }
    file->partition_values = ARENA_ARRAY(finder->arena, struct bytes, count + 1);
    memcpy(file->partition_values, values, count * sizeof *values);
    return same || error_set(finder->error, ERROR_INVALID,
                       "Conflicting partition column names detected: %s has other key=value directories than the files "
                       "before it",
                       file->path);
}

/* The directory that a path given by the program stands for: of a glob as many components of the file as it has. */
static bool root_of(struct arena *arena, const char *path, const char *file, char **root) {
    if (!is_glob(path)) {
        size_t size = strlen(path);
        size -= size > 0 && path[size - 1] == '/';
        *root = arena_text(arena, bytes_make(path, size));
        return strncmp(file, path, size) == 0 && (file[size] == '/' || size == 0);
    }
    size_t components = 0, size = 0;
    for (const char *at = path; *at != 0; at++) {
        components += *at == '/' && at[1] != 0 && at[1] != '/';
    }
    for (; file[size] != 0 && (file[size] != '/' || components > 0); size++) {
        components -= file[size] == '/';
    }
    *root = arena_text(arena, bytes_make(file, size));
    return file[size] == '/';
}

bool data_file_take_partitions(struct arena *arena, char *const *paths, size_t path_count, const struct bytes *names,
    size_t name_count, struct data_file *file, struct error *error) {
    struct data_files files = {
        .count = 2, .partition_names = (struct bytes *)(uintptr_t)names, .partition_count = name_count};
    struct finder finder = {.arena = arena, .files = &files, .error = error};
    char *root = store_path_parent(arena, file->path);
    for (size_t i = 0; i < path_count; i++) {
        char *candidate;
        if (root_of(arena, paths[i], file->path, &candidate)) {
            root = candidate;
            break;
        }
    }
    return take_partitions(&finder, root, file);
}

static bool add_file(struct finder *finder, const char *root, char *path, int64_t size, int64_t modified_ms) {
    if (finder->glob_filter.data != NULL &&
        fnmatch(arena_text(finder->arena, finder->glob_filter), store_path_name(path), 0) != 0) {
        return true;
    }
    struct data_files *files = finder->files;
    if (files->count == files->capacity) {
        size_t capacity = files->capacity == 0 ? 64 : files->capacity * 2;
        struct data_file *grown = ARENA_ARRAY(finder->arena, struct data_file, capacity);
        if (files->count > 0) {
            memcpy(grown, files->items, files->count * sizeof *grown);
        }
        files->items = grown;
        files->capacity = capacity;
    }
    struct data_file *file = &files->items[files->count++];
    *file = (struct data_file){path, size, modified_ms, NULL};
    return take_partitions(finder, root, file);
}

static bool add_logged(struct finder *finder, const char *directory) {
    struct sink_entries entries = {0};
    bool good = sink_log_read(finder->store, finder->arena, directory, &entries, finder->error);
    for (size_t i = 0; i < entries.count && good; i++) {
        char *uri = arena_text(finder->arena, unescape(finder->arena, entries.items[i].uri));
        struct error foreign = {0};
        char *path = store_resolve(finder->store, finder->arena, uri, NULL, &foreign);
        if (path ==
            NULL) { /* the log was written under another name of this store: the file is below the same directory */
            const char *below = strstr(uri, directory);
            path = below != NULL ? arena_strdup(finder->arena, below) : NULL;
        }
        good = path != NULL ? add_file(finder, directory, path, entries.items[i].size, entries.items[i].modified_ms)
                            : error_set(finder->error, foreign.code, "%s", foreign.message);
    }
    VECTOR_FREE(&entries);
    finder->files->from_metadata = true;
    return good;
}

static bool add_directory(struct finder *finder, const char *root, const char *directory, int depth) {
    struct store_entries entries = {0};
    if (store_exists(finder->store, store_path_join(finder->arena, directory, "_spark_metadata"))) {
        return add_logged(finder, directory);
    }
    if (depth > DEPTH_MAX || !store_list(finder->store, finder->arena, directory, NULL, 0, &entries, finder->error)) {
        return depth <= DEPTH_MAX ||
               error_set(finder->error, ERROR_LIMIT, "%s: directories nested more than %d deep", directory, DEPTH_MAX);
    }
    for (size_t i = 0; i < entries.count; i++) {
        if (is_hidden(entries.items[i].name)) {
            continue;
        }
        char *path = store_path_join(finder->arena, directory, entries.items[i].name);
        bool good = entries.items[i].stat.is_directory
                        ? add_directory(finder, root, path, depth + 1)
                        : add_file(finder, root, path, entries.items[i].stat.size, entries.items[i].stat.modified_ms);
        if (!good) {
            return false;
        }
    }
    return true;
}

static bool add_path(struct finder *finder, char *path) {
    struct store_stat stat;
    if (!store_stat(finder->store, path, &stat, finder->error)) {
        return false;
    }
    if (stat.is_directory) {
        return add_directory(finder, path, path, 0);
    }
    char *parent = store_path_parent(finder->arena, path);
    return add_file(finder, parent != NULL ? parent : "/", path, stat.size, stat.modified_ms);
}

/* One component of a glob after the other. {a,b} is tried for each alternative. */
static bool add_glob(struct finder *finder, char *prefix, const char *rest, size_t *found);

static bool add_alternatives(
    struct finder *finder, char *prefix, const char *component, size_t size, const char *rest, size_t *found) {
    char *pattern = arena_text(finder->arena, bytes_make(component, size));
    char *open = strchr(pattern, '{'), *close = open != NULL ? strchr(open, '}') : NULL;
    if (close == NULL) {
        struct store_entries entries = {0};
        if (!store_list(finder->store, finder->arena, prefix, NULL, 0, &entries, finder->error)) {
            return finder->error->code == ERROR_NOT_FOUND || finder->error->code == ERROR_NOT_DIRECTORY;
        }
        bool good = true;
        for (size_t i = 0; i < entries.count && good; i++) {
            if (!is_hidden(entries.items[i].name) && fnmatch(pattern, entries.items[i].name, FNM_PERIOD) == 0) {
                good = add_glob(finder, store_path_join(finder->arena, prefix, entries.items[i].name), rest, found);
            }
        }
        return good;
    }
    for (char *at = open + 1; at <= close; at++) {
        char *end = at;
        while (end < close && *end != ',') {
            end++;
        }
        char *one =
            arena_printf(finder->arena, "%.*s%.*s%s", (int)(open - pattern), pattern, (int)(end - at), at, close + 1);
        if (!add_alternatives(finder, prefix, one, strlen(one), rest, found)) {
            return false;
        }
        at = end;
    }
    return true;
}

static bool add_glob(struct finder *finder, char *prefix, const char *rest, size_t *found) {
    while (*rest == '/') {
        rest++;
    }
    if (*rest == 0) {
        ++*found;
        return add_path(finder, prefix);
    }
    size_t size = strcspn(rest, "/");
    char *component = arena_text(finder->arena, bytes_make(rest, size));
    if (!is_glob(component)) {
        char *path = store_path_join(finder->arena, prefix, component);
        return !store_exists(finder->store, path) || add_glob(finder, path, rest + size, found);
    }
    return add_alternatives(finder, prefix, component, size, rest + size, found);
}

/* ---- types of partition columns ---- */

static enum type_kind kind_of(struct bytes text) {
    int64_t integer;
    double real;
    int32_t days;
    if (bytes_to_int64(text, &integer)) {
        return integer >= INT32_MIN && integer <= INT32_MAX ? TYPE_INTEGER : TYPE_LONG;
    }
    if (bytes_to_double(text, &real)) {
        return TYPE_DOUBLE;
    }
    if (text.size == 10 && value_parse_date(text, &days)) {
        return TYPE_DATE;
    }
    return text.size > 10 && value_parse_timestamp(text, timezone_utc(), &integer) ? TYPE_TIMESTAMP : TYPE_STRING;
}

static void infer_partitions(struct arena *arena, struct data_files *files) {
    files->partition_types = ARENA_ARRAY(arena, const struct type *, files->partition_count + 1);
    for (size_t column = 0; column < files->partition_count; column++) {
        enum type_kind kind = TYPE_NULL;
        for (size_t i = 0; i < files->count; i++) {
            struct bytes text = files->items[i].partition_values[column];
            enum type_kind next = text.data == NULL ? kind : kind_of(text);
            bool numbers = kind >= TYPE_INTEGER && kind <= TYPE_DOUBLE && next >= TYPE_INTEGER && next <= TYPE_DOUBLE;
            kind = kind == TYPE_NULL || kind == next ? next : numbers ? (kind > next ? kind : next) : TYPE_STRING;
        }
        files->partition_types[column] = type_simple(kind == TYPE_NULL ? TYPE_STRING : kind);
    }
}

bool data_files_find(struct store *store, struct arena *arena, char *const *paths, size_t path_count,
    const struct format_options *options, struct data_files *files, struct error *error) {
    *files = (struct data_files){0};
    struct finder finder = {.store = store,
        .arena = arena,
        .files = files,
        .error = error,
        .glob_filter = format_option_get(options, "pathGlobFilter")};
    if (!format_option_boolean(options, "recursiveFileLookup", &finder.recursive, error)) {
        return false;
    }
    for (size_t i = 0; i < path_count; i++) {
        size_t found = 0;
        bool machine = strncmp(paths[i], "file:", 5) == 0;
        bool good = is_glob(paths[i])
                        ? add_glob(&finder, machine ? "file:/" : "/", paths[i] + (machine ? 5 : 0), &found)
                        : add_path(&finder, paths[i]);
        if (good && is_glob(paths[i]) && found == 0) {
            good = error_set(error, ERROR_NOT_FOUND, "%s", paths[i]);
        }
        if (!good) {
            return false;
        }
    }
    infer_partitions(arena, files);
    return true;
}

/* ---- one file's bytes ---- */

struct mapped {
    int references;
    struct world_map *map;
    struct buffer buffer;
};

static void retain_mapped(void *owner) {
    __atomic_fetch_add(&((struct mapped *)owner)->references, 1, __ATOMIC_RELAXED);
}

static void release_mapped(void *owner) {
    struct mapped *mapped = owner;
    if (__atomic_sub_fetch(&mapped->references, 1, __ATOMIC_ACQ_REL) == 0) {
        if (mapped->map != NULL) {
            world_map_close(mapped->map);
        }
        buffer_free(&mapped->buffer);
        free(mapped);
    }
}

bool data_file_open(
    struct store *store, const char *path, int64_t size, struct format_source *source, struct error *error) {
    struct store_file *file = store_file_open(store, path, error);
    if (file == NULL) {
        return false;
    }
    struct mapped *mapped = calloc(1, sizeof *mapped);
    ASSERT(mapped != NULL);
    mapped->references = 1;
    int64_t found = store_file_size(file, error);
    mapped->map = found > 0 ? store_file_map(file, 0, (size_t)found, error) : NULL;
    store_file_close(file);
    if (found < 0 || (found > 0 && mapped->map == NULL)) {
        release_mapped(mapped);
        return false;
    }
    *source = (struct format_source){
        found > 0 ? world_map_view(mapped->map) : bytes_make("", 0), retain_mapped, release_mapped, mapped};
    bool gzip = bytes_ends_with(bytes_from_text(path), ".gz"), zstd = bytes_ends_with(bytes_from_text(path), ".zst");
    bool parquet = strstr(store_path_name(path), ".parquet") != NULL;
    if ((gzip || zstd) && !parquet) {
        if (!format_decompress_file(
                gzip ? FORMAT_CODEC_GZIP : FORMAT_CODEC_ZSTD, source->data, FILE_SIZE_MAX, &mapped->buffer, error)) {
            release_mapped(mapped);
            return error_prefix(error, "%s", path);
        }
        source->data = buffer_view(&mapped->buffer);
    }
    return true;
}
