/* kafka_group_reset.c: new offsets for a group without members: by position, time, distance, or from a file. */
#include "cli/kafka/kafka_group_reset.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/calendar.h"
#include "cli/kafka/java_order.h"

#define LOGGER "org.apache.kafka.tools.OffsetsUtils"

static int fail(const char *text) {
    printf("\nError: %s\n", text);
    return 1;
}

/* ---- scope ---- */

/* "topic" or "topic:0,1" */
static bool add_topic(struct tool *tool, const char *text, struct group_places *scope, struct error *error) {
    const char *colon = strchr(text, ':');
    char *topic = colon ? strndup(text, (size_t)(colon - text)) : strdup(text);
    int32_t count;
    bool ok = group_partition_count(tool->remote, topic, &count, error);
    if (ok && count < 0)
        ok = error_set(error, ERROR_NOT_FOUND, "%s: Topic '%s' does not exist", remote_exception(3), topic);
    if (ok && !colon)
        for (int32_t i = 0; i < count; i++)
            group_place_add(scope, topic, i);
    struct tool_texts numbers = {0};
    if (ok && colon)
        tool_split(colon + 1, ',', &numbers);
    for (size_t i = 0; ok && i < numbers.count; i++) {
        int64_t number;
        ok = (bytes_to_int64(bytes_from_text(numbers.items[i]), &number) && number >= 0 && number < count) ||
             error_set(error, ERROR_INVALID, "Topic %s has no partition %s", topic, numbers.items[i]);
        if (ok)
            group_place_add(scope, topic, (int32_t)number);
    }
    tool_texts_free(&numbers);
    free(topic);
    return ok;
}

bool reset_scope(
    struct tool *tool, const struct group_places *committed, struct group_places *scope, struct error *error) {
    size_t cursor = 0;
    for (const char *text; (text = tool_next(tool, "topic", &cursor));)
        if (!add_topic(tool, text, scope, error))
            return false;
    for (size_t i = 0; tool_has(tool, "all-topics") && committed && i < committed->count; i++)
        if (!group_place_find(scope, committed->items[i].topic, committed->items[i].partition))
            group_place_add(scope, committed->items[i].topic, committed->items[i].partition);
    return true;
}

/* ---- times ---- */

static bool digits(const char **text, int count, int64_t *value) {
    *value = 0;
    for (int i = 0; i < count; i++, (*text)++) {
        if (**text < '0' || **text > '9')
            return false;
        *value = *value * 10 + (**text - '0');
    }
    return true;
}

/* "+02:00", "+0200", "Z" or nothing (UTC) */
static bool parse_zone(const char *text, int64_t *offset_ms) {
    *offset_ms = 0;
    if (*text == '\0' || strcmp(text, "Z") == 0)
        return true;
    int64_t hours, minutes;
    int sign = *text == '-' ? -1 : 1;
    if (*text != '+' && *text != '-')
        return false;
    text++;
    if (!digits(&text, 2, &hours) || (*text == ':' && !*++text) || !digits(&text, 2, &minutes) || *text)
        return false;
    *offset_ms = sign * (hours * 60 + minutes) * 60000;
    return true;
}

/* YYYY-MM-DDThh:mm:ss[.sss][zone] */
static bool parse_datetime(const char *text, int64_t *wall_ms) {
    int64_t year, month, day, hour, minute, second, fraction = 0, zone_ms;
    if (!digits(&text, 4, &year) || *text++ != '-' || !digits(&text, 2, &month) || *text++ != '-' ||
        !digits(&text, 2, &day) || *text++ != 'T' || !digits(&text, 2, &hour) || *text++ != ':' ||
        !digits(&text, 2, &minute) || *text++ != ':' || !digits(&text, 2, &second))
        return false;
    if (*text == '.') {
        text++;
        if (!digits(&text, 3, &fraction))
            return false;
    }
    if (!parse_zone(text, &zone_ms) || !calendar_is_valid((int32_t)year, (int32_t)month, (int32_t)day) || hour > 23 ||
        minute > 59 || second > 59)
        return false;
    int64_t days = calendar_days((int32_t)year, (int32_t)month, (int32_t)day);
    *wall_ms = ((days * 24 + hour) * 60 + minute) * 60000 + second * 1000 + fraction - zone_ms;
    return true;
}

/* PnDTnHnMnS */
static bool parse_duration(const char *text, int64_t *milliseconds) {
    *milliseconds = 0;
    bool in_time = false, any = false;
    if (*text++ != 'P')
        return false;
    while (*text) {
        if (*text == 'T' && !in_time) {
            in_time = true;
            text++;
            continue;
        }
        char *end;
        double number = strtod(text, &end);
        double unit = *end == 'D' && !in_time  ? 86400e3
                      : *end == 'H' && in_time ? 3600e3
                      : *end == 'M' && in_time ? 60e3
                      : *end == 'S' && in_time ? 1e3
                                               : 0;
        if (end == text || unit == 0)
            return false;
        *milliseconds += (int64_t)(number * unit);
        text = end + 1;
        any = true;
    }
    return any;
}

/* ---- the plan ---- */

struct plan {
    struct tool *tool;
    const char *group;
    struct group_places committed, scope; /* scope: `committed` is the new offset */
    int64_t time_ms, number;
};

static void clip(struct group_place *place, int64_t wanted) {
    const char *high = wanted > place->end     ? "higher than latest"
                       : wanted < place->start ? "lower than earliest"
                                               : NULL;
    int64_t value = wanted > place->end ? place->end : wanted < place->start ? place->start : wanted;
    if (high) {
        char time[32];
        calendar_format_log4j(remote_wall_ms(), time);
        fprintf(stderr,
            "[%s] WARN New offset (%lld) is %s offset for topic partition %s-%d. Value will be set to %lld (%s)\n",
            time, (long long)wanted, high, place->topic, place->partition, (long long)value, LOGGER);
    }
    place->committed = value;
}

static bool plan_place(struct plan *plan, struct group_place *place, struct error *error) {
    struct tool *tool = plan->tool;
    struct remote *remote = tool->remote;
    if (!group_list_offset(remote, place->topic, place->partition, -2, &place->start, error) ||
        !group_list_offset(remote, place->topic, place->partition, -1, &place->end, error))
        return false;
    const struct group_place *now = group_place_find(&plan->committed, place->topic, place->partition);
    if (tool_has(tool, "to-earliest")) {
        place->committed = place->start;
    } else if (tool_has(tool, "to-latest")) {
        place->committed = place->end;
    } else if (tool_has(tool, "to-current")) {
        place->committed = now ? now->committed : place->end;
    } else if (tool_has(tool, "to-offset")) {
        clip(place, plan->number);
    } else if (tool_has(tool, "shift-by")) {
        if (!now)
            return error_set(error, ERROR_INVALID,
                "Cannot shift offset for partition %s-%d since there is no current committed offset", place->topic,
                place->partition);
        clip(place, now->committed + plan->number);
    } else {
        int64_t offset;
        if (!group_list_offset(remote, place->topic, place->partition, plan->time_ms, &offset, error))
            return false;
        place->committed = offset >= 0 ? offset : place->end;
    }
    return true;
}

/* Lines "topic,partition,offset" or "group,topic,partition,offset". */
static bool read_plan_line(struct plan *plan, char *line, bool with_group, struct error *error) {
    struct tool_texts parts = {0};
    tool_split(line, ',', &parts);
    size_t first = with_group ? 1 : 0;
    int64_t partition, offset;
    bool ok = parts.count == first + 3 && bytes_to_int64(bytes_from_text(parts.items[first + 1]), &partition) &&
              bytes_to_int64(bytes_from_text(parts.items[first + 2]), &offset);
    if (!ok)
        error_set(error, ERROR_INVALID, "the line '%s' is not topic,partition,offset", line);
    else if (!with_group || strcmp(parts.items[0], plan->group) == 0) {
        struct group_place *place = group_place_add(&plan->scope, parts.items[first], (int32_t)partition);
        ok = group_list_offset(plan->tool->remote, place->topic, place->partition, -2, &place->start, error) &&
             group_list_offset(plan->tool->remote, place->topic, place->partition, -1, &place->end, error);
        if (ok)
            clip(place, offset);
    }
    tool_texts_free(&parts);
    return ok;
}

static bool plan_from_file(struct plan *plan, const char *path, bool with_group, struct error *error) {
    FILE *file = fopen(path, "r");
    if (!file)
        return error_set(error, ERROR_NOT_FOUND, "%s cannot be read", path);
    char *line = NULL;
    size_t capacity = 0;
    bool ok = true;
    for (ssize_t size; ok && (size = getline(&line, &capacity, file)) > 0;) {
        line[strcspn(line, "\r\n")] = '\0';
        if (*line)
            ok = read_plan_line(plan, line, with_group, error);
    }
    free(line);
    fclose(file);
    return ok;
}

static bool make_plan(struct plan *plan, bool several, struct error *error) {
    const char *path = tool_value(plan->tool, "from-file");
    if (path)
        return plan_from_file(plan, path, several, error);
    if (!reset_scope(plan->tool, &plan->committed, &plan->scope, error))
        return false;
    for (size_t i = 0; i < plan->scope.count; i++)
        if (!plan_place(plan, &plan->scope.items[i], error))
            return false;
    return true;
}

/* ---- carrying it out ---- */

static bool commit_plan(struct plan *plan, int32_t coordinator, struct error *error) {
    struct arena arena = {0};
    struct kafka_offset_commit_request request;
    struct kafka_offset_commit_reply reply;
    wire_set_defaults(&kafka_offset_commit_request_struct, &request);
    remote_limit_version(plan->tool->remote, &kafka_offset_commit_request_message, 9);
    request.group_id = bytes_from_text(plan->group);
    request.generation = -1;
    request.member_id = BYTES("");
    request.instance_id = BYTES_NULL;
    WIRE_ARRAY(&arena, &request.topics, &kafka_offset_commit_request_topic_struct, plan->scope.count);
    for (size_t i = 0; i < plan->scope.count; i++) {
        request.topics.items[i].name = bytes_from_text(plan->scope.items[i].topic);
        WIRE_ARRAY(&arena, &request.topics.items[i].partitions, &kafka_offset_commit_request_partition_struct, 1);
        request.topics.items[i].partitions.items[0].index = plan->scope.items[i].partition;
        request.topics.items[i].partitions.items[0].offset = plan->scope.items[i].committed;
        request.topics.items[i].partitions.items[0].metadata = BYTES("");
    }
    bool ok = REMOTE_CALL(plan->tool->remote, coordinator, offset_commit, &request, &reply, &arena, error);
    for (int32_t t = 0; ok && t < reply.topics.count; t++)
        for (int32_t p = 0; ok && p < reply.topics.items[t].partitions.count; p++) {
            int16_t code = reply.topics.items[t].partitions.items[p].error_code;
            if (code != 0)
                ok = error_set(error, ERROR_INVALID, "%s: %s", remote_exception(code), remote_sentence(code));
        }
    arena_destroy(&arena);
    return ok;
}

/* The real tool prints a hash map of partitions. */
static void order_places(const struct group_places *places, size_t *order) {
    int32_t *hashes = calloc(places->count + 1, sizeof *hashes);
    ASSERT(hashes);
    for (size_t i = 0; i < places->count; i++)
        hashes[i] = (int32_t)(31u * (31u + (uint32_t)places->items[i].partition) +
                              (uint32_t)java_string_hash(bytes_from_text(places->items[i].topic)));
    java_hash_order(hashes, places->count, 16, order);
    free(hashes);
}

static void print_plan(const struct plan *plan, bool as_csv, bool several, struct buffer *out) {
    size_t *order = calloc(plan->scope.count + 1, sizeof *order);
    ASSERT(order);
    order_places(&plan->scope, order);
    for (size_t i = 0; i < plan->scope.count; i++) {
        const struct group_place *place = &plan->scope.items[order[i]];
        if (as_csv && several)
            buffer_printf(
                out, "%s,%s,%d,%lld\n", plan->group, place->topic, place->partition, (long long)place->committed);
        else if (as_csv)
            buffer_printf(out, "%s,%d,%lld\n", place->topic, place->partition, (long long)place->committed);
        else
            buffer_printf(out, "%-15s %-15s %-10d %lld\n", plan->group, place->topic, place->partition,
                (long long)place->committed);
    }
    free(order);
}

/* Only a group without members may be reset. */
static bool is_inactive(struct plan *plan, int32_t *coordinator, struct error *error) {
    struct group_description description;
    int16_t code;
    bool ok = group_describe(plan->tool->remote, plan->group, &description, &code, error);
    *coordinator = description.coordinator;
    bool inactive =
        ok && (code == 69 ||
                  (code == 0 && (strcmp(description.state, "Empty") == 0 || strcmp(description.state, "Dead") == 0)));
    if (ok && !inactive)
        error_set(error, ERROR_BUSY,
            "Assignments can only be reset if the group '%s' is inactive, but the current state is %s.", plan->group,
            code == 0 ? description.state : "unknown");
    group_description_free(&description);
    return inactive;
}

/* 1 only when something else than an active group is in the way: that one is said, and the exit status is 0, as the
 * real tool's. */
static int reset_one(struct plan *plan, bool several, struct buffer *out) {
    struct error error = {0};
    int32_t coordinator;
    int status = 0;
    if (!is_inactive(plan, &coordinator, &error) ||
        !group_committed(plan->tool->remote, coordinator, plan->group, &plan->committed, &error) ||
        !make_plan(plan, several, &error) ||
        (tool_has(plan->tool, "execute") && plan->scope.count > 0 && !commit_plan(plan, coordinator, &error)))
        status = fail(error.message) && error.code != ERROR_BUSY;
    else
        print_plan(plan, tool_has(plan->tool, "export"), several, out);
    group_places_free(&plan->committed);
    group_places_free(&plan->scope);
    return status;
}

static int check_options(struct tool *tool, struct plan *plan) {
    static const char *const scenarios[] = {
        "to-offset", "shift-by", "to-datetime", "by-duration", "to-earliest", "to-latest", "to-current", "from-file"};
    int chosen = 0;
    int64_t duration_ms;
    for (size_t i = 0; i < ARRAY_COUNT(scenarios); i++)
        chosen += tool_has(tool, scenarios[i]);
    if (chosen != 1)
        return tool_usage_error(tool, "Option [reset-offsets] takes exactly one of these options: [to-offset], "
                                      "[shift-by], [to-datetime], [by-duration], "
                                      "[to-earliest], [to-latest], [to-current], [from-file]");
    if (!tool_has(tool, "from-file") && tool_has(tool, "all-topics") == tool_has(tool, "topic"))
        return tool_usage_error(tool, "One of the reset scopes should be defined: --all-topics, --topic.");
    if (tool_has(tool, "to-datetime") && !parse_datetime(tool_value(tool, "to-datetime"), &plan->time_ms))
        return tool_usage_error(
            tool, "The timestamp %s is not of the form YYYY-MM-DDThh:mm:ss.sss", tool_value(tool, "to-datetime"));
    if (tool_has(tool, "by-duration")) {
        if (!parse_duration(tool_value(tool, "by-duration"), &duration_ms))
            return tool_usage_error(
                tool, "The duration %s is not of the form PnDTnHnMnS", tool_value(tool, "by-duration"));
        plan->time_ms = remote_wall_ms() - duration_ms;
    }
    const char *number = tool_has(tool, "shift-by") ? "shift-by" : "to-offset";
    return tool_integer(tool, number, 0, &plan->number) ? 0 : 1;
}

int reset_groups(struct tool *tool, const struct tool_texts *groups) {
    struct plan plan = {.tool = tool};
    int status = check_options(tool, &plan);
    if (status != 0)
        return status;
    if (!tool_has(tool, "execute") && !tool_has(tool, "dry-run"))
        fprintf(stderr,
            "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command "
            "will require either --dry-run or --execute to be specified. You should add the --dry-run option "
            "explicitly if you are scripting this command and want to keep the current default behavior without "
            "prompting.\n");
    struct buffer out = {0};
    for (size_t i = 0; i < groups->count; i++) {
        plan.group = groups->items[i];
        status = reset_one(&plan, groups->count > 1, &out) ? 1 : status;
    }
    if (tool_has(tool, "export"))
        printf("%s\n", buffer_text(&out));
    else
        printf("\n%-15s %-15s %-10s %s\n%s", "GROUP", "TOPIC", "PARTITION", "NEW-OFFSET", buffer_text(&out));
    buffer_free(&out);
    return status;
}
