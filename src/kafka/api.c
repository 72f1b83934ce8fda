/* api.c: the table of served APIs, from api.def. ApiVersions answers from it and requests are dispatched by it, so both
 * always agree. */
#include "kafka/internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

const struct api api_table[] = {
#define API(key, name, message, handler, low, high, flags)                                                             \
    {key, low, high, #name, &kafka_##message##_request_message, &kafka_##message##_reply_message, handler, flags},
#include "kafka/api.def"
#undef API
};
const size_t api_count = ARRAY_COUNT(api_table);

const struct api *api_find(int16_t key) {
    for (size_t i = 0; i < api_count; i++)
        if (api_table[i].key == key)
            return &api_table[i];
    return NULL;
}

void api_make_metrics(struct broker *broker) {
    broker->request_counts = calloc(api_count, sizeof *broker->request_counts);
    ASSERT(broker->request_counts);
    for (size_t i = 0; broker->metrics && i < api_count; i++) {
        char labels[80];
        snprintf(labels, sizeof labels, "request=\"%s\"", api_table[i].name);
        broker->request_counts[i] = metrics_get(broker->metrics, METRIC_COUNTER,
            "kafka_network_requestmetrics_requests_total", "Requests received.", labels);
    }
}
