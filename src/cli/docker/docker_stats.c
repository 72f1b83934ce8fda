/* docker_stats.c: stats. The services are threads of one process: a container's CPU is that of its service's threads;
 * memory is that of the whole process, which is said. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/docker/docker.h"
#include "cli/docker/format.h"
#include "cli/messages.h"

enum { SAMPLE_MS = 500, THREAD_COUNT_MAX = 512 };

/* Which threads (by the beginning of their names) do the work of which kind. */
static const struct {
    enum stack_kind kind;
    const char *threads[3];
} rows[] = {
    {STACK_KAFKA, {"kafka", NULL, NULL}},
    {STACK_ZOOKEEPER, {"web", NULL, NULL}},
    {STACK_KAFKA_UI, {"web", NULL, NULL}},
    {STACK_SPARK_MASTER, {"spark", NULL, NULL}},
    {STACK_SPARK_WORKER, {"compute", NULL, NULL}},
    {STACK_NAMENODE, {"store", NULL, NULL}},
    {STACK_DATANODE, {"disk", NULL, NULL}},
};

static uint64_t thread_ticks(long pid, const char *task, const char *const *names) {
    char path[128], text[512];
    snprintf(path, sizeof path, "/proc/%ld/task/%.20s/stat", pid, task);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = 0;
    char *name = strchr(text, '('), *end = strrchr(text, ')');
    unsigned long user = 0, system = 0;
    if (name == NULL || end == NULL ||
        sscanf(end + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
        return 0;
    for (size_t i = 0; names[i] != NULL; i++)
        if (strncmp(name + 1, names[i], strlen(names[i])) == 0)
            return user + system;
    return 0;
}

static uint64_t kind_ticks(long pid, enum stack_kind kind) {
    char path[64];
    uint64_t sum = 0;
    snprintf(path, sizeof path, "/proc/%ld/task", pid);
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder != NULL && (entry = readdir(folder)) != NULL;)
        for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
            if (rows[i].kind == kind && entry->d_name[0] != '.')
                sum += thread_ticks(pid, entry->d_name, rows[i].threads);
    if (folder != NULL)
        closedir(folder);
    return sum;
}

static int64_t read_number(const char *path, const char *name) {
    char line[256];
    long long number = 0;
    FILE *file = fopen(path, "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0 && sscanf(line + strlen(name), " %lld", &number) == 1)
            break;
    if (file != NULL)
        fclose(file);
    return number;
}

static void size_text(double kilobytes, char out[32]) {
    snprintf(out, 32, kilobytes < 1024 * 1024 ? "%.4gMiB" : "%.4gGiB",
        kilobytes / (kilobytes < 1024 * 1024 ? 1024 : 1024 * 1024));
}

static json_t *describe_row(const struct docker_call *call, const struct container *container, double cpu) {
    char status[64], cpu_text[32], memory[80], used[32], all[32], percent[32], pids[16];
    snprintf(status, sizeof status, "/proc/%ld/status", (long)call->containers.instance.pid);
    int64_t resident = read_number(status, "VmRSS:"), total = read_number("/proc/meminfo", "MemTotal:");
    size_text((double)resident, used);
    size_text((double)total, all);
    snprintf(memory, sizeof memory, "%s / %s", used, all);
    snprintf(percent, sizeof percent, "%.2f%%", total > 0 ? 100.0 * (double)resident / (double)total : 0);
    snprintf(cpu_text, sizeof cpu_text, "%.2f%%", cpu);
    snprintf(pids, sizeof pids, "%lld", (long long)read_number(status, "Threads:"));
    bool runs = container->is_running;
    return json_pack("{s:s%, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "ID", container->id, (size_t)12, "Name",
        container->service->container, "CPUPerc", runs ? cpu_text : "0.00%", "MemUsage", runs ? memory : "0B / 0B",
        "MemPerc", runs ? percent : "0.00%", "NetIO", "--", "BlockIO", "--", "PIDs", runs ? pids : "0");
}

static bool print_sample(const struct docker_call *call, struct container **chosen, size_t count, const char *format) {
    static const struct docker_column columns[] = {{"ID", "CONTAINER ID"}, {"Name", "NAME"}, {"CPUPerc", "CPU %"},
        {"MemUsage", "MEM USAGE / LIMIT"}, {"MemPerc", "MEM %"}, {"NetIO", "NET I/O"}, {"BlockIO", "BLOCK I/O"},
        {"PIDs", "PIDS"}};
    long pid = (long)call->containers.instance.pid;
    uint64_t before[STACK_KIND_COUNT];
    for (int kind = 0; kind < STACK_KIND_COUNT; kind++)
        before[kind] = kind_ticks(pid, kind);
    nanosleep(&(struct timespec){.tv_nsec = SAMPLE_MS * 1000000L}, NULL);
    json_t *table = json_array();
    for (size_t i = 0; i < count; i++) {
        enum stack_kind kind = chosen[i]->service->kind;
        double ticks = (double)(kind_ticks(pid, kind) - before[kind]);
        json_array_append_new(
            table, describe_row(call, chosen[i], ticks / (double)sysconf(_SC_CLK_TCK) * 1000 / SAMPLE_MS * 100));
    }
    bool good = docker_print_rows(table, columns, ARRAY_COUNT(columns), format);
    json_decref(table);
    return good;
}

int docker_stats(struct docker_call *call) {
    bool once = false, ignored;
    const char *format = NULL;
    const struct docker_option options[] = {{.names = "--no-stream", .flag = &once},
        {.names = "-a --all", .flag = &ignored}, {.names = "--no-trunc", .flag = &ignored},
        {.names = "--format", .value = &format}};
    struct container **chosen = NULL;
    size_t count;
    if (docker_options(call, options, ARRAY_COUNT(options), false) < 0)
        return 1;
    enum docker_caller caller = call->caller;
    call->caller = call->argc == 1 ? CALLED_AS_RAUDAL : caller; /* without a name: all */
    bool good = docker_chosen(call, 1, call->argc, &chosen, &count);
    call->caller = caller;
    if (good)
        message_error(MESSAGE_STATS_SHARED);
    once = once || !isatty(STDOUT_FILENO);
    do {
        if (good && !once)
            printf("\033[2J\033[H");
        good = good && print_sample(call, chosen, count, format);
        fflush(stdout);
    } while (good && !once);
    free(chosen);
    return good ? 0 : 1;
}
