/* plan_variables.c: the environment of a service by the tables of schema/compose/variables.def.
 *
 * Names of properties. confluentinc, apache and wurstmeister write server.properties' names in capitals with _ for the
 * dot behind KAFKA_ (__ is _, ___ is -), bitnami behind KAFKA_CFG_. bde2020 writes those of core-site.xml behind
 * CORE_CONF_ in the same way but with their letters as they are; apache/hadoop writes CORE-SITE.XML_name. */
#include "compose/plan.h"

#include <stdio.h>

#include "base/assert.h"
#include "kafka/broker.h"

enum action {
    ACTION_SETTING,
    ACTION_MET,
    ACTION_USED,
    ACTION_JVM,
    ACTION_SECRET,
    ACTION_NONE,
    ACTION_ONE,
};

struct variable_row {
    enum compose_kind kind; /* COMPOSE_KIND_COUNT: every kind */
    const char *name;
    enum action action;
    const char *argument;
};

#define COMPOSE_COUNT COMPOSE_KIND_COUNT
static const struct variable_row variable_rows[] = {
#define VARIABLE(kind, name, action, argument) {COMPOSE_##kind, name, ACTION_##action, argument},
#define KAFKA_PROPERTY(name, action, argument)
#define HADOOP_PROPERTY(name, action, argument)
#include "compose/variables.def"
#undef VARIABLE
#undef KAFKA_PROPERTY
#undef HADOOP_PROPERTY
};
static const struct variable_row kafka_rows[] = {
#define VARIABLE(kind, name, action, argument)
#define KAFKA_PROPERTY(name, action, argument) {COMPOSE_KAFKA, name, ACTION_##action, argument},
#define HADOOP_PROPERTY(name, action, argument)
#include "compose/variables.def"
#undef VARIABLE
#undef KAFKA_PROPERTY
#undef HADOOP_PROPERTY
};
static const struct variable_row hadoop_rows[] = {
#define VARIABLE(kind, name, action, argument)
#define KAFKA_PROPERTY(name, action, argument)
#define HADOOP_PROPERTY(name, action, argument) {COMPOSE_NAMENODE, name, ACTION_##action, argument},
#include "compose/variables.def"
#undef VARIABLE
#undef KAFKA_PROPERTY
#undef HADOOP_PROPERTY
};

/* ---- names of properties ---- */

enum { PROPERTY_SIZE_MAX = 200 };

/* _ is a dot, __ an underscore, ___ a hyphen. */
static void decode(const char *text, bool to_lower, char property[PROPERTY_SIZE_MAX]) {
    static const char marks[] = ".._-";
    size_t size = 0;
    while (*text != 0 && size + 1 < PROPERTY_SIZE_MAX) {
        size_t run = strspn(text, "_");
        if (run > 0) {
            property[size++] = marks[run > 3 ? 3 : run];
            text += run > 3 ? 3 : run;
            continue;
        }
        property[size++] = to_lower && *text >= 'A' && *text <= 'Z' ? (char)(*text | 0x20) : *text;
        text++;
    }
    property[size] = 0;
}

static bool kafka_property(const char *variable, char property[PROPERTY_SIZE_MAX]) {
    static const char *const prefixes[] = {"KAFKA_CFG_", "KAFKA_"};
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++)
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0) {
            decode(variable + strlen(prefixes[i]), true, property);
            return true;
        }
    return false;
}

static bool hadoop_property(const char *variable, char property[PROPERTY_SIZE_MAX]) {
    static const struct {
        const char *prefix;
        bool is_coded;
    } prefixes[] = {{"CORE_CONF_", true}, {"HDFS_CONF_", true}, {"CORE-SITE.XML_", false}, {"HDFS-SITE.XML_", false},
        {"CORE_SITE.XML_", false}, {"HDFS_SITE.XML_", false}};
    for (size_t i = 0; i < ARRAY_COUNT(prefixes); i++) {
        size_t size = strlen(prefixes[i].prefix);
        if (strncmp(variable, prefixes[i].prefix, size) != 0)
            continue;
        if (prefixes[i].is_coded)
            decode(variable + size, false, property);
        else
            snprintf(property, PROPERTY_SIZE_MAX, "%s", variable + size);
        return true;
    }
    return false;
}

const char *plan_kafka_property(struct model_service *service, const char *property) {
    char name[PROPERTY_SIZE_MAX];
    for (size_t i = 0; i < service->variables.count; i++) {
        struct model_variable *variable = &service->variables.items[i];
        if (kafka_property(variable->name, name) && strcmp(name, property) == 0) {
            variable->is_used = true;
            return variable->value;
        }
    }
    return NULL;
}

const char *plan_hadoop_property(
    struct model *model, struct model_service *service, const char *property, const char **variable_name) {
    char name[PROPERTY_SIZE_MAX];
    for (size_t i = 0; i < service->variables.count; i++) {
        struct model_variable *variable = &service->variables.items[i];
        if (hadoop_property(variable->name, name) && strcmp(name, property) == 0) {
            variable->is_used = true;
            *variable_name = variable->name;
            return variable->value;
        }
    }
    return NULL;
}

/* ---- what a row says ---- */

static bool means_no(const char *value) {
    static const char *const words[] = {"", "no", "false", "none", "disabled", "0", "plaintext"};
    for (size_t i = 0; i < ARRAY_COUNT(words); i++)
        if (strcasecmp(value, words[i]) == 0)
            return true;
    return false;
}

static void take_setting(struct model *model, const struct model_service *service,
    const struct model_variable *variable, const char *setting) {
    if (!plan_set(model, setting, variable->value, service->name, variable->name))
        model_note(model, NOTE_WORKERS_DIFFER, service->name, variable->name, variable->value);
}

static void follow_row(struct model *model, const struct model_service *service, const struct model_variable *variable,
    const struct variable_row *row) {
    switch (row->action) {
    case ACTION_SETTING:
        take_setting(model, service, variable, row->argument);
        return;
    case ACTION_MET:
    case ACTION_USED:
        return;
    case ACTION_JVM:
        model_note(model, NOTE_NO_JVM, service->name, variable->name);
        return;
    case ACTION_SECRET:
        if (!means_no(variable->value))
            model_note(model, NOTE_NO_SECURITY, service->name, variable->name);
        return;
    case ACTION_NONE:
        model_note(model, NOTE_NO_EFFECT, service->name, variable->name);
        return;
    case ACTION_ONE:
        if (strcmp(variable->value, "1") != 0)
            model_note(model, NOTE_ONE_BROKER, variable->name, variable->value);
        return;
    }
    UNREACHABLE();
}

static const struct variable_row *find_row(const struct variable_row *rows, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (plan_fits(rows[i].name, name))
            return &rows[i];
    return NULL;
}

static const struct variable_row *find_variable(enum compose_kind kind, const char *name) {
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < ARRAY_COUNT(variable_rows); i++)
            if (variable_rows[i].kind == (round == 0 ? kind : COMPOSE_KIND_COUNT) &&
                plan_fits(variable_rows[i].name, name))
                return &variable_rows[i];
    return NULL;
}

/* Tried as a setting of the broker: what it does not know has no effect, what it knows must fit. */
static bool take_broker_setting(struct model *model, const struct model_service *service,
    const struct model_variable *variable, const char *property) {
    struct error error;
    bool fits = broker_setting_check(property, variable->value, &error);
    if (fits && broker_setting_has_effect(property)) {
        take_setting(model, service, variable, arena_printf(model->arena, "kafka.%s", property));
        return true;
    }
    if (fits || error.code == ERROR_UNSUPPORTED) {
        model_note(model, NOTE_NO_EFFECT, service->name, variable->name);
        return true;
    }
    if (error.code != ERROR_NOT_FOUND)
        return yaml_fail(service->name_node, model->error, "%s of the service %.100s: %s", variable->name,
            service->name, error.message);
    model_note(model, NOTE_UNKNOWN_VARIABLE, service->name, variable->name);
    return true;
}

static void take_hadoop_property(struct model *model, const struct model_service *service,
    const struct model_variable *variable, const char *property) {
    const struct variable_row *row = find_row(hadoop_rows, ARRAY_COUNT(hadoop_rows), property);
    if (row == NULL)
        model_note(model, NOTE_HADOOP_PROPERTY, variable->name, property);
    else
        follow_row(model, service, variable, row);
}

static bool is_yarn(const char *name) {
    return strncmp(name, "YARN_", 5) == 0 || strncmp(name, "MAPRED_", 7) == 0 || strncmp(name, "YARN-SITE", 9) == 0 ||
           strncmp(name, "MAPRED-SITE", 11) == 0 || strncmp(name, "CAPACITY-SCHEDULER", 18) == 0;
}

static bool plan_variable(
    struct model *model, struct model_service *service, struct model_variable *variable, enum compose_kind kind) {
    char property[PROPERTY_SIZE_MAX];
    const struct variable_row *row = find_variable(kind, variable->name);
    bool is_kafka = kind == COMPOSE_KAFKA && kafka_property(variable->name, property);
    if (row == NULL && is_kafka)
        row = find_row(kafka_rows, ARRAY_COUNT(kafka_rows), property);
    if (row != NULL) {
        follow_row(model, service, variable, row);
        return true;
    }
    if (is_kafka)
        return take_broker_setting(model, service, variable, property);
    if (hadoop_property(variable->name, property))
        take_hadoop_property(model, service, variable, property);
    else if (is_yarn(variable->name))
        model_note(model, NOTE_NO_YARN);
    else
        model_note(model, NOTE_UNKNOWN_VARIABLE, service->name, variable->name);
    return true;
}

bool plan_variables(struct model *model, struct model_service *from, enum compose_kind kind) {
    for (size_t i = 0; i < from->variables.count; i++) {
        struct model_variable *variable = &from->variables.items[i];
        if (!variable->is_used && !plan_variable(model, from, variable, kind))
            return false;
    }
    return true;
}
