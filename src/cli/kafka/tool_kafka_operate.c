/* tool_kafka_operate.c: kafka-features, kafka-metadata-quorum, kafka-leader-election and kafka-broker-api-versions,
 * with the real tools' options and output. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/kafka/kafka_table.h"
#include "cli/kafka/kafka_tool.h"

/* ---- kafka-features ---- */

static const struct tool_option features_options[] = {
    {"bootstrap-server", TOOL_VALUE, "Kafka servers, HOST:PORT,..."},
    {"command-config", TOOL_IGNORED, "Properties of the client."},
    {"dry-run", TOOL_FLAG, "Only say whether it could be done."},
    {"feature", TOOL_VALUE, "upgrade, downgrade: NAME=LEVEL; disable: NAME; may be repeated."},
    {"unsafe", TOOL_FLAG, "downgrade, disable: even if information is lost."},
};
static const char *const features_words[] = {"describe", "upgrade", "downgrade", "disable"};

/* Names of the levels of metadata.version from 7 on. */
static const char *const metadata_versions[] = {"3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0",
    "3.6-IV1", "3.6-IV2", "3.7-IV0", "3.7-IV1", "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0",
    "4.0-IV1", "4.0-IV2", "4.0-IV3", "4.1-IV0", "4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0", "4.4-IV0", "4.4-IV1",
    "4.4-IV2"};

static const char *level_name(struct arena *arena, struct bytes feature, int16_t level) {
    if (!bytes_equal_text(feature, "metadata.version"))
        return arena_printf(arena, "%d", level);
    return level >= 7 && level < 7 + (int)ARRAY_COUNT(metadata_versions) ? metadata_versions[level - 7]
                                                                         : arena_printf(arena, "UNKNOWN %d", level);
}

static int compare_features(const void *left, const void *right) {
    return bytes_compare(((const struct kafka_api_versions_reply_supported *)left)->name,
        ((const struct kafka_api_versions_reply_supported *)right)->name);
}

static bool ask_versions(struct tool *tool, int32_t node, struct kafka_api_versions_reply *reply, struct arena *arena) {
    struct error error = {0};
    struct kafka_api_versions_request request;
    wire_set_defaults(&kafka_api_versions_request_struct, &request);
    request.software_name = BYTES("raudal");
    request.software_version = BYTES("1");
    if (!REMOTE_CALL(tool->remote, node, api_versions, &request, reply, arena, &error)) {
        tool_fail("%s", error.message);
        return false;
    }
    return true;
}

static int describe_features(struct tool *tool) {
    struct arena arena = {0};
    struct kafka_api_versions_reply reply;
    bool ok = ask_versions(tool, REMOTE_ANY, &reply, &arena);
    if (ok)
        qsort(reply.supported_features.items, (size_t)reply.supported_features.count,
            sizeof *reply.supported_features.items, compare_features);
    for (int32_t i = 0; ok && i < reply.supported_features.count; i++) {
        const struct kafka_api_versions_reply_supported *feature = &reply.supported_features.items[i];
        int16_t level = 0;
        for (int32_t j = 0; j < reply.finalized_features.count; j++)
            if (bytes_equal(reply.finalized_features.items[j].name, feature->name))
                level = reply.finalized_features.items[j].level_max;
        printf("Feature: %-42.*sSupportedMinVersion: %-17sSupportedMaxVersion: %-17sFinalizedVersionLevel: %-17sEpoch: "
               "%lld\n",
            BYTES_ARGS(feature->name), level_name(&arena, feature->name, feature->version_min),
            level_name(&arena, feature->name, feature->version_max), level_name(&arena, feature->name, level),
            (long long)reply.features_epoch);
    }
    arena_destroy(&arena);
    return ok ? 0 : 1;
}

/* NAME=LEVEL, or with disable NAME. */
static bool parse_feature(
    const char *text, bool disables, struct arena *arena, struct kafka_update_features_request_update *update) {
    struct bytes view = bytes_from_text(text);
    size_t equals = bytes_find(view, '=', 0);
    int64_t level = 0;
    if (disables) {
        update->feature = view;
    } else if (equals == SIZE_MAX) {
        tool_fail("Can't parse feature=level string %s: equals sign not found.", text);
        return false;
    } else {
        update->feature = arena_copy(arena, bytes_trim(bytes_slice(view, 0, equals)));
        struct bytes number = bytes_trim(bytes_slice(view, equals + 1, view.size - equals - 1));
        if (!bytes_to_int64(number, &level) || level < INT16_MIN || level > INT16_MAX) {
            tool_fail(
                "Can't parse feature=level string %s: unable to parse %.*s as a short.", text, BYTES_ARGS(number));
            return false;
        }
    }
    update->level = (int16_t)level;
    return true;
}

static const char *feature_sentence(
    const char *word, bool dry, bool ok, struct arena *arena, struct bytes name, int16_t level) {
    bool disables = strcmp(word, "disable") == 0;
    const char *done = disables ? "disabled" : strcmp(word, "upgrade") == 0 ? "upgraded" : "downgraded";
    const char *to = disables ? "" : arena_printf(arena, " to %d", level);
    if (!ok)
        return arena_printf(arena, "Could not %s %.*s%s. ", word, BYTES_ARGS(name), to);
    return arena_printf(arena, "%.*s %s %s%s.", BYTES_ARGS(name), dry ? "can be" : "was", done, to);
}

static int update_features(struct tool *tool, const char *word) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_update_features_request request;
    struct kafka_update_features_reply reply;
    size_t cursor = 0, count = 0;
    bool disables = strcmp(word, "disable") == 0, ok = true;
    wire_set_defaults(&kafka_update_features_request_struct, &request);
    while (tool_next(tool, "feature", &cursor))
        count++;
    if (count == 0)
        return tool_fail("You must specify at least one feature to %s", word);
    WIRE_ARRAY(&arena, &request.updates, &kafka_update_features_request_update_struct, count);
    request.validate_only = tool_has(tool, "dry-run");
    cursor = count = 0;
    for (const char *text; ok && (text = tool_next(tool, "feature", &cursor)); count++) {
        ok = parse_feature(text, disables, &arena, &request.updates.items[count]);
        request.updates.items[count].upgrade_type = strcmp(word, "upgrade") == 0 ? 1 : tool_has(tool, "unsafe") ? 3 : 2;
    }
    ok = ok && (REMOTE_CALL(tool->remote, REMOTE_ANY, update_features, &request, &reply, &arena, &error) ||
                   tool_fail("%s", error.message) == 0);
    for (size_t i = 0; ok && i < count; i++) {
        const struct kafka_update_features_request_update *update = &request.updates.items[i];
        printf("%s%.*s\n",
            feature_sentence(
                word, request.validate_only, reply.error_code == 0, &arena, update->feature, update->level),
            BYTES_ARGS(reply.error_code == 0 ? BYTES("") : reply.error_message));
    }
    bool failed = ok && reply.error_code != 0;
    if (failed)
        tool_fail("%zu out of %zu operation(s) failed.", count, count);
    arena_destroy(&arena);
    return ok && !failed ? 0 : 1;
}

int tool_kafka_features_main(int argc, char **argv) {
    struct tool tool = {.purpose = "Features of the cluster: describe, upgrade, downgrade, disable.",
        .options = features_options,
        .option_count = ARRAY_COUNT(features_options)};
    int status = 1;
    const char *word = tool_take_word(&argc, argv, features_words, ARRAY_COUNT(features_words));
    if (tool_parse(&tool, argc, argv, &status)) {
        if (!word)
            status = tool_usage_error(&tool, "too few arguments: describe, upgrade, downgrade or disable is needed");
        else if (tool_connect(&tool, "adminclient-1"))
            status = strcmp(word, "describe") == 0 ? describe_features(&tool) : update_features(&tool, word);
        else
            status = 1;
    }
    tool_free(&tool);
    return status;
}

/* ---- kafka-metadata-quorum ---- */

static const struct tool_option quorum_options[] = {
    {"bootstrap-server", TOOL_VALUE, "Kafka servers, HOST:PORT,..."},
    {"command-config", TOOL_IGNORED, "Properties of the client."},
    {"human-readable", TOOL_FLAG, "--replication: how long ago, in place of times."},
    {"replication", TOOL_FLAG, "describe: the replicas of the metadata log."},
    {"status", TOOL_FLAG, "describe: leader, voters, lag."},
};
static const char *const quorum_words[] = {"describe"};

typedef struct kafka_describe_quorum_reply_partition quorum;

static void print_status(
    const struct kafka_describe_quorum_reply *reply, const quorum *found, struct bytes cluster_id) {
    int64_t lag = 0, lag_ms = 0;
    int64_t leader_time = -1;
    for (int32_t i = 0; i < found->voters.count; i++)
        if (found->voters.items[i].replica_id == found->leader_id)
            leader_time = found->voters.items[i].last_caught_up_time;
    struct buffer voters = {0};
    for (int32_t i = 0; i < found->voters.count; i++) {
        const struct kafka_describe_quorum_reply_voter *voter = &found->voters.items[i];
        if (found->high_watermark - voter->end_offset > lag)
            lag = found->high_watermark - voter->end_offset;
        if (leader_time - voter->last_caught_up_time > lag_ms)
            lag_ms = leader_time - voter->last_caught_up_time;
        char id[UUID_BASE64_SIZE];
        uuid_format_base64(voter->directory_id, id);
        buffer_printf(&voters, "%s{\"id\": %d", i ? ", " : "", voter->replica_id);
        if (!uuid_is_zero(voter->directory_id))
            buffer_printf(&voters, ", \"directoryId\": \"%s\"", id);
        for (int32_t j = 0; j < reply->nodes.count; j++) {
            if (reply->nodes.items[j].node_id != voter->replica_id)
                continue;
            buffer_append_text(&voters, ", \"endpoints\": [");
            for (int32_t k = 0; k < reply->nodes.items[j].listeners.count; k++)
                buffer_printf(&voters, "%s\"%.*s://%.*s:%u\"", k ? ", " : "",
                    BYTES_ARGS(reply->nodes.items[j].listeners.items[k].name),
                    BYTES_ARGS(reply->nodes.items[j].listeners.items[k].host),
                    reply->nodes.items[j].listeners.items[k].port);
            buffer_append_text(&voters, "]");
        }
        buffer_append_text(&voters, "}");
    }
    printf("ClusterId:              %.*s\nLeaderId:               %d\nLeaderEpoch:            %d\n"
           "HighWatermark:          %lld\nMaxFollowerLag:         %lld\nMaxFollowerLagTimeMs:   %lld\n"
           "CurrentVoters:          [%s]\nCurrentObservers:       []\n",
        BYTES_ARGS(cluster_id), found->leader_id, found->leader_epoch, (long long)found->high_watermark, (long long)lag,
        (long long)lag_ms, buffer_text(&voters));
    buffer_free(&voters);
}

static void print_replication(const struct tool *tool, const quorum *found) {
    static const char *const names[] = {
        "NodeId", "DirectoryId", "LogEndOffset", "Lag", "LastFetchTimestamp", "LastCaughtUpTimestamp", "Status"};
    struct tool_table table = {.column_count = ARRAY_COUNT(names)};
    bool readable = tool_has(tool, "human-readable");
    for (size_t i = 0; i < ARRAY_COUNT(names); i++)
        tool_table_add(&table, "%s", names[i]);
    for (int32_t i = 0; i < found->voters.count; i++) {
        const struct kafka_describe_quorum_reply_voter *voter = &found->voters.items[i];
        int64_t now = readable ? remote_wall_ms() : 0;
        char id[UUID_BASE64_SIZE];
        uuid_format_base64(voter->directory_id, id);
        tool_table_add(&table, "%d", voter->replica_id);
        tool_table_add(&table, "%s", id);
        tool_table_add(&table, "%lld", (long long)voter->end_offset);
        tool_table_add(&table, "%lld", (long long)(found->high_watermark - voter->end_offset));
        for (int which = 0; which < 2; which++) {
            int64_t time_ms = which ? voter->last_caught_up_time : voter->last_fetch_time;
            if (readable)
                tool_table_add(&table, "%lld ms ago", (long long)(now - time_ms));
            else
                tool_table_add(&table, "%lld", (long long)time_ms);
        }
        tool_table_add(&table, "%s", voter->replica_id == found->leader_id ? "Leader" : "Follower");
    }
    tool_table_print(&table);
}

static int describe_quorum(struct tool *tool) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_describe_quorum_request request;
    struct kafka_describe_quorum_reply reply;
    struct kafka_describe_cluster_request cluster_request;
    struct kafka_describe_cluster_reply cluster;
    wire_set_defaults(&kafka_describe_quorum_request_struct, &request);
    wire_set_defaults(&kafka_describe_cluster_request_struct, &cluster_request);
    if (!tool_has(tool, "status") && !tool_has(tool, "replication"))
        return tool_fail("One of --status or --replication must be specified with describe sub-command");
    WIRE_ARRAY(&arena, &request.topics, &kafka_describe_quorum_request_topic_struct, 1);
    request.topics.items[0].name = BYTES("__cluster_metadata");
    WIRE_ARRAY(&arena, &request.topics.items[0].partitions, &kafka_describe_quorum_request_partition_struct, 1);
    bool ok = REMOTE_CALL(tool->remote, REMOTE_ANY, describe_quorum, &request, &reply, &arena, &error) &&
              REMOTE_CALL(tool->remote, REMOTE_ANY, describe_cluster, &cluster_request, &cluster, &arena, &error);
    ok = ok && ((reply.topics.count == 1 && reply.topics.items[0].partitions.count == 1) ||
                   error_set(&error, ERROR_CORRUPT, "The broker told nothing of the quorum"));
    if (!ok)
        tool_fail("%s", error.message);
    else if (tool_has(tool, "status"))
        print_status(&reply, &reply.topics.items[0].partitions.items[0], cluster.cluster_id);
    else
        print_replication(tool, &reply.topics.items[0].partitions.items[0]);
    arena_destroy(&arena);
    return ok ? 0 : 1;
}

int tool_kafka_metadata_quorum_main(int argc, char **argv) {
    struct tool tool = {
        .purpose = "The quorum that keeps the cluster's metadata: describe --status, describe --replication.",
        .options = quorum_options,
        .option_count = ARRAY_COUNT(quorum_options)};
    int status = 1;
    const char *word = tool_take_word(&argc, argv, quorum_words, ARRAY_COUNT(quorum_words));
    if (tool_parse(&tool, argc, argv, &status)) {
        if (!word)
            status = tool_usage_error(
                &tool, "the word describe is needed; controllers of a quorum of one are neither added nor removed");
        else
            status = tool_connect(&tool, "adminclient-1") ? describe_quorum(&tool) : 1;
    }
    tool_free(&tool);
    return status;
}

/* ---- kafka-leader-election ---- */

static const struct tool_option election_options[] = {
    {"admin.config", TOOL_IGNORED, "The old name of --command-config."},
    {"all-topic-partitions", TOOL_FLAG, "Of every partition that can have one."},
    {"bootstrap-server", TOOL_VALUE, "Kafka servers, HOST:PORT,..."},
    {"command-config", TOOL_IGNORED, "Properties of the client."},
    {"election-type", TOOL_VALUE, "preferred or unclean."},
    {"partition", TOOL_VALUE, "With --topic: the partition."},
    {"path-to-json-file", TOOL_VALUE,
        "A file with {\"partitions\": [{\"topic\": \"foo\", \"partition\": 1}, {\"topic\": \"foobar\", \"partition\": "
        "2}]}"},
    {"topic", TOOL_VALUE, "Of a partition of this topic."},
};

static int election_error(const char *message) {
    return tool_fail("%s\norg.apache.kafka.tools.AdminCommandFailedException: %s\n", message, message);
}

static bool take_election_file(const char *path, struct arena *arena, struct kafka_elect_leaders_request *request) {
    json_error_t why;
    json_t *file = json_load_file(path, 0, &why);
    const json_t *partitions = json_object_get(file, "partitions");
    size_t count = json_array_size(partitions);
    bool ok = json_is_array(partitions) && count > 0;
    if (ok)
        WIRE_ARRAY(arena, &request->topics, &kafka_elect_leaders_request_topic_struct, count);
    for (size_t i = 0; ok && i < count; i++) {
        const json_t *item = json_array_get(partitions, i);
        const char *topic = json_string_value(json_object_get(item, "topic"));
        const json_t *partition = json_object_get(item, "partition");
        ok = topic && json_is_integer(partition);
        if (ok) {
            struct kafka_elect_leaders_request_topic *wanted = &request->topics.items[i];
            wanted->name = bytes_from_text(arena_strdup(arena, topic));
            wanted->partitions.items = ARENA_ARRAY(arena, int32_t, 1);
            wanted->partitions.items[0] = (int32_t)json_integer_value(partition);
            wanted->partitions.count = 1;
        }
    }
    if (!ok)
        tool_fail(
            "%s is no file with partitions to elect leaders of%s%s", path, file ? "" : ": ", file ? "" : why.text);
    json_decref(file);
    return ok;
}

/* What the options ask for; false after what is wrong was printed. */
static bool take_election(struct tool *tool, struct arena *arena, struct kafka_elect_leaders_request *request) {
    const char *type = tool_value(tool, "election-type"), *topic = tool_value(tool, "topic");
    const char *path = tool_value(tool, "path-to-json-file");
    int64_t partition = 0;
    int ways = (topic != NULL) + (path != NULL) + tool_has(tool, "all-topic-partitions");
    if (!type)
        return election_error("Missing required option(s): election-type") == 0;
    if (strcasecmp(type, "preferred") != 0 && strcasecmp(type, "unclean") != 0)
        return tool_fail("Error processing the election type %s: it is preferred or unclean", type) == 0;
    if (ways != 1)
        return election_error(ways == 0 ? "One and only one of the following options is required: topic, "
                                          "all-topic-partitions, path-to-json-file"
                                        : "One and only one of the following options is required: topic, "
                                          "all-topic-partitions, path-to-json-file") == 0;
    if (topic && !tool_value(tool, "partition"))
        return election_error("Missing required option(s): partition") == 0;
    request->election_type = strcasecmp(type, "unclean") == 0;
    request->topics.count = -1;
    if (path)
        return take_election_file(path, arena, request);
    if (!topic)
        return true;
    if (!tool_integer(tool, "partition", 0, &partition))
        return false;
    WIRE_ARRAY(arena, &request->topics, &kafka_elect_leaders_request_topic_struct, 1);
    request->topics.items[0].name = bytes_from_text(topic);
    request->topics.items[0].partitions.items = ARENA_ARRAY(arena, int32_t, 1);
    request->topics.items[0].partitions.items[0] = (int32_t)partition;
    request->topics.items[0].partitions.count = 1;
    return true;
}

static int tell_elections(const struct kafka_elect_leaders_reply *reply, const char *type) {
    struct buffer won = {0}, needless = {0}, errors = {0};
    size_t failed = 0;
    for (int32_t i = 0; i < reply->topics.count; i++)
        for (int32_t j = 0; j < reply->topics.items[i].partitions.count; j++) {
            const struct kafka_elect_leaders_reply_partition *result = &reply->topics.items[i].partitions.items[j];
            struct bytes name = reply->topics.items[i].name;
            if (result->error_code == 0 || result->error_code == 84) {
                struct buffer *list = result->error_code == 0 ? &won : &needless;
                buffer_printf(list, "%s%.*s-%d", list->size ? ", " : "", BYTES_ARGS(name), result->index);
                continue;
            }
            failed++;
            buffer_printf(&errors, "Error completing leader election (%s) for partition: %.*s-%d: %s: %.*s\n", type,
                BYTES_ARGS(name), result->index, remote_exception(result->error_code),
                BYTES_ARGS(result->error_message));
        }
    if (won.size)
        printf("Successfully completed leader election (%s) for partitions %s\n", type, buffer_text(&won));
    if (needless.size)
        printf("Valid replica already elected for partitions %s\n", buffer_text(&needless));
    if (errors.size)
        printf("%s", buffer_text(&errors));
    buffer_free(&won);
    buffer_free(&needless);
    buffer_free(&errors);
    if (failed == 0)
        return 0;
    char message[80];
    snprintf(message, sizeof message, "%zu replica(s) could not be elected", failed);
    return election_error(message);
}

int tool_kafka_leader_election_main(int argc, char **argv) {
    struct tool tool = {.purpose = "Elect new leaders of partitions.",
        .options = election_options,
        .option_count = ARRAY_COUNT(election_options)};
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_elect_leaders_request request;
    struct kafka_elect_leaders_reply reply;
    int status = 1;
    wire_set_defaults(&kafka_elect_leaders_request_struct, &request);
    if (tool_parse(&tool, argc, argv, &status)) {
        status = 1;
        if (take_election(&tool, &arena, &request) && tool_connect(&tool, "adminclient-1")) {
            if (REMOTE_CALL(tool.remote, REMOTE_ANY, elect_leaders, &request, &reply, &arena, &error))
                status = tell_elections(&reply, request.election_type ? "UNCLEAN" : "PREFERRED");
            else
                tool_fail("%s", error.message);
        }
    }
    arena_destroy(&arena);
    tool_free(&tool);
    return status;
}

/* ---- kafka-broker-api-versions ---- */

static const struct tool_option versions_options[] = {
    {"bootstrap-server", TOOL_VALUE, "Kafka servers, HOST:PORT,..."},
    {"command-config", TOOL_IGNORED, "Properties of the client."},
};

/* What a client of 4.3 speaks. */
static const struct known_api {
    int16_t key;
    const char *name;
    int16_t low, high;
} known_apis[] = {
    {0, "Produce", 3, 13},
    {1, "Fetch", 4, 18},
    {2, "ListOffsets", 1, 11},
    {3, "Metadata", 0, 13},
    {8, "OffsetCommit", 2, 10},
    {9, "OffsetFetch", 1, 10},
    {10, "FindCoordinator", 0, 6},
    {11, "JoinGroup", 0, 9},
    {12, "Heartbeat", 0, 4},
    {13, "LeaveGroup", 0, 5},
    {14, "SyncGroup", 0, 5},
    {15, "DescribeGroups", 0, 6},
    {16, "ListGroups", 0, 5},
    {17, "SaslHandshake", 0, 1},
    {18, "ApiVersions", 0, 4},
    {19, "CreateTopics", 2, 7},
    {20, "DeleteTopics", 1, 6},
    {21, "DeleteRecords", 0, 2},
    {22, "InitProducerId", 0, 6},
    {23, "OffsetForLeaderEpoch", 2, 4},
    {24, "AddPartitionsToTxn", 0, 5},
    {25, "AddOffsetsToTxn", 0, 4},
    {26, "EndTxn", 0, 5},
    {27, "WriteTxnMarkers", 1, 2},
    {28, "TxnOffsetCommit", 0, 5},
    {29, "DescribeAcls", 1, 3},
    {30, "CreateAcls", 1, 3},
    {31, "DeleteAcls", 1, 3},
    {32, "DescribeConfigs", 1, 4},
    {33, "AlterConfigs", 0, 2},
    {34, "AlterReplicaLogDirs", 1, 2},
    {35, "DescribeLogDirs", 1, 5},
    {36, "SaslAuthenticate", 0, 2},
    {37, "CreatePartitions", 0, 3},
    {38, "CreateDelegationToken", 1, 3},
    {39, "RenewDelegationToken", 1, 2},
    {40, "ExpireDelegationToken", 1, 2},
    {41, "DescribeDelegationToken", 1, 3},
    {42, "DeleteGroups", 0, 2},
    {43, "ElectLeaders", 0, 2},
    {44, "IncrementalAlterConfigs", 0, 1},
    {45, "AlterPartitionReassignments", 0, 1},
    {46, "ListPartitionReassignments", 0, 0},
    {47, "OffsetDelete", 0, 0},
    {48, "DescribeClientQuotas", 0, 1},
    {49, "AlterClientQuotas", 0, 1},
    {50, "DescribeUserScramCredentials", 0, 0},
    {51, "AlterUserScramCredentials", 0, 0},
    {55, "DescribeQuorum", 0, 2},
    {57, "UpdateFeatures", 0, 2},
    {60, "DescribeCluster", 0, 2},
    {61, "DescribeProducers", 0, 0},
    {64, "UnregisterBroker", 0, 0},
    {65, "DescribeTransactions", 0, 0},
    {66, "ListTransactions", 0, 2},
    {68, "ConsumerGroupHeartbeat", 0, 1},
    {69, "ConsumerGroupDescribe", 0, 1},
    {71, "GetTelemetrySubscriptions", 0, 0},
    {72, "PushTelemetry", 0, 0},
    {74, "ListConfigResources", 0, 1},
    {75, "DescribeTopicPartitions", 0, 0},
    {76, "ShareGroupHeartbeat", 1, 1},
    {77, "ShareGroupDescribe", 1, 1},
    {78, "ShareFetch", 1, 2},
    {79, "ShareAcknowledge", 1, 2},
    {80, "AddRaftVoter", 0, 1},
    {81, "RemoveRaftVoter", 0, 0},
    {83, "InitializeShareGroupState", 0, 0},
    {84, "ReadShareGroupState", 0, 0},
    {85, "WriteShareGroupState", 0, 1},
    {86, "DeleteShareGroupState", 0, 0},
    {87, "ReadShareGroupStateSummary", 0, 1},
    {88, "StreamsGroupHeartbeat", 0, 0},
    {89, "StreamsGroupDescribe", 0, 0},
    {90, "DescribeShareGroupOffsets", 0, 1},
    {91, "AlterShareGroupOffsets", 0, 0},
    {92, "DeleteShareGroupOffsets", 0, 0},
};

static void print_api(struct buffer *out, int16_t key, const struct kafka_api_versions_reply_api *offered) {
    const struct known_api *known = NULL;
    for (size_t i = 0; i < ARRAY_COUNT(known_apis); i++)
        if (known_apis[i].key == key)
            known = &known_apis[i];
    buffer_printf(out, "%s\t", out->size ? ",\n" : "");
    if (!known)
        buffer_printf(out, "UNKNOWN(%d): ", key);
    else
        buffer_printf(out, "%s(%d): ", known->name, key);
    if (!offered) {
        buffer_append_text(out, "UNSUPPORTED");
        return;
    }
    if (offered->version_min == offered->version_max)
        buffer_printf(out, "%d", offered->version_min);
    else
        buffer_printf(out, "%d to %d", offered->version_min, offered->version_max);
    if (!known)
        return;
    int16_t usable = known->high < offered->version_max ? known->high : offered->version_max;
    if (usable >= offered->version_min && usable >= known->low)
        buffer_printf(out, " [usable: %d]", usable);
    else
        buffer_append_text(out, " [unusable: node too new]");
}

static bool print_broker(const struct tool *tool, const struct kafka_metadata_reply_broker *broker) {
    struct arena arena = {0};
    struct kafka_api_versions_reply reply;
    struct buffer out = {0};
    bool ok = ask_versions((struct tool *)(uintptr_t)tool, broker->node_id, &reply, &arena);
    for (int16_t key = 0; ok && key < 128; key++) {
        const struct kafka_api_versions_reply_api *offered = NULL;
        bool known = false;
        for (int32_t i = 0; i < reply.apis.count && !offered; i++)
            if (reply.apis.items[i].key == key)
                offered = &reply.apis.items[i];
        for (size_t i = 0; i < ARRAY_COUNT(known_apis); i++)
            known = known || known_apis[i].key == key;
        if (offered || known)
            print_api(&out, key, offered);
    }
    if (ok)
        printf("%.*s:%d (id: %d rack: null isFenced: false) -> (\n%s\n)\n", BYTES_ARGS(broker->host), broker->port,
            broker->node_id, buffer_text(&out));
    buffer_free(&out);
    arena_destroy(&arena);
    return ok;
}

int tool_kafka_broker_api_versions_main(int argc, char **argv) {
    struct tool tool = {.purpose = "Which requests the brokers understand.",
        .options = versions_options,
        .option_count = ARRAY_COUNT(versions_options)};
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_metadata_reply cluster;
    int status = 1;
    if (tool_parse(&tool, argc, argv, &status)) {
        status = 1;
        if (tool_connect(&tool, "adminclient-1")) {
            bool ok = remote_metadata(tool.remote, (const char *const[]){NULL}, 0, false, &cluster, &arena, &error) ||
                      tool_fail("%s", error.message) == 0;
            for (int32_t i = 0; ok && i < cluster.brokers.count; i++)
                ok = print_broker(&tool, &cluster.brokers.items[i]);
            status = ok ? 0 : 1;
        }
    }
    arena_destroy(&arena);
    tool_free(&tool);
    return status;
}
