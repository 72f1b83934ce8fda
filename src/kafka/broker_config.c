/* broker_config.c: settings of this broker and of all brokers that change while it runs. They are records of the
 * metadata log, as Kafka writes them (resource type BROKER, named by the broker's number or "" for all), so they last
 * and a real Kafka finds them. Also the level of the request log, which does not last. */
#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "kafka/internal.h"

#define LOGGER "kafka.server.DynamicBrokerConfig"

static void tell_left_out(void *context, const char *name, const char *why) {
    const struct broker *broker = context;
    service_log_write(broker->service_log, LOG_WARN, LOGGER,
        "The setting %s, made while a broker ran, does not count here: %s", name, why);
}

static void read_layers(struct broker *broker) {
    char id[16];
    snprintf(id, sizeof id, "%d", broker->node_id);
    world_mutex_lock(&broker->topics_mutex);
    config_set_layer(&broker->config, CONFIG_LAYER_ALL_BROKERS, metadata_configs(broker->metadata, METADATA_BROKER, ""),
        tell_left_out, broker);
    config_set_layer(&broker->config, CONFIG_LAYER_BROKER, metadata_configs(broker->metadata, METADATA_BROKER, id),
        tell_left_out, broker);
    world_mutex_unlock(&broker->topics_mutex);
}

#define INPUT_MEMORY ((int64_t)512 << 20) /* when queued.max.request.bytes says nothing */
#define FRAME_TIMEOUT_MS 30000

/* "127.0.0.1:200, [::1]:5"; the form was checked. */
static void read_address_limits(struct broker *broker) {
    struct bytes list = bytes_from_text(config_text(&broker->config, "max.connections.per.ip.overrides"));
    broker->address_limits.count = 0;
    for (size_t at = 0; at < list.size;) {
        size_t comma = bytes_find(list, ',', at), end = comma == SIZE_MAX ? list.size : comma;
        struct bytes item = bytes_trim(bytes_slice(list, at, end - at));
        size_t colon = item.size;
        int64_t count = 0;
        while (colon > 0 && item.data[colon - 1] != ':')
            colon--;
        if (colon > 0 && bytes_to_int64(bytes_slice(item, colon, item.size - colon), &count) && count >= 0) {
            bool in_brackets = item.data[0] == '[' && colon > 2;
            struct net_address_limit limit = {.connection_count_max = (size_t)count};
            snprintf(limit.address, sizeof limit.address, "%.*s", (int)colon - (in_brackets ? 3 : 1),
                (const char *)item.data + (in_brackets ? 1 : 0));
            VECTOR_PUSH(&broker->address_limits, limit);
        }
        at = end + 1;
    }
}

struct net_limits broker_net_limits(struct broker *broker) {
    const struct config *config = &broker->config;
    int64_t idle_ms = config_integer(config, "connections.max.idle.ms");
    int64_t memory = config_integer(config, "queued.max.request.bytes");
    int64_t per_address = config_integer(config, "max.connections.per.ip");
    read_address_limits(broker);
    return (struct net_limits){
        .connection_count_max = (size_t)config_integer(config, "max.connections"),
        .connection_per_address_max = per_address > 0 ? (size_t)per_address : NET_NO_CONNECTION,
        .address_limits = broker->address_limits.items,
        .address_limit_count = broker->address_limits.count,
        .frame_size_max = (size_t)config_integer(config, "socket.request.max.bytes"),
        .idle_timeout_ms = idle_ms > 0 ? idle_ms : 0,
        .frame_timeout_ms = FRAME_TIMEOUT_MS,
        .input_memory_max = (size_t)(memory > 0 ? memory : INPUT_MEMORY),
    };
}

void broker_read_configs(struct broker *broker) {
    read_layers(broker);
    log_manager_configure(broker->logs, config_integer(&broker->config, "producer.id.expiration.ms"),
        config_integer(&broker->config, "log.cleaner.backoff.ms"));
}

bool broker_set_configs(struct broker *broker, const char *name, const struct metadata_setting *settings, size_t count,
    struct error *error) {
    if (!metadata_set_configs(broker->metadata, METADATA_BROKER, name, settings, count, error))
        return false;
    broker_read_configs(broker);
    topics_apply_configs(broker);
    struct net_limits limits = broker_net_limits(broker);
    if (broker->server)
        net_server_set_limits(broker->server, &limits);
    for (size_t i = 0; i < count; i++) {
        const struct config_row *row = config_find_broker(bytes_from_text(settings[i].name));
        bool hidden = !row || row->type == CONFIG_PASSWORD;
        service_log_write(broker->service_log, LOG_INFO, LOGGER, "%s %s%s%s for %s%s",
            settings[i].value ? "Set" : "Removed", settings[i].name, settings[i].value ? " = " : "",
            !settings[i].value ? ""
            : hidden           ? "[hidden]"
                               : settings[i].value,
            name[0] ? "broker " : "all brokers", name);
        if (row && row->effect == CONFIG_NO_EFFECT && settings[i].value)
            service_log_write(broker->service_log, LOG_WARN, LOGGER, "%s is without effect here. %s", settings[i].name,
                row->documentation);
    }
    return true;
}

size_t broker_connection_max(struct broker *broker) {
    world_mutex_lock(&broker->topics_mutex);
    size_t most = (size_t)config_integer(&broker->config, "max.connections");
    world_mutex_unlock(&broker->topics_mutex);
    return most;
}

/* ---- the request log ---- */

const char *broker_request_log_level(const struct broker *broker) {
    return broker->request_log_level ? broker->request_log_level : "WARN";
}

void broker_set_request_log_level(struct broker *broker, const char *level) {
    broker->request_log_level = level;
    broker->logs_requests = strcmp(level, "DEBUG") == 0 || strcmp(level, "TRACE") == 0;
    service_log_write(broker->service_log, LOG_INFO, LOGGER, "The level of %s is %s", BROKER_REQUEST_LOGGER, level);
}
