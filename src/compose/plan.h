/* plan.h: from what the file says to what Raudal does. One function per kind of service (plan_*.c); plan.c finds the
 * kind, maps the ports and names what is left. Inside compose/ only. */
#ifndef COMPOSE_PLAN_H
#define COMPOSE_PLAN_H

#include "compose/model.h"
#include "compose/model_parts.h"

/* Opens a port at the service's own address; again with the same number changes nothing. Returns it. */
struct compose_port *plan_open_port(struct compose_service *service, uint16_t port, enum compose_role role);
/* The port a variable names, or `standard`; a variable that names none is an error. */
bool plan_port_variable(
    struct model *model, struct model_service *service, const char *name, uint16_t standard, uint16_t *port);
/* Adds a setting; the first of its name counts. Returns false when there was one with another value. */
bool plan_set(struct model *model, const char *name, const char *value, const char *service, const char *variable);
/* The plan's services of a kind that have the host name; NULL when there is none. */
const struct compose_service *plan_find_host(
    const struct compose_plan *plan, enum compose_kind kind, struct bytes host);
/* Splits "host:port"; false when it is not of that form. */
bool plan_split_address(struct bytes text, struct bytes *host, uint16_t *port);
/* Whether `text` fits `pattern`, in which * stands for any text. */
bool plan_fits(const char *pattern, const char *text);

/* Ports and settings of one service. `first`: no other of the kind came before. */
bool plan_kafka(struct model *model, struct model_service *from, struct compose_service *to, bool first);
bool plan_zookeeper(struct model *model, struct model_service *from, struct compose_service *to, bool first);
bool plan_kafka_ui(struct model *model, struct model_service *from, struct compose_service *to, uint16_t page);
bool plan_spark(struct model *model, struct model_service *from, struct compose_service *to);
bool plan_namenode(struct model *model, struct model_service *from, struct compose_service *to, bool first);
bool plan_datanode(struct model *model, struct model_service *from, struct compose_service *to);
bool plan_jupyter(struct model *model, struct model_service *from, struct compose_service *to);

/* Once all services are known: what Kafka's clients are told, where the pages' bootstrap servers lead. */
void plan_kafka_names(struct model *model);

/* ---- variables (plan_variables.c) ---- */

/* Settings by the tables, and a sentence for each variable that has no effect. */
bool plan_variables(struct model *model, struct model_service *from, enum compose_kind kind);
/* A property of server.properties in whatever dialect; NULL when it is not set. */
const char *plan_kafka_property(struct model_service *service, const char *property);
/* A property of core-site.xml or hdfs-site.xml; *variable gets the name it was written under. */
const char *plan_hadoop_property(
    struct model *model, struct model_service *service, const char *property, const char **variable);

/* ---- commands (plan_commands.c) ---- */

/* Whether the service is no server but runs one of our tools, and then ends (init-kafka). */
bool plan_is_init(struct model *model, const struct model_service *service);
/* Adds the tools' calls of entrypoint and command to the plan, and names what is not run. */
void plan_commands(struct model *model, struct model_service *service);
/* Whether a word of entrypoint or command has the text in it. */
bool plan_command_has(const struct model_service *service, const char *text);

#endif
