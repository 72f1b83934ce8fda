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

struct net_limits broker_net_limits(const struct broker *broker) {
    const struct config *config = &broker->config;
    int64_t idle_ms = config_integer(config, "connections.max.idle.ms");
    return (struct net_limits){
        .connection_count_max = (size_t)config_integer(config, "max.connections"),
        .frame_size_max = (size_t)config_integer(config, "socket.request.max.bytes"),
        .idle_timeout_ms = idle_ms > 0 ? idle_ms : 0,
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

/* ---- the request log ---- */

const char *broker_request_log_level(const struct broker *broker) {
    return broker->request_log_level ? broker->request_log_level : "WARN";
}

void broker_set_request_log_level(struct broker *broker, const char *level) {
    broker->request_log_level = level;
    broker->logs_requests = strcmp(level, "DEBUG") == 0 || strcmp(level, "TRACE") == 0;
    service_log_write(broker->service_log, LOG_INFO, LOGGER, "The level of %s is %s", BROKER_REQUEST_LOGGER, level);
}
