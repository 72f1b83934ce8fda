/* doctor_space.c: memory and disk: what there is, what queries may use, and what the data folder holds. */
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/bytes.h"
#include "cli/doctor/doctor.h"
#include "cli/server.h"

enum {
    MEMORY_LOW_MB = 256,
    DISK_LOW_MB = 1024,
    FILES_MAX = 200000, /* looked at in a data folder; the rest is not counted */
    TOPICS_SHOWN = 3,
};

static int64_t megabytes(int64_t bytes) {
    return bytes >> 20;
}

/* ---- memory ---- */

/* A row of /proc/meminfo, in bytes; 0 when it is absent. */
static int64_t memory_row(const char *name) {
    char line[256];
    long long kilobytes = 0;
    size_t size = strlen(name);
    FILE *file = fopen("/proc/meminfo", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, size) == 0 && line[size] == ':' && sscanf(line + size + 1, "%lld", &kilobytes) == 1)
            break;
    if (file != NULL)
        fclose(file);
    return kilobytes << 10;
}

static void look_at_memory(struct doctor *doctor) {
    bool machine_decides;
    int64_t budget = json_integer_value(json_object_get(doctor->status, "memoryBudgetBytes"));
    int64_t total = memory_row("MemTotal"), available = memory_row("MemAvailable");
    if (budget == 0)
        budget = server_memory_budget(&doctor->settings, &machine_decides);
    if (megabytes(available) >= MEMORY_LOW_MB) {
        doctor_find(doctor, FINDING_GOOD, MESSAGE_DOCTOR_MEMORY, (long long)megabytes(budget),
            (long long)megabytes(available), (long long)megabytes(total));
        return;
    }
    doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_MEMORY_LOW, (long long)megabytes(available),
        (long long)megabytes(budget));
    doctor_command(doctor, "raudal up -d --data %s --set spark.worker.memory=256m", doctor->instance.data);
}

/* ---- disk ---- */

struct topic_size {
    char name[256];
    int64_t size;
};

struct folder_size {
    int64_t size;
    VECTOR(struct topic_size) topics;
};

/* The topic of DIR/kafka/TOPIC-PARTITION/…; Kafka's own are left out. */
static void add_to_topic(struct folder_size *folder, const char *name, size_t name_size, int64_t size) {
    while (name_size > 0 && name[name_size - 1] != '-')
        name_size--;
    if (name_size < 2 || name_size > sizeof folder->topics.items[0].name || name[0] == '_')
        return;
    name_size--;
    for (size_t i = 0; i < folder->topics.count; i++)
        if (strlen(folder->topics.items[i].name) == name_size &&
            memcmp(folder->topics.items[i].name, name, name_size) == 0) {
            folder->topics.items[i].size += size;
            return;
        }
    struct topic_size *topic = VECTOR_ADD(&folder->topics);
    *topic = (struct topic_size){.size = size};
    memcpy(topic->name, name, name_size);
}

static void measure(const char *data, struct folder_size *folder) {
    char *roots[] = {(char *)data, NULL};
    char kafka[PATH_MAX + 8];
    size_t kafka_size = (size_t)snprintf(kafka, sizeof kafka, "%s/kafka/", data), count = 0;
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
    for (FTSENT *entry; tree != NULL && count < FILES_MAX && (entry = fts_read(tree)) != NULL; count++) {
        if (entry->fts_info != FTS_F)
            continue;
        int64_t size = (int64_t)entry->fts_statp->st_blocks * 512;
        folder->size += size;
        if (strncmp(entry->fts_path, kafka, kafka_size) == 0 && strchr(entry->fts_path + kafka_size, '/') != NULL)
            add_to_topic(folder, entry->fts_path + kafka_size, strcspn(entry->fts_path + kafka_size, "/"), size);
    }
    if (tree != NULL)
        fts_close(tree);
}

static int larger_first(const void *left, const void *right) {
    int64_t a = ((const struct topic_size *)left)->size, b = ((const struct topic_size *)right)->size;
    return a < b ? 1 : a > b ? -1 : 0;
}

static void list_topics(struct doctor *doctor, struct folder_size *folder) {
    struct buffer list = {0};
    if (folder->topics.count == 0)
        return;
    qsort(folder->topics.items, folder->topics.count, sizeof folder->topics.items[0], larger_first);
    for (size_t i = 0; i < folder->topics.count && i < TOPICS_SHOWN; i++)
        buffer_printf(&list, "%s%s (%lld MB)", i > 0 ? ", " : "", folder->topics.items[i].name,
            (long long)megabytes(folder->topics.items[i].size));
    doctor_find(doctor, FINDING_GOOD, MESSAGE_DOCTOR_TOPICS, buffer_text(&list));
    buffer_free(&list);
}

static void look_at_disk(struct doctor *doctor) {
    struct statvfs space;
    struct folder_size folder = {0};
    const char *data = doctor->instance.data;
    if (statvfs(data, &space) != 0)
        return; /* there is no folder yet */
    int64_t left = (int64_t)space.f_bavail * (int64_t)space.f_frsize;
    measure(data, &folder);
    bool is_low = megabytes(left) < DISK_LOW_MB;
    doctor_find(doctor, is_low ? FINDING_WRONG : FINDING_GOOD, is_low ? MESSAGE_DOCTOR_DISK_LOW : MESSAGE_DOCTOR_DISK,
        data, (long long)megabytes(folder.size), (long long)megabytes(left));
    list_topics(doctor, &folder);
    if (is_low && folder.topics.count > 0)
        doctor_tool(doctor,
            "kafka-configs.sh --bootstrap-server kafka:%u --alter --entity-type topics --entity-name %s --add-config "
            "retention.ms=3600000",
            doctor_port(doctor, SERVICE_KAFKA), folder.topics.items[0].name);
    else if (is_low)
        doctor_command(doctor, "du -h --max-depth=2 %s | sort -h | tail", data);
    VECTOR_FREE(&folder.topics);
}

void doctor_space(struct doctor *doctor) {
    look_at_memory(doctor);
    look_at_disk(doctor);
}
