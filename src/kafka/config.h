/* config.h: settings of the broker and of topics: one table each (schema/settings/kafka.def, kafka_topic.def), checked
 * values, and where a value comes from (the topic, the broker's settings, the default). Read-only after config_load;
 * any thread. */
#ifndef KAFKA_CONFIG_H
#define KAFKA_CONFIG_H

#include "base/error.h"
#include "base/map.h"
#include "log/log.h"

/* Numbers as on the wire. */
enum config_type {
    CONFIG_BOOLEAN = 1,
    CONFIG_STRING = 2,
    CONFIG_INT = 3,
    CONFIG_LONG = 5,
    CONFIG_DOUBLE = 6,
    CONFIG_LIST = 7
};
enum config_source {
    CONFIG_FROM_TOPIC = 1,
    CONFIG_FROM_ALL_BROKERS = 3, /* set for all brokers at once */
    CONFIG_FROM_FILE = 4,        /* the broker's settings */
    CONFIG_FROM_DEFAULT = 5,
};

struct config_row {
    const char *name;
    enum config_type type;
    const char *standard;    /* default; NULL: not set */
    const char *broker_name; /* topic settings: the broker setting behind it */
    int64_t least, most;
    const char *words;
    const char *documentation;
};
extern const struct config_row topic_config_rows[];
extern const size_t topic_config_count;
extern const struct config_row broker_config_rows[];
extern const size_t broker_config_count;

/* NULL when there is none of this name. */
const struct config_row *config_find_topic(struct bytes name);
const struct config_row *config_find_broker(struct bytes name);
/* Type, bounds and words; the message has Kafka's form ("Invalid value x for configuration name: …"). */
bool config_check(const struct config_row *row, struct bytes value, struct error *error);

/* The broker's settings as given; values are heap text. */
struct config {
    struct map given; /* name -> text */
};
/* Asks `setting` for every known name and checks the answers. */
bool config_load(
    struct config *config, const char *(*setting)(void *context, const char *name), void *context, struct error *error);
void config_free(struct config *config);
/* Value in force of a broker setting, NULL when not set. */
const char *config_text(const struct config *config, const char *name);
int64_t config_integer(const struct config *config, const char *name);
bool config_boolean(const struct config *config, const char *name);

/* One place a topic setting's value comes from; the first of the list is in force. */
struct config_synonym {
    const char *name;
    const char *value;
    enum config_source source;
};
#define CONFIG_SYNONYM_MAX 6
/* Fills `synonyms` with what stands behind a topic setting, strongest first, as Kafka lists them; `set` is the topic's
 * own value or NULL. *value and *source: what is in force. */
size_t config_topic_synonyms(const struct config *config, const struct config_row *row, const char *set,
    struct config_synonym synonyms[CONFIG_SYNONYM_MAX], const char **value, enum config_source *source);
/* What is in force for a topic with these own settings (name -> text; may be NULL). */
void config_for_topic(const struct config *config, const struct map *set, struct log_config *log);
/* The value in force of one topic setting. */
const char *config_topic_value(const struct config *config, const struct map *set, const char *name);

#endif
