/* tool_kafka_get_offsets.c: kafka-get-offsets: where partitions begin, end, or were at a time, with the real tool's
 * options and output. */
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/kafka/kafka_groups.h"
#include "cli/kafka/kafka_tool.h"

static const struct tool_option options[] = {
    {"bootstrap-server", TOOL_VALUE, "Kafka servers, HOST:PORT,..."},
    {"command-config", TOOL_IGNORED, "Properties of the client."},
    {"exclude-internal-topics", TOOL_FLAG, "Leave internal topics out."},
    {"partitions", TOOL_VALUE, "Partitions: 0,2 or ranges 0-2 (without 2), 5- and -3."},
    {"time", TOOL_VALUE,
        "latest (as without it), earliest, max-timestamp, or milliseconds: the first record from then on."},
    {"topic", TOOL_VALUE, "The topic, or a regular expression of topics."},
    {"topic-partitions", TOOL_VALUE, "TOPIC:PARTITION,...: a pattern, then a number, a range or nothing."},
};

/* ---- the time ---- */

static const struct {
    const char *name;
    int64_t timestamp;
} times[] = {{"latest", -1}, {"earliest", -2}, {"max-timestamp", -3}, {"earliest-local", -4}, {"latest-tiered", -5},
    {"earliest-pending-upload", -6}};

static bool parse_time(const char *text, int64_t *timestamp) {
    *timestamp = -1;
    for (size_t i = 0; text != NULL && i < ARRAY_COUNT(times); i++)
        if (strcmp(text, times[i].name) == 0) {
            *timestamp = times[i].timestamp;
            return true;
        }
    return text == NULL || bytes_to_int64(bytes_from_text(text), timestamp);
}

/* ---- which partitions ---- */

struct filter {
    char *topic; /* a pattern; NULL: all */
    int32_t from, to;
};
struct filters {
    struct filter *items;
    size_t count, capacity;
};

static bool parse_number(const char *text, size_t size, int32_t otherwise, int32_t *number) {
    int64_t value = otherwise;
    if (size > 0 &&
        (!bytes_to_int64(bytes_make((const uint8_t *)text, size), &value) || value < 0 || value > INT32_MAX))
        return false;
    *number = (int32_t)value;
    return true;
}

/* "3", "1-4" (without 4), "2-", "-4", or nothing: all. */
static bool parse_range(const char *text, struct filter *filter) {
    const char *dash = strchr(text, '-');
    if (dash == NULL && *text != 0) {
        if (!parse_number(text, strlen(text), 0, &filter->from))
            return false;
        filter->to = filter->from + 1;
        return true;
    }
    return parse_number(text, dash == NULL ? 0 : (size_t)(dash - text), 0, &filter->from) &&
           parse_number(dash == NULL ? "" : dash + 1, dash == NULL ? 0 : strlen(dash + 1), INT32_MAX, &filter->to);
}

static void add_filter(struct filters *filters, const char *pattern, struct filter filter) {
    filter.topic = pattern == NULL || *pattern == 0 ? NULL : strdup(pattern);
    VECTOR_PUSH(filters, filter);
}

/* The items of --partitions, for one pattern of topics. */
static bool add_ranges(struct filters *filters, const char *list, const char *pattern) {
    struct tool_texts ranges = {0};
    bool good = true;
    tool_split(list, ',', &ranges);
    for (size_t i = 0; good && i < ranges.count; i++) {
        struct filter filter = {.to = INT32_MAX};
        good = parse_range(ranges.items[i], &filter);
        if (good)
            add_filter(filters, pattern, filter);
        else
            fprintf(stderr, "Error occurred: Invalid partition range: %s\n", ranges.items[i]);
    }
    tool_texts_free(&ranges);
    return good;
}

/* The items of --topic-partitions: a pattern, then a colon and partitions, or all of them. */
static bool add_rules(struct filters *filters, const char *list) {
    struct tool_texts rules = {0};
    bool good = true;
    tool_split(list, ',', &rules);
    for (size_t i = 0; good && i < rules.count; i++) {
        char *colon = strrchr(rules.items[i], ':');
        struct filter filter = {.to = INT32_MAX};
        good = colon == NULL || parse_range(colon + 1, &filter);
        if (!good)
            fprintf(stderr, "Error occurred: Invalid rule: %s\n", rules.items[i]);
        else if (colon != NULL)
            *colon = 0;
        if (good)
            add_filter(filters, rules.items[i], filter);
    }
    tool_texts_free(&rules);
    return good;
}

static bool take_filters(const struct tool *tool, struct filters *filters) {
    const char *rules = tool_value(tool, "topic-partitions"), *topic = tool_value(tool, "topic"),
               *partitions = tool_value(tool, "partitions");
    if (rules != NULL && (topic != NULL || partitions != NULL)) {
        fprintf(stderr, "Error occurred: --topic-partitions cannot be used with --topic or --partitions\n");
        return false;
    }
    if (rules != NULL)
        return add_rules(filters, rules);
    if (partitions != NULL)
        return add_ranges(filters, partitions, topic);
    add_filter(filters, topic, (struct filter){.to = INT32_MAX});
    return true;
}

static bool matches(const struct filter *filter, const char *topic, int32_t partition) {
    if (partition < filter->from || partition >= filter->to)
        return false;
    if (filter->topic == NULL)
        return true;
    regex_t regex;
    struct buffer text = {0};
    buffer_printf(&text, "^(%s)$", filter->topic);
    for (size_t i = 0; i < text.size; i++) /* a comma stands for "or" */
        if (text.data[i] == ',')
            text.data[i] = '|';
    bool good = regcomp(&regex, buffer_text(&text), REG_EXTENDED | REG_NOSUB) == 0;
    if (good) {
        good = regexec(&regex, topic, 0, NULL, 0) == 0;
        regfree(&regex);
    }
    buffer_free(&text);
    return good;
}

struct place {
    char *topic, *text; /* text: "topic-0", which gives the order */
    int32_t partition;
};
struct places {
    struct place *items;
    size_t count, capacity;
};

static int compare_places(const void *left, const void *right) {
    return strcmp(((const struct place *)left)->text, ((const struct place *)right)->text);
}

static void take_topic(const struct tool *tool, const struct filters *filters,
    const struct kafka_metadata_reply_topic *topic, struct places *places) {
    char *name = tool_text(topic->name);
    for (int32_t i = 0; i < topic->partitions.count; i++) {
        const struct kafka_metadata_reply_partition *partition = &topic->partitions.items[i];
        bool wanted = !(topic->is_internal && tool_has(tool, "exclude-internal-topics"));
        size_t j = 0;
        while (wanted && j < filters->count && !matches(&filters->items[j], name, partition->index))
            j++;
        if (!wanted || j == filters->count)
            continue;
        struct buffer text = {0};
        buffer_printf(&text, "%s-%d", name, partition->index);
        VECTOR_PUSH(places, ((struct place){strdup(name), strdup(buffer_text(&text)), partition->index}));
        buffer_free(&text);
    }
    free(name);
}

/* ---- asking ---- */

static void print_offset(struct tool *tool, const struct place *place, int64_t timestamp) {
    struct error error = {0};
    int64_t offset;
    if (!group_list_offset(tool->remote, place->topic, place->partition, timestamp, &offset, &error))
        fprintf(stderr, "Skip getting offsets for topic-partition %s due to error: %s\n", place->text, error.message);
    else if (offset >= 0)
        printf("%s:%d:%lld\n", place->topic, place->partition, (long long)offset);
}

static int get_offsets(struct tool *tool, const struct filters *filters, int64_t timestamp) {
    struct arena arena = {0};
    struct error error = {0};
    struct kafka_metadata_reply reply;
    struct places places = {0};
    bool ok = remote_metadata(tool->remote, NULL, 0, false, &reply, &arena, &error);
    for (int32_t i = 0; ok && i < reply.topics.count; i++)
        take_topic(tool, filters, &reply.topics.items[i], &places);
    arena_destroy(&arena);
    if (!ok || places.count == 0) {
        fprintf(stderr, "Error occurred: %s\n",
            ok ? "Could not match any topic-partitions with the specified filters" : error.message);
        ok = false;
    }
    if (places.count > 1)
        qsort(places.items, places.count, sizeof *places.items, compare_places);
    for (size_t i = 0; i < places.count; i++) {
        print_offset(tool, &places.items[i], timestamp);
        free(places.items[i].topic);
        free(places.items[i].text);
    }
    VECTOR_FREE(&places);
    return ok ? 0 : 1;
}

int tool_kafka_get_offsets_main(int argc, char **argv) {
    struct tool tool = {.purpose = "Show where partitions begin, end, or were at a time.",
        .options = options,
        .option_count = ARRAY_COUNT(options)};
    struct filters filters = {0};
    int64_t timestamp;
    int status = 1;
    if (tool_parse(&tool, argc, argv, &status)) {
        status = 1;
        if (!parse_time(tool_value(&tool, "time"), &timestamp))
            fprintf(stderr,
                "Error occurred: Malformed time argument %s. Please use -1 or latest / -2 or earliest / -3 or "
                "max-timestamp / -4 or earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload, or a "
                "specified long format timestamp\n",
                tool_value(&tool, "time"));
        else if (take_filters(&tool, &filters) && tool_connect(&tool, "GetOffsetShell"))
            status = get_offsets(&tool, &filters, timestamp);
    }
    for (size_t i = 0; i < filters.count; i++)
        free(filters.items[i].topic);
    VECTOR_FREE(&filters);
    tool_free(&tool);
    return status;
}
