/* tool_hdfs_look.c: ls, du, df, count, stat, test, find, checksum, getfacl, getfattr. */
#include "cli/hdfs/tool_hdfs.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "store/store.h"

static const char *time_text(struct shell *shell, uint64_t ms, const char *format, bool utc) {
    time_t seconds = (time_t)(ms / 1000);
    struct tm parts;
    char text[64];
    if (utc) {
        gmtime_r(&seconds, &parts);
    } else {
        localtime_r(&seconds, &parts);
    }
    strftime(text, sizeof text, format, &parts);
    return arena_strdup(&shell->arena, text);
}

/* ---- ls ---- */

struct widths {
    int replication, size, owner, group;
};

struct ls {
    struct widths widths;
    bool paths_only, plain_directories, human, hide_unprintable, recursive, by_time, reverse, by_size, access_time;
};

static const struct ls *sorting; /* qsort has no argument for it */

static int compare_items(const void *left_pointer, const void *right_pointer) {
    const struct shell_item *left = left_pointer, *right = right_pointer;
    int order = 0;
    if (sorting->by_time) {
        uint64_t a = sorting->access_time ? left->status->access_time : left->status->modification_time;
        uint64_t b = sorting->access_time ? right->status->access_time : right->status->modification_time;
        order = a < b ? 1 : a > b ? -1 : 0;
    } else if (sorting->by_size) {
        order = left->status->length < right->status->length   ? 1
                : left->status->length > right->status->length ? -1
                                                               : 0;
    }
    if (order == 0 && !sorting->by_time && !sorting->by_size) {
        order = strcmp(left->path, right->path);
    }
    return sorting->reverse ? -order : order;
}

/* Stable: equal items keep the order of the listing. */
static void sort_items(struct shell_items *items, const struct ls *ls) {
    sorting = ls;
    for (size_t i = 1; i < items->count && items->count < 2000; i++) {
        struct shell_item item = items->items[i];
        size_t at = i;
        for (; at > 0 && compare_items(&items->items[at - 1], &item) > 0; at--) {
            items->items[at] = items->items[at - 1];
        }
        items->items[at] = item;
    }
    if (items->count >= 2000) {
        qsort(items->items, items->count, sizeof items->items[0], compare_items);
    }
}

static int digits(uint64_t number) {
    int count = 1;
    for (; number >= 10; number /= 10) {
        count++;
    }
    return count;
}

/* Columns grow with what is listed and never shrink within one command, as in Hadoop. */
static void measure(struct ls *ls, const struct shell_items *items) {
    struct widths *widths = &ls->widths;
    for (size_t i = 0; i < items->count; i++) {
        Hadoop__HdfsFileStatus *status = items->items[i].status;
        int replication = digits(status->block_replication), size = digits(status->length);
        int owner = (int)strlen(status->owner), group = (int)strlen(status->group);
        widths->replication = replication > widths->replication ? replication : widths->replication;
        widths->size = size > widths->size ? size : widths->size;
        widths->owner = owner > widths->owner ? owner : widths->owner;
        widths->group = group > widths->group ? group : widths->group;
    }
}

static void print_shown(const char *shown, bool hide_unprintable) {
    for (; *shown; shown++) {
        putchar(hide_unprintable && ((unsigned char)*shown < 32 || *shown == 127) ? '?' : *shown);
    }
    putchar('\n');
}

static void print_item(struct shell *shell, const struct ls *ls, const struct shell_item *item) {
    const struct widths *widths = &ls->widths;
    if (ls->paths_only) {
        print_shown(item->shown, ls->hide_unprintable);
        return;
    }
    Hadoop__HdfsFileStatus *status = item->status;
    bool is_directory = shell_is_directory(item);
    char mode[STORE_MODE_TEXT_SIZE], replication[16];
    store_mode_text(status->permission->perm, mode);
    snprintf(replication, sizeof replication, "%u", status->block_replication);
    printf("%c%s%c%*s %-*s %-*s %*s %s ", is_directory ? 'd' : '-', mode,
        status->has_flags && status->flags & 1 ? '+' : ' ', widths->replication, is_directory ? "-" : replication,
        widths->owner, status->owner, widths->group, status->group, widths->size,
        shell_size(shell, (int64_t)status->length, ls->human),
        time_text(shell, ls->access_time ? status->access_time : status->modification_time, "%Y-%m-%d %H:%M", false));
    print_shown(item->shown, ls->hide_unprintable);
}

/* Directories that wait to be listed, in the order of their output: a stack in place of recursion. */
static void list_directory(struct shell *shell, struct ls *ls, const struct shell_item *directory) {
    struct level {
        struct shell_items items;
        size_t next;
    };
    VECTOR(struct level) levels = {0};
    struct level first = {0};
    if (!shell_children(shell, directory, &first.items)) {
        return;
    }
    sort_items(&first.items, ls);
    measure(ls, &first.items);
    if (!ls->recursive && !ls->paths_only && first.items.count > 0) {
        printf("Found %zu items\n", first.items.count);
    }
    VECTOR_PUSH(&levels, first);
    while (levels.count > 0) {
        struct level *level = &levels.items[levels.count - 1];
        if (level->next == level->items.count) {
            VECTOR_FREE(&level->items);
            levels.count--;
            continue;
        }
        struct shell_item *item = &level->items.items[level->next++];
        print_item(shell, ls, item);
        struct level below = {0};
        if (ls->recursive && shell_is_directory(item) && shell_children(shell, item, &below.items)) {
            sort_items(&below.items, ls);
            measure(ls, &below.items);
            VECTOR_PUSH(&levels, below);
        }
    }
    VECTOR_FREE(&levels);
}

static void list_item(struct shell *shell, struct ls *ls, const struct shell_item *item) {
    if (shell_is_directory(item) && !ls->plain_directories) {
        list_directory(shell, ls, item);
        return;
    }
    struct shell_items alone = {(struct shell_item *)item, 1, 1};
    measure(ls, &alone);
    print_item(shell, ls, item);
}

void shell_ls(struct shell *shell, int count, char **words) {
    struct ls ls = {.widths = {3, 10, 0, 0}};
    bool policies = false;
    const struct shell_option options[] = {{"C", &ls.paths_only}, {"d", &ls.plain_directories}, {"h", &ls.human},
        {"q", &ls.hide_unprintable}, {"R", &ls.recursive}, {"t", &ls.by_time}, {"S", &ls.by_size}, {"r", &ls.reverse},
        {"u", &ls.access_time}, {"e", &policies}};
    int first = shell_options(shell, count, words, options, sizeof options / sizeof *options, 0, -1);
    if (first < 0) {
        return;
    }
    if (policies) {
        shell_error(shell, "-e is not supported: there is no erasure coding here");
        return;
    }
    ls.recursive = ls.recursive && !ls.plain_directories;
    ls.by_size = ls.by_size && !ls.by_time;
    char *here[] = {"."};
    words = first == count ? here : words + first;
    count = first == count ? 1 : count - first;
    for (int i = 0; i < count; i++) {
        struct shell_items items = {0};
        shell_expand(shell, words[i], &items);
        for (size_t j = 0; j < items.count; j++) {
            list_item(shell, &ls, &items.items[j]);
        }
        VECTOR_FREE(&items);
    }
}

/* ---- tables ---- */

#define COLUMN_MAX 5

struct table {
    struct row {
        const char *cells[COLUMN_MAX];
    } * items;
    size_t count, capacity;
    int columns;
    bool right[COLUMN_MAX];
};

/* Columns as wide as their widest cell, two spaces between; the last one is not padded when it is left-aligned. */
static void table_print(const struct table *table) {
    int widths[COLUMN_MAX] = {0};
    for (size_t i = 0; i < table->count; i++) {
        for (int j = 0; j < table->columns; j++) {
            int size = (int)strlen(table->items[i].cells[j]);
            widths[j] = size > widths[j] ? size : widths[j];
        }
    }
    for (size_t i = 0; i < table->count; i++) {
        for (int j = 0; j < table->columns; j++) {
            bool last = j == table->columns - 1;
            const char *cell = table->items[i].cells[j];
            printf("%*s%s", table->right[j] ? widths[j] : last ? 0 : -widths[j], cell, last ? "\n" : "  ");
        }
    }
}

/* ---- du, df, count ---- */

static void du_row(struct shell *shell, struct table *table, const struct shell_item *item, bool human) {
    Hadoop__ContentSummary *summary;
    if (shell_content_summary(shell, item, &summary)) {
        struct row row = {{shell_size(shell, (int64_t)summary->length, human),
            shell_size(shell, (int64_t)summary->spaceconsumed, human), item->shown}};
        VECTOR_PUSH(table, row);
    }
}

void shell_du(struct shell *shell, int count, char **words) {
    bool summary = false, human = false, header = false, without_snapshots = false;
    const struct shell_option options[] = {{"h", &human}, {"s", &summary}, {"v", &header}, {"x", &without_snapshots}};
    int first = shell_options(shell, count, words, options, 4, 0, -1);
    if (first < 0) {
        return;
    }
    char *here[] = {"."};
    struct shell_items items = {0};
    shell_expand_all(shell, first == count ? 1 : count - first, first == count ? here : words + first, &items);
    struct table table = {.columns = 3};
    if (header) {
        struct row row = {{"SIZE", "DISK_SPACE_CONSUMED_WITH_ALL_REPLICAS", "FULL_PATH_NAME"}};
        VECTOR_PUSH(&table, row);
    }
    for (size_t i = 0; i < items.count; i++) {
        struct shell_items children = {0};
        if (summary || !shell_is_directory(&items.items[i])) {
            du_row(shell, &table, &items.items[i], human);
        } else if (shell_children(shell, &items.items[i], &children)) {
            for (size_t j = 0; j < children.count; j++) {
                du_row(shell, &table, &children.items[j], human);
            }
        }
        VECTOR_FREE(&children);
    }
    table_print(&table);
    VECTOR_FREE(&table);
    VECTOR_FREE(&items);
}

void shell_df(struct shell *shell, int count, char **words) {
    bool human = false;
    const struct shell_option options[] = {{"h", &human}};
    int first = shell_options(shell, count, words, options, 1, 0, -1);
    if (first < 0) {
        return;
    }
    char *root[] = {"/"};
    struct shell_items items = {0};
    shell_expand_all(shell, first == count ? 1 : count - first, first == count ? root : words + first, &items);
    struct table table = {.columns = 5, .right = {false, true, true, true, true}};
    struct row header = {{"Filesystem", "Size", "Used", "Available", "Use%"}};
    VECTOR_PUSH(&table, header);
    for (size_t i = 0; i < items.count; i++) {
        Hadoop__GetFsStatusRequest request = HADOOP__GET_FS_STATUS_REQUEST__INIT;
        Hadoop__GetFsStatsResponse *answer = SHELL_CALL(shell, GetFsStats, get_fs_stats, "getFsStats", request);
        if (!answer) {
            shell_failed(shell, NULL);
            break;
        }
        double used = answer->capacity > 0 ? (double)answer->used / (double)answer->capacity * 100 : 0;
        struct row row = {{shell->default_uri, shell_size(shell, (int64_t)answer->capacity, human),
            shell_size(shell, (int64_t)answer->used, human), shell_size(shell, (int64_t)answer->remaining, human),
            arena_printf(&shell->arena, "%.0f%%", used)}};
        VECTOR_PUSH(&table, row);
    }
    if (table.count > 1) {
        table_print(&table);
    }
    VECTOR_FREE(&table);
    VECTOR_FREE(&items);
}

static void count_quota(
    struct shell *shell, uint64_t quota, int64_t used, const char **limit, const char **left, bool human) {
    bool none = quota == UINT64_MAX;
    *limit = none ? "none" : shell_size(shell, (int64_t)quota, human);
    *left = none ? "inf" : shell_size(shell, (int64_t)quota - used, human);
}

void shell_count(struct shell *shell, int count, char **words) {
    bool quotas = false, human = false, header = false, quotas_only = false, without_snapshots = false, types = false,
         policies = false, snapshots = false;
    const struct shell_option options[] = {{"q", &quotas}, {"h", &human}, {"v", &header}, {"u", &quotas_only},
        {"x", &without_snapshots}, {"t", &types}, {"e", &policies}, {"s", &snapshots}};
    int first = shell_options(shell, count, words, options, 8, 1, -1);
    if (first < 0) {
        return;
    }
    if (types || policies || snapshots) {
        shell_error(
            shell, "-t, -e and -s are not supported: there are no storage types, erasure coding or snapshots here");
        return;
    }
    struct shell_items items = {0};
    shell_expand_all(shell, count - first, words + first, &items);
    bool with_quotas = quotas || quotas_only;
    if (header) {
        printf("%s%sPATHNAME\n", with_quotas ? "       QUOTA       REM_QUOTA     SPACE_QUOTA REM_SPACE_QUOTA " : "",
            quotas_only ? "" : "   DIR_COUNT   FILE_COUNT       CONTENT_SIZE ");
    }
    for (size_t i = 0; i < items.count; i++) {
        Hadoop__ContentSummary *summary;
        if (!shell_content_summary(shell, &items.items[i], &summary)) {
            continue;
        }
        if (with_quotas) {
            const char *names, *names_left, *space, *space_left;
            count_quota(shell, summary->quota, (int64_t)(summary->filecount + summary->directorycount), &names,
                &names_left, human);
            count_quota(shell, summary->spacequota, (int64_t)summary->spaceconsumed, &space, &space_left, human);
            printf("%12s %15s %15s %15s ", names, names_left, space, space_left);
        }
        if (!quotas_only) {
            printf("%12s %12s %18s ", shell_size(shell, (int64_t)summary->directorycount, human),
                shell_size(shell, (int64_t)summary->filecount, human),
                shell_size(shell, (int64_t)summary->length, human));
        }
        puts(items.items[i].shown);
    }
    VECTOR_FREE(&items);
}

/* ---- stat, test ---- */

static void print_stat(struct shell *shell, const char *format, const struct shell_item *item) {
    Hadoop__HdfsFileStatus *status = item->status;
    bool is_directory = shell_is_directory(item);
    char mode[STORE_MODE_TEXT_SIZE];
    store_mode_text(status->permission->perm, mode);
    for (; *format; format++) {
        if (*format != '%' || format[1] == 0) {
            putchar(*format);
            continue;
        }
        switch (*++format) {
        case 'a':
            printf("%o", status->permission->perm);
            break;
        case 'A':
            fputs(mode, stdout);
            break;
        case 'b':
            printf("%" PRIu64, status->length);
            break;
        case 'F':
            fputs(is_directory ? "directory" : "regular file", stdout);
            break;
        case 'g':
            fputs(status->group, stdout);
            break;
        case 'n':
            fputs(shell_base_name(item->path), stdout);
            break;
        case 'o':
            printf("%" PRIu64, status->blocksize);
            break;
        case 'r':
            printf("%u", status->block_replication);
            break;
        case 'u':
            fputs(status->owner, stdout);
            break;
        case 'x':
            fputs(time_text(shell, status->access_time, "%Y-%m-%d %H:%M:%S", true), stdout);
            break;
        case 'X':
            printf("%" PRIu64, status->access_time);
            break;
        case 'y':
            fputs(time_text(shell, status->modification_time, "%Y-%m-%d %H:%M:%S", true), stdout);
            break;
        case 'Y':
            printf("%" PRIu64, status->modification_time);
            break;
        default: /* as Hadoop: the letter itself */
            putchar(*format);
            break;
        }
    }
    putchar('\n');
}

void shell_stat(struct shell *shell, int count, char **words) {
    int first = shell_options(shell, count, words, NULL, 0, 1, -1);
    if (first < 0) {
        return;
    }
    const char *format = "%y";
    if (strchr(words[first], '%')) {
        format = words[first++];
    }
    for (int i = first; i < count; i++) {
        struct shell_items items = {0};
        shell_expand(shell, words[i], &items);
        for (size_t j = 0; j < items.count; j++) {
            print_stat(shell, format, &items.items[j]);
        }
        VECTOR_FREE(&items);
    }
}

static bool may(struct shell *shell, const struct shell_item *item, uint32_t mode) {
    Hadoop__CheckAccessRequest request = HADOOP__CHECK_ACCESS_REQUEST__INIT;
    request.path = (char *)item->path;
    request.mode = mode;
    return SHELL_CALL(shell, CheckAccess, check_access, "checkAccess", request) != NULL;
}

void shell_test(struct shell *shell, int count, char **words) {
    bool directory = false, exists = false, file = false, size = false, write = false, read = false, zero = false;
    const struct shell_option options[] = {
        {"d", &directory}, {"e", &exists}, {"f", &file}, {"s", &size}, {"w", &write}, {"r", &read}, {"z", &zero}};
    int first = shell_options(shell, count, words, options, 7, 1, 1);
    if (first < 0) {
        return;
    }
    int flags = directory + exists + file + size + write + read + zero;
    if (flags != 1) {
        shell_usage_error(shell, flags == 0 ? "No test flag given" : "Only one test flag is allowed");
        return;
    }
    struct shell_item item;
    if (!shell_item(shell, words[first], &item)) {
        return;
    }
    bool ok = item.status != NULL;
    ok = ok && (!directory || shell_is_directory(&item)) && (!file || !shell_is_directory(&item)) &&
         (!size || item.status->length > 0) && (!zero || item.status->length == 0) &&
         (!write || may(shell, &item, 2)) && (!read || may(shell, &item, 4));
    shell->status = ok ? shell->status : 1;
}

/* ---- find ---- */

struct find {
    const char *name;
    bool ignore_case, zero_bytes;
};

static bool find_parse(struct shell *shell, int count, char **words, struct find *find) {
    for (int i = 0; i < count; i++) {
        if ((strcmp(words[i], "-name") == 0 || strcmp(words[i], "-iname") == 0) && i + 1 < count) {
            find->ignore_case = words[i][1] == 'i';
            find->name = words[++i];
        } else if (strcmp(words[i], "-print0") == 0) {
            find->zero_bytes = true;
        } else if (strcmp(words[i], "-print") != 0 && strcmp(words[i], "-a") != 0 && strcmp(words[i], "-and") != 0) {
            shell_error(shell, "Unexpected argument: %s", words[i]);
            return false;
        }
    }
    return true;
}

static void find_visit(struct shell *shell, const struct find *find, const struct shell_item *root) {
    struct shell_items stack = {0};
    VECTOR_PUSH(&stack, *root);
    while (stack.count > 0) {
        struct shell_item item = VECTOR_POP(&stack);
        if (!find->name || fnmatch(find->name, shell_base_name(item.path), find->ignore_case ? FNM_CASEFOLD : 0) == 0) {
            printf("%s%c", item.shown, find->zero_bytes ? 0 : '\n');
        }
        struct shell_items children = {0};
        if (shell_is_directory(&item) && shell_children(shell, &item, &children)) {
            for (size_t i = children.count; i > 0; i--) {
                VECTOR_PUSH(&stack, children.items[i - 1]);
            }
        }
        VECTOR_FREE(&children);
    }
    VECTOR_FREE(&stack);
}

void shell_find(struct shell *shell, int count, char **words) {
    int paths = 0;
    struct find find = {0};
    while (paths < count && words[paths][0] != '-') {
        paths++;
    }
    if (!find_parse(shell, count - paths, words + paths, &find)) {
        return;
    }
    char *here[] = {"."};
    struct shell_items items = {0};
    shell_expand_all(shell, paths == 0 ? 1 : paths, paths == 0 ? here : words, &items);
    for (size_t i = 0; i < items.count; i++) {
        find_visit(shell, &find, &items.items[i]);
    }
    VECTOR_FREE(&items);
}

/* ---- checksum, ACLs, extended attributes ---- */

void shell_checksum(struct shell *shell, int count, char **words) {
    bool verbose = false;
    const struct shell_option options[] = {{"v", &verbose}};
    int first = shell_options(shell, count, words, options, 1, 1, -1);
    if (first < 0) {
        return;
    }
    struct shell_items items = {0};
    shell_expand_all(shell, count - first, words + first, &items);
    for (size_t i = 0; i < items.count; i++) {
        struct shell_item *item = &items.items[i];
        uint8_t sum[28];
        if (shell_is_directory(item)) {
            shell_path_error(shell, item->shown, "Is a directory");
            continue;
        }
        if (!hdfs_client_checksum(&shell->client, item->path, sum)) {
            shell_failed(shell, NULL);
            continue;
        }
        int chunk_size = load_be32(sum); /* 0: the file is empty, and Hadoop then names its default kind */
        printf("%s\tMD5-of-%lldMD5-of-%dCRC32%s\t", item->shown, (long long)load_be64(sum + 4), chunk_size,
            chunk_size ? "C" : "");
        for (size_t j = 0; j < sizeof sum; j++) {
            printf("%02x", sum[j]);
        }
        putchar('\n');
        if (verbose) {
            printf("BlockSize=%" PRIu64 "\n", item->status->blocksize);
        }
    }
    VECTOR_FREE(&items);
}

static void print_acl(struct shell *shell, const struct shell_item *item) {
    Hadoop__GetAclStatusRequest request = HADOOP__GET_ACL_STATUS_REQUEST__INIT;
    request.src = (char *)item->path;
    Hadoop__GetAclStatusResponse *answer = SHELL_CALL(shell, GetAclStatus, get_acl_status, "getAclStatus", request);
    if (!answer) {
        shell_failed(shell, NULL);
        return;
    }
    char mode[STORE_MODE_TEXT_SIZE];
    store_mode_text(item->status->permission->perm & 0777, mode);
    printf("# file: %s\n# owner: %s\n# group: %s\n", item->shown, answer->result->owner, answer->result->group);
    if (answer->result->sticky) {
        printf("# flags: --%c\n", item->status->permission->perm & 1 ? 't' : 'T');
    }
    printf("user::%.3s\ngroup::%.3s\nother::%.3s\n\n", mode, mode + 3, mode + 6);
}

/* Calls visit for items and, when recursive, for all below, parents first. */
static void visit_tree(struct shell *shell, struct shell_items *items, bool recursive,
    void (*visit)(struct shell *, const struct shell_item *)) {
    struct shell_items stack = {0};
    for (size_t i = items->count; i > 0; i--) {
        VECTOR_PUSH(&stack, items->items[i - 1]);
    }
    while (stack.count > 0) {
        struct shell_item item = VECTOR_POP(&stack);
        struct shell_items children = {0};
        visit(shell, &item);
        if (recursive && shell_is_directory(&item) && shell_children(shell, &item, &children)) {
            for (size_t i = children.count; i > 0; i--) {
                VECTOR_PUSH(&stack, children.items[i - 1]);
            }
        }
        VECTOR_FREE(&children);
    }
    VECTOR_FREE(&stack);
}

void shell_getfacl(struct shell *shell, int count, char **words) {
    bool recursive = false;
    const struct shell_option options[] = {{"R", &recursive}};
    int first = shell_options(shell, count, words, options, 1, 1, 1);
    if (first < 0) {
        return;
    }
    struct shell_items items = {0};
    shell_expand(shell, words[first], &items);
    visit_tree(shell, &items, recursive, print_acl);
    VECTOR_FREE(&items);
}

static const char *wanted_attribute, *wanted_encoding;

static void print_attribute(const Hadoop__XAttr *attribute) {
    static const char *const spaces[] = {"user.", "trusted.", "security.", "system.", "raw."};
    struct buffer text = {0};
    struct bytes value = bytes_make(attribute->value.data, attribute->value.len);
    printf("%s%s", spaces[(unsigned)attribute->namespace_ % 5], attribute->name);
    if (value.size > 0 && wanted_encoding && strcmp(wanted_encoding, "hex") == 0) {
        fputs("=0x", stdout);
        for (size_t i = 0; i < value.size; i++) {
            printf("%02x", value.data[i]);
        }
    } else if (value.size > 0 && wanted_encoding && strcmp(wanted_encoding, "base64") == 0) {
        buffer_append_base64(&text, value);
        printf("=0s%s", buffer_text(&text));
    } else if (value.size > 0) {
        printf("=\"%.*s\"", BYTES_ARGS(value));
    }
    putchar('\n');
    buffer_free(&text);
}

static void print_attributes(struct shell *shell, const struct shell_item *item) {
    Hadoop__GetXAttrsRequest request = HADOOP__GET_XATTRS_REQUEST__INIT;
    Hadoop__XAttr wanted = HADOOP__XATTR__INIT, *list[] = {&wanted};
    request.src = (char *)item->path;
    printf("# file: %s\n", item->shown);
    if (wanted_attribute) {
        bool trusted = strncmp(wanted_attribute, "trusted.", 8) == 0;
        wanted.namespace_ = trusted ? HADOOP__XATTR__XATTR_NAMESPACE__TRUSTED : HADOOP__XATTR__XATTR_NAMESPACE__USER;
        const char *dot = strchr(wanted_attribute, '.');
        wanted.name = (char *)(dot ? dot + 1 : wanted_attribute);
        request.n_xattrs = 1;
        request.xattrs = list;
    }
    Hadoop__GetXAttrsResponse *answer = SHELL_CALL(shell, GetXAttrs, get_xattrs, "getXAttrs", request);
    if (!answer) {
        shell_failed(shell, NULL);
        return;
    }
    for (size_t i = 0; i < answer->n_xattrs; i++) {
        print_attribute(answer->xattrs[i]);
    }
}

void shell_getfattr(struct shell *shell, int count, char **words) {
    bool recursive = false, all = false, by_name = false, encoded = false;
    const struct shell_option options[] = {
        {"R", &recursive}, {"d", &all}, {"n", &by_name, &wanted_attribute}, {"e", &encoded, &wanted_encoding}};
    int first = shell_options(shell, count, words, options, 4, 1, 1);
    if (first < 0) {
        return;
    }
    if (all == by_name) {
        shell_usage_error(shell, all ? "Can not specify both -n and -d" : "Must specify '-n name' or '-d' option.");
        return;
    }
    struct shell_items items = {0};
    shell_expand(shell, words[first], &items);
    visit_tree(shell, &items, recursive, print_attributes);
    VECTOR_FREE(&items);
}
