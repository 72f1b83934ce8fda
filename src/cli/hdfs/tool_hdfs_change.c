/* tool_hdfs_change.c: commands that change names and attributes: mkdir, rm, rmdir, mv, chmod, chown, chgrp, setrep,
 * truncate, concat, setfattr and the ones that only the server refuses. */
#include "cli/hdfs/tool_hdfs.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void shell_mkdir(struct shell *shell, int count, char **words) {
    bool parents = false;
    const struct shell_option options[] = {{"p", &parents}};
    int first = shell_options(shell, count, words, options, 1, 1, -1);
    for (int i = first; i >= 0 && i < count; i++) {
        struct shell_item item;
        if (!shell_item(shell, words[i], &item)) {
            continue;
        }
        if (item.status && (!parents || !shell_is_directory(&item))) {
            shell_path_error(
                shell, item.shown, shell_is_directory(&item) || !parents ? "File exists" : "Is not a directory");
        } else if (!item.status && !parents && !shell_parent_exists(shell, &item)) {
            size_t size = (size_t)(strrchr(item.path, '/') - item.path);
            shell_path_error(shell, shell_uri(shell, arena_text(&shell->arena, bytes_make(item.path, size ? size : 1))),
                "No such file or directory");
        } else if (!item.status) {
            shell_mkdirs(shell, item.path, true);
        }
    }
}

/* ---- removing ---- */

void shell_rm(struct shell *shell, int count, char **words) {
    bool force = false, recursive = false, recursive_too = false, skip_trash = false, safely = false;
    const struct shell_option options[] = {
        {"f", &force}, {"r", &recursive}, {"R", &recursive_too}, {"skipTrash", &skip_trash}, {"safely", &safely}};
    int first = shell_options(shell, count, words, options, 5, 1, -1);
    recursive = recursive || recursive_too;
    for (int i = first; i >= 0 && i < count; i++) {
        struct shell_items items = {0};
        struct shell_item item;
        if (force && !strpbrk(words[i], "*?[{\\")) {
            if (shell_item(shell, words[i], &item) && item.status) {
                VECTOR_PUSH(&items, item);
            }
        } else {
            shell_expand(shell, words[i], &items);
        }
        for (size_t j = 0; j < items.count; j++) {
            bool deleted;
            if (shell_is_directory(&items.items[j]) && !recursive) {
                shell_path_error(shell, items.items[j].shown, "Is a directory");
            } else if (shell_delete(shell, items.items[j].path, recursive, &deleted)) {
                if (deleted) {
                    printf("Deleted %s\n", items.items[j].shown);
                } else {
                    shell_path_error(shell, items.items[j].shown, "Input/output error");
                }
            }
        }
        VECTOR_FREE(&items);
    }
}

void shell_rmdir(struct shell *shell, int count, char **words) {
    bool ignore = false;
    const struct shell_option options[] = {{"-ignore-fail-on-non-empty", &ignore}};
    int first = shell_options(shell, count, words, options, 1, 1, -1);
    for (int i = first; i >= 0 && i < count; i++) {
        struct shell_items items = {0};
        shell_expand(shell, words[i], &items);
        for (size_t j = 0; j < items.count; j++) {
            struct shell_items children = {0};
            bool deleted;
            if (!shell_is_directory(&items.items[j])) {
                shell_path_error(shell, items.items[j].shown, "Is not a directory");
            } else if (shell_children(shell, &items.items[j], &children)) {
                if (children.count == 0) {
                    shell_delete(shell, items.items[j].path, false, &deleted);
                } else if (!ignore) {
                    shell_path_error(shell, items.items[j].shown, "Directory is not empty");
                }
            }
            VECTOR_FREE(&children);
        }
        VECTOR_FREE(&items);
    }
}

/* ---- moving ---- */

static void move(struct shell *shell, const struct shell_item *item, const struct shell_item *target) {
    struct shell_item place =
        shell_is_directory(target) ? shell_child(shell, target, shell_base_name(item->path)) : *target;
    bool renamed;
    if (shell_is_directory(target) && !shell_refresh(shell, &place)) {
        return;
    }
    if (place.status) {
        shell_path_error(shell, place.shown, "File exists");
    } else if (shell_rename(shell, item->path, place.path, &renamed) && !renamed) {
        shell_path_error(shell, item->shown, "Input/output error");
    }
}

void shell_mv(struct shell *shell, int count, char **words) {
    int first = shell_options(shell, count, words, NULL, 0, 2, -1);
    if (first < 0) {
        return;
    }
    struct shell_items items = {0};
    struct shell_item target;
    shell_expand_all(shell, count - 1 - first, words + first, &items);
    if (items.count == 0 || !shell_item(shell, words[count - 1], &target)) {
        VECTOR_FREE(&items);
        return;
    }
    if (items.count > 1 && !shell_is_directory(&target)) {
        shell_path_error(shell, target.status ? target.shown : words[count - 1],
            target.status ? "Is not a directory" : "No such file or directory");
    } else if (target.status && !shell_is_directory(&target)) {
        shell_path_error(shell, target.shown, "File exists");
    } else if (!target.status && !shell_parent_exists(shell, &target)) {
        shell_parent_error(shell, &target);
    } else {
        for (size_t i = 0; i < items.count; i++) {
            move(shell, &items.items[i], &target);
        }
    }
    VECTOR_FREE(&items);
}

/* ---- modes and owners ---- */

/* "u+x,g=rw" or octal. */
static bool mode_parse(const char *text, bool is_directory, uint32_t *mode) {
    if (*text >= '0' && *text <= '7') {
        char *end;
        unsigned long value = strtoul(text, &end, 8);
        *mode = (uint32_t)value;
        return *end == 0 && value <= 01777;
    }
    while (*text) {
        uint32_t who = 0, bits = 0;
        for (; *text && strchr("ugoa", *text); text++) {
            who |= *text == 'u' ? 0700u : *text == 'g' ? 0070u : *text == 'o' ? 0007u : 0777u;
        }
        who = who ? who : 0777;
        char operator= * text;
        if (!operator|| !strchr("+-=", operator)) {
            return false;
        }
        for (text++; *text && *text != ','; text++) {
            if (!strchr("rwxXt", *text)) {
                return false;
            }
            bool execute = *text == 'x' || (*text == 'X' && (is_directory || *mode & 0111));
            bits |= *text == 'r' ? 0444u : *text == 'w' ? 0222u : *text == 't' ? 01000u : execute ? 0111u : 0;
        }
        uint32_t changed = (bits & who) | (bits & 01000);
        *mode = operator== '+' ? *mode | changed : operator== '-' ? *mode & ~changed : (*mode & ~who) | changed;
        text += *text == ',';
    }
    return true;
}

/* Visits items and, when recursive, all below them; a directory before what is in it. */
static void each(struct shell *shell, struct shell_items *items, bool recursive,
    void (*visit)(struct shell *, struct shell_item *, const void *), const void *argument) {
    struct shell_items stack = {0};
    for (size_t i = items->count; i > 0; i--) {
        VECTOR_PUSH(&stack, items->items[i - 1]);
    }
    while (stack.count > 0) {
        struct shell_item item = VECTOR_POP(&stack);
        struct shell_items children = {0};
        visit(shell, &item, argument);
        if (recursive && shell_is_directory(&item) && shell_children(shell, &item, &children)) {
            for (size_t i = children.count; i > 0; i--) {
                VECTOR_PUSH(&stack, children.items[i - 1]);
            }
        }
        VECTOR_FREE(&children);
    }
    VECTOR_FREE(&stack);
}

static void set_mode(struct shell *shell, struct shell_item *item, const void *argument) {
    Hadoop__FsPermission permission = HADOOP__FS_PERMISSION__INIT;
    Hadoop__SetPermissionRequest request = HADOOP__SET_PERMISSION_REQUEST__INIT;
    uint32_t mode = item->status->permission->perm;
    if (!mode_parse(argument, shell_is_directory(item), &mode) || mode == item->status->permission->perm) {
        return;
    }
    permission.perm = mode;
    request.src = (char *)item->path;
    request.permission = &permission;
    if (!SHELL_CALL(shell, SetPermission, set_permission, "setPermission", request)) {
        shell_failed(shell, arena_printf(&shell->arena, "changing permissions of '%s': ", item->shown));
    }
}

void shell_chmod(struct shell *shell, int count, char **words) {
    bool recursive = false;
    const struct shell_option options[] = {{"R", &recursive}};
    uint32_t mode = 0;
    /* "-w" is a mode, not an option. */
    int first = count > 0 && strcmp(words[0], "-R") == 0 ? shell_options(shell, 1, words, options, 1, 0, 0) : 0;
    if (count - first < 2) {
        shell_usage_error(shell, "Not enough arguments: expected 2 but got %d", count - first);
        return;
    }
    if (!mode_parse(words[first], false, &mode)) {
        shell_usage_error(shell, "chmod : mode '%s' does not match the expected pattern.", words[first]);
        return;
    }
    struct shell_items items = {0};
    shell_expand_all(shell, count - first - 1, words + first + 1, &items);
    each(shell, &items, recursive, set_mode, words[first]);
    VECTOR_FREE(&items);
}

struct ownership {
    const char *owner, *group;
};

static void set_owner(struct shell *shell, struct shell_item *item, const void *argument) {
    const struct ownership *ownership = argument;
    const char *owner =
        ownership->owner && strcmp(ownership->owner, item->status->owner) != 0 ? ownership->owner : NULL;
    const char *group =
        ownership->group && strcmp(ownership->group, item->status->group) != 0 ? ownership->group : NULL;
    if (!owner && !group) {
        return;
    }
    Hadoop__SetOwnerRequest request = HADOOP__SET_OWNER_REQUEST__INIT;
    request.src = (char *)item->path;
    request.username = (char *)owner;
    request.groupname = (char *)group;
    if (!SHELL_CALL(shell, SetOwner, set_owner, "setOwner", request)) {
        shell_failed(shell, arena_printf(&shell->arena, "changing ownership of '%s': ", item->shown));
    }
}

static void change_owner(struct shell *shell, int count, char **words, bool group_only) {
    bool recursive = false;
    const struct shell_option options[] = {{"R", &recursive}};
    int first = shell_options(shell, count, words, options, 1, 2, -1);
    if (first < 0) {
        return;
    }
    struct ownership ownership = {0};
    char *text = words[first], *colon = group_only ? NULL : strchr(text, ':');
    if (group_only) {
        ownership.group = text;
    } else {
        ownership.owner =
            colon == text ? NULL
                          : arena_text(&shell->arena, bytes_make(text, colon ? (size_t)(colon - text) : strlen(text)));
        ownership.group = colon && colon[1] ? colon + 1 : NULL;
    }
    if (strpbrk(text, " \t\n/") || !*text) {
        shell_usage_error(
            shell, "'%s' does not match expected pattern for %s", text, group_only ? "group" : "[owner][:group].");
        return;
    }
    if (!ownership.owner && !ownership.group) {
        shell_usage_error(shell, "'%s' does not specify owner or group.", text);
        return;
    }
    struct shell_items items = {0};
    shell_expand_all(shell, count - first - 1, words + first + 1, &items);
    each(shell, &items, recursive, set_owner, &ownership);
    VECTOR_FREE(&items);
}

void shell_chown(struct shell *shell, int count, char **words) {
    change_owner(shell, count, words, false);
}

void shell_chgrp(struct shell *shell, int count, char **words) {
    change_owner(shell, count, words, true);
}

/* ---- replication, length ---- */

struct replication {
    int64_t count;
    struct shell_items *waiting;
};

static void set_replication(struct shell *shell, struct shell_item *item, const void *argument) {
    const struct replication *replication = argument;
    if (shell_is_directory(item)) {
        return;
    }
    Hadoop__SetReplicationRequest request = HADOOP__SET_REPLICATION_REQUEST__INIT;
    request.src = (char *)item->path;
    request.replication = (uint32_t)replication->count;
    Hadoop__SetReplicationResponse *answer =
        SHELL_CALL(shell, SetReplication, set_replication, "setReplication", request);
    if (!answer) {
        shell_failed(shell, NULL);
    } else if (!answer->result) {
        shell_error(shell, "Could not set replication for: %s", item->shown);
    } else {
        printf("Replication %lld set: %s\n", (long long)replication->count, item->shown);
        VECTOR_PUSH(replication->waiting, *item);
    }
}

void shell_setrep(struct shell *shell, int count, char **words) {
    bool recursive = false, wait = false;
    const struct shell_option options[] = {{"R", &recursive}, {"w", &wait}};
    int first = shell_options(shell, count, words, options, 2, 2, -1);
    if (first < 0) {
        return;
    }
    struct shell_items items = {0}, waiting = {0};
    struct replication replication = {.waiting = &waiting};
    if (!bytes_to_int64(bytes_from_text(words[first]), &replication.count) || replication.count > 32767) {
        shell_error(shell, "Illegal replication, a positive integer expected");
        shell_usage_error(shell, "For input string: \"%s\"", words[first]);
        return;
    }
    if (replication.count < 1) {
        shell_usage_error(shell, "replication must be >= 1");
        return;
    }
    shell_expand_all(shell, count - first - 1, words + first + 1, &items);
    each(shell, &items, true, set_replication, &replication);
    for (size_t i = 0; wait && i < waiting.count; i++) {
        printf("Waiting for %s ... done\n", waiting.items[i].shown); /* there is one copy, and it is there */
    }
    VECTOR_FREE(&items);
    VECTOR_FREE(&waiting);
}

void shell_truncate(struct shell *shell, int count, char **words) {
    bool wait = false;
    const struct shell_option options[] = {{"w", &wait}};
    int first = shell_options(shell, count, words, options, 1, 2, -1);
    int64_t length;
    if (first < 0) {
        return;
    }
    if (!bytes_to_int64(bytes_from_text(words[first]), &length)) {
        shell_error(shell, "Illegal length, a non-negative integer expected");
        shell_usage_error(shell, "For input string: \"%s\"", words[first]);
        return;
    }
    if (length < 0) {
        shell_usage_error(shell, "length must be >= 0");
        return;
    }
    struct shell_items items = {0};
    shell_expand_all(shell, count - first - 1, words + first + 1, &items);
    for (size_t i = 0; i < items.count; i++) {
        struct shell_item *item = &items.items[i];
        if (shell_is_directory(item)) {
            shell_path_error(shell, item->shown, "Is a directory");
            continue;
        }
        if (length > (int64_t)item->status->length) {
            shell_usage_error(shell, "Cannot truncate to a larger file size. Current size: %llu, truncate size: %lld.",
                (unsigned long long)item->status->length, (long long)length);
            break;
        }
        Hadoop__TruncateRequest request = HADOOP__TRUNCATE_REQUEST__INIT;
        request.src = (char *)item->path;
        request.newlength = (uint64_t)length;
        request.clientname = shell->client.name;
        Hadoop__TruncateResponse *answer = SHELL_CALL(shell, Truncate, truncate, "truncate", request);
        if (!answer) {
            shell_failed(shell, NULL);
        } else if (answer->result) {
            printf("Truncated %s to length: %lld\n", item->shown, (long long)length);
        } else if (wait) {
            printf("Waiting for %s ...\nTruncated %s to length: %lld\n", item->shown, item->shown, (long long)length);
        } else {
            printf("Truncating %s to length: %lld. Wait for block recovery to complete before further updating this "
                   "file.\n",
                item->shown, (long long)length);
        }
    }
    VECTOR_FREE(&items);
}

void shell_concat(struct shell *shell, int count, char **words) {
    int first = shell_options(shell, count, words, NULL, 0, 1, -1);
    if (first < 0) {
        return;
    }
    struct shell_item target;
    struct shell_items items = {0};
    if (!shell_item(shell, words[first], &target)) {
        return;
    }
    for (int i = first + 1; i < count; i++) {
        struct shell_item item;
        if (!shell_item(shell, words[i], &item)) {
            VECTOR_FREE(&items);
            return;
        }
        VECTOR_PUSH(&items, item);
    }
    const struct shell_item *wrong = !target.status || shell_is_directory(&target) ? &target : NULL;
    for (size_t i = 0; i < items.count && !wrong; i++) {
        wrong = !items.items[i].status || shell_is_directory(&items.items[i]) ? &items.items[i] : NULL;
    }
    if (items.count < 2) {
        shell_error(shell, "The number of source paths is less than 2. <target path> <src path> <src path> ...");
    } else if (wrong) {
        shell_error(shell, "%s does not exist or is not file.", shell_uri(shell, wrong->path));
    } else {
        char **sources = ARENA_ARRAY(&shell->arena, char *, items.count);
        for (size_t i = 0; i < items.count; i++) {
            sources[i] = (char *)items.items[i].path;
        }
        Hadoop__ConcatRequest request = HADOOP__CONCAT_REQUEST__INIT;
        request.trg = (char *)target.path;
        request.n_srcs = items.count;
        request.srcs = sources;
        if (!SHELL_CALL(shell, Concat, concat, "concat", request)) {
            shell_failed(shell, NULL);
        }
    }
    VECTOR_FREE(&items);
}

/* ---- extended attributes ---- */

/* A value is text in quotes, 0x… or 0s…; anything else stands for itself. */
static struct bytes attribute_value(struct shell *shell, const char *text) {
    struct bytes view = bytes_from_text(text);
    struct buffer out = {0};
    if (view.size >= 2 && (strncasecmp(text, "0s", 2) == 0) &&
        buffer_append_base64_decoded(&out, bytes_slice(view, 2, view.size - 2))) {
        view = arena_copy(&shell->arena, buffer_view(&out));
    } else if (view.size >= 2 && view.size % 2 == 0 && strncasecmp(text, "0x", 2) == 0) {
        for (size_t i = 2; i < view.size; i += 2) {
            char digits[3] = {text[i], text[i + 1], 0};
            buffer_append_byte(&out, (uint8_t)strtoul(digits, NULL, 16));
        }
        view = arena_copy(&shell->arena, buffer_view(&out));
    } else if (view.size >= 2 && text[0] == '"' && text[view.size - 1] == '"') {
        view = bytes_slice(view, 1, view.size - 2);
    }
    buffer_free(&out);
    return view;
}

void shell_setfattr(struct shell *shell, int count, char **words) {
    bool sets = false, has_value = false, removes = false;
    const char *name = NULL, *value = "", *removed = NULL;
    const struct shell_option options[] = {{"n", &sets, &name}, {"v", &has_value, &value}, {"x", &removes, &removed}};
    int first = shell_options(shell, count, words, options, 3, 1, 1);
    if (first < 0) {
        return;
    }
    if (sets == removes) {
        shell_usage_error(shell, sets ? "Can not specify both '-n name' and '-x name' option."
                                      : "Must specify '-n name' or '-x name' option.");
        return;
    }
    struct shell_item item;
    const char *full = sets ? name : removed, *dot = strchr(full, '.');
    if (!shell_item(shell, words[first], &item)) {
        return;
    }
    if (!item.status) {
        shell_path_error(shell, words[first], "No such file or directory");
        return;
    }
    bool trusted = strncmp(full, "trusted.", 8) == 0;
    if (!dot || (!trusted && strncmp(full, "user.", 5) != 0)) {
        shell_usage_error(
            shell, "An XAttr name must be prefixed with user/trusted/security/system/raw, followed by a '.'");
        return;
    }
    struct bytes bytes = attribute_value(shell, value);
    Hadoop__XAttr attribute = HADOOP__XATTR__INIT;
    attribute.namespace_ = trusted ? HADOOP__XATTR__XATTR_NAMESPACE__TRUSTED : HADOOP__XATTR__XATTR_NAMESPACE__USER;
    attribute.name = (char *)dot + 1;
    attribute.has_value = sets && bytes.size > 0;
    attribute.value = (ProtobufCBinaryData){bytes.size, (uint8_t *)bytes.data};
    Hadoop__SetXAttrRequest set = HADOOP__SET_XATTR_REQUEST__INIT;
    Hadoop__RemoveXAttrRequest removal = HADOOP__REMOVE_XATTR_REQUEST__INIT;
    set.src = removal.src = (char *)item.path;
    set.xattr = removal.xattr = &attribute;
    set.has_flag = true;
    set.flag = 3;
    bool ok = sets ? SHELL_CALL(shell, SetXAttr, set_xattr, "setXAttr", set) != NULL
                   : SHELL_CALL(shell, RemoveXAttr, remove_xattr, "removeXAttr", removal) != NULL;
    if (!ok) {
        shell_failed(shell, NULL);
    }
}

/* ---- what only the server can say ---- */

static void ask_anything(struct shell *shell, const char *method) {
    Hadoop__Anything request = HADOOP__ANYTHING__INIT;
    shell_connect(shell, NULL);
    if (!hdfs_client_call(&shell->client, &shell->arena, method, &request.base, &hadoop__anything__descriptor)) {
        shell_failed(shell, NULL);
    } else {
        shell_error(shell, "the server understands %s, this tool does not: use Hadoop's own", method);
    }
}

void shell_setfacl(struct shell *shell, int count, char **words) {
    ask_anything(shell, "setAcl");
}

void shell_snapshot(struct shell *shell, int count, char **words) {
    ask_anything(shell, shell->command->name);
}

/* There is no trash to empty. */
void shell_expunge(struct shell *shell, int count, char **words) {
    bool now = false, has_system = false;
    const char *system = NULL;
    const struct shell_option options[] = {{"immediate", &now}, {"fs", &has_system, &system}};
    if (shell_options(shell, count, words, options, 2, 0, 1) >= 0) {
        shell_connect(shell, NULL);
    }
}

void shell_move_to_local(struct shell *shell, int count, char **words) {
    shell_error(shell, "Option '-moveToLocal' is not implemented yet.");
}
