/* commands.h: the commands and the tools of the one binary. A function gets its own words (argv[0] is its name) and
 * returns the exit status. */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include <stddef.h>

typedef int command_function(int argc, char **argv);

command_function command_up;
command_function command_doctor;
command_function command_down;
command_function command_status;
command_function command_logs;
command_function command_shell;
command_function command_run;
command_function command_docker_word;
command_function command_lab;
command_function command_kernel;
command_function command_env;
command_function command_help;
command_function command_version;

command_function tool_docker_main;
command_function tool_docker_compose_main;
command_function tool_kafka_topics_main;
command_function tool_kafka_console_producer_main;
command_function tool_kafka_console_consumer_main;
command_function tool_kafka_consumer_groups_main;
command_function tool_kafka_broker_api_versions_main;
command_function tool_kafka_cluster_main;
command_function tool_kafka_consumer_perf_test_main;
command_function tool_kafka_producer_perf_test_main;
command_function tool_kafka_configs_main;
command_function tool_kafka_delete_records_main;
command_function tool_kafka_dump_log_main;
command_function tool_kafka_features_main;
command_function tool_kafka_get_offsets_main;
command_function tool_kafka_groups_main;
command_function tool_kafka_leader_election_main;
command_function tool_kafka_log_dirs_main;
command_function tool_kafka_metadata_quorum_main;
command_function tool_kafka_transactions_main;
command_function tool_hdfs_main;
command_function tool_hadoop_main;
command_function tool_zkcli_main;
command_function tool_pyspark_main;
command_function tool_spark_sql_main;
command_function tool_spark_submit_main;

/* Names of the tools without .sh, for the links in DIR/run/bin. */
const char *const *tool_list(size_t *count);

#endif
