/* model.c: from the tree to services. Reading ports, volumes and words is in model_parts.c. */
#include "compose/model.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"
#include "compose/model_parts.h"

/* ---- sentences ---- */

static const char *const sentences[NOTE_COUNT][2] = {
#define NOTE(name, english, spanish) {english, spanish},
#include "compose/notes.def"
#undef NOTE
};

static char *sentence(struct model *model, enum compose_note note, va_list arguments) {
    return arena_vprintf(model->arena, sentences[note][model->options->in_spanish], arguments);
}

char *model_sentence(struct model *model, enum compose_note note, ...) {
    va_list arguments;
    va_start(arguments, note);
    char *text = sentence(model, note, arguments);
    va_end(arguments);
    return text;
}

void model_note(struct model *model, enum compose_note note, ...) {
    va_list arguments;
    va_start(arguments, note);
    char *text = sentence(model, note, arguments);
    va_end(arguments);
    for (size_t i = 0; i < model->plan->notes.count; i++)
        if (strcmp(model->plan->notes.items[i], text) == 0)
            return;
    VECTOR_PUSH(&model->plan->notes, text);
}

/* ---- variables ---- */

static const char *value_of(void *context, const char *name) {
    const struct model *model = context;
    const char *outside = model->options->variable(model->options->context, name);
    const struct env_variable *variable = outside == NULL ? env_find(&model->dot_env, name) : NULL;
    return variable != NULL ? variable->value : outside;
}

static void note_missing(void *context, const char *name) {
    model_note(context, NOTE_MISSING_VARIABLE, name);
}

static struct interpolation interpolation_of(struct model *model) {
    return (struct interpolation){value_of, note_missing, model, &model->left};
}

/* Every text below the node, once; keys stay as they are. The tree is at most YAML_DEPTH_MAX deep. */
static bool interpolate_tree(struct model *model, struct yaml_node *node) {
    if (node->is_marked)
        return true;
    node->is_marked = true;
    if (node->kind == YAML_SCALAR && strchr(node->text, '$') != NULL) {
        struct interpolation interpolation = interpolation_of(model);
        struct error error;
        char *text = interpolate(&interpolation, model->arena, node->text, &error);
        if (text == NULL)
            return yaml_fail(node, model->error, "%s", error.message);
        node->text = text;
    }
    for (size_t i = 0; i < node->count; i++)
        if (!interpolate_tree(model, node->kind == YAML_MAPPING ? node->pairs[i].value : node->items[i]))
            return false;
    return true;
}

const char *model_variable(struct model_service *service, const char *name) {
    for (size_t i = 0; i < service->variables.count; i++)
        if (strcmp(service->variables.items[i].name, name) == 0) {
            service->variables.items[i].is_used = true;
            return service->variables.items[i].value;
        }
    return NULL;
}

static void set_variable(struct model_service *service, const char *name, const char *value) {
    for (size_t i = 0; i < service->variables.count; i++)
        if (strcmp(service->variables.items[i].name, name) == 0) {
            service->variables.items[i].value = value;
            return;
        }
    VECTOR_PUSH(&service->variables, ((struct model_variable){name, value, false}));
}

static bool read_env_file(
    struct model *model, struct model_service *service, const struct yaml_node *node, bool is_required) {
    struct buffer text = {0};
    struct error error;
    struct env_list list = {0};
    struct interpolation interpolation = interpolation_of(model);
    const char *path = model_path(model, node->text);
    bool good = model->options->read_file(model->options->context, path, ENV_FILE_SIZE_MAX, &text, &error);
    if (!good && error.code == ERROR_NOT_FOUND && !is_required)
        return true;
    if (!good)
        return yaml_fail(node, model->error, "the env_file cannot be read: %s", error.message);
    good = env_file_parse(&interpolation, model->arena, node->text, buffer_view(&text), &list, model->error);
    for (size_t i = 0; good && i < list.count; i++) {
        const char *name = list.items[i].name;
        const char *value = list.items[i].value != NULL ? list.items[i].value : value_of(model, name);
        if (value != NULL)
            set_variable(service, name, value);
    }
    VECTOR_FREE(&list);
    buffer_free(&text);
    return good;
}

static bool read_env_files(struct model *model, struct model_service *service) {
    const struct yaml_node *node = yaml_get(service->node, "env_file");
    if (node == NULL)
        return true;
    if (node->kind == YAML_SCALAR)
        return read_env_file(model, service, node, true);
    if (node->kind != YAML_SEQUENCE)
        return yaml_fail(node, model->error, "env_file takes a text or a list");
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->items[i], *path = item, *required = NULL;
        if (item->kind == YAML_MAPPING) {
            path = yaml_get(item, "path");
            required = yaml_get(item, "required");
        }
        if (path == NULL || path->kind != YAML_SCALAR)
            return yaml_fail(item, model->error, "a path is needed here");
        bool is_optional = required != NULL && required->kind == YAML_SCALAR && strcmp(required->text, "false") == 0;
        if (!read_env_file(model, service, path, !is_optional))
            return false;
    }
    return true;
}

static bool read_environment_list(struct model *model, struct model_service *service, const struct yaml_node *node) {
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->items[i];
        if (item->kind != YAML_SCALAR)
            return yaml_fail(item, model->error, "NAME=value is needed, this is %s", yaml_kind_name(item));
        const char *equals = strchr(item->text, '=');
        const char *name = equals == NULL
                               ? item->text
                               : arena_text(model->arena, bytes_make(item->text, (size_t)(equals - item->text)));
        const char *value = equals == NULL ? value_of(model, name) : equals + 1;
        if (value != NULL)
            set_variable(service, name, value);
    }
    return true;
}

static bool read_environment(struct model *model, struct model_service *service) {
    const struct yaml_node *node = yaml_get(service->node, "environment");
    if (node == NULL)
        return true;
    if (node->kind == YAML_SEQUENCE)
        return read_environment_list(model, service, node);
    if (node->kind != YAML_MAPPING)
        return yaml_fail(node, model->error, "environment takes a mapping or a list");
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *value = node->pairs[i].value;
        const char *name = node->pairs[i].key->text, *text;
        if (value->kind != YAML_SCALAR)
            return yaml_fail(
                value, model->error, "the value of %.100s must be a text, this is %s", name, yaml_kind_name(value));
        text = yaml_is_null(value) ? value_of(model, name) : value->text;
        if (text != NULL)
            set_variable(service, name, text);
    }
    return true;
}

/* ---- the file's words ---- */

enum key_kind { KEY_UNKNOWN, KEY_USED, KEY_MET, KEY_LIMIT, KEY_SECRET, KEY_ELSEWHERE };

struct key_row {
    const char *name;
    enum key_kind kind;
};

static const struct key_row top_keys[] = {
#define TOP_KEY(name, kind) {name, KEY_##kind},
#define SERVICE_KEY(name, kind)
#include "compose/keys.def"
#undef TOP_KEY
#undef SERVICE_KEY
};
static const struct key_row service_keys[] = {
#define TOP_KEY(name, kind)
#define SERVICE_KEY(name, kind) {name, KEY_##kind},
#include "compose/keys.def"
#undef TOP_KEY
#undef SERVICE_KEY
};

/* Names what has no effect. `owner` is the service, or the file. */
static void check_keys(struct model *model, const struct yaml_node *mapping, const char *owner,
    const struct key_row *rows, size_t row_count) {
    static const enum compose_note notes[] = {[KEY_UNKNOWN] = NOTE_UNKNOWN_KEY,
        [KEY_LIMIT] = NOTE_LIMIT,
        [KEY_SECRET] = NOTE_SECRET,
        [KEY_ELSEWHERE] = NOTE_ELSEWHERE};
    for (size_t i = 0; i < mapping->count; i++) {
        const char *name = mapping->pairs[i].key->text;
        enum key_kind kind = strncmp(name, "x-", 2) == 0 ? KEY_MET : KEY_UNKNOWN;
        for (size_t k = 0; k < row_count; k++)
            if (strcmp(name, rows[k].name) == 0)
                kind = rows[k].kind;
        if (kind != KEY_USED && kind != KEY_MET && !yaml_is_null(mapping->pairs[i].value))
            model_note(model, notes[kind], owner, name, model->file, mapping->pairs[i].key->line);
    }
    const struct yaml_node *resources = yaml_get(yaml_get(mapping, "deploy"), "resources");
    if (yaml_get(resources, "limits") != NULL)
        model_note(model, NOTE_LIMIT, owner, "deploy.resources.limits", model->file, resources->line);
}

/* ---- services ---- */

static bool is_chosen_profile(const struct model *model, const char *profile) {
    for (size_t i = 0; i < model->options->profile_count; i++)
        if (strcmp(model->options->profiles[i], profile) == 0 || strcmp(model->options->profiles[i], "*") == 0)
            return true;
    const char *listed = value_of((void *)model, "COMPOSE_PROFILES");
    for (const char *at = listed; at != NULL && *at != 0;) {
        size_t size = strcspn(at, ",");
        if (bytes_equal_text(bytes_trim(bytes_make(at, size)), profile))
            return true;
        at += size + (at[size] == ',');
    }
    return false;
}

static bool read_profiles(struct model *model, struct model_service *service) {
    struct model_words profiles = {0};
    bool good = model_read_texts(model, yaml_get(service->node, "profiles"), "profiles", &profiles);
    service->is_left_out = profiles.count > 0;
    for (size_t i = 0; i < profiles.count; i++)
        if (is_chosen_profile(model, profiles.items[i]))
            service->is_left_out = false;
    if (service->is_left_out)
        model_note(model, NOTE_PROFILE, service->name, profiles.items[0], profiles.items[0]);
    VECTOR_FREE(&profiles);
    return good;
}

static bool is_host_name(const char *text) {
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    return size > 0 && size <= 253 && text[size] == 0;
}

static bool read_one_text(struct model *model, struct model_service *service, const char *key, const char **text) {
    const struct yaml_node *node = yaml_get(service->node, key);
    if (node == NULL)
        return true;
    if (node->kind != YAML_SCALAR)
        return yaml_fail(node, model->error, "%s must be a text, this is %s", key, yaml_kind_name(node));
    *text = node->text;
    return true;
}

static bool read_names(struct model *model, struct model_service *service) {
    const char *names[2] = {NULL, NULL};
    if (!read_one_text(model, service, "container_name", &names[0]) ||
        !read_one_text(model, service, "hostname", &names[1]))
        return false;
    static const char *const keys[] = {"container_name", "hostname"};
    for (size_t i = 0; i < 2; i++)
        if (names[i] != NULL && !is_host_name(names[i]))
            return yaml_fail(
                yaml_get(service->node, keys[i]), model->error, "'%.100s' cannot be a host name", names[i]);
    service->container = names[0];
    if (names[1] != NULL)
        VECTOR_PUSH(&service->names, names[1]);
    const struct yaml_node *networks = yaml_get(service->node, "networks");
    for (size_t i = 0; networks != NULL && networks->kind == YAML_MAPPING && i < networks->count; i++) {
        struct model_words aliases = {0};
        bool good = model_read_texts(model, yaml_get(networks->pairs[i].value, "aliases"), "aliases", &aliases);
        for (size_t k = 0; k < aliases.count; k++)
            if (is_host_name(aliases.items[k]))
                VECTOR_PUSH(&service->names, aliases.items[k]);
        VECTOR_FREE(&aliases);
        if (!good)
            return false;
    }
    return true;
}

static bool read_replicas(struct model *model, struct model_service *service) {
    const struct yaml_node *node = yaml_get(service->node, "scale");
    const struct yaml_node *deploy = yaml_get(service->node, "deploy");
    service->replicas = 1;
    node = yaml_get(deploy, "replicas") != NULL ? yaml_get(deploy, "replicas") : node;
    if (node == NULL)
        return true;
    if (node->kind != YAML_SCALAR || !bytes_to_int64(bytes_from_text(node->text), &service->replicas) ||
        service->replicas < 0 || service->replicas > REPLICA_COUNT_MAX)
        return yaml_fail(node, model->error, "a number of replicas from 0 to %d is needed", REPLICA_COUNT_MAX);
    return true;
}

static bool read_service(struct model *model, const struct yaml_pair *pair) {
    if (pair->value->kind != YAML_MAPPING)
        return yaml_fail(pair->value, model->error, "the service %.100s must be a mapping, this is %s", pair->key->text,
            yaml_kind_name(pair->value));
    if (!is_host_name(pair->key->text))
        return yaml_fail(pair->key, model->error, "'%.100s' cannot be a service's name", pair->key->text);
    struct model_service *service = VECTOR_ADD(&model->services);
    *service =
        (struct model_service){.node = pair->value, .name_node = pair->key, .name = pair->key->text, .image = ""};
    check_keys(model, service->node, service->name, service_keys, ARRAY_COUNT(service_keys));
    if (yaml_get(service->node, "image") == NULL && yaml_get(service->node, "build") == NULL &&
        yaml_get(service->node, "extends") == NULL)
        return yaml_fail(pair->key, model->error, "the service %.100s has neither an image nor a build", service->name);
    return read_one_text(model, service, "image", &service->image) && read_profiles(model, service) &&
           read_names(model, service) && read_replicas(model, service) && read_env_files(model, service) &&
           read_environment(model, service) && model_read_ports(model, service) && model_read_volumes(model, service) &&
           model_read_words(model, service, "entrypoint", &service->entrypoint) &&
           model_read_words(model, service, "command", &service->command) &&
           model_read_names_of(model, yaml_get(service->node, "depends_on"), "depends_on", &service->depends_on);
}

struct model_service *model_find(struct model *model, const char *name) {
    for (size_t i = 0; i < model->services.count; i++)
        if (strcmp(model->services.items[i].name, name) == 0)
            return &model->services.items[i];
    return NULL;
}

/* ---- links and dependencies ---- */

/* "kafka:broker" gives kafka another name; compose v2 gives it to all. */
static bool read_links(struct model *model, struct model_service *service) {
    struct model_words links = {0};
    bool good = model_read_texts(model, yaml_get(service->node, "links"), "links", &links);
    for (size_t i = 0; good && i < links.count; i++) {
        const char *colon = strchr(links.items[i], ':');
        const char *name = colon == NULL
                               ? links.items[i]
                               : arena_text(model->arena, bytes_make(links.items[i], (size_t)(colon - links.items[i])));
        struct model_service *other = model_find(model, name);
        if (other == NULL)
            good = yaml_fail(yaml_get(service->node, "links"), model->error,
                "the service %.100s links to %.100s, which the file does not have", service->name, name);
        else if (colon != NULL && is_host_name(colon + 1))
            VECTOR_PUSH(&other->names, colon + 1);
    }
    VECTOR_FREE(&links);
    return good;
}

static bool dependencies_exist(struct model *model) {
    for (size_t i = 0; i < model->services.count; i++) {
        const struct model_service *service = &model->services.items[i];
        for (size_t k = 0; k < service->depends_on.count; k++)
            if (model_find(model, service->depends_on.items[k]) == NULL)
                return yaml_fail(yaml_get(service->node, "depends_on"), model->error,
                    "the service %.100s depends on %.100s, which the file does not have", service->name,
                    service->depends_on.items[k]);
    }
    return true;
}

/* Takes away what depends on nothing that is left, until nothing is left or only a circle. */
static bool dependencies_have_no_circle(struct model *model) {
    bool *done = calloc(model->services.count + 1, sizeof *done);
    ASSERT(done != NULL);
    size_t left = model->services.count, before = left + 1, first = 0;
    while (left > 0 && left < before) {
        before = left;
        for (size_t i = 0; i < model->services.count; i++) {
            bool waits = done[i];
            for (size_t k = 0; !waits && k < model->services.items[i].depends_on.count; k++)
                waits = !done[model_find(model, model->services.items[i].depends_on.items[k]) - model->services.items];
            left -= !waits;
            done[i] = done[i] || !waits;
        }
    }
    while (left > 0 && done[first])
        first++;
    free(done);
    return left == 0 || yaml_fail(model->services.items[first].name_node, model->error,
                            "the service %.100s depends on itself by way of others", model->services.items[first].name);
}

/* ---- the file ---- */

static bool read_dot_env(struct model *model) {
    struct buffer text = {0};
    struct error error;
    struct interpolation interpolation = interpolation_of(model);
    const char *path = model_path(model, ".env");
    bool good = model->options->read_file(model->options->context, path, ENV_FILE_SIZE_MAX, &text, &error);
    if (good)
        good = env_file_parse(&interpolation, model->arena, ".env", buffer_view(&text), &model->dot_env, model->error);
    else
        good = error.code == ERROR_NOT_FOUND || error_set(model->error, error.code, "%s: %s", path, error.message);
    buffer_free(&text);
    return good;
}

/* Docker merges an override file that stands beside; here it is named. */
static void note_override(struct model *model) {
    static const char *const endings[] = {".override.yml", ".override.yaml"};
    const char *dot = strrchr(model->file, '.');
    int stem = dot == NULL ? (int)strlen(model->file) : (int)(dot - model->file);
    for (size_t i = 0; i < ARRAY_COUNT(endings); i++) {
        struct buffer text = {0};
        struct error error;
        const char *name = arena_printf(model->arena, "%.*s%s", stem, model->file, endings[i]);
        if (model->options->read_file(model->options->context, model_path(model, name), YAML_SIZE_MAX, &text, &error))
            model_note(model, NOTE_OVERRIDE, name, model->file);
        buffer_free(&text);
    }
}

/* The project's name: `name:`, COMPOSE_PROJECT_NAME, or the folder's, as compose writes it. */
static const char *project_name(struct model *model, const struct yaml_node *root) {
    const struct yaml_node *node = yaml_get(root, "name");
    const char *given = value_of(model, "COMPOSE_PROJECT_NAME"), *slash = strrchr(model->folder, '/');
    if (given == NULL || given[0] == 0)
        given = node != NULL && node->kind == YAML_SCALAR ? node->text : slash == NULL ? "" : slash + 1;
    struct buffer name = {0};
    for (const char *at = given; *at != 0 && name.size < 100; at++) {
        char c = *at >= 'A' && *at <= 'Z' ? (char)(*at | 0x20) : *at;
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (is_letter || (name.size > 0 && (c == '-' || c == '_')))
            buffer_append_byte(&name, (uint8_t)c);
    }
    const char *result = name.size == 0 ? "raudal" : arena_text(model->arena, buffer_view(&name));
    buffer_free(&name);
    return result;
}

static bool read_services(struct model *model, const struct yaml_node *root) {
    const struct yaml_node *services = yaml_get(root, "services");
    if (services == NULL || services->kind != YAML_MAPPING)
        return yaml_fail(services == NULL ? root : services, model->error, "there is no mapping 'services'");
    if (services->count > SERVICE_COUNT_MAX)
        return yaml_fail(services, model->error, "there are more than %d services", SERVICE_COUNT_MAX);
    for (size_t i = 0; i < services->count; i++)
        if (!read_service(model, &services->pairs[i]))
            return false;
    for (size_t i = 0; i < model->services.count; i++)
        if (!read_links(model, &model->services.items[i]))
            return false;
    return dependencies_exist(model) && dependencies_have_no_circle(model);
}

bool model_read(struct model *model) {
    struct buffer text = {0};
    const struct compose_options *options = model->options;
    const char *slash = strrchr(options->path, '/');
    model->file = slash == NULL ? options->path : slash + 1;
    model->folder = arena_text(
        model->arena, slash == NULL ? BYTES(".") : bytes_make(options->path, (size_t)(slash - options->path)));
    model->left = INTERPOLATED_TOTAL_MAX;
    if (!options->read_file(options->context, options->path, YAML_SIZE_MAX, &text, model->error))
        return false;
    struct yaml_node *root = yaml_parse(model->arena, model->file, buffer_view(&text), model->error);
    buffer_free(&text);
    if (root == NULL || !read_dot_env(model) || !interpolate_tree(model, root))
        return false;
    if (root->kind != YAML_MAPPING)
        return yaml_fail(root, model->error, "a compose file is a mapping with 'services', this is %s",
            yaml_is_null(root) ? "empty" : yaml_kind_name(root));
    check_keys(model, root, model->file, top_keys, ARRAY_COUNT(top_keys));
    note_override(model);
    model->plan->project = project_name(model, root);
    return read_services(model, root);
}

void model_free(struct model *model) {
    for (size_t i = 0; i < model->services.count; i++) {
        struct model_service *service = &model->services.items[i];
        VECTOR_FREE(&service->names);
        VECTOR_FREE(&service->ports);
        VECTOR_FREE(&service->variables);
        VECTOR_FREE(&service->volumes);
        VECTOR_FREE(&service->entrypoint);
        VECTOR_FREE(&service->command);
        VECTOR_FREE(&service->depends_on);
    }
    VECTOR_FREE(&model->services);
    VECTOR_FREE(&model->dot_env);
}
