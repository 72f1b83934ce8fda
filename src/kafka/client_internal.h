/* client_internal.h: what the broker tells its in-process client. */
#ifndef KAFKA_CLIENT_INTERNAL_H
#define KAFKA_CLIENT_INTERNAL_H

#include "base/list.h"
#include "kafka/client.h"
#include "world/world.h"

struct broker;
struct kafka_client *client_create(struct broker *broker);
/* No subscription may be left. */
void client_destroy(struct kafka_client *client);
/* The broker was suspended or goes on: from then on appends wait, or those that waited are done. Broker's loop. */
void client_suspend(struct kafka_client *client);
void client_resume(struct kafka_client *client);
/* A call that waits for a suspended broker. It lies in what it belongs to. */
struct client_held {
    struct list_node node;
    int64_t since_ms;
    world_function *run, *refuse;
    void *argument;
};
/* false: the broker is not suspended. Otherwise run(argument) is called when it goes on, or refuse(argument) after two
 * minutes, or at once when too many wait. Broker's loop. */
bool client_hold(
    struct kafka_client *client, struct client_held *held, world_function *run, world_function *refuse, void *argument);
struct broker *client_broker(const struct kafka_client *client);
/* A group as the list shows it; the texts are the list's (kafka_group_list_free). Broker's loop. */
struct group;
void client_describe_group(struct broker *broker, struct group *group, struct kafka_group_info *info);
/* Topics came or went, or records were committed. Broker's loop. NULL does nothing. */
void client_wake_subscribers(struct kafka_client *client);

#endif
