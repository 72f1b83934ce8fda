/* client_internal.h: what the broker tells its in-process client. */
#ifndef KAFKA_CLIENT_INTERNAL_H
#define KAFKA_CLIENT_INTERNAL_H

#include "kafka/client.h"

struct broker;
struct kafka_client *client_create(struct broker *broker);
/* No subscription may be left. */
void client_destroy(struct kafka_client *client);
/* The broker was suspended or goes on: from then on appends wait, or those that waited are done. Broker's loop. */
void client_suspend(struct kafka_client *client);
void client_resume(struct kafka_client *client);
struct broker *client_broker(const struct kafka_client *client);
/* A group as the list shows it; the texts are the list's (kafka_group_list_free). Broker's loop. */
struct group;
void client_describe_group(struct broker *broker, struct group *group, struct kafka_group_info *info);
/* Topics came or went, or records were committed. Broker's loop. NULL does nothing. */
void client_wake_subscribers(struct kafka_client *client);

#endif
