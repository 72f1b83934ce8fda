/* doctor_queries.c: why each streaming query waits or ended, from what the control port tells of it. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/calendar.h"
#include "cli/doctor/doctor.h"

/* The query's name, or the start of its id. */
static const char *name_of(json_t *query, char out[80]) {
    const char *name = doctor_text(query, "name");
    snprintf(out, 80, "%.*s", name[0] != 0 ? 79 : 8, name[0] != 0 ? name : doctor_text(query, "id"));
    return out;
}

/* ---- what it waits for ---- */

struct reason {
    const char *query, *subject, *other;
    long long count;
};

static void broker_stopped(struct doctor *doctor, const struct reason *reason) {
    doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_QUERY_BROKER_STOPPED, reason->query);
    doctor_command(doctor, "raudal start --data %s kafka", doctor->instance.data);
}

static void topic_missing(struct doctor *doctor, const struct reason *reason) {
    if (reason->other[0] != 0)
        doctor_find(
            doctor, FINDING_WRONG, MESSAGE_DOCTOR_QUERY_TOPIC_MEANT, reason->query, reason->subject, reason->other);
    else
        doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_QUERY_TOPIC_MISSING, reason->query, reason->subject);
    doctor_tool(doctor, "kafka-topics.sh --bootstrap-server kafka:%u --create --topic %s",
        doctor_port(doctor, SERVICE_KAFKA), reason->subject);
}

static void topic_empty(struct doctor *doctor, const struct reason *reason) {
    if (reason->other[0] != 0) {
        doctor_find(
            doctor, FINDING_WRONG, MESSAGE_DOCTOR_QUERY_EMPTY_MEANT, reason->query, reason->subject, reason->other);
        doctor_command(doctor, ".option(\"subscribe\", \"%s\")", reason->other);
        return;
    }
    doctor_find(doctor, FINDING_NOTE, MESSAGE_DOCTOR_QUERY_TOPIC_EMPTY, reason->query, reason->subject);
    doctor_tool(doctor, "kafka-console-producer.sh --bootstrap-server kafka:%u --topic %s",
        doctor_port(doctor, SERVICE_KAFKA), reason->subject);
}

static void started_at_latest(struct doctor *doctor, const struct reason *reason) {
    doctor_find(doctor, FINDING_NOTE, MESSAGE_DOCTOR_QUERY_LATEST, reason->query, reason->count, reason->subject);
    doctor_command(doctor, ".option(\"startingOffsets\", \"earliest\")");
}

static void goes_on(struct doctor *doctor, const struct reason *reason) {
    doctor_find(doctor, FINDING_NOTE, MESSAGE_DOCTOR_QUERY_GOES_ON, reason->query, reason->count, reason->subject);
    doctor_tool(doctor, "hdfs dfs -rm -r %s", reason->other);
}

static void all_read(struct doctor *doctor, const struct reason *reason) {
    doctor_find(doctor, FINDING_GOOD, MESSAGE_DOCTOR_QUERY_ALL_READ, reason->query, reason->subject);
}

static void behind(struct doctor *doctor, const struct reason *reason) {
    doctor_find(doctor, FINDING_GOOD, MESSAGE_DOCTOR_QUERY_BEHIND, reason->query, reason->count, reason->subject);
}

static void watermark(struct doctor *doctor, const struct reason *reason) {
    char text[32] = "-";
    if (reason->count > 0)
        calendar_format_iso_ms(reason->count, text);
    doctor_find(doctor, FINDING_NOTE, MESSAGE_DOCTOR_QUERY_WATERMARK, reason->query, text);
    doctor_command(doctor, ".outputMode(\"update\")");
}

static const struct {
    const char *kind;
    void (*report)(struct doctor *doctor, const struct reason *reason);
} kinds[] = {
    {"brokerStopped", broker_stopped},
    {"topicMissing", topic_missing},
    {"topicEmpty", topic_empty},
    {"startedAtLatest", started_at_latest},
    {"goesOn", goes_on},
    {"allRead", all_read},
    {"behind", behind},
    {"watermark", watermark},
};

static void look_at_reasons(struct doctor *doctor, const char *name, json_t *reasons) {
    size_t index;
    json_t *entry;
    json_array_foreach(reasons, index, entry) {
        struct reason reason = {name, doctor_text(entry, "subject"), doctor_text(entry, "other"),
            json_integer_value(json_object_get(entry, "count"))};
        for (size_t i = 0; i < ARRAY_COUNT(kinds); i++)
            if (strcmp(kinds[i].kind, doctor_text(entry, "kind")) == 0)
                kinds[i].report(doctor, &reason);
    }
}

/* ---- what went wrong ---- */

static void look_at_bad_records(struct doctor *doctor, const char *name, json_t *query) {
    long long count = json_integer_value(json_object_get(query, "badRecords"));
    const char *place = doctor_text(query, "firstBadPlace"), *field = doctor_text(query, "firstBadField");
    char topic[256];
    int partition;
    long long offset;
    if (count == 0)
        return;
    doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_QUERY_BAD_RECORDS, name, count, place[0] != 0 ? place : "-",
        field[0] != 0 ? field : "-", doctor_text(query, "firstBadReason"), doctor_text(query, "firstBadValue"));
    const char *hyphen = strrchr(place, '-');
    if (hyphen == NULL || sscanf(hyphen, "-%d offset %lld", &partition, &offset) != 2)
        return;
    snprintf(topic, sizeof topic, "%.*s", (int)(hyphen - place), place);
    doctor_tool(doctor,
        "kafka-console-consumer.sh --bootstrap-server kafka:%u --topic %s --partition %d --offset %lld --max-messages "
        "1",
        doctor_port(doctor, SERVICE_KAFKA), topic, partition, offset);
}

/* Whether the same query, by its id, was started again. */
static bool runs_again(json_t *queries, json_t *ended) {
    size_t index;
    json_t *query;
    json_array_foreach(queries, index, query) {
        if (query != ended && strcmp(doctor_text(query, "id"), doctor_text(ended, "id")) == 0 &&
            strcmp(doctor_text(query, "state"), "active") == 0)
            return true;
    }
    return false;
}

/* Spark's message without the ids that it begins with and with one line only. */
static void short_exception(const char *exception, char out[400]) {
    const char *cause = strstr(exception, "terminated with exception: ");
    const char *text = cause != NULL ? cause + strlen("terminated with exception: ") : exception;
    snprintf(out, 400, "%.*s", (int)strcspn(text, "\n"), text);
}

void doctor_queries(struct doctor *doctor) {
    size_t index;
    json_t *query, *queries = json_object_get(doctor->status, "queries");
    char name[80], cause[400];
    size_t active = 0;
    if (doctor->status == NULL)
        return;
    json_array_foreach(queries, index, query) {
        const char *exception = doctor_text(query, "exception");
        bool is_active = strcmp(doctor_text(query, "state"), "active") == 0;
        name_of(query, name);
        active += is_active;
        if (is_active) {
            look_at_reasons(doctor, name, json_object_get(query, "reasons"));
            look_at_bad_records(doctor, name, query);
        } else if (exception[0] != 0 && !runs_again(queries, query)) {
            short_exception(exception, cause);
            doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_QUERY_FAILED, name, cause);
            doctor_command(doctor, "raudal logs --data %s spark", doctor->instance.data);
        }
    }
    if (active == 0)
        doctor_find(doctor, FINDING_GOOD, MESSAGE_DOCTOR_NO_QUERIES);
}
