/* fuzz_compose.c: a compose file, and behind a line "%%%" the file that its .env and every env_file are. Whatever it
 * is, the answer is a plan or an error with a place; a plan's parts are whole. */
#include "fuzz.h"

#include "base/assert.h"
#include "compose/compose.h"

struct input {
    struct bytes file, variables;
};

static const char *const seeds[] = {
    "x-a: &a {A: 1, B: ${B:-2}}\nservices:\n  kafka:\n    image: confluentinc/cp-kafka:7.5.0\n    ports: "
    "[\"9092:9092\", "
    "'8000-8003:8000-8003', {target: 29092, published: 29093}]\n    env_file: [v, {path: w, required: false}]\n"
    "    environment:\n      <<: *a\n      KAFKA_LISTENERS: IN://k:29092,OUT://:9092,CONTROLLER://k:9093\n"
    "      KAFKA_ADVERTISED_LISTENERS: IN://kafka:29092,OUT://localhost:9092\n      KAFKA_NUM_PARTITIONS: "
    "\"${P:?no}\"\n"
    "      KAFKA_CREATE_TOPICS: \"a:1:1,b:3:1:compact\"\n    depends_on: {zookeeper: {condition: service_healthy}}\n"
    "  zookeeper: {image: zookeeper, links: ['kafka:k'], deploy: {replicas: 2, resources: {limits: {memory: 1g}}}}\n"
    "%%%\nP=3\nexport Q=\"$P\\n\" # c\nR='x'\n",
    "services:\n  namenode:\n    image: apache/hadoop:3\n    command: [\"hdfs\", \"namenode\"]\n    env_file: c\n    "
    "ports: "
    "[9870]\n  spark:\n    build: .\n    profiles: [p]\n  worker:\n    image: bitnami/spark\n    environment: "
    "[SPARK_MODE="
    "worker, SPARK_WORKER_MEMORY=1g]\n    scale: 3\n  init:\n    image: apache/kafka\n    entrypoint: [/bin/sh, -c]\n  "
    "  "
    "command: |\n      \"kafka-topics --create --topic a \\\n      --partitions 1; x | y && hdfs dfs -ls '/a b' || "
    "$$Z\"\n  "
    "lab:\n    image: jupyter/pyspark-notebook\n    command: start.sh --NotebookApp.token=''\n    volumes: "
    "['./s:/h/s', "
    "{source: ~/d, target: /d}, v:/v]\n    network_mode: host\n    networks: {default: {aliases: [nb]}}\n%%%\n"
    "CORE_CONF_fs_defaultFS=hdfs://namenode:9000\nHDFS-SITE.XML_dfs.replication=2\nYARN_CONF_a___b__c=1\n",
    "a: &a [x, x]\nb: &b [*a, *a]\nc: {<<: [{q: 1}, {r: *b}], s: !!str 3}\nservices: {}\n",
};

bool fuzz_seed(size_t index, struct buffer *out) {
    if (index >= ARRAY_COUNT(seeds))
        return false;
    buffer_append_text(out, seeds[index]);
    return true;
}

static bool read_file(void *context, const char *path, size_t size_max, struct buffer *out, struct error *error) {
    const struct input *input = context;
    struct bytes text = strcmp(path, "/c/compose.yml") == 0 ? input->file : input->variables;
    if (text.size > size_max)
        return error_set(error, ERROR_LIMIT, "too large");
    buffer_append_bytes(out, text);
    return true;
}

static const char *variable(void *context, const char *name) {
    return strlen(name) % 3 == 0 ? "value" : NULL;
}

static void check_plan(const struct compose_plan *plan) {
    for (size_t i = 0; i < plan->services.count; i++) {
        const struct compose_service *service = &plan->services.items[i];
        ASSERT(service->name[0] != 0 && service->container[0] != 0 && service->names.count >= 2);
        ASSERT(service->kind < COMPOSE_KIND_COUNT);
        for (size_t k = 0; k < service->ports.count; k++)
            ASSERT(service->ports.items[k].container != 0);
    }
    for (size_t i = 0; i < plan->commands.count; i++)
        ASSERT(plan->commands.items[i].words[0] != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct bytes all = bytes_make(data, size);
    const uint8_t *cut = size == 0 ? NULL : memmem(data, size, "%%%\n", 4);
    size_t file_size = cut == NULL ? size : (size_t)(cut - data);
    struct input input = {bytes_slice(all, 0, file_size),
        cut == NULL ? BYTES_NULL : bytes_slice(all, file_size + 4, size - file_size - 4)};
    struct compose_options options = {.path = "/c/compose.yml",
        .lab_is_there = true,
        .in_spanish = size % 2 == 1,
        .read_file = read_file,
        .variable = variable,
        .context = &input};
    struct compose_plan plan;
    struct error error = {0};
    if (compose_read(&options, &plan, &error))
        check_plan(&plan);
    else
        ASSERT(error.code != ERROR_NONE && error.message[0] != 0 && plan.services.count == 0);
    compose_plan_free(&plan);
    return 0;
}
