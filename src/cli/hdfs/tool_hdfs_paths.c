/* tool_hdfs_paths.c: words of the command line as paths: relative to /user/NAME, wildcards, and how messages name them.
 */
#include "cli/hdfs/tool_hdfs.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/* ---- messages ---- */

void shell_error(struct shell *shell, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fprintf(stderr, "%s: ", shell->name);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    shell->status = 1;
}

void shell_path_error(struct shell *shell, const char *shown, const char *what) {
    shell_error(shell, "`%s': %s", shown, what);
}

const char *shell_uri(struct shell *shell, const char *path) {
    return arena_printf(&shell->arena, "%s%s", shell->default_uri, path);
}

void shell_parent_error(struct shell *shell, const struct shell_item *item) {
    shell_error(shell, "`%s': No such file or directory: `%s'", item->shown, shell_uri(shell, item->path));
}

void shell_failed(struct shell *shell, const char *prefix) {
    const char *message = shell->client.message;
    shell_error(shell, "%s%.*s", prefix ? prefix : "", (int)strcspn(message, "\n"), message);
}

const char *shell_size(struct shell *shell, int64_t size, bool human) {
    static const char units[] = "KMGTPE";
    if (!human || size < 1024) {
        return arena_printf(&shell->arena, "%lld", (long long)size);
    }
    int unit = 0;
    __int128 divisor = 1024;
    while (unit < 5 && size / divisor >= 1024) {
        divisor *= 1024;
        unit++;
    }
    long long tenths = (long long)(((__int128)size * 10 + divisor / 2) / divisor); /* half up, as Java rounds */
    return arena_printf(&shell->arena, "%lld.%lld %c", tenths / 10, tenths % 10, units[unit]);
}

/* ---- words to paths ---- */

const char *shell_base_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Without empty components and ".", ".." applied. Absolute paths start with a slash; "" is the empty relative path. */
static char *normalize(struct arena *arena, const char *path) {
    bool absolute = path[0] == '/';
    struct buffer out = {0};
    while (*path) {
        size_t size = strcspn(path, "/");
        if (size == 2 && memcmp(path, "..", 2) == 0 && out.size > 0) {
            while (out.size > 0 && out.data[--out.size] != '/') {
            }
        } else if (size > 0 && !(size == 1 && *path == '.') && !(size == 2 && memcmp(path, "..", 2) == 0 && absolute)) {
            if (absolute || out.size > 0) {
                buffer_append_byte(&out, '/');
            }
            buffer_append(&out, path, size);
        }
        path += size + (path[size] == '/');
    }
    if (absolute && out.size == 0) {
        buffer_append_byte(&out, '/');
    }
    char *text = arena_text(arena, buffer_view(&out));
    buffer_free(&out);
    return text;
}

/* Splits a word into what is shown before the path and the path. Ends the program for other file systems. */
static const char *split(struct shell *shell, const char *word, const char **prefix) {
    *prefix = "";
    const char *scheme = strstr(word, "://");
    bool is_uri = scheme && strcspn(word, "/") > (size_t)(scheme - word);
    if (!is_uri && strncmp(word, "file:", 5) != 0) {
        shell_connect(shell, NULL);
        return word;
    }
    if (strncmp(word, "hdfs://", 7) != 0) {
        fprintf(stderr, "%s: %s: only hdfs: paths can be given here; local files are for -put and -get\n", shell->name,
            word);
        exit(1);
    }
    size_t size = strcspn(word + 7, "/");
    char *authority = arena_text(&shell->arena, bytes_make(word + 7, size));
    shell_connect(shell, size > 0 ? authority : NULL);
    *prefix = size > 0 ? arena_printf(&shell->arena, "hdfs://%s", authority) : shell->default_uri;
    return word[7 + size] ? word + 7 + size : "/";
}

/* The item of a word without wildcards; status not read. */
static struct shell_item locate(struct shell *shell, const char *word) {
    const char *prefix, *path = split(shell, word, &prefix);
    struct shell_item item = {0};
    char *normal = normalize(&shell->arena, path);
    if (normal[0] == '/') {
        item.path = normal;
        item.shown = arena_printf(&shell->arena, "%s%s", prefix, normal);
    } else {
        item.path = normalize(&shell->arena, arena_printf(&shell->arena, "/user/%s/%s", shell->user, normal));
        item.shown = normal[0] ? normal : ".";
    }
    return item;
}

bool shell_is_directory(const struct shell_item *item) {
    return item->status && item->status->filetype == HADOOP__HDFS_FILE_STATUS__FILE_TYPE__IS_DIR;
}

bool shell_refresh(struct shell *shell, struct shell_item *item) {
    Hadoop__GetFileInfoRequest request = HADOOP__GET_FILE_INFO_REQUEST__INIT;
    request.src = (char *)item->path;
    Hadoop__GetFileInfoResponse *answer = SHELL_CALL(shell, GetFileInfo, get_file_info, "getFileInfo", request);
    if (!answer) {
        shell_failed(shell, NULL);
        return false;
    }
    item->status = answer->fs;
    return true;
}

bool shell_item(struct shell *shell, const char *word, struct shell_item *item) {
    *item = locate(shell, word);
    return shell_refresh(shell, item);
}

struct shell_item shell_child(struct shell *shell, const struct shell_item *parent, const char *name) {
    struct shell_item child = {0};
    child.path = arena_printf(&shell->arena, "%s%s%s", parent->path, parent->path[1] ? "/" : "", name);
    size_t size = strlen(parent->shown);
    bool ends = size > 0 && parent->shown[size - 1] == '/';
    child.shown = strcmp(parent->shown, ".") == 0
                      ? arena_strdup(&shell->arena, name)
                      : arena_printf(&shell->arena, "%s%s%s", parent->shown, ends ? "" : "/", name);
    return child;
}

bool shell_children(struct shell *shell, const struct shell_item *directory, struct shell_items *children) {
    Hadoop__GetListingRequest request = HADOOP__GET_LISTING_REQUEST__INIT;
    request.src = (char *)directory->path;
    for (;;) {
        Hadoop__GetListingResponse *answer = SHELL_CALL(shell, GetListing, get_listing, "getListing", request);
        if (!answer) {
            shell_failed(shell, NULL);
            return false;
        }
        if (!answer->dirlist) {
            shell_path_error(shell, directory->shown, "No such file or directory");
            return false;
        }
        for (size_t i = 0; i < answer->dirlist->n_partiallisting; i++) {
            Hadoop__HdfsFileStatus *status = answer->dirlist->partiallisting[i];
            char *name = arena_text(&shell->arena, bytes_make(status->path.data, status->path.len));
            struct shell_item child = shell_child(shell, directory, name);
            child.status = status;
            VECTOR_PUSH(children, child);
            request.startafter = status->path;
        }
        if (answer->dirlist->remainingentries == 0 || answer->dirlist->n_partiallisting == 0) {
            return true;
        }
    }
}

bool shell_parent_exists(struct shell *shell, const struct shell_item *item) {
    size_t size = (size_t)(strrchr(item->path, '/') - item->path);
    struct shell_item parent = {
        .shown = item->shown, .path = size == 0 ? "/" : arena_text(&shell->arena, bytes_make(item->path, size))};
    return shell_refresh(shell, &parent) && parent.status != NULL;
}

/* ---- wildcards ---- */

/* Adds the words that {a,b} stand for; an explicit list, since braces may follow each other. */
static void expand_braces(struct shell *shell, const char *word, struct shell_items *words) {
    VECTOR(const char *) pending = {0};
    VECTOR_PUSH(&pending, word);
    while (pending.count > 0 && words->count < 1000) {
        const char *next = pending.items[0];
        VECTOR_REMOVE(&pending, 0);
        const char *open = strchr(next, '{'), *close = open ? strchr(open, '}') : NULL;
        if (!close) {
            struct shell_item item = {.shown = next};
            VECTOR_PUSH(words, item);
            continue;
        }
        for (const char *at = open + 1; at <= close;) {
            size_t size = strcspn(at, ",}");
            VECTOR_PUSH(&pending,
                arena_printf(&shell->arena, "%.*s%.*s%s", (int)(open - next), next, (int)size, at, close + 1));
            at += size + 1;
        }
    }
    VECTOR_FREE(&pending);
}

/* Matches the components of `pattern` (absolute, normalized) below `base`, level by level. */
static void match(struct shell *shell, struct shell_item base, const char *pattern, struct shell_items *found) {
    struct shell_items level = {0};
    VECTOR_PUSH(&level, base);
    while (*pattern && level.count > 0) {
        while (*pattern == '/') {
            pattern++;
        }
        size_t size = strcspn(pattern, "/");
        char *component = arena_text(&shell->arena, bytes_make(pattern, size));
        pattern += size;
        struct shell_items next = {0};
        for (size_t i = 0; i < level.count; i++) {
            struct shell_items children = {0};
            if (!strpbrk(component, "*?[\\")) {
                struct shell_item child = shell_child(shell, &level.items[i], component);
                if (shell_refresh(shell, &child) && child.status) {
                    VECTOR_PUSH(&next, child);
                }
                continue;
            }
            if (level.items[i].status && !shell_is_directory(&level.items[i])) {
                continue;
            }
            if (shell_children(shell, &level.items[i], &children)) {
                for (size_t j = 0; j < children.count; j++) {
                    if (fnmatch(component, shell_base_name(children.items[j].path), 0) == 0) {
                        VECTOR_PUSH(&next, children.items[j]);
                    }
                }
            }
            VECTOR_FREE(&children);
        }
        VECTOR_FREE(&level);
        level = next;
    }
    for (size_t i = 0; i < level.count; i++) {
        VECTOR_PUSH(found, level.items[i]);
    }
    VECTOR_FREE(&level);
}

static void expand_wildcards(struct shell *shell, const char *word, struct shell_items *items) {
    const char *prefix, *path = split(shell, word, &prefix);
    char *pattern = normalize(&shell->arena, path);
    struct shell_item base;
    if (pattern[0] == '/') {
        base = (struct shell_item){.shown = arena_printf(&shell->arena, "%s/", prefix), .path = "/"};
    } else {
        base = locate(shell, ".");
    }
    match(shell, base, pattern, items);
}

void shell_expand(struct shell *shell, const char *word, struct shell_items *items) {
    struct shell_items words = {0};
    size_t before = items->count;
    int status = shell->status;
    expand_braces(shell, word, &words);
    for (size_t i = 0; i < words.count; i++) {
        if (strpbrk(words.items[i].shown, "*?[\\")) {
            expand_wildcards(shell, words.items[i].shown, items);
            continue;
        }
        struct shell_item item;
        if (!shell_item(shell, words.items[i].shown, &item)) {
            VECTOR_FREE(&words);
            return;
        }
        if (item.status) {
            VECTOR_PUSH(items, item);
        }
    }
    VECTOR_FREE(&words);
    if (items->count == before && shell->status == status) {
        shell_path_error(shell, word, "No such file or directory");
    }
}

void shell_expand_all(struct shell *shell, int count, char **words, struct shell_items *items) {
    for (int i = 0; i < count; i++) {
        shell_expand(shell, words[i], items);
    }
}

/* ---- calls that several commands make ---- */

bool shell_content_summary(struct shell *shell, const struct shell_item *item, Hadoop__ContentSummary **summary) {
    Hadoop__GetContentSummaryRequest request = HADOOP__GET_CONTENT_SUMMARY_REQUEST__INIT;
    request.path = (char *)item->path;
    Hadoop__GetContentSummaryResponse *answer =
        SHELL_CALL(shell, GetContentSummary, get_content_summary, "getContentSummary", request);
    *summary = answer ? answer->summary : NULL;
    if (!answer) {
        shell_failed(shell, NULL);
    }
    return answer != NULL;
}

bool shell_delete(struct shell *shell, const char *path, bool recursive, bool *deleted) {
    Hadoop__DeleteRequest request = HADOOP__DELETE_REQUEST__INIT;
    request.src = (char *)path;
    request.recursive = recursive;
    Hadoop__DeleteResponse *answer = SHELL_CALL(shell, Delete, delete, "delete", request);
    *deleted = answer && answer->result;
    if (!answer) {
        shell_failed(shell, NULL);
    }
    return answer != NULL;
}

bool shell_rename(struct shell *shell, const char *from, const char *to, bool *renamed) {
    Hadoop__RenameRequest request = HADOOP__RENAME_REQUEST__INIT;
    request.src = (char *)from;
    request.dst = (char *)to;
    Hadoop__RenameResponse *answer = SHELL_CALL(shell, Rename, rename, "rename", request);
    *renamed = answer && answer->result;
    if (!answer) {
        shell_failed(shell, NULL);
    }
    return answer != NULL;
}

bool shell_mkdirs(struct shell *shell, const char *path, bool with_parents) {
    Hadoop__FsPermission mode = HADOOP__FS_PERMISSION__INIT;
    mode.perm = 0755;
    Hadoop__MkdirsRequest request = HADOOP__MKDIRS_REQUEST__INIT;
    request.src = (char *)path;
    request.masked = &mode;
    request.createparent = with_parents;
    if (SHELL_CALL(shell, Mkdirs, mkdirs, "mkdirs", request)) {
        return true;
    }
    shell_failed(shell, NULL);
    return false;
}

bool shell_set_times(struct shell *shell, const char *path, int64_t modified_ms, int64_t accessed_ms) {
    Hadoop__SetTimesRequest request = HADOOP__SET_TIMES_REQUEST__INIT;
    request.src = (char *)path;
    request.mtime = (uint64_t)modified_ms;
    request.atime = (uint64_t)accessed_ms;
    if (SHELL_CALL(shell, SetTimes, set_times, "setTimes", request)) {
        return true;
    }
    shell_failed(shell, NULL);
    return false;
}
