#include "base/metrics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/assert.h"
#include "base/map.h"
#include "base/vector.h"

struct series {
    char *labels;
    struct metric metric;
};

struct family {
    enum metric_kind kind;
    char *help;
    VECTOR(struct series *) series;
};

struct metrics {
    pthread_mutex_t mutex;
    struct map families; /* name -> struct family */
};

static char *copy_text(const char *text) {
    char *copy = strdup(text);
    ASSERT(copy != NULL);
    return copy;
}

struct metrics *metrics_create(void) {
    struct metrics *metrics = calloc(1, sizeof *metrics);
    ASSERT(metrics != NULL);
    pthread_mutex_init(&metrics->mutex, NULL);
    return metrics;
}

void metrics_destroy(struct metrics *metrics) {
    if (metrics == NULL)
        return;
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&metrics->families, &cursor)) != NULL;) {
        struct family *family = entry->value;
        for (size_t i = 0; i < family->series.count; i++) {
            free(family->series.items[i]->labels);
            free(family->series.items[i]);
        }
        VECTOR_FREE(&family->series);
        free(family->help);
        free(family);
    }
    map_free(&metrics->families);
    pthread_mutex_destroy(&metrics->mutex);
    free(metrics);
}

static struct family *find_family(struct metrics *metrics, enum metric_kind kind, const char *name, const char *help) {
    struct family *family = map_get_text(&metrics->families, name);
    if (family == NULL) {
        family = calloc(1, sizeof *family);
        ASSERT(family != NULL);
        family->kind = kind;
        family->help = copy_text(help);
        map_set_text(&metrics->families, name, family);
    }
    return family;
}

struct metric *metrics_get(
    struct metrics *metrics, enum metric_kind kind, const char *name, const char *help, const char *labels) {
    pthread_mutex_lock(&metrics->mutex);
    struct family *family = find_family(metrics, kind, name, help);
    struct series *series = NULL;
    for (size_t i = 0; i < family->series.count && series == NULL; i++)
        if (strcmp(family->series.items[i]->labels, labels) == 0)
            series = family->series.items[i];
    if (series == NULL) {
        series = calloc(1, sizeof *series);
        ASSERT(series != NULL);
        series->labels = copy_text(labels);
        VECTOR_PUSH(&family->series, series);
    }
    pthread_mutex_unlock(&metrics->mutex);
    return &series->metric;
}

void metrics_format(struct metrics *metrics, struct buffer *out) {
    pthread_mutex_lock(&metrics->mutex);
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&metrics->families, &cursor)) != NULL;) {
        struct family *family = entry->value;
        const char *name = (const char *)entry->key.data;
        buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, family->help, name,
            family->kind == METRIC_COUNTER ? "counter" : "gauge");
        for (size_t i = 0; i < family->series.count; i++) {
            struct series *series = family->series.items[i];
            buffer_append_text(out, name);
            if (series->labels[0] != 0)
                buffer_printf(out, "{%s}", series->labels);
            buffer_printf(out, " %" PRId64 "\n", metric_value(&series->metric));
        }
    }
    pthread_mutex_unlock(&metrics->mutex);
}
