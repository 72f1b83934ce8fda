/* tool_hdfs_admin.c: hdfs dfsadmin -report and -safemode, hdfs fsck. Output is Hadoop's. */
#include "cli/hdfs/tool_hdfs.h"

#include <inttypes.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/instance.h"
#include "net/http.h"

enum { FAILURE = 255, DEFAULT_WEB_PORT = 9870 };

/* ---- -safemode ---- */

static int safe_mode(struct shell *shell, int count, char **words) {
    static const struct {
        const char *name;
        Hadoop__SafeModeAction action;
    } actions[] = {{"get", HADOOP__SAFE_MODE_ACTION__SAFEMODE_GET}, {"enter", HADOOP__SAFE_MODE_ACTION__SAFEMODE_ENTER},
        {"leave", HADOOP__SAFE_MODE_ACTION__SAFEMODE_LEAVE}};
    size_t i = 0;
    while (count == 1 && i < ARRAY_COUNT(actions) && strcmp(words[0], actions[i].name) != 0)
        i++;
    if (count != 1 || i == ARRAY_COUNT(actions)) {
        fprintf(stderr, "hdfs dfsadmin -safemode %s is not supported by this tool; it knows get, enter and leave\n",
            count > 0 ? words[0] : "");
        return FAILURE;
    }
    shell_connect(shell, NULL);
    Hadoop__SetSafeModeRequest request = HADOOP__SET_SAFE_MODE_REQUEST__INIT;
    request.action = actions[i].action;
    Hadoop__SetSafeModeResponse *answer = SHELL_CALL(shell, SetSafeMode, set_safe_mode, "setSafeMode", request);
    if (!answer) {
        shell_failed(shell, NULL);
        return FAILURE;
    }
    printf("Safe mode is %s\n", answer->result ? "ON" : "OFF");
    return 0;
}

/* ---- -report ---- */

/* "191849 (187.35 KB)" */
static void print_size(const char *name, uint64_t size) {
    static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)size;
    size_t unit = 0;
    for (; value >= 1024 && unit + 1 < ARRAY_COUNT(units); unit++)
        value /= 1024;
    printf(unit == 0 ? "%s: %" PRIu64 " (%.0f %s)\n" : "%s: %" PRIu64 " (%.2f %s)\n", name, size, value, units[unit]);
}

static double percent(uint64_t part, uint64_t whole) {
    return whole == 0 ? 100 : 100.0 * (double)part / (double)whole;
}

static void print_date(const char *name, uint64_t wall_ms) {
    char text[64];
    struct tm parts;
    time_t seconds = (time_t)(wall_ms / 1000);
    localtime_r(&seconds, &parts);
    strftime(text, sizeof text, "%a %b %d %H:%M:%S %Z %Y", &parts);
    printf("%s: %s\n", name, wall_ms == 0 ? "Never" : text);
}

static void resolve_back(const char *address, char name[256]) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *found = NULL;
    name[0] = 0;
    if (getaddrinfo(address, NULL, &hints, &found) == 0) {
        if (getnameinfo(found->ai_addr, found->ai_addrlen, name, 256, NULL, 0, NI_NAMEREQD) != 0)
            name[0] = 0;
        freeaddrinfo(found);
    }
}

static void print_datanode(const Hadoop__DatanodeInfo *node) {
    static const char *const states[] = {
        "Normal", "Decommission in progress", "Decommissioned", "Entering Maintenance", "In Maintenance"};
    char name[256];
    resolve_back(node->id->ipaddr, name);
    printf("Name: %s:%u", node->id->ipaddr, node->id->xferport);
    if (name[0] != 0 && strcmp(name, node->id->ipaddr) != 0)
        printf(" (%s)", name);
    printf("\nHostname: %s\n", node->id->hostname);
    if (node->location != NULL && strcmp(node->location, "/default-rack") != 0)
        printf("Rack: %s\n", node->location);
    printf(
        "Decommission Status : %s\n", (size_t)node->adminstate < ARRAY_COUNT(states) ? states[node->adminstate] : "");
    print_size("Configured Capacity", node->capacity);
    print_size("DFS Used", node->dfsused);
    print_size("Non DFS Used", node->nondfsused);
    print_size("DFS Remaining", node->remaining);
    printf("DFS Used%%: %.2f%%\nDFS Remaining%%: %.2f%%\n", percent(node->dfsused, node->capacity),
        percent(node->remaining, node->capacity));
    print_size("Configured Cache Capacity", node->cachecapacity);
    print_size("Cache Used", node->cacheused);
    print_size("Cache Remaining", node->cachecapacity - node->cacheused);
    printf("Cache Used%%: %.2f%%\nCache Remaining%%: %.2f%%\n", percent(node->cacheused, node->cachecapacity),
        node->cachecapacity == 0 ? 0.0 : percent(node->cachecapacity - node->cacheused, node->cachecapacity));
    printf("Xceivers: %u\n", node->xceivercount);
    print_date("Last contact", node->lastupdate);
    print_date("Last Block Report", node->lastblockreporttime);
    printf("Num of Blocks: %u\n\n\n", node->numblocks);
}

struct report_part {
    const char *option, *headline;
    Hadoop__DatanodeReportType type;
    bool always; /* printed without any option, too */
    bool wanted;
};

static bool print_nodes(struct shell *shell, const struct report_part *part, bool even_if_none) {
    Hadoop__GetDatanodeReportRequest request = HADOOP__GET_DATANODE_REPORT_REQUEST__INIT;
    request.type = part->type;
    Hadoop__GetDatanodeReportResponse *answer =
        SHELL_CALL(shell, GetDatanodeReport, get_datanode_report, "getDatanodeReport", request);
    if (answer == NULL)
        return false;
    if (answer->n_di == 0 && !even_if_none)
        return true;
    printf("%s (%zu):\n\n", part->headline, answer->n_di);
    for (size_t i = 0; i < answer->n_di; i++)
        print_datanode(answer->di[i]);
    return true;
}

static bool print_totals(struct shell *shell) {
    Hadoop__GetFsStatusRequest request = HADOOP__GET_FS_STATUS_REQUEST__INIT;
    Hadoop__SetSafeModeRequest safe = HADOOP__SET_SAFE_MODE_REQUEST__INIT;
    Hadoop__GetFsReplicatedBlockStatsRequest blocks_request = HADOOP__GET_FS_REPLICATED_BLOCK_STATS_REQUEST__INIT;
    Hadoop__GetFsECBlockGroupStatsRequest groups_request = HADOOP__GET_FS_ECBLOCK_GROUP_STATS_REQUEST__INIT;
    safe.action = HADOOP__SAFE_MODE_ACTION__SAFEMODE_GET;
    Hadoop__GetFsStatsResponse *stats = SHELL_CALL(shell, GetFsStats, get_fs_stats, "getFsStats", request);
    Hadoop__SetSafeModeResponse *mode =
        stats ? SHELL_CALL(shell, SetSafeMode, set_safe_mode, "setSafeMode", safe) : NULL;
    Hadoop__GetFsReplicatedBlockStatsResponse *blocks =
        mode ? SHELL_CALL(shell, GetFsReplicatedBlockStats, get_fs_replicated_block_stats, "getFsReplicatedBlockStats",
                   blocks_request)
             : NULL;
    Hadoop__GetFsECBlockGroupStatsResponse *groups =
        blocks ? SHELL_CALL(shell, GetFsECBlockGroupStats, get_fs_ecblock_group_stats, "getFsECBlockGroupStats",
                     groups_request)
               : NULL;
    if (groups == NULL)
        return false;
    uint64_t present = stats->used + stats->remaining;
    if (mode->result)
        printf("Safe mode is ON\n");
    print_size("Configured Capacity", stats->capacity);
    print_size("Present Capacity", present);
    print_size("DFS Remaining", stats->remaining);
    print_size("DFS Used", stats->used);
    printf("DFS Used%%: %.2f%%\n", present == 0 ? 0.0 : percent(stats->used, present));
    printf("Replicated Blocks:\n\tUnder replicated blocks: %" PRIu64 "\n\tBlocks with corrupt replicas: %" PRIu64
           "\n\tMissing blocks: %" PRIu64 "\n\tMissing blocks (with replication factor 1): %" PRIu64
           "\n\tBadly Distributed Blocks: %" PRIu64
           "\n\tLow redundancy blocks with highest priority to recover: %" PRIu64
           "\n\tPending deletion blocks: %" PRIu64 "\n",
        blocks->low_redundancy, blocks->corrupt_blocks, blocks->missing_blocks, blocks->missing_repl_one_blocks,
        blocks->badly_distributed_blocks, blocks->highest_prio_low_redundancy_blocks, blocks->pending_deletion_blocks);
    printf("Erasure Coded Block Groups: \n\tLow redundancy block groups: %" PRIu64
           "\n\tBlock groups with corrupt internal blocks: %" PRIu64 "\n\tMissing block groups: %" PRIu64
           "\n\tBadly Distributed Blocks: %" PRIu64
           "\n\tLow redundancy blocks with highest priority to recover: %" PRIu64
           "\n\tPending deletion blocks: %" PRIu64 "\n\n",
        groups->low_redundancy, groups->corrupt_blocks, groups->missing_blocks, groups->badly_distributed_blocks,
        groups->highest_prio_low_redundancy_blocks, groups->pending_deletion_blocks);
    printf("-------------------------------------------------\n");
    return true;
}

static int report(struct shell *shell, int count, char **words) {
    struct report_part parts[] = {{"-live", "Live datanodes", HADOOP__DATANODE_REPORT_TYPE__LIVE, true, false},
        {"-dead", "Dead datanodes", HADOOP__DATANODE_REPORT_TYPE__DEAD, true, false},
        {"-decommissioning", "Decommissioning datanodes", HADOOP__DATANODE_REPORT_TYPE__DECOMMISSIONING, false, false},
        {"-enteringmaintenance", "Entering maintenance datanodes", HADOOP__DATANODE_REPORT_TYPE__ENTERING_MAINTENANCE,
            false, false},
        {"-inmaintenance", "In maintenance datanodes", HADOOP__DATANODE_REPORT_TYPE__IN_MAINTENANCE, false, false}};
    for (int i = 0; i < count; i++) {
        size_t k = 0;
        while (k < ARRAY_COUNT(parts) && strcmp(words[i], parts[k].option) != 0)
            k++;
        if (k == ARRAY_COUNT(parts)) {
            fprintf(stderr,
                "report: Unknown option %s; this tool knows -live, -dead, -decommissioning, "
                "-enteringmaintenance and -inmaintenance\n",
                words[i]);
            return FAILURE;
        }
        parts[k].wanted = true;
    }
    shell_connect(shell, NULL);
    bool good = print_totals(shell);
    for (size_t k = 0; k < ARRAY_COUNT(parts) && good; k++)
        if (count == 0 || parts[k].wanted)
            good = print_nodes(shell, &parts[k], parts[k].wanted);
    if (!good)
        shell_failed(shell, NULL);
    return good ? 0 : FAILURE;
}

int shell_admin(int count, char **words) {
    struct shell shell;
    shell_init(&shell);
    int first = shell_generic_options(&shell, count, words), status;
    const char *name = count > first ? words[first] : "";
    shell.name = name[0] == '-' ? name + 1 : "dfsadmin";
    if (strcmp(name, "-report") == 0) {
        status = report(&shell, count - first - 1, words + first + 1);
    } else if (strcmp(name, "-safemode") == 0) {
        status = safe_mode(&shell, count - first - 1, words + first + 1);
    } else {
        fprintf(stderr, "hdfs dfsadmin %s is not supported by this tool; it knows -report and -safemode\n", name);
        status = FAILURE;
    }
    hdfs_client_close(&shell.client);
    arena_destroy(&shell.arena);
    return fflush(stdout) == 0 ? status : 1;
}

/* ---- fsck: the NameNode's web port does the work ---- */

static const struct fsck_row {
    const char *option, *argument;
} fsck_rows[] = {{"-files", "files"}, {"-blocks", "blocks"}, {"-locations", "locations"}, {"-racks", "racks"},
    {"-openforwrite", "openforwrite"}, {"-list-corruptfileblocks", "listcorruptfileblocks"},
    {"-showprogress", "showprogress"}};

static const char *fsck_argument(const char *word) {
    for (size_t i = 0; i < ARRAY_COUNT(fsck_rows); i++)
        if (strcmp(word, fsck_rows[i].option) == 0)
            return fsck_rows[i].argument;
    return NULL;
}

static uint16_t web_port(void) {
    static struct instance instance;
    char data[PATH_MAX];
    if (instance_find_data(NULL, data, NULL)) {
        instance_read(data, &instance);
        if (instance.running && instance.ports[SERVICE_NAMENODE_UI] != 0)
            return instance.ports[SERVICE_NAMENODE_UI];
    }
    return DEFAULT_WEB_PORT;
}

static int connect_web(const char *host, uint16_t port) {
    char number[16];
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found = NULL;
    snprintf(number, sizeof number, "%u", port);
    if (getaddrinfo(host, number, &hints, &found) != 0)
        return -1;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor >= 0 && connect(descriptor, found->ai_addr, found->ai_addrlen) != 0) {
        close(descriptor);
        descriptor = -1;
    }
    freeaddrinfo(found);
    return descriptor;
}

/* The exit status is in the last line that is not empty, as Hadoop's client reads it. */
static int status_of(struct bytes body) {
    body = bytes_trim(body);
    if (bytes_ends_with(body, "is HEALTHY") || bytes_ends_with(body, "does not exist") ||
        bytes_ends_with(body, "has 0 CORRUPT files"))
        return 0;
    return bytes_ends_with(body, "is CORRUPT") ? 1 : FAILURE;
}

static int fetch(const char *host, uint16_t port, const char *target) {
    struct buffer text = {0};
    int descriptor = connect_web(host, port), status = FAILURE;
    fprintf(stderr, "Connecting to namenode via http://%s:%u%s\n", host, port, target);
    if (descriptor < 0) {
        fprintf(
            stderr, "fsck: no NameNode answers at http://%s:%u; start it with: raudal start namenode\n", host, port);
        return FAILURE;
    }
    buffer_printf(&text, "GET %s HTTP/1.1\r\nHost: %s:%u\r\nConnection: close\r\n\r\n", target, host, port);
    ssize_t count = write(descriptor, text.data, text.size);
    buffer_clear(&text);
    while (count > 0 && (count = read(descriptor, buffer_reserve(&text, 65536), 65536)) > 0)
        text.size += (size_t)count;
    close(descriptor);
    size_t end = 0;
    while (end + 4 <= text.size && memcmp(text.data + end, "\r\n\r\n", 4) != 0)
        end++;
    struct bytes body = bytes_slice(
        buffer_view(&text), end + 4 <= text.size ? end + 4 : text.size, end + 4 <= text.size ? text.size - end - 4 : 0);
    bool good = bytes_starts_with(buffer_view(&text), "HTTP/1.1 200");
    fwrite(body.data, 1, body.size, good ? stdout : stderr);
    if (good)
        status = status_of(body);
    buffer_free(&text);
    return status;
}

int shell_fsck(int count, char **words) {
    struct shell shell;
    struct buffer target = {0};
    const char *path = NULL;
    shell_init(&shell);
    shell.name = "fsck";
    buffer_append_text(&target, "/fsck?ugi=");
    http_encode(bytes_from_text(shell.user), "", &target);
    for (int i = shell_generic_options(&shell, count, words); i < count; i++) {
        const char *argument = fsck_argument(words[i]);
        if (words[i][0] != '-' && path == NULL) {
            path = words[i];
        } else if (argument != NULL) {
            buffer_printf(&target, "&%s=1", argument);
        } else {
            fprintf(stderr,
                "fsck: %s is not supported by this tool; it knows PATH [-files [-blocks [-locations | "
                "-racks]]] [-openforwrite] [-list-corruptfileblocks]\n",
                words[i]);
            buffer_free(&target);
            return FAILURE;
        }
    }
    shell_connect(&shell, NULL);
    struct shell_item item = {0};
    bool found = shell_item(&shell, path == NULL ? "/" : path, &item);
    if (found && item.status == NULL) {
        fprintf(stderr,
            "FileSystem is inaccessible due to:\njava.io.FileNotFoundException: File does not exist: %s\nDFSck "
            "exiting.\n",
            item.path);
    }
    int status = item.status == NULL ? 0 : 1;
    if (item.status != NULL) {
        buffer_append_text(&target, "&path=");
        http_encode(bytes_from_text(item.path), "", &target);
        status = fetch(shell.client.host, web_port(), buffer_text(&target));
    }
    hdfs_client_close(&shell.client);
    arena_destroy(&shell.arena);
    buffer_free(&target);
    return fflush(stdout) == 0 ? status : 1;
}
