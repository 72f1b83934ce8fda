/* tool_zkcli.c: zkCli.sh: ZooKeeper's shell, interactive or with one command in its arguments. Results go to standard
 * output, "Created", "Node does not exist" and usage to standard error, as the real one's. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/vector.h"
#include "cli/commands.h"
#include "cli/instance.h"
#include "cli/messages.h"
#include "cli/zookeeper/zookeeper_client.h"
#include "zookeeper/tree.h"

enum { WORDS_MAX = 64, SESSION_TIMEOUT_MS = 30000, STATUS_UNKNOWN_COMMAND = 127 };

struct shell {
    const char *servers;
    struct keeper *keeper;
    bool is_interactive, shows_prompt, ended;
    VECTOR(char *) history;
    struct buffer record, answer;
};

/* A command with its words: options (-s, -v 3) first or anywhere, then the rest. */
struct line {
    char *words[WORDS_MAX];
    int count;
    char *rest[WORDS_MAX]; /* without name and options */
    int rest_count;
    bool flags[128];
    const char *values[128];
};

static bool print_events = true;

/* ---- what is printed ---- */

static void print_event(int type, struct bytes path, int64_t zxid) {
    static const char *const names[] = {"None", "NodeCreated", "NodeDeleted", "NodeDataChanged", "NodeChildrenChanged"};
    if (!print_events)
        return;
    printf("\nWATCHER::\n\nWatchedEvent state:SyncConnected type:%s path:%.*s zxid: %lld\n",
        type >= 0 && type <= 4 ? names[type] : "?", BYTES_ARGS(path), (long long)zxid);
    fflush(stdout);
}

static void print_state(const char *state) {
    if (print_events)
        printf("\nWATCHER::\n\nWatchedEvent state:%s type:None path:null zxid: -1\n", state);
}

static void print_time(const char *name, int64_t time_ms) {
    time_t seconds = (time_t)(time_ms / 1000);
    struct tm fields;
    char text[64];
    localtime_r(&seconds, &fields);
    strftime(text, sizeof text, "%a %b %d %H:%M:%S %Z %Y", &fields);
    printf("%s = %s\n", name, text);
}

static void print_stat(struct jute_reader *reader) {
    printf("cZxid = 0x%llx\n", (unsigned long long)jute_read_long(reader));
    int64_t modified_zxid = jute_read_long(reader);
    print_time("ctime", jute_read_long(reader));
    int64_t modified_ms = jute_read_long(reader);
    printf("mZxid = 0x%llx\n", (unsigned long long)modified_zxid);
    print_time("mtime", modified_ms);
    int32_t version = jute_read_int(reader), cversion = jute_read_int(reader), aversion = jute_read_int(reader);
    int64_t owner = jute_read_long(reader);
    int32_t size = jute_read_int(reader), children = jute_read_int(reader);
    printf(
        "pZxid = 0x%llx\ncversion = %d\ndataVersion = %d\naclVersion = %d\nephemeralOwner = 0x%llx\ndataLength = %d\n"
        "numChildren = %d\n",
        (unsigned long long)jute_read_long(reader), cversion, version, aversion, (unsigned long long)owner, size,
        children);
}

/* The sentence for a failed operation. */
static int report(int32_t code, const char *path) {
    static const struct {
        int32_t code;
        const char *sentence, *name;
    } rows[] = {
        {ZK_NO_NODE, "Node does not exist: %s", NULL},
        {ZK_NODE_EXISTS, "Node already exists: %s", NULL},
        {ZK_NOT_EMPTY, "Node not empty: %s", NULL},
        {ZK_BAD_VERSION, "version No is not valid : %s", NULL},
        {ZK_NO_AUTH, "Insufficient permission : %s", NULL},
        {ZK_NO_CHILDREN_FOR_EPHEMERALS, "Ephemerals cannot have children: %s", NULL},
        {ZK_INVALID_ACL, "KeeperErrorCode = InvalidACL for %s", NULL},
        {ZK_AUTH_FAILED, NULL, "AuthFailed"},
        {ZK_BAD_ARGUMENTS, NULL, "BadArguments"},
        {ZK_UNIMPLEMENTED, NULL, "Unimplemented"},
        {ZK_SESSION_EXPIRED, NULL, "Session expired"},
        {ZK_NO_WATCHER, NULL, "No such watcher"},
        {ZK_RECONFIG_DISABLED, NULL, "Reconfig is disabled"},
    };
    fflush(stdout);
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        if (rows[i].code != code)
            continue;
        if (rows[i].sentence != NULL)
            fprintf(stderr, rows[i].sentence, path);
        else
            fprintf(stderr, "KeeperErrorCode = %s for %s", rows[i].name, path);
        fputc('\n', stderr);
        if (code == ZK_INVALID_ACL)
            fprintf(stderr, "Acl is not valid : %s\n", path);
        return 1;
    }
    fprintf(stderr, "KeeperErrorCode = %d for %s\n", code, path);
    return 1;
}

/* ---- requests ---- */

static void start_record(struct shell *shell, const char *path) {
    buffer_clear(&shell->record);
    jute_write_string(&shell->record, bytes_from_text(path));
}

/* Sends shell->record. 0, or the exit status after the failure was reported. */
static int call(struct shell *shell, int32_t operation, const char *path) {
    struct error error = {0};
    int32_t code = 0;
    if (shell->keeper == NULL) {
        fprintf(stderr, "Not connected\n");
        return 1;
    }
    bool answered = keeper_call(shell->keeper, operation, buffer_view(&shell->record), &shell->answer, &code, &error);
    if (answered && code != 0)
        report(code, path);
    else if (!answered)
        fprintf(stderr, "%s\n", error.message);
    if (answered && code != ZK_AUTH_FAILED)
        return code == 0 ? 0 : 1;
    keeper_close(shell->keeper);
    shell->keeper = NULL;
    return 1;
}

static struct jute_reader answer_reader(struct shell *shell) {
    return jute_reader_make(buffer_view(&shell->answer));
}

static bool path_is_fine(const char *path) {
    size_t size = strlen(path);
    const char *wrong = path[0] != '/'                             ? "Path must start with / character"
                        : size > 1 && path[size - 1] == '/'        ? "Path must not end with / character"
                        : !zk_path_is_valid(bytes_from_text(path)) ? "Invalid path string"
                                                                   : NULL;
    if (wrong != NULL)
        fprintf(stderr, "%s\n", wrong);
    return wrong == NULL;
}

/* "world:anyone:cdrwa,digest:user:hash:rw" as jute bytes. */
static bool append_acl(struct buffer *out, const char *text) {
    int32_t count = 0;
    size_t place = out->size;
    jute_write_int(out, 0);
    for (const char *at = text; *at != '\0';) {
        size_t size = strcspn(at, ",");
        struct bytes item = bytes_make(at, size);
        at += size + (at[size] == ',');
        size_t first = bytes_find(item, ':', 0), last = SIZE_MAX;
        for (size_t i = 0; i < item.size; i++)
            last = item.data[i] == ':' ? i : last;
        if (first == SIZE_MAX || first == last) {
            fprintf(stderr, "%.*s does not have the form scheme:id:perm\n", BYTES_ARGS(item));
            continue;
        }
        int32_t permissions = 0;
        for (size_t i = last + 1; i < item.size; i++) {
            static const char letters[] = "rwcda";
            const char *letter = strchr(letters, item.data[i]);
            if (letter == NULL || item.data[i] == '\0')
                fprintf(stderr, "Unknown perm type: %c\n", item.data[i]);
            else
                permissions |= 1 << (letter - letters);
        }
        jute_write_int(out, permissions);
        jute_write_string(out, bytes_slice(item, 0, first));
        jute_write_string(out, bytes_slice(item, first + 1, last - first - 1));
        count++;
    }
    store_be32(out->data + place, (uint32_t)count);
    if (count == 0)
        fprintf(stderr, "KeeperErrorCode = InvalidACL\nAcl is not valid : null\n");
    return count > 0;
}

/* ---- commands ---- */

static int run_create(struct shell *shell, struct line *line) {
    const char *path = line->rest[0];
    bool ttl = line->values['t'] != NULL;
    if (line->flags['c'] && (line->flags['s'] || line->flags['e'])) {
        fprintf(stderr, "-c cannot be combined with -s or -e. Containers cannot be ephemeral or sequential.\n");
        return 1;
    }
    if (ttl && line->flags['e']) {
        fprintf(stderr, "TTLs cannot be used with Ephemeral znodes\n");
        return 1;
    }
    if (!line->flags['s'] && !path_is_fine(path))
        return 1;
    start_record(shell, path);
    jute_write_buffer(&shell->record, line->rest_count > 1 ? bytes_from_text(line->rest[1]) : BYTES_NULL);
    if (!append_acl(&shell->record, line->rest_count > 2 ? line->rest[2] : "world:anyone:cdrwa"))
        return 1;
    int32_t flags = (line->flags['e'] ? 1 : 0) | (line->flags['s'] ? 2 : 0);
    flags = line->flags['c'] ? 4 : ttl ? (line->flags['s'] ? 6 : 5) : flags;
    jute_write_int(&shell->record, flags);
    if (ttl) {
        int64_t ttl_ms = 0;
        bytes_to_int64(bytes_from_text(line->values['t']), &ttl_ms);
        jute_write_long(&shell->record, ttl_ms);
    }
    int status = call(shell, line->flags['c'] ? ZK_CREATE_CONTAINER : ttl ? ZK_CREATE_TTL : ZK_CREATE, path);
    struct jute_reader reader = answer_reader(shell);
    struct bytes created = status == 0 ? jute_read_string(&reader) : BYTES_NULL;
    if (status == 0)
        fprintf(stderr, "Created %.*s\n", BYTES_ARGS(created));
    return status;
}

static void print_hexadecimal(struct bytes data) {
    static const char rule[] = "+--------+-------------------------------------------------+----------------+";
    printf("         +-------------------------------------------------+\n"
           "         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |\n%s\n",
        rule);
    for (size_t at = 0; at < data.size; at += 16) {
        printf("|%08zx|", at);
        for (size_t i = at; i < at + 16; i++)
            i < data.size ? printf(" %02x", data.data[i]) : printf("   ");
        printf(" |");
        for (size_t i = at; i < at + 16; i++)
            putchar(i >= data.size                               ? ' '
                    : data.data[i] > 0x20 && data.data[i] < 0x7f ? data.data[i]
                    : data.data[i] == ' '                        ? ' '
                                                                 : '.');
        printf("|\n");
    }
    printf("%s\n", rule);
}

static int run_get(struct shell *shell, struct line *line) {
    const char *path = line->rest[0];
    if (!path_is_fine(path))
        return 1;
    start_record(shell, path);
    jute_write_bool(&shell->record, line->flags['w']);
    int status = call(shell, ZK_GET_DATA, path);
    if (status != 0)
        return status;
    struct jute_reader reader = answer_reader(shell);
    struct bytes data = jute_read_buffer(&reader);
    if (data.data == NULL)
        data = BYTES("null"); /* as the real one shows it */
    if (line->flags['x']) {
        print_hexadecimal(data);
    } else if (line->flags['b']) {
        struct buffer text = {0};
        buffer_append_base64(&text, data);
        printf("%s\n", buffer_text(&text));
        buffer_free(&text);
    } else {
        fwrite(data.data, 1, data.size, stdout);
        putchar('\n');
    }
    if (line->flags['s'])
        print_stat(&reader);
    return 0;
}

static int32_t version_of(const struct line *line) {
    int64_t version = -1;
    if (line->values['v'] != NULL)
        bytes_to_int64(bytes_from_text(line->values['v']), &version);
    return (int32_t)version;
}

static int run_set(struct shell *shell, struct line *line) {
    const char *path = line->rest[0];
    struct buffer data = {0};
    if (!path_is_fine(path))
        return 1;
    if (line->flags['b'] && !buffer_append_base64_decoded(&data, bytes_from_text(line->rest[1]))) {
        fprintf(stderr, "Illegal base64 data\n");
        return 1;
    }
    if (!line->flags['b'])
        buffer_append_text(&data, line->rest[1]);
    start_record(shell, path);
    jute_write_buffer(&shell->record, bytes_make(data.data == NULL ? (uint8_t *)"" : data.data, data.size));
    jute_write_int(&shell->record, version_of(line));
    buffer_free(&data);
    int status = call(shell, ZK_SET_DATA, path);
    struct jute_reader reader = answer_reader(shell);
    if (status == 0 && line->flags['s'])
        print_stat(&reader);
    return status;
}

static int run_delete(struct shell *shell, struct line *line) {
    if (!path_is_fine(line->rest[0]))
        return 1;
    start_record(shell, line->rest[0]);
    jute_write_int(&shell->record, version_of(line));
    return call(shell, ZK_DELETE, line->rest[0]);
}

struct names {
    char **items;
    size_t count, capacity;
};

static int compare_texts(const void *left, const void *right) {
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static void names_free(struct names *names) {
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    VECTOR_FREE(names);
}

/* The children's names, sorted; the answer's reader is left at the stat. */
static int list_children(
    struct shell *shell, const char *path, bool watch, struct names *names, struct jute_reader *reader) {
    start_record(shell, path);
    jute_write_bool(&shell->record, watch);
    int status = call(shell, ZK_GET_CHILDREN2, path);
    if (status != 0)
        return status;
    *reader = answer_reader(shell);
    int32_t count = jute_read_count(reader, 4);
    for (int32_t i = 0; i < count; i++) {
        struct bytes name = jute_read_string(reader);
        VECTOR_PUSH(names, strndup((const char *)name.data, name.size));
    }
    if (names->count > 0)
        qsort(names->items, names->count, sizeof names->items[0], compare_texts);
    return 0;
}

/* The node and all below it, parents first. */
static int collect_tree(struct shell *shell, const char *path, struct names *paths) {
    struct jute_reader reader;
    VECTOR_PUSH(paths, strdup(path));
    for (size_t i = paths->count - 1; i < paths->count; i++) {
        struct names names = {0};
        int status = list_children(shell, paths->items[i], false, &names, &reader);
        for (size_t k = 0; k < names.count && status == 0; k++) {
            struct buffer child = {0};
            buffer_printf(&child, "%s/%s", strcmp(paths->items[i], "/") == 0 ? "" : paths->items[i], names.items[k]);
            VECTOR_PUSH(paths, strdup(buffer_text(&child)));
            buffer_free(&child);
        }
        names_free(&names);
        if (status != 0)
            return status;
    }
    return 0;
}

static int run_ls(struct shell *shell, struct line *line) {
    const char *path = line->rest[0];
    struct names names = {0};
    struct jute_reader reader;
    int status;
    if (!path_is_fine(path))
        return 1;
    if (line->flags['R']) {
        status = collect_tree(shell, path, &names);
        if (names.count > 0)
            qsort(names.items, names.count, sizeof names.items[0], compare_texts);
        for (size_t i = 0; i < names.count && status == 0; i++)
            printf("%s\n", names.items[i]);
        names_free(&names);
        return status;
    }
    status = list_children(shell, path, line->flags['w'], &names, &reader);
    if (status == 0) {
        putchar('[');
        for (size_t i = 0; i < names.count; i++)
            printf("%s%s", i == 0 ? "" : ", ", names.items[i]);
        printf("]\n");
        if (line->flags['s'])
            print_stat(&reader);
    }
    names_free(&names);
    return status;
}

static int run_deleteall(struct shell *shell, struct line *line) {
    struct names paths = {0};
    if (!path_is_fine(line->rest[0]))
        return 1;
    int status = collect_tree(shell, line->rest[0], &paths);
    for (size_t i = paths.count; i-- > 0 && status == 0;) {
        start_record(shell, paths.items[i]);
        jute_write_int(&shell->record, -1);
        status = call(shell, ZK_DELETE, paths.items[i]);
    }
    names_free(&paths);
    return status;
}

static int run_stat(struct shell *shell, struct line *line) {
    if (!path_is_fine(line->rest[0]))
        return 1;
    start_record(shell, line->rest[0]);
    jute_write_bool(&shell->record, line->flags['w']);
    int status = call(shell, ZK_EXISTS, line->rest[0]);
    struct jute_reader reader = answer_reader(shell);
    if (status == 0)
        print_stat(&reader);
    return status;
}

static int run_get_acl(struct shell *shell, struct line *line) {
    if (!path_is_fine(line->rest[0]))
        return 1;
    start_record(shell, line->rest[0]);
    int status = call(shell, ZK_GET_ACL, line->rest[0]);
    if (status != 0)
        return status;
    struct jute_reader reader = answer_reader(shell);
    int32_t count = jute_read_count(&reader, 12);
    for (int32_t i = 0; i < count; i++) {
        static const struct {
            int32_t permission;
            char letter;
        } letters[] = {{ZK_MAKE, 'c'}, {ZK_REMOVE, 'd'}, {ZK_READ, 'r'}, {ZK_WRITE, 'w'}, {ZK_ADMIN, 'a'}};
        int32_t permissions = jute_read_int(&reader);
        struct bytes scheme = jute_read_string(&reader), id = jute_read_string(&reader);
        printf("'%.*s,'%.*s\n: ", BYTES_ARGS(scheme), BYTES_ARGS(id));
        for (size_t k = 0; k < ARRAY_COUNT(letters); k++)
            if (permissions & letters[k].permission)
                putchar(letters[k].letter);
        putchar('\n');
    }
    if (line->flags['s'])
        print_stat(&reader);
    return 0;
}

static int run_set_acl(struct shell *shell, struct line *line) {
    struct names paths = {0};
    int status = 0;
    if (!path_is_fine(line->rest[0]))
        return 1;
    if (line->flags['R'])
        status = collect_tree(shell, line->rest[0], &paths);
    else
        VECTOR_PUSH(&paths, strdup(line->rest[0]));
    for (size_t i = 0; i < paths.count && status == 0; i++) {
        start_record(shell, paths.items[i]);
        if (!append_acl(&shell->record, line->rest[1])) {
            status = 1;
            break;
        }
        jute_write_int(&shell->record, version_of(line));
        status = call(shell, ZK_SET_ACL, paths.items[i]);
        struct jute_reader reader = answer_reader(shell);
        if (status == 0 && line->flags['s'])
            print_stat(&reader);
    }
    names_free(&paths);
    return status;
}

static int run_addauth(struct shell *shell, struct line *line) {
    buffer_clear(&shell->record);
    jute_write_int(&shell->record, 0);
    jute_write_string(&shell->record, bytes_from_text(line->rest[0]));
    jute_write_buffer(&shell->record, line->rest_count > 1 ? bytes_from_text(line->rest[1]) : BYTES_NULL);
    return call(shell, ZK_AUTH, "/");
}

static int run_sync(struct shell *shell, struct line *line) {
    start_record(shell, line->rest[0]);
    int status = call(shell, ZK_SYNC, line->rest[0]);
    if (status == 0)
        printf("Sync is OK\n");
    return status;
}

static int run_children_number(struct shell *shell, struct line *line) {
    start_record(shell, line->rest[0]);
    int status = call(shell, ZK_GET_ALL_CHILDREN_NUMBER, line->rest[0]);
    struct jute_reader reader = answer_reader(shell);
    if (status == 0)
        printf("%d\n", jute_read_int(&reader));
    return status;
}

static int run_ephemerals(struct shell *shell, struct line *line) {
    start_record(shell, line->rest_count > 0 ? line->rest[0] : "/");
    int status = call(shell, ZK_GET_EPHEMERALS, "/");
    struct jute_reader reader = answer_reader(shell);
    int32_t count = status == 0 ? jute_read_count(&reader, 4) : 0;
    for (int32_t i = 0; i < count; i++) {
        struct bytes path = jute_read_string(&reader);
        printf("%s%.*s", i == 0 ? "[" : ", ", BYTES_ARGS(path));
    }
    if (status == 0)
        printf("%s]\n", count == 0 ? "[" : "");
    return status;
}

static int run_whoami(struct shell *shell, struct line *line) {
    buffer_clear(&shell->record);
    int status = call(shell, ZK_WHO_AM_I, "/");
    struct jute_reader reader = answer_reader(shell);
    int32_t count = status == 0 ? jute_read_count(&reader, 8) : 0;
    printf("%s", status == 0 ? "Auth scheme: User\n" : "");
    for (int32_t i = 0; i < count; i++) {
        struct bytes scheme = jute_read_string(&reader), user = jute_read_string(&reader);
        printf("%.*s: %.*s\n", BYTES_ARGS(scheme), BYTES_ARGS(user));
    }
    return status;
}

static int run_add_watch(struct shell *shell, struct line *line) {
    const char *mode = line->values['m'] == NULL ? "PERSISTENT_RECURSIVE" : line->values['m'];
    start_record(shell, line->rest[0]);
    jute_write_int(&shell->record, strcmp(mode, "PERSISTENT") == 0 ? 0 : 1);
    return call(shell, ZK_ADD_WATCH, line->rest[0]);
}

static int run_remove_watches(struct shell *shell, struct line *line) {
    start_record(shell, line->rest[0]);
    jute_write_int(&shell->record, line->flags['c'] ? 1 : line->flags['d'] ? 2 : 3);
    return call(shell, ZK_REMOVE_WATCHES, line->rest[0]);
}

static int run_config(struct shell *shell, struct line *line) {
    line->rest[0] = "/zookeeper/config";
    return run_get(shell, line);
}

static int run_print_watches(struct shell *shell, struct line *line) {
    if (line->rest_count == 0)
        printf("printwatches is %s\n", print_events ? "on" : "off");
    else
        print_events = strcmp(line->rest[0], "on") == 0;
    return 0;
}

static int run_history(struct shell *shell, struct line *line) {
    size_t count = shell->history.count;
    for (size_t i = count > 11 ? count - 11 : 0; i < count; i++)
        printf("%zu - %s\n", i, shell->history.items[i]);
    return 0;
}

static int run_version(struct shell *shell, struct line *line) {
    printf("ZooKeeper CLI version: 3.9.5-raudal\n");
    return 0;
}

static int run_close(struct shell *shell, struct line *line) {
    keeper_close(shell->keeper);
    shell->keeper = NULL;
    print_state("Closed");
    return 0;
}

static bool connect_shell(struct shell *shell) {
    struct error error = {0};
    shell->keeper = keeper_open(shell->servers, SESSION_TIMEOUT_MS, print_event, &error);
    if (shell->keeper == NULL) {
        message_error(MESSAGE_ZKCLI_NOBODY, shell->servers, error.message);
        instance_say_stopped(SERVICE_ZOOKEEPER);
    } else {
        print_state("SyncConnected");
    }
    fflush(stdout);
    return shell->keeper != NULL;
}

static int run_connect(struct shell *shell, struct line *line) {
    static char servers[512];
    keeper_close(shell->keeper);
    if (line->rest_count > 0)
        snprintf(servers, sizeof servers, "%s", line->rest[0]);
    shell->servers = line->rest_count > 0 ? servers : shell->servers;
    return connect_shell(shell) ? 0 : 1;
}

static int run_quit(struct shell *shell, struct line *line) {
    shell->ended = true;
    return 0;
}

static int run_unsupported(struct shell *shell, struct line *line) {
    fprintf(stderr, "%s is not supported: this ZooKeeper is one server and enforces no quotas\n", line->words[0]);
    return 1;
}

static int run_redo(struct shell *shell, struct line *line);

/* flags: options without a value; values: with one. least, most: words after the name. */
static const struct {
    const char *name, *usage, *options, *flags, *values;
    int least, most;
    int (*run)(struct shell *shell, struct line *line);
    bool works_alone; /* without a connection */
} commands[] = {
    {"addWatch",
        "[-m mode] path # optional mode is one of [PERSISTENT, PERSISTENT_RECURSIVE] - default is "
        "PERSISTENT_RECURSIVE",
        "", "", "m", 1, 1, run_add_watch},
    {"addauth", "scheme auth", "", "", "", 1, 2, run_addauth},
    {"close", "", "", "", "", 0, 9, run_close},
    {"config", "[-c] [-w] [-s]", "", "cws", "", 0, 0, run_config},
    {"connect", "host:port", "", "", "", 0, 1, run_connect, true},
    {"create", "[-s] [-e] [-c] [-t ttl] path [data] [acl]", "", "sec", "t", 1, 99, run_create},
    {"delete", "[-v version] path", "", "", "v", 1, 1, run_delete},
    {"deleteall", "path [-b batch size]", "", "", "b", 1, 1, run_deleteall},
    {"delquota", "[-n|-b|-N|-B] path", "", "", "", 0, 9, run_unsupported, true},
    {"get", "[-s] [-w] [-b] [-x] path",
        " -b   Output data in base64 format\n -s   Print znode stats additionally\n"
        " -w   Watch for changes on the znode\n -x   Output data in hexdump format\n\n",
        "swbx", "", 1, 1, run_get},
    {"getAcl", "[-s] path", "", "s", "", 1, 1, run_get_acl},
    {"getAllChildrenNumber", "path", "", "", "", 1, 1, run_children_number},
    {"getEphemerals", "path", "", "", "", 0, 1, run_ephemerals},
    {"history", "", "", "", "", 0, 9, run_history, true},
    {"listquota", "path", "", "", "", 0, 9, run_unsupported, true},
    {"ls", "[-s] [-w] [-R] path", "", "swR", "", 1, 1, run_ls},
    {"printwatches", "on|off", "", "", "", 0, 1, run_print_watches, true},
    {"quit", "", "", "", "", 0, 9, run_quit, true},
    {"reconfig",
        "[-s] [-v version] [[-file path] | [-members serverID=host:port1:port2;port3[,...]*]] | "
        "[-add serverId=host:port1:port2;port3[,...]]* [-remove serverId[,...]*]",
        "", "", "", 0, 9, run_unsupported, true},
    {"redo", "cmdno", "", "", "", 1, 1, run_redo, true},
    {"removewatches", "path [-c|-d|-a] [-l]", "", "cdal", "", 1, 1, run_remove_watches},
    {"set", "path data [-s] [-v version] [-b]",
        " -b         Supply data in base64 format\n -s         Print znode stats additionally\n"
        " -v <arg>   Set with an expected version\n\n",
        "sb", "v", 2, 2, run_set},
    {"setAcl", "[-s] [-v version] [-R] path acl", "", "sR", "v", 2, 2, run_set_acl},
    {"setquota", "-n|-b|-N|-B val path", "", "", "", 0, 9, run_unsupported, true},
    {"stat", "[-w] path", "", "w", "", 1, 1, run_stat},
    {"sync", "path", "", "", "", 1, 1, run_sync},
    {"version", "", "", "", "", 0, 9, run_version, true},
    {"whoami", "", "", "", "", 0, 9, run_whoami},
};

static void print_help(void) {
    fprintf(stderr, "ZooKeeper -server host:port -client-configuration properties-file cmd args\n");
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
        fprintf(stderr, "\t%s %s\n", commands[i].name, commands[i].usage);
}

/* ---- lines ---- */

/* Splits at blanks; '…' and "…" keep them. In place. */
static void split(char *text, struct line *line) {
    *line = (struct line){0};
    while (*text != '\0' && line->count < WORDS_MAX) {
        text += strspn(text, " \t\r\n");
        if (*text == '\0')
            break;
        char quote = *text == '\'' || *text == '"' ? *text++ : '\0';
        line->words[line->count++] = text;
        char *end = quote != '\0' ? strchr(text, quote) : text + strcspn(text, " \t\r\n");
        if (end == NULL || *end == '\0')
            break;
        *end = '\0';
        text = end + 1;
    }
}

/* Sorts the words into options and the rest; false when they do not fit the command. */
static bool sort_words(struct line *line, const char *flags, const char *values, int least, int most) {
    for (int i = 1; i < line->count; i++) {
        const char *word = line->words[i];
        bool is_option = word[0] == '-' && word[1] != '\0' && word[2] == '\0';
        if (is_option && strchr(flags, word[1]) != NULL) {
            line->flags[(unsigned char)word[1] & 127] = true;
        } else if (is_option && strchr(values, word[1]) != NULL && i + 1 < line->count) {
            line->values[(unsigned char)word[1] & 127] = line->words[++i];
        } else {
            line->rest[line->rest_count++] = line->words[i];
        }
    }
    return line->rest_count >= least && (line->rest_count <= most || least == 0);
}

static int run_line(struct shell *shell, struct line *line) {
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++) {
        if (strcmp(commands[i].name, line->words[0]) != 0)
            continue;
        if (!sort_words(line, commands[i].flags, commands[i].values, commands[i].least, commands[i].most)) {
            fprintf(stderr, "%s %s\n%s", commands[i].name, commands[i].usage, commands[i].options);
            return 1;
        }
        if (!commands[i].works_alone && shell->keeper == NULL) {
            if (shell->is_interactive)
                fprintf(stderr, "Not connected\n");
            if (shell->is_interactive || !connect_shell(shell))
                return 1;
        }
        int status = commands[i].run(shell, line);
        fflush(stdout);
        return status;
    }
    print_help();
    fprintf(stderr, "Command not found: Command not found %s\n", line->words[0]);
    return STATUS_UNKNOWN_COMMAND;
}

static int run_text(struct shell *shell, const char *text) {
    struct line line;
    char *copy = strdup(text);
    ASSERT(copy != NULL);
    VECTOR_PUSH(&shell->history, strdup(text));
    split(copy, &line);
    int status = line.count == 0 ? 0 : run_line(shell, &line);
    free(copy);
    return status;
}

static int run_redo(struct shell *shell, struct line *line) {
    int64_t number;
    /* A redo of a redo would not end. */
    if (!bytes_to_int64(bytes_from_text(line->rest[0]), &number) || number < 0 ||
        number >= (int64_t)shell->history.count || strncmp(shell->history.items[number], "redo", 4) == 0) {
        fprintf(stderr, "Command index out of range\n");
        return 1;
    }
    char *text = strdup(shell->history.items[number]);
    int status = run_text(shell, text);
    free(text);
    return status;
}

static void show_prompt(const struct shell *shell) {
    if (!shell->shows_prompt)
        return;
    printf("[zk: %s(%s) %zu] ", shell->servers, shell->keeper != NULL ? "CONNECTED" : "CLOSED", shell->history.count);
    fflush(stdout);
}

static int run_interactive(struct shell *shell) {
    char text[65536];
    shell->shows_prompt = isatty(STDIN_FILENO);
    setvbuf(stdin, NULL, _IONBF, 0); /* so that waiting on the descriptor tells whether a line is there */
    printf("Welcome to ZooKeeper!\n%s", shell->shows_prompt ? "" : "JLine support is disabled\n");
    if (!connect_shell(shell))
        return 1;
    while (!shell->ended) {
        struct error error = {0};
        show_prompt(shell);
        if (shell->keeper != NULL && !keeper_wait(shell->keeper, STDIN_FILENO, &error)) {
            fprintf(stderr, "%s\n", error.message);
            return 1;
        }
        if (fgets(text, sizeof text, stdin) == NULL)
            break;
        text[strcspn(text, "\r\n")] = '\0';
        if (text[strspn(text, " \t")] != '\0')
            run_text(shell, text);
    }
    if (shell->keeper != NULL)
        run_close(shell, NULL);
    return 0;
}

/* In a raudal shell or beside a running one: that instance. */
static const char *standard_server(void) {
    static char server[128];
    struct instance instance;
    struct error error = {0};
    char data[PATH_MAX];
    snprintf(server, sizeof server, "localhost:2181");
    if (!instance_find_data(NULL, data, &error))
        return server;
    instance_read(data, &instance);
    if (instance.running && instance.ports[SERVICE_ZOOKEEPER] != 0)
        snprintf(server, sizeof server, "%s:%u", instance.address, instance.ports[SERVICE_ZOOKEEPER]);
    return server;
}

int tool_zkcli_main(int argc, char **argv) {
    struct shell shell = {0};
    int at = 1, status;
    for (; at < argc && argv[at][0] == '-'; at++) {
        bool takes_value = strcmp(argv[at], "-server") == 0 || strcmp(argv[at], "-timeout") == 0 ||
                           strcmp(argv[at], "-client-configuration") == 0;
        if (strcmp(argv[at], "-server") == 0 && at + 1 < argc)
            shell.servers = argv[at + 1];
        else if (strcmp(argv[at], "-r") != 0 && strcmp(argv[at], "-waitforconnection") != 0 && !takes_value) {
            fprintf(stderr, "Unknown option %s\n", argv[at]);
            return 1;
        }
        at += takes_value;
    }
    shell.servers = shell.servers == NULL ? standard_server() : shell.servers;
    printf("Connecting to %s\n", shell.servers);
    fflush(stdout);
    if (at < argc) {
        struct line line = {0};
        for (; at < argc && line.count < WORDS_MAX; at++)
            line.words[line.count++] = argv[at];
        status = run_line(&shell, &line);
        keeper_close(shell.keeper);
    } else {
        shell.is_interactive = true;
        status = run_interactive(&shell);
    }
    for (size_t i = 0; i < shell.history.count; i++)
        free(shell.history.items[i]);
    VECTOR_FREE(&shell.history);
    buffer_free(&shell.record);
    buffer_free(&shell.answer);
    return status;
}
