/* doctor_queries.c: why each streaming query waits or ended, from what the control port tells of it. */
#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "cli/doctor/doctor.h"

/* The query's name, or the start of its id. */
static const char *name_of(json_t *query, char out[80]) {
    const char *name = doctor_text(query, "name");
    snprintf(out, 80, "%.*s", name[0] != 0 ? 79 : 8, name[0] != 0 ? name : doctor_text(query, "id"));
    return out;
}

/* ---- what it waits for ---- */

/* What to do about a reason that its sentence does not say already. */
static void suggest(struct doctor *doctor, const char *kind, const char *subject, const char *other) {
    if (strcmp(kind, "brokerStopped") == 0)
        doctor_command(doctor, "raudal start --data %s kafka", doctor->instance.data);
    else if (strcmp(kind, "topicMissing") == 0)
        doctor_tool(doctor, "kafka-topics.sh --bootstrap-server kafka:%u --create --topic %s",
            doctor_port(doctor, SERVICE_KAFKA), subject);
    else if (strcmp(kind, "topicEmpty") == 0 && other[0] != 0)
        doctor_command(doctor, ".option(\"subscribe\", \"%s\")", other);
    else if (strcmp(kind, "topicEmpty") == 0)
        doctor_tool(doctor, "kafka-console-producer.sh --bootstrap-server kafka:%u --topic %s",
            doctor_port(doctor, SERVICE_KAFKA), subject);
    else if (strcmp(kind, "startedAtLatest") == 0)
        doctor_command(doctor, ".option(\"startingOffsets\", \"earliest\")");
    else if (strcmp(kind, "goesOn") == 0)
        doctor_tool(doctor, "hdfs dfs -rm -r %s", other);
    else if (strcmp(kind, "window") == 0 || strcmp(kind, "watermark") == 0)
        doctor_command(doctor, ".outputMode(\"update\")");
    else if (strcmp(kind, "smallFiles") == 0)
        doctor_command(doctor, ".trigger(processingTime=\"%s\")", subject);
}

static const struct {
    const char *kind;
    enum finding_level level;
    enum message sentence;
} kinds[] = {
    {"brokerStopped", FINDING_WRONG, MESSAGE_DOCTOR_QUERY_BROKER_STOPPED},
    {"topicMissing", FINDING_WRONG, MESSAGE_DOCTOR_QUERY_TOPIC_MISSING},
    {"topicEmpty", FINDING_NOTE, MESSAGE_DOCTOR_QUERY_TOPIC_EMPTY},
    {"startedAtLatest", FINDING_NOTE, MESSAGE_DOCTOR_QUERY_LATEST},
    {"goesOn", FINDING_NOTE, MESSAGE_DOCTOR_QUERY_GOES_ON},
    {"badRecords", FINDING_WRONG, MESSAGE_DOCTOR_QUERY_BAD_RECORDS},
    {"idleSide", FINDING_NOTE, MESSAGE_DOCTOR_QUERY_IDLE_SIDE},
    {"window", FINDING_NOTE, MESSAGE_DOCTOR_QUERY_WINDOW},
    {"watermark", FINDING_NOTE, MESSAGE_DOCTOR_QUERY_WATERMARK},
    {"noEventTime", FINDING_NOTE, MESSAGE_DOCTOR_QUERY_NO_EVENT_TIME},
    {"minimum", FINDING_NOTE, MESSAGE_DOCTOR_QUERY_MINIMUM},
    {"trigger", FINDING_GOOD, MESSAGE_DOCTOR_QUERY_TRIGGER},
    {"completeEmpty", FINDING_NOTE, MESSAGE_DOCTOR_QUERY_COMPLETE_EMPTY},
    {"allFiltered", FINDING_NOTE, MESSAGE_DOCTOR_QUERY_ALL_FILTERED},
    {"smallFiles", FINDING_NOTE, MESSAGE_DOCTOR_QUERY_SMALL_FILES},
    {"behind", FINDING_GOOD, MESSAGE_DOCTOR_QUERY_BEHIND},
    {"allRead", FINDING_GOOD, MESSAGE_DOCTOR_QUERY_ALL_READ},
    {"noFiles", FINDING_GOOD, MESSAGE_DOCTOR_QUERY_NO_FILES},
};

/* The record itself, from the broker. */
static void show_record(struct doctor *doctor, const char *place) {
    char topic[256];
    int partition;
    long long offset;
    const char *hyphen = strrchr(place, '-');
    if (hyphen == NULL || sscanf(hyphen, "-%d offset %lld", &partition, &offset) != 2)
        return;
    snprintf(topic, sizeof topic, "%.*s", (int)(hyphen - place), place);
    doctor_tool(doctor,
        "kafka-console-consumer.sh --bootstrap-server kafka:%u --topic %s --partition %d --offset %lld --max-messages "
        "1",
        doctor_port(doctor, SERVICE_KAFKA), topic, partition, offset);
}

static void look_at_reasons(struct doctor *doctor, const char *name, json_t *query) {
    size_t index;
    json_t *entry;
    json_array_foreach(json_object_get(query, "reasons"), index, entry) {
        const char *kind = doctor_text(entry, "kind"), *other = doctor_text(entry, "other");
        for (size_t i = 0; i < ARRAY_COUNT(kinds); i++) {
            if (strcmp(kinds[i].kind, kind) != 0)
                continue;
            bool meant = strcmp(kind, "topicEmpty") == 0 && other[0] != 0;
            doctor_find(doctor, meant ? FINDING_WRONG : kinds[i].level, kinds[i].sentence, name,
                doctor_text(entry, message_language_is_spanish() ? "es" : "en"));
            if (strcmp(kind, "badRecords") == 0)
                show_record(doctor, doctor_text(query, "firstBadPlace"));
            else
                suggest(doctor, kind, doctor_text(entry, "subject"), other);
        }
    }
}

/* ---- what went wrong ---- */

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
            look_at_reasons(doctor, name, query);
        } else if (exception[0] != 0 && !runs_again(queries, query)) {
            short_exception(exception, cause);
            doctor_find(doctor, FINDING_WRONG, MESSAGE_DOCTOR_QUERY_FAILED, name, cause);
            doctor_command(doctor, "raudal logs --data %s spark", doctor->instance.data);
        }
    }
    if (active == 0)
        doctor_find(doctor, FINDING_GOOD, MESSAGE_DOCTOR_NO_QUERIES);
}
