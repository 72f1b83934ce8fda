#include "cli/docker/docker.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/messages.h"

struct word_row {
    const char *name;
    docker_function *run;
    bool in_docker, in_compose;
    bool needs_instance;
};

/* Sorted. */
static const struct word_row words[] = {
    {"config", docker_config, false, true, true},
    {"down", docker_down, false, true, true},
    {"exec", docker_exec, true, true, true},
    {"images", docker_images, true, true, true},
    {"inspect", docker_inspect, true, false, true},
    {"logs", docker_logs, true, true, true},
    {"ps", docker_ps, true, true, true},
    {"restart", docker_restart, true, true, true},
    {"start", docker_start, true, true, true},
    {"stats", docker_stats, true, true, true},
    {"stop", docker_stop, true, true, true},
    {"up", docker_up, false, true, true},
    {"version", docker_version, true, true, false},
};

/* ---- the real docker ---- */

static bool is_ours(const char *path) {
    char self[PATH_MAX], found[PATH_MAX];
    return realpath("/proc/self/exe", self) != NULL && realpath(path, found) != NULL && strcmp(self, found) == 0;
}

static bool find_real(const char *name, char found[PATH_MAX]) {
    const char *folder = getenv("PATH");
    while (folder != NULL && *folder != 0) {
        size_t size = strcspn(folder, ":");
        if (size > 0 && snprintf(found, PATH_MAX, "%.*s/%s", (int)size, folder, name) < PATH_MAX &&
            access(found, X_OK) == 0 && !is_ours(found))
            return true;
        folder += size + (folder[size] == ':');
    }
    return false;
}

int docker_real(const struct docker_call *call, const char *otherwise, ...) {
    char path[PATH_MAX];
    const char *slash = strrchr(call->whole[0], '/');
    if (call->caller != CALLED_AS_RAUDAL && find_real(slash == NULL ? call->whole[0] : slash + 1, path)) {
        fflush(stdout);
        execv(path, call->whole);
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return 126;
    }
    va_list arguments;
    va_start(arguments, otherwise);
    if (otherwise != NULL)
        vfprintf(stderr, otherwise, arguments);
    va_end(arguments);
    return 1;
}

int docker_no_container(const struct docker_call *call, const char *name) {
    if (call->caller == CALLED_AS_COMPOSE)
        return docker_real(call, "no such service: %s\n", name);
    if (strcmp(call->argv[0], "inspect") == 0)
        return docker_real(call, "[]\nError: No such object: %s\n", name);
    return docker_real(call, "Error response from daemon: No such container: %s\n", name);
}

/* ---- options ---- */

static bool has_name(const char *names, const char *word, size_t size) {
    for (const char *at = names; *at != 0;) {
        size_t length = strcspn(at, " ");
        if (length == size && strncmp(at, word, size) == 0)
            return true;
        at += length + (at[length] == ' ');
    }
    return false;
}

static const struct docker_option *find_option(
    const struct docker_option *options, size_t count, const char *word, size_t size) {
    for (size_t i = 0; i < count; i++)
        if (has_name(options[i].names, word, size))
            return &options[i];
    return NULL;
}

static bool is_flag(const struct docker_option *option) {
    return option->flag != NULL || option->effect == DOCKER_FLAG_WITHOUT_EFFECT;
}

static void take(const struct docker_option *option, const char *value) {
    const char *last = strrchr(option->names, ' ');
    if (option->effect != DOCKER_HAS_EFFECT)
        message_error(MESSAGE_DOCKER_WITHOUT_EFFECT, last == NULL ? option->names : last + 1);
    else if (option->flag != NULL)
        *option->flag = value == NULL || strcmp(value, "false") != 0;
    else if (option->each != NULL)
        option->each(option->argument, value);
    else
        *option->value = value;
}

/* "-it" or "-n5": each letter is an option, or one letter is and the rest its value. */
static bool take_letters(struct docker_call *call, const struct docker_option *options, size_t count, int *index) {
    const char *word = call->argv[*index];
    for (size_t i = 1; word[i] != 0; i++) {
        char name[3] = {'-', word[i], 0};
        const struct docker_option *option = find_option(options, count, name, 2);
        if (option == NULL)
            return false;
        if (is_flag(option)) {
            take(option, NULL);
            continue;
        }
        const char *rest = word + i + 1;
        rest += *rest == '=';
        if (*rest == 0 && *index + 1 >= call->argc)
            return false;
        take(option, *rest != 0 ? rest : call->argv[++*index]);
        return true;
    }
    return true;
}

static bool take_long(struct docker_call *call, const struct docker_option *options, size_t count, int *index) {
    const char *word = call->argv[*index], *equals = strchr(word, '=');
    const struct docker_option *option =
        find_option(options, count, word, equals == NULL ? strlen(word) : (size_t)(equals - word));
    if (option == NULL)
        return false;
    if (is_flag(option) || equals != NULL) {
        take(option, equals == NULL ? NULL : equals + 1);
        return true;
    }
    if (*index + 1 >= call->argc)
        return false;
    take(option, call->argv[++*index]);
    return true;
}

int docker_options(struct docker_call *call, const struct docker_option *options, size_t count, bool stop_at_word) {
    int kept = 1, i = 1;
    for (; i < call->argc; i++) {
        const char *word = call->argv[i];
        if (strcmp(word, "--") == 0) {
            i++;
            break;
        }
        if (word[0] != '-' || word[1] == 0) {
            if (stop_at_word)
                break;
            call->argv[kept++] = call->argv[i];
            continue;
        }
        bool is_long = word[1] == '-';
        if (!(is_long ? take_long : take_letters)(call, options, count, &i)) {
            docker_real(call, message_text(MESSAGE_DOCKER_OPTION), call->argv[0], word);
            return -1;
        }
    }
    for (; i < call->argc; i++)
        call->argv[kept++] = call->argv[i];
    call->argv[kept] = NULL;
    call->argc = kept;
    return 1;
}

bool docker_chosen(struct docker_call *call, int first, int count, struct container ***chosen, size_t *chosen_count) {
    size_t all = call->containers.items.count;
    *chosen = calloc(all + (size_t)count + 1, sizeof **chosen);
    ASSERT(*chosen != NULL);
    *chosen_count = 0;
    if (first >= count && call->caller == CALLED_AS_DOCKER) {
        fprintf(stderr, "docker: '%s' requires at least 1 argument.\n", call->argv[0]);
        return false;
    }
    for (size_t i = 0; first >= count && i < all; i++)
        if (call->containers.items.items[i].is_served)
            (*chosen)[(*chosen_count)++] = &call->containers.items.items[i];
    for (int i = first; i < count; i++) {
        struct container *found = containers_find(&call->containers, call->argv[i]);
        if (found == NULL) {
            docker_no_container(call, call->argv[i]);
            return false;
        }
        (*chosen)[(*chosen_count)++] = found;
    }
    return true;
}

/* ---- dispatch ---- */

static const struct word_row *find_word(const char *name, enum docker_caller caller) {
    for (size_t i = 0; i < ARRAY_COUNT(words); i++)
        if (strcmp(words[i].name, name) == 0 && (caller == CALLED_AS_DOCKER       ? words[i].in_docker
                                                    : caller == CALLED_AS_COMPOSE ? words[i].in_compose
                                                                                  : true))
            return &words[i];
    return NULL;
}

static int run_word(struct docker_call *call) {
    const struct word_row *word = find_word(call->argc > 0 ? call->argv[0] : "", call->caller);
    if (word == NULL)
        return docker_real(call, message_text(MESSAGE_DOCKER_WORD),
            call->caller == CALLED_AS_COMPOSE ? "docker compose" : "docker", call->argc > 0 ? call->argv[0] : "");
    int status = 1;
    if (!word->needs_instance || containers_load(&call->containers, call->data))
        status = word->run(call);
    containers_free(&call->containers);
    return fflush(stdout) == 0 ? status : 1;
}

/* Options of compose itself, before its word: which file and project. There is one: what runs. */
static int skip_compose_options(int argc, char **argv) {
    static const char *const with_value[] = {"-f", "--file", "-p", "--project-name", "--profile", "--env-file",
        "--project-directory", "--ansi", "--progress"};
    int i = 0;
    for (; i < argc && argv[i][0] == '-'; i++)
        for (size_t k = 0; k < ARRAY_COUNT(with_value); k++)
            if (strcmp(argv[i], with_value[k]) == 0)
                i++;
    return i < argc ? i : argc;
}

static int run_compose(int argc, char **argv, char **whole) {
    int skipped = skip_compose_options(argc, argv);
    static struct docker_call call;
    call = (struct docker_call){
        .caller = CALLED_AS_COMPOSE, .argc = argc - skipped, .argv = argv + skipped, .whole = whole};
    return run_word(&call);
}

/* The real docker needs the words as they were typed: the parser moves them about. */
static char **copy_words(int argc, char **argv) {
    char **copy = calloc((size_t)argc + 1, sizeof *copy);
    ASSERT(copy != NULL);
    memcpy(copy, argv, (size_t)argc * sizeof *copy);
    return copy;
}

int tool_docker_main(int argc, char **argv) {
    static struct docker_call call;
    char **whole = copy_words(argc, argv);
    int first = 1, status;
    if (argc > 1 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-v") == 0))
        argv[1] = (char *)"version";
    if (first < argc && strcmp(argv[first], "compose") == 0) {
        status = run_compose(argc - 2, argv + 2, whole);
    } else {
        if (first + 1 < argc && strcmp(argv[first], "container") == 0)
            first++;
        call = (struct docker_call){.argc = argc - first, .argv = argv + first, .whole = whole};
        status = run_word(&call);
    }
    free(whole);
    return status;
}

int tool_docker_compose_main(int argc, char **argv) {
    char **whole = copy_words(argc, argv);
    int status = run_compose(argc - 1, argv + 1, whole);
    free(whole);
    return status;
}

/* raudal ps, exec, stop …: --data DIR may stand first. */
int command_docker_word(int argc, char **argv) {
    static struct docker_call call;
    call = (struct docker_call){.caller = CALLED_AS_RAUDAL, .argc = argc, .argv = argv, .whole = argv};
    if (argc > 2 && strcmp(argv[1], "--data") == 0) {
        call.data = argv[2];
        memmove(argv + 1, argv + 3, (size_t)(argc - 2) * sizeof *argv);
        call.argc -= 2;
    }
    return run_word(&call);
}
