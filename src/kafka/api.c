/* api.c: the table of served APIs, from api.def. ApiVersions answers from it and requests are dispatched by it, so both
 * always agree. */
#include "kafka/internal.h"
#include "kafka/request_metrics.h"

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

static void make_totals(struct broker *broker) {
    static const struct {
        size_t place;
        const char *name, *help;
    } rows[] = {
        {offsetof(struct broker_totals, messages_in), "messagesin", "Records appended by clients."},
        {offsetof(struct broker_totals, bytes_in), "bytesin", "Bytes of record batches appended by clients."},
        {offsetof(struct broker_totals, bytes_out), "bytesout", "Bytes of record batches sent to clients."},
        {offsetof(struct broker_totals, produces), "totalproducerequests",
            "Partitions that produce requests wrote to."},
        {offsetof(struct broker_totals, fetches), "totalfetchrequests", "Fetch requests."},
        {offsetof(struct broker_totals, failed_produces), "failedproducerequests",
            "Partitions that produce requests could not write to."},
        {offsetof(struct broker_totals, failed_fetches), "failedfetchrequests",
            "Partitions that fetch requests could not read."},
    };
    for (size_t i = 0; broker->metrics && i < ARRAY_COUNT(rows); i++) {
        char name[100];
        snprintf(name, sizeof name, "kafka_server_brokertopicmetrics_%s_total", rows[i].name);
        struct metric *metric = metrics_get(broker->metrics, METRIC_COUNTER, name, rows[i].help, "");
        memcpy((char *)&broker->totals + rows[i].place, &metric, sizeof metric);
    }
}

void api_make_metrics(struct broker *broker) {
    broker->request_counts = calloc(api_count, sizeof *broker->request_counts);
    broker->request_times = calloc(api_count, sizeof *broker->request_times);
    ASSERT(broker->request_counts && broker->request_times);
    make_totals(broker);
    for (size_t i = 0; broker->metrics && i < api_count; i++) {
        char labels[80];
        snprintf(labels, sizeof labels, "request=\"%s\"", api_table[i].name);
        broker->request_counts[i] = metrics_get(broker->metrics, METRIC_COUNTER,
            "kafka_network_requestmetrics_requests_total", "Requests received.", labels);
    }
}
