/* tool_kafka_consumer_groups.c: kafka-consumer-groups: list, describe and delete groups and their offsets; resetting
 * offsets is in kafka_group_reset.c. Output has the real tool's columns. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/kafka/java_order.h"
#include "cli/kafka/kafka_group_reset.h"
#include "cli/kafka/kafka_groups.h"

static const struct tool_option options[] = {
    {"all-groups", TOOL_FLAG, "All groups."},
    {"all-topics", TOOL_FLAG, "With --reset-offsets: all topics of the group."},
    {"bootstrap-server", TOOL_VALUE, "Kafka servers, HOST:PORT,..."},
    {"by-duration", TOOL_VALUE, "Reset to the offsets of a time ago: PnDTnHnMnS."},
    {"command-config", TOOL_IGNORED, "Properties of the client."},
    {"delete", TOOL_FLAG, "Delete groups."},
    {"delete-offsets", TOOL_FLAG, "Delete a group's offsets of topics."},
    {"describe", TOOL_FLAG, "Show groups with their offsets and lag."},
    {"dry-run", TOOL_FLAG, "With --reset-offsets: only show the new offsets (the default)."},
    {"execute", TOOL_FLAG, "With --reset-offsets: write the new offsets."},
    {"export", TOOL_FLAG, "With --reset-offsets: print the new offsets as CSV."},
    {"from-file", TOOL_VALUE, "Reset to the offsets of a CSV file."},
    {"group", TOOL_VALUE, "The group; may be repeated."},
    {"list", TOOL_FLAG, "List all groups."},
    {"members", TOOL_FLAG, "With --describe: the members."},
    {"offsets", TOOL_FLAG, "With --describe: the offsets (the default)."},
    {"reset-offsets", TOOL_FLAG, "Set a group's offsets anew."},
    {"shift-by", TOOL_VALUE, "Reset by so many records on or back."},
    {"state", TOOL_OPTIONAL, "The state; with --list optionally only groups in these states."},
    {"timeout", TOOL_VALUE, "Longest wait for an answer in ms (30000)."},
    {"to-current", TOOL_FLAG, "Reset to what is committed."},
    {"to-datetime", TOOL_VALUE, "Reset to a time: YYYY-MM-DDThh:mm:ss.sss."},
    {"to-earliest", TOOL_FLAG, "Reset to the earliest offsets."},
    {"to-latest", TOOL_FLAG, "Reset to the latest offsets."},
    {"to-offset", TOOL_VALUE, "Reset to an offset."},
    {"topic", TOOL_VALUE, "A topic, or TOPIC:0,1 for some partitions; may be repeated."},
    {"type", TOOL_OPTIONAL, "With --list: the type; optionally only groups of these types."},
    {"verbose", TOOL_FLAG, "With --describe: more columns."},
    {"zookeeper", TOOL_VALUE, "Accepted for old commands; the Kafka beside it is used."},
};

static int fail(const char *exception) {
    printf("\nError: Executing consumer group command failed due to %s\n", exception);
    return 1;
}

static int width(int least, size_t size) {
    return (int)size > least ? (int)size : least;
}

/* ---- list ---- */

static bool listed(const char *value, const struct tool_texts *wanted) {
    for (size_t i = 0; i < wanted->count; i++)
        if (strcasecmp(wanted->items[i], value) == 0)
            return true;
    return wanted->count == 0;
}

/* Leaves those of consumers in the wanted states and of the wanted types. */
static void keep_listed(
    struct group_listings *listings, const struct tool_texts *states, const struct tool_texts *types) {
    struct group_listings kept = {0}, others = {0};
    for (size_t i = 0; i < listings->count; i++) {
        const struct group_listing *listing = &listings->items[i];
        bool of_consumers = listing->protocol_type[0] == '\0' || strcmp(listing->protocol_type, "consumer") == 0;
        if (of_consumers && listed(listing->state, states) && listed(listing->type, types))
            VECTOR_PUSH(&kept, *listing);
        else
            VECTOR_PUSH(&others, *listing);
    }
    groups_list_free(&others);
    VECTOR_FREE(listings);
    *listings = kept;
}

static void print_listings(const struct group_listings *listings, bool with_type, bool with_state) {
    int group_width = 15;
    size_t *order = calloc(listings->count + 1, sizeof *order);
    struct bytes *ids = calloc(listings->count + 1, sizeof *ids);
    ASSERT(order && ids);
    for (size_t i = 0; i < listings->count; i++) {
        group_width = width(group_width, strlen(listings->items[i].id));
        ids[i] = bytes_from_text(listings->items[i].id);
    }
    group_width += 10;
    java_map_order(ids, listings->count, 16, order);
    if (with_state || with_type)
        printf("%-*s%s%s\n", group_width, "GROUP", with_type ? " TYPE                " : "",
            with_state ? " STATE               " : "");
    for (size_t i = 0; i < listings->count; i++) {
        const struct group_listing *listing = &listings->items[order[i]];
        printf("%-*s", with_state || with_type ? group_width : 0, listing->id);
        if (with_type)
            printf(" %-20s", listing->type);
        if (with_state)
            printf(" %-20s", listing->state);
        printf("\n");
    }
    free(order);
    free(ids);
}

static int list_groups(struct tool *tool) {
    struct group_listings listings = {0};
    struct error error = {0};
    struct tool_texts states = {0}, types = {0};
    bool with_state = tool_has(tool, "state"), with_type = tool_has(tool, "type");
    if (tool_value(tool, "state"))
        tool_split(tool_value(tool, "state"), ',', &states);
    if (tool_value(tool, "type"))
        tool_split(tool_value(tool, "type"), ',', &types);
    int status = 0;
    if (!groups_list(tool->remote, &listings, &error))
        status = fail(error.message);
    keep_listed(&listings, &states, &types);
    print_listings(&listings, with_type, with_state);
    tool_texts_free(&states);
    tool_texts_free(&types);
    groups_list_free(&listings);
    return status;
}

/* ---- which groups ---- */

static int find_groups(struct tool *tool, struct tool_texts *groups) {
    size_t cursor = 0;
    for (const char *group; (group = tool_next(tool, "group", &cursor));)
        VECTOR_PUSH(groups, strdup(group));
    if (!tool_has(tool, "all-groups"))
        return 0;
    struct group_listings listings = {0};
    struct error error = {0};
    bool ok = groups_list(tool->remote, &listings, &error);
    for (size_t i = 0; ok && i < listings.count; i++)
        VECTOR_PUSH(groups, strdup(listings.items[i].id));
    groups_list_free(&listings);
    return ok ? 0 : fail(error.message);
}

static void group_missing(const char *group) {
    char text[600];
    snprintf(text, sizeof text, "org.apache.kafka.common.errors.GroupIdNotFoundException: Group %s not found.", group);
    fail(text);
    fflush(stdout);
    fprintf(stderr, "java.util.concurrent.ExecutionException: %s\nCaused by: %s\n", text, text);
}

/* ---- describe ---- */

struct row {
    const char *topic;
    int32_t partition;
    const struct group_place *place;   /* committed, or NULL */
    const struct group_member *member; /* or NULL */
    int64_t end;                       /* -1 unknown */
};
struct rows {
    struct row *items;
    size_t count, capacity;
};

static int compare_rows(const void *left, const void *right) {
    const struct row *a = left, *b = right;
    int order = strcmp(a->topic, b->topic);
    return order ? order : a->partition < b->partition ? -1 : a->partition > b->partition;
}

static bool is_assigned(const struct group_description *description, const struct group_place *place) {
    for (size_t m = 0; m < description->member_count; m++)
        if (group_place_find(&description->members[m].assigned, place->topic, place->partition))
            return true;
    return false;
}

static void number_or_dash(char out[24], int64_t number) {
    if (number < 0)
        snprintf(out, 24, "-");
    else
        snprintf(out, 24, "%lld", (long long)number);
}

static void print_offsets(const struct group_description *description, const struct rows *rows, bool verbose) {
    int group_width = width(15, strlen(description->id)), topic_width = 15, member_width = 15;
    for (size_t i = 0; i < rows->count; i++) {
        topic_width = width(topic_width, strlen(rows->items[i].topic));
        member_width = width(member_width, rows->items[i].member ? strlen(rows->items[i].member->id) : 1);
    }
    printf("\n%-*s %-*s %-10s %s%-15s %-15s %-15s %-*s %-15s %s\n", group_width, "GROUP", topic_width, "TOPIC",
        "PARTITION", verbose ? "LEADER-EPOCH    " : "", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", member_width,
        "CONSUMER-ID", "HOST", "CLIENT-ID");
    for (size_t i = 0; i < rows->count; i++) {
        const struct row *row = &rows->items[i];
        char committed[24], end[24], lag[24], epoch[24];
        number_or_dash(committed, row->place ? row->place->committed : -1);
        number_or_dash(end, row->end);
        number_or_dash(lag, row->place && row->end >= 0 ? row->end - row->place->committed : -1);
        number_or_dash(epoch, row->place ? row->place->leader_epoch : -1);
        printf("%-*s %-*s %-10d ", group_width, description->id, topic_width, row->topic, row->partition);
        if (verbose)
            printf("%-15s ", epoch);
        printf("%-15s %-15s %-15s %-*s %-15s %s\n", committed, end, lag, member_width,
            row->member ? row->member->id : "-", row->member ? row->member->host : "-",
            row->member ? row->member->client_id : "-");
    }
}

static int compare_members(const void *left, const void *right) {
    const struct group_member *const *a = left, *const *b = right;
    return (*a)->assigned.count > (*b)->assigned.count ? -1 : (*a)->assigned.count < (*b)->assigned.count;
}

static void gather_rows(struct group_description *description, struct group_places *committed, struct rows *rows) {
    const struct group_member **members = calloc(description->member_count + 1, sizeof *members);
    ASSERT(members);
    for (size_t m = 0; m < description->member_count; m++)
        members[m] = &description->members[m];
    qsort(members, description->member_count, sizeof *members, compare_members);
    for (size_t m = 0; m < description->member_count; m++) {
        size_t first = rows->count;
        for (size_t i = 0; i < members[m]->assigned.count; i++) {
            const struct group_place *place = &members[m]->assigned.items[i];
            VECTOR_PUSH(rows, ((struct row){place->topic, place->partition,
                                  group_place_find(committed, place->topic, place->partition), members[m], -1}));
        }
        if (rows->count > first)
            qsort(rows->items + first, rows->count - first, sizeof rows->items[0], compare_rows);
    }
    size_t first = rows->count;
    for (size_t i = 0; i < committed->count; i++)
        if (!is_assigned(description, &committed->items[i]))
            VECTOR_PUSH(rows, ((struct row){committed->items[i].topic, committed->items[i].partition,
                                  &committed->items[i], NULL, -1}));
    if (rows->count > first)
        qsort(rows->items + first, rows->count - first, sizeof rows->items[0], compare_rows);
    free(members);
}

static void say_state(const struct group_description *description) {
    fflush(stdout);
    if (strcmp(description->state, "Empty") == 0)
        fprintf(stderr, "\nConsumer group '%s' has no active members.\n", description->id);
    else if (strcmp(description->state, "Stable") != 0)
        fprintf(stderr, "\nWarning: Consumer group '%s' is rebalancing.\n", description->id);
}

static bool describe_offsets(struct tool *tool, struct group_description *description, struct error *error) {
    struct group_places committed = {0};
    struct rows rows = {0};
    bool ok = group_committed(tool->remote, description->coordinator, description->id, &committed, error);
    if (ok) {
        gather_rows(description, &committed, &rows);
        for (size_t i = 0; i < rows.count; i++) {
            struct error ignored; /* a deleted topic has no end: shown as "-" */
            group_list_offset(
                tool->remote, rows.items[i].topic, rows.items[i].partition, -1, &rows.items[i].end, &ignored);
        }
        say_state(description);
        if (rows.count > 0)
            print_offsets(description, &rows, tool_has(tool, "verbose"));
    }
    VECTOR_FREE(&rows);
    group_places_free(&committed);
    return ok;
}

/* "events:0,1,2;other:0" */
static char *assignment_text(const struct group_places *places) {
    struct buffer text = {0};
    struct rows rows = {0};
    for (size_t i = 0; i < places->count; i++)
        VECTOR_PUSH(&rows, ((struct row){places->items[i].topic, places->items[i].partition, NULL, NULL, -1}));
    if (rows.count > 0)
        qsort(rows.items, rows.count, sizeof rows.items[0], compare_rows);
    for (size_t i = 0; i < rows.count; i++) {
        bool same = i > 0 && strcmp(rows.items[i].topic, rows.items[i - 1].topic) == 0;
        if (same)
            buffer_printf(&text, ",%d", rows.items[i].partition);
        else
            buffer_printf(&text, "%s%s:%d", i ? ";" : "", rows.items[i].topic, rows.items[i].partition);
    }
    VECTOR_FREE(&rows);
    char *copy = strdup(text.size ? buffer_text(&text) : "-");
    buffer_free(&text);
    return copy;
}

static void describe_members(struct tool *tool, const struct group_description *description) {
    bool verbose = tool_has(tool, "verbose"), instances = false;
    int group_width = width(15, strlen(description->id)), id_width = 15, instance_width = 17, host_width = 15,
        client_width = 15, assignment_width = 20, target_width = 20;
    say_state(description);
    if (description->member_count == 0)
        return;
    for (size_t i = 0; i < description->member_count; i++) {
        const struct group_member *member = &description->members[i];
        char *text = assignment_text(&member->assigned), *target = assignment_text(&member->target);
        id_width = width(id_width, strlen(member->id));
        instance_width = width(instance_width, member->instance_id ? strlen(member->instance_id) : 0);
        instances = instances || member->instance_id;
        host_width = width(host_width, strlen(member->host));
        client_width = width(client_width, strlen(member->client_id));
        assignment_width = width(assignment_width, strlen(text));
        target_width = width(target_width, strlen(target));
        free(text);
        free(target);
    }
    printf("\n%-*s %-*s ", group_width, "GROUP", id_width, "CONSUMER-ID");
    if (instances)
        printf("%-*s ", instance_width, "GROUP-INSTANCE-ID");
    printf("%-*s %-*s %-15s ", host_width, "HOST", client_width, "CLIENT-ID", "#PARTITIONS");
    if (verbose)
        printf("%-15s %-*s %-15s %-*s", "CURRENT-EPOCH", assignment_width, "CURRENT-ASSIGNMENT", "TARGET-EPOCH",
            target_width, "TARGET-ASSIGNMENT");
    printf("\n");
    for (size_t i = 0; i < description->member_count; i++) {
        const struct group_member *member = &description->members[i];
        char *text = assignment_text(&member->assigned), *target = assignment_text(&member->target);
        char epoch[24], target_epoch[24];
        number_or_dash(epoch, member->epoch);
        number_or_dash(target_epoch, description->is_consumer ? description->assignment_epoch : -1);
        printf("%-*s %-*s ", group_width, description->id, id_width, member->id);
        if (instances)
            printf("%-*s ", instance_width, member->instance_id ? member->instance_id : "");
        printf("%-*s %-*s %-15zu ", host_width, member->host, client_width, member->client_id, member->assigned.count);
        if (verbose)
            printf("%-15s %-*s %-15s %-*s", epoch, assignment_width, text, target_epoch, target_width, target);
        printf("\n");
        free(text);
        free(target);
    }
}

static void describe_state(const struct group_description *description, bool verbose) {
    char epoch[24], assignment_epoch[24];
    say_state(description);
    number_or_dash(epoch, description->epoch);
    number_or_dash(assignment_epoch, description->assignment_epoch);
    char coordinator[360];
    snprintf(coordinator, sizeof coordinator, "%s  (%d)", description->coordinator_address, description->coordinator);
    int group_width = width(15, strlen(description->id)), coordinator_width = width(25, strlen(coordinator));
    printf("\n%-*s %-*s %-20s %-20s ", group_width, "GROUP", coordinator_width, "COORDINATOR (ID)",
        "ASSIGNMENT-STRATEGY", "STATE");
    if (verbose)
        printf("%-15s %-25s ", "GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH");
    printf("#MEMBERS\n%-*s %-*s %-20s %-20s ", group_width, description->id, coordinator_width, coordinator,
        description->protocol[0] ? description->protocol : "-", description->state);
    if (verbose)
        printf("%-15s %-25s ", epoch, assignment_epoch);
    printf("%zu\n", description->member_count);
}

static int describe_one(struct tool *tool, const char *group) {
    struct group_description description;
    struct error error = {0};
    int16_t code;
    int status = 0;
    if (!group_describe(tool->remote, group, &description, &code, &error)) {
        status = fail(error.message);
    } else if (code == 69) {
        group_missing(group); /* the real tool's exit status is 0 then */
    } else if (code != 0) {
        status = fail(remote_exception(code));
    } else if (tool_has(tool, "members")) {
        describe_members(tool, &description);
    } else if (tool_has(tool, "state")) {
        describe_state(&description, tool_has(tool, "verbose"));
    } else if (!describe_offsets(tool, &description, &error)) {
        status = fail(error.message);
    }
    group_description_free(&description);
    return status;
}

static int describe_groups(struct tool *tool) {
    struct tool_texts groups = {0};
    int status = find_groups(tool, &groups);
    for (size_t i = 0; status == 0 && i < groups.count; i++)
        status = describe_one(tool, groups.items[i]);
    tool_texts_free(&groups);
    return status;
}

/* ---- delete ---- */

static bool delete_one(struct tool *tool, const char *group, int16_t *code, struct error *error) {
    int32_t coordinator;
    struct arena arena = {0};
    struct kafka_delete_groups_request request;
    struct kafka_delete_groups_reply reply;
    wire_set_defaults(&kafka_delete_groups_request_struct, &request);
    struct bytes name = bytes_from_text(group);
    request.groups.items = &name;
    request.groups.count = 1;
    bool ok = remote_coordinator(tool->remote, group, &coordinator, error) &&
              REMOTE_CALL(tool->remote, coordinator, delete_groups, &request, &reply, &arena, error);
    *code = ok && reply.results.count == 1 ? reply.results.items[0].error_code : 0;
    arena_destroy(&arena);
    return ok;
}

static int delete_groups(struct tool *tool) {
    struct tool_texts groups = {0};
    struct buffer done = {0}, failed = {0};
    int status = find_groups(tool, &groups);
    for (size_t i = 0; status == 0 && i < groups.count; i++) {
        struct error error = {0};
        int16_t code;
        if (!delete_one(tool, groups.items[i], &code, &error))
            buffer_printf(&failed, "\n* Group '%s' could not be deleted due to: %s", groups.items[i], error.message);
        else if (code != 0)
            buffer_printf(&failed, "\n* Group '%s' could not be deleted due to: %s: %s", groups.items[i],
                remote_exception(code), remote_sentence(code));
        else
            buffer_printf(&done, "%s'%s'", done.size ? ", " : "", groups.items[i]);
    }
    if (status == 0 && failed.size == 0 && done.size > 0)
        printf("Deletion of requested consumer groups (%s) was successful.\n", buffer_text(&done));
    if (failed.size > 0) {
        printf("\nError: Deletion of some consumer groups failed:%s\n", buffer_text(&failed));
        if (done.size > 0)
            printf("\nThese consumer groups were deleted successfully: %s\n", buffer_text(&done));
    }
    buffer_free(&done);
    buffer_free(&failed);
    tool_texts_free(&groups);
    return status;
}

/* ---- delete offsets ---- */

static bool delete_place(struct tool *tool, int32_t coordinator, const char *group, const char *topic,
    int32_t partition, int16_t *code, struct error *error) {
    struct arena arena = {0};
    struct kafka_offset_delete_request request;
    struct kafka_offset_delete_reply reply;
    wire_set_defaults(&kafka_offset_delete_request_struct, &request);
    request.group_id = bytes_from_text(group);
    WIRE_ARRAY(&arena, &request.topics, &kafka_offset_delete_request_topic_struct, 1);
    request.topics.items[0].name = bytes_from_text(topic);
    WIRE_ARRAY(&arena, &request.topics.items[0].partitions, &kafka_offset_delete_request_partition_struct, 1);
    request.topics.items[0].partitions.items[0].index = partition;
    bool ok = REMOTE_CALL(tool->remote, coordinator, offset_delete, &request, &reply, &arena, error);
    *code = ok ? reply.error_code : 0;
    if (ok && *code == 0 && reply.topics.count == 1 && reply.topics.items[0].partitions.count == 1)
        *code = reply.topics.items[0].partitions.items[0].error_code;
    arena_destroy(&arena);
    return ok;
}

static int delete_offsets(struct tool *tool) {
    const char *group = tool_value(tool, "group");
    if (!group || !tool_has(tool, "topic"))
        return tool_usage_error(tool, "Option [delete-offsets] takes the following options: [topic], [group]");
    struct group_places scope = {0};
    struct error error = {0};
    int32_t coordinator;
    int status = 0;
    if (!reset_scope(tool, NULL, &scope, &error) || !remote_coordinator(tool->remote, group, &coordinator, &error))
        status = fail(error.message);
    struct buffer lines = {0};
    bool all = true;
    for (size_t i = 0; status == 0 && i < scope.count; i++) {
        int16_t code;
        if (!delete_place(tool, coordinator, group, scope.items[i].topic, scope.items[i].partition, &code, &error))
            status = fail(error.message);
        all = all && code == 0;
        buffer_printf(&lines, "%-30s %-15d %s%s\n", scope.items[i].topic, scope.items[i].partition,
            code ? "Error: " : "Successful", code ? remote_sentence(code) : "    ");
    }
    if (status == 0 && all)
        printf("Request succeed for deleting offsets from group %s.\n", group);
    else if (status == 0)
        fprintf(stderr, "\nError: Encountered some partition level error, see the follow-up details.\n");
    if (status == 0)
        printf("\n%-30s %-15s %-15s\n%s", "TOPIC", "PARTITION", "STATUS", buffer_text(&lines));
    buffer_free(&lines);
    group_places_free(&scope);
    return status;
}

static int reset_offsets(struct tool *tool) {
    struct tool_texts groups = {0};
    int status = find_groups(tool, &groups);
    status = status ? status : reset_groups(tool, &groups);
    tool_texts_free(&groups);
    return status;
}

int tool_kafka_consumer_groups_main(int argc, char **argv) {
    static const struct {
        const char *option;
        int (*run)(struct tool *tool);
        bool needs_group;
    } actions[] = {{"list", list_groups, false}, {"describe", describe_groups, true}, {"delete", delete_groups, true},
        {"reset-offsets", reset_offsets, true}, {"delete-offsets", delete_offsets, true}};
    struct tool tool = {.purpose = "List, describe, delete consumer groups, or reset their offsets.",
        .options = options,
        .option_count = ARRAY_COUNT(options)};
    int status = 1, chosen = -1, count = 0;
    if (tool_parse(&tool, argc, argv, &status)) {
        int64_t timeout_ms;
        for (size_t i = 0; i < ARRAY_COUNT(actions); i++)
            if (tool_has(&tool, actions[i].option)) {
                chosen = (int)i;
                count++;
            }
        if (count != 1)
            status = tool_usage_error(&tool, "Command must include exactly one action: --list, --describe, --delete, "
                                             "--reset-offsets, --delete-offsets.");
        else if (actions[chosen].needs_group && !tool_has(&tool, "group") && !tool_has(&tool, "all-groups"))
            status = tool_usage_error(
                &tool, "Option [%s] takes one of these options: [all-groups], [group]", actions[chosen].option);
        else if (!tool_integer(&tool, "timeout", 30000, &timeout_ms) || !tool_connect(&tool, "adminclient-1"))
            status = 1;
        else {
            remote_set_timeout(tool.remote, timeout_ms);
            status = actions[chosen].run(&tool);
        }
    }
    tool_free(&tool);
    return status;
}
