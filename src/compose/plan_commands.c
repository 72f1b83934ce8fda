/* plan_commands.c: what init services and commands ask of our own tools.
 *
 * A command of a compose file runs in a container, away from the machine. Here there is none, so nothing of it goes
 * through a shell: the script is cut into simple commands, and of those only calls of our own tools are made, with the
 * words as they stand. Waiting (sleep, cub, nc, wait-for-it) and the servers' own start are met; the rest is named. */
#include "compose/plan.h"

#include "base/assert.h"

static const char *const tools[] = {
    "kafka-topics", "kafka-configs", "kafka-consumer-groups", "hdfs", "hadoop", "zkCli"};

/* Of these nothing is missed. */
static const char *const met[] = {"sleep", "echo", "printf", "set", "true", ":", "exit", "wait", "cub", "nc", "export",
    "wait-for-it", "dockerize", "run", "kafka-server-start", "zookeeper-server-start", "start-kafka", "kafka-storage",
    "exec", "cd", "ls"};

static const char *base_name(const char *word) {
    const char *slash = strrchr(word, '/');
    return slash == NULL ? word : slash + 1;
}

static bool is_one_of(const char *word, const char *const *names, size_t count) {
    const char *name = base_name(word);
    size_t size = strlen(name);
    if (size > 3 && strcmp(name + size - 3, ".sh") == 0)
        size -= 3;
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) == size && strncmp(names[i], name, size) == 0)
            return true;
    return false;
}

bool plan_command_has(const struct model_service *service, const char *text) {
    const struct model_words *lists[] = {&service->entrypoint, &service->command};
    for (size_t k = 0; k < ARRAY_COUNT(lists); k++)
        for (size_t i = 0; i < lists[k]->count; i++)
            if (strstr(lists[k]->items[i], text) != NULL)
                return true;
    return false;
}

bool plan_is_init(struct model *model, const struct model_service *service) {
    static const char *const calls[] = {
        "kafka-topics", "kafka-configs", "hdfs dfs", "hadoop fs", "zkCli", "kafka-console-producer"};
    static const char *const servers[] = {"kafka-server-start", "docker/run", "start-kafka", "hdfs namenode",
        "hdfs datanode", "zookeeper-server-start", "/run.sh", "kafka/run"};
    bool calls_tool = false, starts_server = false;
    for (size_t i = 0; i < ARRAY_COUNT(calls); i++)
        calls_tool = calls_tool || plan_command_has(service, calls[i]);
    for (size_t i = 0; i < ARRAY_COUNT(servers); i++)
        starts_server = starts_server || plan_command_has(service, servers[i]);
    return calls_tool && !starts_server && service->ports.count == 0;
}

/* ---- the script ---- */

/* The end of a simple command: a newline, ;, &&, ||, & or | outside quotes. */
static size_t command_size(const char *text) {
    char quote = 0;
    size_t size = 0;
    for (; text[size] != 0; size++) {
        if (text[size] == '\\' && quote != '\'' && text[size + 1] != 0)
            size++;
        else if (quote == 0 && (text[size] == '"' || text[size] == '\''))
            quote = text[size];
        else if (text[size] == quote)
            quote = 0;
        else if (quote == 0 && strchr("\n;&|", text[size]) != NULL)
            break;
    }
    return size;
}

/* Backslash and newline join lines. */
static char *join_lines(struct arena *arena, const char *text) {
    char *joined = arena_strdup(arena, text);
    for (char *at = joined; (at = strstr(at, "\\\n")) != NULL;)
        at[0] = at[1] = ' ';
    return joined;
}

/* Words that need a shell: variables, redirections, patterns, other commands. */
static bool needs_shell(const struct model_words *words) {
    for (size_t i = 0; i < words->count; i++)
        if (strpbrk(words->items[i], "$`<>(){}*") != NULL)
            return true;
    return false;
}

static void add_command(struct model *model, const struct model_service *service, const struct model_words *words) {
    const char **copy = arena_array(model->arena, words->count + 1, sizeof *copy);
    for (size_t i = 0; i < words->count; i++)
        copy[i] = i == 0 ? base_name(words->items[i]) : words->items[i];
    copy[words->count] = NULL;
    VECTOR_PUSH(&model->plan->commands, ((struct compose_command){service->name, copy}));
}

static void take_words(
    struct model *model, const struct model_service *service, const struct model_words *words, const char *text) {
    static const char *const servers[] = {"namenode", "datanode"};
    bool is_server = words->count > 1 && is_one_of(words->items[0], &tools[3], 1) &&
                     is_one_of(words->items[1], servers, ARRAY_COUNT(servers));
    static const char *const loops[] = {"until", "while", "done"};
    if (words->count == 0 || is_server || is_one_of(words->items[0], met, ARRAY_COUNT(met)) ||
        is_one_of(words->items[0], loops, ARRAY_COUNT(loops)))
        return; /* a loop waits for something that is there: what it does meanwhile is looked at by itself */
    if (strcmp(words->items[0], "do") == 0 && words->count > 1 && is_one_of(words->items[1], met, ARRAY_COUNT(met)))
        return;
    if (is_one_of(words->items[0], tools, ARRAY_COUNT(tools)) && !needs_shell(words))
        add_command(model, service, words);
    else
        model_note(model, NOTE_COMMAND, service->name, text);
}

static void take_script(struct model *model, const struct model_service *service, const char *script) {
    for (const char *at = join_lines(model->arena, script); *at != 0;) {
        size_t size = command_size(at);
        struct bytes piece = bytes_trim(bytes_make(at, size));
        bool is_pipe = at[size] == '|' && at[size + 1] != '|';
        char *text = arena_text(model->arena, piece);
        struct model_words words = {0};
        model_split_words(model->arena, text, &words);
        if (is_pipe && words.count > 0) {
            size_t rest = command_size(at + size + 1);
            model_note(model, NOTE_COMMAND, service->name,
                arena_text(model->arena, bytes_trim(bytes_make(at, size + 1 + rest))));
            size += 1 + rest;
        } else if (piece.size > 0 && piece.data[0] != '#') {
            take_words(model, service, &words, text);
        }
        VECTOR_FREE(&words);
        at += size + (at[size] != 0);
    }
}

static bool is_shell(const char *word) {
    static const char *const shells[] = {"sh", "bash", "ash", "dash"};
    return is_one_of(word, shells, ARRAY_COUNT(shells));
}

void plan_commands(struct model *model, struct model_service *service) {
    struct model_words all = {0};
    struct buffer text = {0};
    for (size_t i = 0; i < service->entrypoint.count; i++)
        VECTOR_PUSH(&all, service->entrypoint.items[i]);
    for (size_t i = 0; i < service->command.count; i++)
        VECTOR_PUSH(&all, service->command.items[i]);
    bool has_script = all.count > 2 && is_shell(all.items[0]) && all.items[1][0] == '-' && strchr(all.items[1], 'c');
    if (has_script) {
        take_script(model, service, all.items[2]);
    } else if (all.count > 0) {
        for (size_t i = 0; i < all.count; i++)
            buffer_printf(&text, "%s%s", i > 0 ? " " : "", all.items[i]);
        take_words(model, service, &all, arena_text(model->arena, buffer_view(&text)));
    }
    buffer_free(&text);
    VECTOR_FREE(&all);
}
