/* main.c: one binary, many commands: called as a tool (kafka-topics.sh, hdfs, …) it is that tool; else the first word
 * names the command or tool. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/messages.h"
#include "cli/version.h"

struct command_row {
    const char *name;
    command_function *function;
    enum message help;
};

/* Sorted; a test checks it. */
static const struct command_row commands[] = {
    {"config", command_docker_word, MESSAGE_HELP_CONFIG},
    {"doctor", command_doctor, MESSAGE_HELP_DOCTOR},
    {"down", command_down, MESSAGE_HELP_DOWN},
    {"env", command_env, MESSAGE_HELP_ENV},
    {"exec", command_docker_word, MESSAGE_HELP_EXEC},
    {"help", command_help, MESSAGE_HELP_HELP},
    {"kernel", command_kernel, MESSAGE_HELP_KERNEL},
    {"lab", command_lab, MESSAGE_HELP_LAB},
    {"logs", command_logs, MESSAGE_HELP_LOGS},
    {"ps", command_docker_word, MESSAGE_HELP_PS},
    {"restart", command_docker_word, MESSAGE_HELP_RESTART},
    {"run", command_run, MESSAGE_HELP_RUN},
    {"shell", command_shell, MESSAGE_HELP_SHELL},
    {"start", command_docker_word, MESSAGE_HELP_START},
    {"stats", command_docker_word, MESSAGE_HELP_STATS},
    {"status", command_status, MESSAGE_HELP_STATUS},
    {"stop", command_docker_word, MESSAGE_HELP_STOP},
    {"up", command_up, MESSAGE_HELP_UP},
    {"version", command_version, MESSAGE_HELP_VERSION},
};

struct tool_row {
    const char *name; /* without .sh */
    command_function *function;
};

static const struct tool_row tools[] = {
    {"docker", tool_docker_main},
    {"docker-compose", tool_docker_compose_main},
    {"hadoop", tool_hadoop_main},
    {"hdfs", tool_hdfs_main},
    {"kafka-broker-api-versions", tool_kafka_broker_api_versions_main},
    {"kafka-cluster", tool_kafka_cluster_main},
    {"kafka-configs", tool_kafka_configs_main},
    {"kafka-console-consumer", tool_kafka_console_consumer_main},
    {"kafka-console-producer", tool_kafka_console_producer_main},
    {"kafka-consumer-groups", tool_kafka_consumer_groups_main},
    {"kafka-consumer-perf-test", tool_kafka_consumer_perf_test_main},
    {"kafka-delete-records", tool_kafka_delete_records_main},
    {"kafka-dump-log", tool_kafka_dump_log_main},
    {"kafka-features", tool_kafka_features_main},
    {"kafka-get-offsets", tool_kafka_get_offsets_main},
    {"kafka-groups", tool_kafka_groups_main},
    {"kafka-leader-election", tool_kafka_leader_election_main},
    {"kafka-log-dirs", tool_kafka_log_dirs_main},
    {"kafka-metadata-quorum", tool_kafka_metadata_quorum_main},
    {"kafka-producer-perf-test", tool_kafka_producer_perf_test_main},
    {"kafka-topics", tool_kafka_topics_main},
    {"kafka-transactions", tool_kafka_transactions_main},
    {"pyspark", tool_pyspark_main},
    {"spark-sql", tool_spark_sql_main},
    {"spark-submit", tool_spark_submit_main},
    {"zkCli", tool_zkcli_main},
};

const char *const *tool_list(size_t *count) {
    static const char *names[ARRAY_COUNT(tools)];
    for (size_t i = 0; i < ARRAY_COUNT(tools); i++)
        names[i] = tools[i].name;
    *count = ARRAY_COUNT(tools);
    return names;
}

static command_function *find_tool(const char *path) {
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    size_t size = strlen(name);
    if (size > 3 && strcmp(name + size - 3, ".sh") == 0)
        size -= 3;
    for (size_t i = 0; i < ARRAY_COUNT(tools); i++)
        if (strlen(tools[i].name) == size && strncmp(name, tools[i].name, size) == 0)
            return tools[i].function;
    return NULL;
}

int command_help(int argc, char **argv) {
    fputs(message_text(MESSAGE_USAGE), stdout);
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
        printf("  %-9s %s\n", commands[i].name, message_text(commands[i].help));
    fputs(message_text(MESSAGE_USAGE_TOOLS), stdout);
    for (size_t i = 0; i < ARRAY_COUNT(tools); i++)
        printf("  %s\n", tools[i].name);
    return 0;
}

int command_version(int argc, char **argv) {
    printf("raudal %s\n", RAUDAL_VERSION);
    return 0;
}

int main(int argc, char **argv) {
    command_function *tool = find_tool(argv[0]);
    if (tool != NULL)
        return tool(argc, argv);
    if (argc < 2) {
        command_help(argc, argv);
        return 1;
    }
    const char *word = argv[1];
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        word = "help";
    if (strcmp(word, "--version") == 0)
        word = "version";
    for (size_t i = 0; i < ARRAY_COUNT(commands); i++)
        if (strcmp(word, commands[i].name) == 0)
            return commands[i].function(argc - 1, argv + 1);
    tool = find_tool(word);
    if (tool != NULL)
        return tool(argc - 1, argv + 1);
    message_error(MESSAGE_UNKNOWN_COMMAND, word);
    return 1;
}
