/* tool_hdfs_data.c: commands that move bytes: cat, head, tail, text, get, getmerge, put, cp, appendToFile, touch,
 * touchz. A copy is written as NAME._COPYING_ and renamed when it is whole. */
#include "cli/hdfs/tool_hdfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define TAIL_SIZE 1024
#define COPYING "._COPYING_"

static bool refuse_directory(struct shell *shell, const struct shell_item *item) {
    if (shell_is_directory(item)) {
        shell_path_error(shell, item->shown, "Is a directory");
        return true;
    }
    return false;
}

/* ---- out of the store ---- */

static bool to_stream(void *argument, struct bytes data) {
    return fwrite(data.data, 1, data.size, argument) == data.size;
}

static void print_range(struct shell *shell, const struct shell_item *item, int64_t offset, int64_t length) {
    if (!hdfs_client_read(&shell->client, item->path, offset, length, to_stream, stdout)) {
        shell_failed(shell, NULL);
    }
}

/* cat and text: each file that the words name, one after the other. -ignoreCrc has nothing to skip: reads are not
 * checked twice. */
static void print_each(
    struct shell *shell, int count, char **words, void (*print)(struct shell *shell, struct shell_item *item)) {
    bool ignore_sums = false;
    const struct shell_option options[] = {{"ignoreCrc", &ignore_sums}};
    int first = shell_options(shell, count, words, options, 1, 1, -1);
    struct shell_items items = {0};
    for (int i = first; i >= 0 && i < count; i++) {
        shell_expand(shell, words[i], &items);
    }
    for (size_t i = 0; i < items.count; i++) {
        if (!refuse_directory(shell, &items.items[i])) {
            print(shell, &items.items[i]);
        }
    }
    VECTOR_FREE(&items);
}

static void print_whole(struct shell *shell, struct shell_item *item) {
    print_range(shell, item, 0, INT64_MAX);
}

void shell_cat(struct shell *shell, int count, char **words) {
    print_each(shell, count, words, print_whole);
}

/* The one file that head and tail take. */
static bool one_file(struct shell *shell, const char *word, struct shell_item *item) {
    struct shell_items items = {0};
    shell_expand(shell, word, &items);
    bool ok = items.count == 1 && !refuse_directory(shell, &items.items[0]);
    if (items.count > 1) {
        shell_error(shell, "`%s': matches more than one file", word);
    }
    if (ok) {
        *item = items.items[0];
    }
    VECTOR_FREE(&items);
    return ok;
}

void shell_head(struct shell *shell, int count, char **words) {
    struct shell_item item;
    int first = shell_options(shell, count, words, NULL, 0, 1, 1);
    if (first >= 0 && one_file(shell, words[first], &item)) {
        print_range(shell, &item, 0, TAIL_SIZE);
    }
}

void shell_tail(struct shell *shell, int count, char **words) {
    bool follow = false, has_interval = false;
    const char *interval = "5000";
    const struct shell_option options[] = {{"f", &follow}, {"s", &has_interval, &interval}};
    int first = shell_options(shell, count, words, options, 2, 1, 1);
    struct shell_item item;
    if (first < 0 || !one_file(shell, words[first], &item)) {
        return;
    }
    int64_t pause_ms = 0, at = (int64_t)item.status->length > TAIL_SIZE ? (int64_t)item.status->length - TAIL_SIZE : 0;
    if (!bytes_to_int64(bytes_from_text(interval), &pause_ms) || pause_ms < 1) {
        shell_error(shell, "-s needs a number of milliseconds, not '%s'", interval);
        return;
    }
    for (;;) {
        int64_t end = (int64_t)item.status->length;
        if (end > at) {
            print_range(shell, &item, at, end - at);
            fflush(stdout);
        }
        at = end;
        if (!follow || shell->status != 0) {
            return;
        }
        usleep((useconds_t)pause_ms * 1000);
        if (!shell_refresh(shell, &item) || !item.status) {
            return;
        }
    }
}

/* gzip is recognised by its first bytes; anything else is printed as it is. */
struct text {
    z_stream stream;
    bool is_started, is_gzip, is_wrong;
};

static bool to_text(void *argument, struct bytes data) {
    struct text *text = argument;
    if (!text->is_started) {
        text->is_started = true;
        text->is_gzip = data.size >= 2 && data.data[0] == 0x1f && data.data[1] == 0x8b;
        if (text->is_gzip && inflateInit2(&text->stream, 16 + MAX_WBITS) != Z_OK) {
            return false;
        }
    }
    if (!text->is_gzip) {
        return to_stream(stdout, data);
    }
    uint8_t out[65536];
    text->stream.next_in = (uint8_t *)data.data;
    text->stream.avail_in = (unsigned)data.size;
    while (text->stream.avail_in > 0 && !text->is_wrong) {
        text->stream.next_out = out;
        text->stream.avail_out = sizeof out;
        int result = inflate(&text->stream, Z_NO_FLUSH);
        if (!to_stream(stdout, bytes_make(out, sizeof out - text->stream.avail_out))) {
            return false;
        }
        if (result == Z_STREAM_END) {
            inflateReset(&text->stream); /* files may be several streams */
        } else if (result != Z_OK) {
            text->is_wrong = true;
        }
    }
    return true;
}

static void print_unpacked(struct shell *shell, struct shell_item *item) {
    struct text text = {0};
    if (!hdfs_client_read(&shell->client, item->path, 0, INT64_MAX, to_text, &text)) {
        shell_failed(shell, NULL);
    } else if (text.is_wrong) {
        shell_error(shell, "`%s': the gzip data is damaged", item->shown);
    }
    if (text.is_gzip) {
        inflateEnd(&text.stream);
    }
}

void shell_text(struct shell *shell, int count, char **words) {
    print_each(shell, count, words, print_unpacked);
}

/* ---- get ---- */

struct copy {
    bool overwrite, preserve, direct;
};

static bool local_is_directory(const char *path) {
    struct stat stat_buffer;
    return stat(path, &stat_buffer) == 0 && S_ISDIR(stat_buffer.st_mode);
}

static bool to_descriptor(void *argument, struct bytes data) {
    while (data.size > 0) {
        ssize_t count = write(*(int *)argument, data.data, data.size);
        if (count < 0 && errno != EINTR) {
            return false;
        }
        size_t done = count < 0 ? 0 : (size_t)count;
        data = bytes_slice(data, done, data.size - done);
    }
    return true;
}

static void preserve_local(const char *path, const Hadoop__HdfsFileStatus *status) {
    struct timespec times[2] = {
        {(time_t)(status->access_time / 1000), 0}, {(time_t)(status->modification_time / 1000), 0}};
    utimensat(AT_FDCWD, path, times, 0);
    if (chmod(path, status->permission->perm & 0777) != 0) {
        fprintf(stderr, "get: `%s': %s\n", path, strerror(errno));
    }
}

static void get_file(struct shell *shell, const struct copy *copy, const struct shell_item *item, const char *to) {
    struct stat stat_buffer;
    if (stat(to, &stat_buffer) == 0 && !copy->overwrite) {
        shell_path_error(shell, to, "File exists");
        return;
    }
    const char *temporary = copy->direct ? to : arena_printf(&shell->arena, "%s" COPYING, to);
    int descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor < 0) {
        shell_error(shell, "%s (%s)", temporary, strerror(errno));
        return;
    }
    bool ok = hdfs_client_read(&shell->client, item->path, 0, INT64_MAX, to_descriptor, &descriptor);
    if (!ok) {
        shell_failed(shell, NULL);
    }
    ok = close(descriptor) == 0 && ok;
    if (!ok || (!copy->direct && rename(temporary, to) != 0)) {
        shell_path_error(shell, to, "Input/output error");
        unlink(temporary);
    } else if (copy->preserve) {
        preserve_local(to, item->status);
    }
}

/* Copies a tree: pairs that wait, in place of recursion. */
struct pair {
    struct shell_item item;
    const char *local;
};

static void get_tree(struct shell *shell, const struct copy *copy, const struct shell_item *item, const char *to) {
    VECTOR(struct pair) pairs = {0};
    struct pair first = {*item, to};
    VECTOR_PUSH(&pairs, first);
    while (pairs.count > 0) {
        struct pair pair = VECTOR_POP(&pairs);
        struct shell_items children = {0};
        if (!shell_is_directory(&pair.item)) {
            get_file(shell, copy, &pair.item, pair.local);
            continue;
        }
        if (mkdir(pair.local, 0777) != 0 && !local_is_directory(pair.local)) {
            shell_path_error(shell, pair.local, errno == EEXIST ? "Is not a directory" : strerror(errno));
            continue;
        }
        if (shell_children(shell, &pair.item, &children)) {
            for (size_t i = children.count; i > 0; i--) {
                const char *name = shell_base_name(children.items[i - 1].path);
                struct pair child = {children.items[i - 1], arena_printf(&shell->arena, "%s/%s", pair.local, name)};
                VECTOR_PUSH(&pairs, child);
            }
        }
        VECTOR_FREE(&children);
    }
    VECTOR_FREE(&pairs);
}

static const char *absolute_local(struct shell *shell, const char *path) {
    char here[4096];
    return path[0] == '/' || !getcwd(here, sizeof here) ? path : arena_printf(&shell->arena, "%s/%s", here, path);
}

static const char *local_name(const char *word) {
    return strncmp(word, "file://", 7) == 0 ? word + 7 : strncmp(word, "file:", 5) == 0 ? word + 5 : word;
}

void shell_get(struct shell *shell, int count, char **words) {
    struct copy copy = {0};
    bool sums = false, ignore_sums = false, threaded = false, queued = false;
    const char *threads = "1", *queue = "1";
    const struct shell_option options[] = {{"f", &copy.overwrite}, {"p", &copy.preserve}, {"crc", &sums},
        {"ignoreCrc", &ignore_sums}, {"d", &copy.direct}, {"t", &threaded, &threads}, {"q", &queued, &queue}};
    int first = shell_options(shell, count, words, options, 7, 1, -1);
    if (first < 0) {
        return;
    }
    const char *to = first + 1 == count ? "." : local_name(words[--count]);
    struct shell_items items = {0};
    shell_expand_all(shell, count - first, words + first, &items);
    bool is_directory = local_is_directory(to);
    struct stat stat_buffer;
    const char *slash = strrchr(to, '/');
    const char *parent =
        slash ? arena_text(&shell->arena, bytes_make(to, slash == to ? 1 : (size_t)(slash - to))) : ".";
    if (items.count > 1 && !is_directory) {
        shell_path_error(shell, to, stat(to, &stat_buffer) == 0 ? "Is not a directory" : "No such file or directory");
    } else if (items.count > 0 && !is_directory && !local_is_directory(parent)) {
        shell_error(shell, "`%s': No such file or directory: `file://%s'", to, absolute_local(shell, to));
    } else {
        for (size_t i = 0; i < items.count; i++) {
            const char *name = shell_base_name(items.items[i].path);
            get_tree(shell, &copy, &items.items[i],
                is_directory ? arena_printf(&shell->arena, "%s%s%s", strcmp(to, ".") == 0 ? "" : to,
                                   strcmp(to, ".") == 0 ? "" : "/", name)
                             : to);
        }
    }
    VECTOR_FREE(&items);
}

void shell_getmerge(struct shell *shell, int count, char **words) {
    bool newline = false, skip_empty = false;
    const struct shell_option options[] = {{"nl", &newline}, {"skip-empty-file", &skip_empty}};
    int first = shell_options(shell, count, words, options, 2, 2, -1);
    if (first < 0) {
        return;
    }
    const char *to = local_name(words[count - 1]);
    struct shell_items items = {0}, files = {0};
    shell_expand_all(shell, count - 1 - first, words + first, &items);
    for (size_t i = 0; i < items.count; i++) {
        if (!shell_is_directory(&items.items[i])) {
            VECTOR_PUSH(&files, items.items[i]);
        } else if (!shell_children(shell, &items.items[i], &files)) {
            break;
        }
    }
    int descriptor = shell->status == 0 ? open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666) : -1;
    if (descriptor < 0 && shell->status == 0) {
        shell_error(shell, "%s (%s)", to, strerror(errno));
    }
    for (size_t i = 0; descriptor >= 0 && i < files.count; i++) {
        if (shell_is_directory(&files.items[i]) || (skip_empty && files.items[i].status->length == 0)) {
            continue;
        }
        if (!hdfs_client_read(&shell->client, files.items[i].path, 0, INT64_MAX, to_descriptor, &descriptor)) {
            shell_failed(shell, NULL);
        }
        if (newline && !to_descriptor(&descriptor, BYTES("\n"))) {
            shell_error(shell, "%s (%s)", to, strerror(errno));
        }
    }
    if (descriptor >= 0) {
        close(descriptor);
    }
    VECTOR_FREE(&items);
    VECTOR_FREE(&files);
}

/* ---- into the store ---- */

/* Where a source comes from: a local descriptor, or a file of the store. */
struct source {
    int descriptor;
    const struct shell_item *item;
};

static bool to_upload(void *argument, struct bytes data) {
    return hdfs_upload_write(argument, data);
}

static bool fill_upload(struct shell *shell, struct hdfs_upload *upload, struct source source) {
    if (source.item) {
        /* One connection carries the calls of both: reading asks for all locations first. */
        return hdfs_client_read(&shell->client, source.item->path, 0, INT64_MAX, to_upload, upload);
    }
    uint8_t piece[65536];
    for (;;) {
        ssize_t count = read(source.descriptor, piece, sizeof piece);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            return hdfs_client_fail(&shell->client, "reading: %s", strerror(errno));
        }
        if (count == 0) {
            return true;
        }
        if (!hdfs_upload_write(upload, bytes_make(piece, (size_t)count))) {
            return false;
        }
    }
}

static bool upload_all(struct shell *shell, const char *path, struct source source) {
    struct hdfs_upload upload;
    if (!hdfs_upload_create(&upload, &shell->client, path, true)) {
        hdfs_upload_abandon(&upload);
        return false;
    }
    if (!fill_upload(shell, &upload, source)) {
        hdfs_upload_abandon(&upload);
        return false;
    }
    return hdfs_upload_close(&upload);
}

/* Writes one file under its final name. */
static bool put_file(struct shell *shell, const struct copy *copy, struct source source, struct shell_item *target) {
    if (!shell_refresh(shell, target)) {
        return false;
    }
    if (target->status && !copy->overwrite) {
        shell_path_error(shell, target->shown, "File exists");
        return false;
    }
    const char *temporary = copy->direct ? target->path : arena_printf(&shell->arena, "%s" COPYING, target->path);
    bool done;
    if (!upload_all(shell, temporary, source)) {
        shell_failed(shell, NULL);
        shell->client.message[0] = 0;
        struct shell_item left = {.shown = temporary, .path = temporary};
        if (!copy->direct && shell_refresh(shell, &left) && left.status) {
            shell_delete(shell, temporary, false, &done);
        }
        return false;
    }
    if (copy->direct) {
        return true;
    }
    if (target->status && !shell_delete(shell, target->path, false, &done)) {
        return false;
    }
    if (!shell_rename(shell, temporary, target->path, &done)) {
        return false;
    }
    if (!done) {
        shell_path_error(shell, target->shown, "Input/output error");
    }
    return done;
}

static void preserve(struct shell *shell, const char *path, int64_t modified_ms, int64_t accessed_ms, uint32_t mode) {
    Hadoop__FsPermission permission = HADOOP__FS_PERMISSION__INIT;
    permission.perm = mode & 0777;
    Hadoop__SetPermissionRequest request = HADOOP__SET_PERMISSION_REQUEST__INIT;
    request.src = (char *)path;
    request.permission = &permission;
    if (!shell_set_times(shell, path, modified_ms, accessed_ms)) {
        return;
    }
    if (!SHELL_CALL(shell, SetPermission, set_permission, "setPermission", request)) {
        shell_failed(shell, NULL);
    }
}

static void put_local_file(struct shell *shell, const struct copy *copy, const char *local, struct shell_item *target) {
    struct stat stat_buffer;
    int descriptor = open(local, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 || fstat(descriptor, &stat_buffer) != 0) {
        shell_error(shell, "%s (%s)", local, strerror(errno));
    } else if (put_file(shell, copy, (struct source){.descriptor = descriptor}, target) && copy->preserve) {
        preserve(shell, target->path, (int64_t)stat_buffer.st_mtim.tv_sec * 1000,
            (int64_t)stat_buffer.st_atim.tv_sec * 1000, stat_buffer.st_mode);
    }
    if (descriptor >= 0) {
        close(descriptor);
    }
}

/* Makes the directory unless it exists; false when a file is in the way. */
static bool make_target_directory(struct shell *shell, struct shell_item *target) {
    if (!shell_refresh(shell, target)) {
        return false;
    }
    if (target->status) {
        if (!shell_is_directory(target)) {
            shell_path_error(shell, target->shown, "Is not a directory");
        }
        return shell_is_directory(target);
    }
    return shell_mkdirs(shell, target->path, true);
}

static void put_tree(struct shell *shell, const struct copy *copy, const char *local, struct shell_item target) {
    VECTOR(struct pair) pairs = {0};
    struct pair first = {target, local};
    VECTOR_PUSH(&pairs, first);
    while (pairs.count > 0) {
        struct pair pair = VECTOR_POP(&pairs);
        struct dirent **entries = NULL;
        if (!local_is_directory(pair.local)) {
            put_local_file(shell, copy, pair.local, &pair.item);
            continue;
        }
        int count = make_target_directory(shell, &pair.item) ? scandir(pair.local, &entries, NULL, alphasort) : 0;
        for (int i = count; i > 0; i--) {
            const char *name = entries[i - 1]->d_name;
            if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0) {
                struct pair child = {
                    shell_child(shell, &pair.item, name), arena_printf(&shell->arena, "%s/%s", pair.local, name)};
                VECTOR_PUSH(&pairs, child);
            }
            free(entries[i - 1]);
        }
        free(entries);
    }
    VECTOR_FREE(&pairs);
}

/* The destination of a copy: checked against how many sources there are. */
static bool destination(
    struct shell *shell, const char *word, size_t source_count, bool overwrite, struct shell_item *target) {
    if (!shell_item(shell, word, target)) {
        return false;
    }
    if (source_count > 1 && !shell_is_directory(target)) {
        shell_path_error(shell, target->status ? target->shown : word,
            target->status ? "Is not a directory" : "No such file or directory");
        return false;
    }
    if (target->status && !shell_is_directory(target) && !overwrite) {
        shell_path_error(shell, target->shown, "File exists");
        return false;
    }
    if (!target->status && !shell_parent_exists(shell, target)) {
        if (shell->status == 0) {
            shell_parent_error(shell, target);
        }
        return false;
    }
    return true;
}

/* Local words with wildcards that the shell has left alone. */
static void expand_local(struct shell *shell, const char *word, struct shell_items *items) {
    glob_t found = {0};
    const char *path = local_name(word);
    struct stat stat_buffer;
    if (stat(path, &stat_buffer) == 0 || strcmp(path, "-") == 0) {
        struct shell_item item = {.shown = path};
        VECTOR_PUSH(items, item);
    } else if (glob(path, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            struct shell_item item = {.shown = arena_strdup(&shell->arena, found.gl_pathv[i])};
            VECTOR_PUSH(items, item);
        }
    } else {
        shell_path_error(shell, word, "No such file or directory");
    }
    globfree(&found);
}

static const char *local_base_name(struct shell *shell, const char *path) {
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/') {
        size--;
    }
    const char *name = shell_base_name(arena_text(&shell->arena, bytes_make(path, size)));
    char resolved[4096];
    if ((strcmp(name, ".") == 0 || strcmp(name, "..") == 0) && realpath(path, resolved)) {
        return arena_strdup(&shell->arena, shell_base_name(resolved));
    }
    return name;
}

static void put(struct shell *shell, int count, char **words, bool moves) {
    struct copy copy = {0};
    bool lazy = false, threaded = false, queued = false;
    const char *threads = "1", *queue = "1";
    const struct shell_option options[] = {{"f", &copy.overwrite}, {"p", &copy.preserve}, {"l", &lazy},
        {"d", &copy.direct}, {"t", &threaded, &threads}, {"q", &queued, &queue}};
    int first = shell_options(shell, count, words, options, 6, 1, -1);
    if (first < 0) {
        return;
    }
    const char *to = first + 1 == count ? "." : words[--count];
    struct shell_items items = {0};
    struct shell_item target;
    for (int i = first; i < count; i++) {
        expand_local(shell, words[i], &items);
    }
    if (items.count > 0 && destination(shell, to, items.count, copy.overwrite, &target)) {
        for (size_t i = 0; i < items.count; i++) {
            const char *local = items.items[i].shown;
            bool is_input = strcmp(local, "-") == 0;
            int status = shell->status;
            struct shell_item place = shell_is_directory(&target)
                                          ? shell_child(shell, &target, is_input ? "-" : local_base_name(shell, local))
                                          : target;
            shell->status = 0;
            if (is_input) {
                put_file(shell, &copy, (struct source){.descriptor = 0}, &place);
            } else {
                put_tree(shell, &copy, local, place);
            }
            if (moves && shell->status == 0 && !is_input && remove(local) != 0) {
                shell_error(shell, "`%s': it was copied but cannot be removed: %s", local, strerror(errno));
            }
            shell->status = shell->status ? shell->status : status;
        }
    }
    VECTOR_FREE(&items);
}

void shell_put(struct shell *shell, int count, char **words) {
    put(shell, count, words, false);
}

void shell_move_from_local(struct shell *shell, int count, char **words) {
    put(shell, count, words, true);
}

static void cp_tree(
    struct shell *shell, const struct copy *copy, const struct shell_item *item, struct shell_item target) {
    struct both {
        struct shell_item from, to;
    };
    VECTOR(struct both) pairs = {0};
    struct both first = {*item, target};
    VECTOR_PUSH(&pairs, first);
    while (pairs.count > 0) {
        struct both pair = VECTOR_POP(&pairs);
        struct shell_items children = {0};
        if (!shell_is_directory(&pair.from)) {
            Hadoop__HdfsFileStatus *status = pair.from.status;
            if (put_file(shell, copy, (struct source){.item = &pair.from}, &pair.to) && copy->preserve) {
                preserve(shell, pair.to.path, (int64_t)status->modification_time, (int64_t)status->access_time,
                    status->permission->perm);
            }
            continue;
        }
        if (make_target_directory(shell, &pair.to) && shell_children(shell, &pair.from, &children)) {
            for (size_t i = children.count; i > 0; i--) {
                struct both child = {
                    children.items[i - 1], shell_child(shell, &pair.to, shell_base_name(children.items[i - 1].path))};
                VECTOR_PUSH(&pairs, child);
            }
        }
        VECTOR_FREE(&children);
    }
    VECTOR_FREE(&pairs);
}

void shell_cp(struct shell *shell, int count, char **words) {
    struct copy copy = {0};
    bool threaded = false, queued = false;
    const char *threads = "1", *queue = "1";
    const struct shell_option options[] = {{"f", &copy.overwrite}, {"p", &copy.preserve}, {"d", &copy.direct},
        {"t", &threaded, &threads}, {"q", &queued, &queue}};
    int first = shell_options(shell, count, words, options, 5, 2, -1);
    if (first < 0) {
        return;
    }
    struct shell_items items = {0};
    struct shell_item target;
    shell_expand_all(shell, count - 1 - first, words + first, &items);
    if (items.count > 0 && destination(shell, words[count - 1], items.count, copy.overwrite, &target)) {
        for (size_t i = 0; i < items.count; i++) {
            const struct shell_item *item = &items.items[i];
            struct shell_item place =
                shell_is_directory(&target) ? shell_child(shell, &target, shell_base_name(item->path)) : target;
            size_t size = strlen(item->path);
            if (strcmp(item->path, place.path) == 0) {
                shell_error(shell, "`%s' to `%s': are identical", item->shown, place.shown);
            } else if (shell_is_directory(item) && strncmp(place.path, item->path, size) == 0 &&
                       place.path[size] == '/') {
                shell_error(shell, "`%s' to `%s': is a subdirectory of itself", item->shown, place.shown);
            } else {
                cp_tree(shell, &copy, item, place);
            }
        }
    }
    VECTOR_FREE(&items);
}

void shell_append_to_file(struct shell *shell, int count, char **words) {
    bool new_block = false;
    const struct shell_option options[] = {{"n", &new_block}};
    int first = shell_options(shell, count, words, options, 1, 2, -1);
    struct shell_item target;
    if (first < 0) {
        return;
    }
    if (new_block) {
        shell_error(shell, "-n is not supported: blocks are ranges of a plain file");
        return;
    }
    VECTOR(int) sources = {0};
    for (int i = first; i < count - 1; i++) {
        int descriptor = strcmp(words[i], "-") == 0 ? 0 : open(local_name(words[i]), O_RDONLY | O_CLOEXEC);
        if (descriptor < 0) {
            shell_error(shell, "%s%s%s", words[i], errno == ENOENT ? "" : ": ", errno == ENOENT ? "" : strerror(errno));
        } else {
            VECTOR_PUSH(&sources, descriptor);
        }
    }
    if (shell->status == 0 && shell_item(shell, words[count - 1], &target)) {
        struct hdfs_upload upload;
        bool ok = target.status ? hdfs_upload_append(&upload, &shell->client, target.path)
                                : hdfs_upload_create(&upload, &shell->client, target.path, false);
        for (size_t i = 0; ok && i < sources.count; i++) {
            ok = fill_upload(shell, &upload, (struct source){.descriptor = sources.items[i]});
        }
        ok = ok ? hdfs_upload_close(&upload) : (hdfs_upload_abandon(&upload), false);
        if (!ok) {
            shell_failed(shell, NULL);
        }
    }
    for (size_t i = 0; i < sources.count; i++) {
        if (sources.items[i] > 0) {
            close(sources.items[i]);
        }
    }
    VECTOR_FREE(&sources);
}

/* ---- empty files ---- */

static bool create_empty(struct shell *shell, const struct shell_item *item) {
    struct hdfs_upload upload;
    bool ok = hdfs_upload_create(&upload, &shell->client, item->path, true);
    ok = ok ? hdfs_upload_close(&upload) : (hdfs_upload_abandon(&upload), false);
    if (!ok) {
        shell_failed(shell, NULL);
    }
    return ok;
}

void shell_touchz(struct shell *shell, int count, char **words) {
    int first = shell_options(shell, count, words, NULL, 0, 1, -1);
    for (int i = first; i >= 0 && i < count; i++) {
        struct shell_item item;
        if (!shell_item(shell, words[i], &item) || refuse_directory(shell, &item)) {
            continue;
        }
        if (item.status && item.status->length > 0) {
            shell_path_error(shell, item.shown, "Not a zero-length file");
        } else if (!item.status && !shell_parent_exists(shell, &item)) {
            shell_parent_error(shell, &item);
        } else {
            create_empty(shell, &item);
        }
    }
}

void shell_touch(struct shell *shell, int count, char **words) {
    bool access_only = false, modification_only = false, no_create = false, at_time = false;
    const char *text = NULL;
    const struct shell_option options[] = {
        {"a", &access_only}, {"m", &modification_only}, {"c", &no_create}, {"t", &at_time, &text}};
    int first = shell_options(shell, count, words, options, 4, 1, -1);
    if (first < 0) {
        return;
    }
    struct tm parts = {.tm_isdst = -1};
    if (text && (!strptime(text, "%Y%m%d:%H%M%S", &parts))) {
        shell_error(shell, "Unable to parse the specified timestamp %s.", text);
        return;
    }
    int64_t now_ms = text ? (int64_t)mktime(&parts) * 1000 : (int64_t)time(NULL) * 1000;
    for (int i = first; i < count; i++) {
        struct shell_item item;
        if (!shell_item(shell, words[i], &item) || (!item.status && no_create)) {
            continue;
        }
        if (!item.status && !shell_parent_exists(shell, &item)) {
            shell_parent_error(shell, &item);
            continue;
        }
        bool is_new = !item.status;
        if ((!is_new || create_empty(shell, &item)) && (!is_new || text)) {
            shell_set_times(shell, item.path, access_only && !modification_only ? -1 : now_ms,
                modification_only && !access_only ? -1 : now_ms);
        }
    }
}
