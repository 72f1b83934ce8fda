/* config.h: settings of the broker and of topics: one table each (schema/settings/kafka.def, kafka_topic.def), checked
 * values, and where a value comes from: the topic, this broker or all brokers while they run, the broker's file, the
 * default.
 *
 * The file's values are read-only after config_load. What is changed while the broker runs (config_set_layer) changes
 * on the broker's loop; other threads read only under the broker's mutex. */
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
    CONFIG_SHORT = 4,
    CONFIG_LONG = 5,
    CONFIG_DOUBLE = 6,
    CONFIG_LIST = 7,
    CONFIG_CLASS = 8,
    CONFIG_PASSWORD = 9, /* never shown */
};
enum config_source {
    CONFIG_FROM_TOPIC = 1,
    CONFIG_FROM_BROKER = 2,      /* set for this broker while it runs */
    CONFIG_FROM_ALL_BROKERS = 3, /* set for all brokers at once while they run */
    CONFIG_FROM_FILE = 4,        /* the broker's settings */
    CONFIG_FROM_DEFAULT = 5,
    CONFIG_FROM_LOGGER = 6,
};

enum config_rule_kind {
    CONFIG_RULE_ANY,
    CONFIG_RULE_RANGE,
    CONFIG_RULE_RANGE_OR_MINUS_1,
    CONFIG_RULE_REAL,
    CONFIG_RULE_WORDS,
    CONFIG_RULE_WORDS_ANY_CASE,
    CONFIG_RULE_NON_EMPTY,
    CONFIG_RULE_DISTINCT,
    CONFIG_RULE_THROTTLED, /* "0:1,1:1" or "*" */
    CONFIG_RULE_ADDRESSES, /* "127.0.0.1:200,[::1]:5" */
};
struct config_rule {
    enum config_rule_kind kind;
    int64_t least, most;
    double least_real, most_real;
    const char *words; /* "a, b" */
};
enum config_importance { CONFIG_HIGH, CONFIG_MEDIUM, CONFIG_LOW, CONFIG_INTERNAL };
enum config_update { CONFIG_READ_ONLY, CONFIG_PER_BROKER, CONFIG_CLUSTER_WIDE };
enum config_effect {
    CONFIG_USED,
    CONFIG_NO_EFFECT, /* accepted, and said to be without effect */
    CONFIG_REFUSED,   /* only the default is accepted */
};

struct config_row {
    const char *name;
    enum config_type type;
    const char *standard; /* default; NULL: not set */
    struct config_rule rule;
    enum config_importance importance;
    enum config_update update;
    const char *broker_name; /* topic settings: the broker setting behind it, or NULL */
    enum config_effect effect;
    const char *documentation;
};
extern const struct config_row topic_config_rows[]; /* in Kafka's own order */
extern const size_t topic_config_count;
extern const struct config_row broker_config_rows[]; /* in the order of names */
extern const size_t broker_config_count;

/* NULL when there is none of this name. */
const struct config_row *config_find_topic(struct bytes name);
const struct config_row *config_find_broker(struct bytes name);
/* Type and rule, in Kafka's words ("Invalid value x for configuration name: …"), and whether the value is served here:
 * ERROR_UNSUPPORTED with its own sentence otherwise. */
bool config_check(const struct config_row *row, struct bytes value, struct error *error);
/* Topic settings that contradict each other; `set` are those of the topic (name -> text). In Kafka's words. */
struct config;
bool config_check_together(const struct config *config, const struct map *set, struct error *error);

/* ---- the broker's settings ---- */

enum config_layer { CONFIG_LAYER_FILE, CONFIG_LAYER_ALL_BROKERS, CONFIG_LAYER_BROKER, CONFIG_LAYER_COUNT };
struct config {
    struct map layers[CONFIG_LAYER_COUNT]; /* name -> heap text */
    /* What topics have that set nothing: kept as text because it follows from several settings. */
    char retention_ms[24], roll_ms[24], jitter_ms[24], flush_ms[24];
};
/* Asks `setting` for every known name and checks the answers. */
bool config_load(
    struct config *config, const char *(*setting)(void *context, const char *name), void *context, struct error *error);
void config_free(struct config *config);
/* A fact of this process that counts as given in its file (node.id, log.dirs, listeners). */
void config_give(struct config *config, const char *name, const char *value);
/* Puts settings (name -> text; may be NULL) in place of a layer. Names that are unknown or only read at the start, and
 * values that do not fit, are left out and told to `left_out`, which may be NULL. */
typedef void config_left_out(void *context, const char *name, const char *why);
void config_set_layer(struct config *config, enum config_layer layer, const struct map *settings,
    config_left_out *left_out, void *context);
/* The value that was given by a file or while the broker runs, NULL when none was. */
const char *config_given(const struct config *config, const char *name);
/* Value in force of a broker setting, NULL when not set. */
const char *config_text(const struct config *config, const char *name);
int64_t config_integer(const struct config *config, const char *name);
bool config_boolean(const struct config *config, const char *name);

/* One place a setting's value comes from; the first of the list is in force. */
struct config_synonym {
    const char *name;
    const char *value;
    enum config_source source;
};
#define CONFIG_SYNONYM_MAX 16
/* Fills `synonyms` with what stands behind a broker setting, strongest first, as Kafka lists them: names with larger
 * units (log.retention.hours) count. */
size_t config_broker_synonyms(
    const struct config *config, const char *name, struct config_synonym synonyms[CONFIG_SYNONYM_MAX]);
/* The same for a topic setting; `set` is the topic's own value or NULL. *value and *source: what is in force. */
size_t config_topic_synonyms(const struct config *config, const struct config_row *row, const char *set,
    struct config_synonym synonyms[CONFIG_SYNONYM_MAX], const char **value, enum config_source *source);
/* What is in force for a topic with these own settings (name -> text; may be NULL). */
void config_for_topic(const struct config *config, const struct map *set, struct log_config *log);
/* The value in force of one topic setting, NULL when not set. */
const char *config_topic_value(const struct config *config, const struct map *set, const char *name);

#endif
