/* Files from memory: trees, variables, and what is planned of them. */
#include "compose/compose.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/assert.h"
#include "compose/interpolate.h"
#include "compose/tree.h"

/* ---- a small disk and environment ---- */

struct disk {
    const char *names[4], *texts[4];
};

static bool read_file(void *context, const char *path, size_t size_max, struct buffer *out, struct error *error) {
    const struct disk *disk = context;
    for (size_t i = 0; i < ARRAY_COUNT(disk->names); i++)
        if (disk->names[i] != NULL && strcmp(disk->names[i], path) == 0) {
            buffer_append_text(out, disk->texts[i]);
            return out->size <= size_max || error_set(error, ERROR_LIMIT, "too large");
        }
    return error_set(error, ERROR_NOT_FOUND, "%s is not there", path);
}

static const char *variable(void *context, const char *name) {
    return strcmp(name, "FROM_CALLER") == 0 ? "caller" : strcmp(name, "EMPTY") == 0 ? "" : NULL;
}

static bool plan_texts(const struct disk *disk, struct compose_plan *plan, struct error *error) {
    struct compose_options options = {.path = "/c/compose.yml",
        .lab_is_there = true,
        .read_file = read_file,
        .variable = variable,
        .context = (void *)(uintptr_t)disk};
    return compose_read(&options, plan, error);
}

static bool plan_text(const char *text, struct compose_plan *plan, struct error *error) {
    struct disk disk = {{"/c/compose.yml"}, {text}};
    return plan_texts(&disk, plan, error);
}

static const char *setting(const struct compose_plan *plan, const char *name) {
    for (size_t i = 0; i < plan->settings.count; i++)
        if (strcmp(plan->settings.items[i].name, name) == 0)
            return plan->settings.items[i].value;
    return NULL;
}

static bool has_note(const struct compose_plan *plan, const char *part) {
    for (size_t i = 0; i < plan->notes.count; i++)
        if (strstr(plan->notes.items[i], part) != NULL)
            return true;
    return false;
}

/* ---- trees ---- */

static struct yaml_node *tree_of(struct arena *arena, const char *text, struct error *error) {
    arena_init(arena);
    return yaml_parse(arena, "f.yml", bytes_from_text(text), error);
}

static void aliases_and_merge_keys(void **state) {
    struct arena arena;
    struct error error;
    struct yaml_node *root =
        tree_of(&arena, "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], x: 9}\nd: *a\ne: ~\n", &error);
    assert_non_null(root);
    const struct yaml_node *c = yaml_get(root, "c");
    assert_string_equal(yaml_get(c, "x")->text, "9");
    assert_string_equal(yaml_get(c, "y")->text, "2");
    assert_string_equal(yaml_get(c, "z")->text, "4");
    assert_ptr_equal(yaml_get(root, "d"), yaml_get(root, "a"));
    assert_null(yaml_get(root, "e"));
    assert_int_equal(yaml_get(root, "b")->line, 2);
    arena_destroy(&arena);
}

static void bad_trees_name_their_place(void **state) {
    static const char *const rows[][2] = {
        {"a: [1\nb: 2\n", "f.yml:2:2: this is no YAML"},
        {"a: 1\na: 2\n", "f.yml:2:1: the key 'a' was given in line 1 already"},
        {"a: &x [*x]\n", "f.yml:1:8: the alias *x stands inside its own anchor (line 1)"},
        {"a: *x\n", "f.yml:1:4: there is no anchor &x before this alias"},
        {"a: 1\n---\nb: 2\n", "f.yml:2:1: a second document begins here"},
        {"? [a]\n: 1\n", "f.yml:1:3: a key must be a text, this is a list"},
        {"a: {<<: 3}\n", "f.yml:1:9: a merge key (<<) takes a mapping"},
        {"a: \"\\0\"\n", "f.yml:1:4: a text may not hold a NUL"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct arena arena;
        struct error error;
        assert_null(tree_of(&arena, rows[i][0], &error));
        if (strncmp(error.message, rows[i][1], strlen(rows[i][1])) != 0)
            fail_msg("'%s' is not '%s'", error.message, rows[i][1]);
        arena_destroy(&arena);
    }
}

static void small_files_do_not_become_large_trees(void **state) {
    struct buffer text = {0};
    struct arena arena;
    struct error error;
    buffer_append_text(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 60; i++)
        buffer_printf(&text, "a%d: &a%d [*a%d, *a%d]\n", i, i, i - 1, i - 1);
    assert_null(tree_of(&arena, buffer_text(&text), &error));
    assert_non_null(strstr(error.message, "stands for more than 100000 values"));
    arena_destroy(&arena);
    buffer_clear(&text);
    for (int i = 0; i < 500; i++)
        buffer_append_byte(&text, '[');
    assert_null(tree_of(&arena, buffer_text(&text), &error));
    assert_non_null(strstr(error.message, "nested more than 64 levels"));
    arena_destroy(&arena);
    buffer_clear(&text);
    buffer_append_text(&text, "a0: &a0 x\n");
    for (int i = 1; i < 100; i++)
        buffer_printf(&text, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    assert_null(tree_of(&arena, buffer_text(&text), &error));
    arena_destroy(&arena);
    buffer_free(&text);
}

/* ---- variables ---- */

static void note_missing(void *context, const char *name) {
    ++*(int *)context;
}

static const char *some_value(void *context, const char *name) {
    return variable(NULL, name);
}

static void variables_are_put_in(void **state) {
    static const char *const rows[][2] = {{"a $FROM_CALLER b", "a caller b"}, {"${FROM_CALLER}x", "callerx"},
        {"$$x$$", "$x$"}, {"${NONE-d}", "d"}, {"${EMPTY-d}", ""}, {"${EMPTY:-d}", "d"},
        {"${NONE:-${EMPTY:-${FROM_CALLER}}}", "caller"}, {"${FROM_CALLER:+y}", "y"}, {"${NONE+y}", ""},
        {"[$NONE]", "[]"}, {"${FROM_CALLER:?no}", "caller"}, {"", ""}, {"${NONE:-a}b}", "ab}"}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        int missing = 0;
        size_t left = INTERPOLATED_TOTAL_MAX;
        struct interpolation interpolation = {some_value, note_missing, &missing, &left};
        struct arena arena = {0};
        struct error error;
        char *text = interpolate(&interpolation, &arena, rows[i][0], &error);
        assert_non_null(text);
        assert_string_equal(text, rows[i][1]);
        assert_int_equal(missing, strcmp(rows[i][0], "[$NONE]") == 0);
        arena_destroy(&arena);
    }
}

static void bad_variables_are_refused(void **state) {
    static const char *const rows[][2] = {{"${NONE:?give one}", "the variable NONE is needed: give one"},
        {"${NONE", "is no form of a variable"}, {"${A:-x", "closing brace"}, {"$", "is no variable"},
        {"$(x)", "is no variable"}, {"${}", "is no variable"}, {"${A/b/c}", "is no form of a variable"},
        {"${a:-${a:-${a:-${a:-${a:-${a:-${a:-${a:-${a:-x}}}}}}}}}", "go deeper than"}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        int missing = 0;
        size_t left = INTERPOLATED_TOTAL_MAX;
        struct interpolation interpolation = {some_value, note_missing, &missing, &left};
        struct arena arena = {0};
        struct error error;
        assert_null(interpolate(&interpolation, &arena, rows[i][0], &error));
        if (strstr(error.message, rows[i][1]) == NULL)
            fail_msg("'%s' has no '%s'", error.message, rows[i][1]);
        arena_destroy(&arena);
    }
}

static void variable_files_are_read(void **state) {
    int missing = 0;
    size_t left = INTERPOLATED_TOTAL_MAX;
    struct interpolation interpolation = {some_value, note_missing, &missing, &left};
    struct env_list list = {0};
    struct arena arena = {0};
    struct error error;
    const char *text = "# first\nA=1\nexport B = two words # not this\nC='$A $$ # kept'\nD=\"x$A\\ny\"\nE=${A}/$B\n"
                       "FROM_CALLER\n\nF=\nG=a#b\nH=\"1\n2\"\r\nA=3\n";
    assert_true(env_file_parse(&interpolation, &arena, ".env", bytes_from_text(text), &list, &error));
    static const char *const rows[][2] = {{"A", "3"}, {"B", "two words"}, {"C", "$A $$ # kept"}, {"D", "x1\ny"},
        {"E", "1/two words"}, {"F", ""}, {"G", "a#b"}, {"H", "1\n2"}};
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++)
        assert_string_equal(env_find(&list, rows[i][0])->value, rows[i][1]);
    assert_null(env_find(&list, "FROM_CALLER")->value);
    assert_int_equal(missing, 0);
    assert_false(env_file_parse(&interpolation, &arena, ".env", BYTES("A=1\nB='x\n"), &list, &error));
    assert_string_equal(error.message, ".env:2: the closing quote ' is missing");
    assert_false(env_file_parse(&interpolation, &arena, ".env", BYTES("\n\ntwo words\n"), &list, &error));
    assert_non_null(strstr(error.message, ".env:3: NAME=value is needed"));
    VECTOR_FREE(&list);
    arena_destroy(&arena);
}

static void doubling_variables_end(void **state) {
    struct buffer text = {0};
    struct env_list list = {0};
    struct arena arena = {0};
    struct error error;
    int missing = 0;
    size_t left = INTERPOLATED_TOTAL_MAX;
    struct interpolation interpolation = {some_value, note_missing, &missing, &left};
    buffer_append_text(&text, "A0=xxxxxxxxxx\n");
    for (int i = 1; i < 60; i++)
        buffer_printf(&text, "A%d=$A%d$A%d\n", i, i - 1, i - 1);
    assert_false(env_file_parse(&interpolation, &arena, ".env", buffer_view(&text), &list, &error));
    assert_int_equal(error.code, ERROR_LIMIT);
    VECTOR_FREE(&list);
    buffer_free(&text);
    arena_destroy(&arena);
}

/* ---- plans ---- */

static void listeners_become_ports(void **state) {
    struct compose_plan plan;
    struct error error;
    assert_true(plan_text("services:\n"
                          "  k:\n"
                          "    image: quay.io/confluentinc/cp-kafka@sha256:0\n"
                          "    ports: ['19092:9092', 127.0.0.1:5000:5000, '6000-6001:6000-6001']\n"
                          "    environment:\n"
                          "      KAFKA_LISTENERS: IN://k:29092,OUT://0.0.0.0:9092,CONTROLLER://k:9093,OLD://:7000\n"
                          "      KAFKA_ADVERTISED_LISTENERS: IN://k:29092,OUT://localhost:19092\n"
                          "      KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: IN:PLAINTEXT,OUT:PLAINTEXT,OLD:SSL\n"
                          "      KAFKA_NUM_PARTITIONS: 6\n",
        &plan, &error));
    const struct compose_service *service = &plan.services.items[0];
    assert_int_equal(service->kind, COMPOSE_KAFKA);
    assert_string_equal(service->container, "c-k-1");
    assert_int_equal(service->ports.items[0].container, 29092);
    assert_string_equal(service->ports.items[0].told, "k");
    assert_int_equal(service->ports.items[1].container, 9092);
    assert_int_equal(service->ports.items[1].published, 19092);
    assert_null(service->ports.items[1].told);
    assert_string_equal(setting(&plan, "kafka.num.partitions"), "6");
    assert_true(has_note(&plan, "the listener OLD asks for SSL"));
    assert_true(has_note(&plan, "port 5000 is not opened"));
    assert_true(has_note(&plan, "port 6001 is not opened"));
    compose_plan_free(&plan);
}

static void init_services_become_commands(void **state) {
    struct compose_plan plan;
    struct error error;
    assert_true(plan_text(
        "services:\n"
        "  kafka: {image: apache/kafka}\n"
        "  init:\n"
        "    image: apache/kafka\n"
        "    entrypoint: [/bin/bash, -c]\n"
        "    command: |\n"
        "      \"/opt/kafka/bin/kafka-topics.sh --create --topic 'a b' \\\n"
        "        --partitions 2; rm -rf /; until nc -z k 1; do sleep 5; done && echo done || kafka-topics --topic $$X;"
        " kafka-topics --list > /x\"\n",
        &plan, &error));
    assert_int_equal(plan.commands.count, 1);
    static const char *const words[] = {"kafka-topics.sh", "--create", "--topic", "a b", "--partitions", "2", NULL};
    for (size_t i = 0; words[i] != NULL; i++)
        assert_string_equal(plan.commands.items[0].words[i], words[i]);
    assert_null(plan.commands.items[0].words[6]);
    assert_true(has_note(&plan, "this is not run: rm -rf /"));
    assert_true(has_note(&plan, "this is not run: kafka-topics --topic $X"));
    assert_true(has_note(&plan, "this is not run: kafka-topics --list > /x"));
    assert_false(has_note(&plan, "sleep"));
    compose_plan_free(&plan);
}

static void an_override_file_is_named(void **state) {
    struct disk disk = {{"/c/compose.yml", "/c/compose.override.yml"},
        {"services: {kafka: {image: apache/kafka}}\n", "services: {kafka: {ports: ['1:1']}}\n"}};
    struct compose_plan plan;
    struct error error;
    assert_true(plan_texts(&disk, &plan, &error));
    assert_true(has_note(&plan, "compose.override.yml is not read, only compose.yml is"));
    compose_plan_free(&plan);
}

static void variables_come_from_all_their_places(void **state) {
    struct disk disk = {{"/c/compose.yml", "/c/.env", "/c/h.env"},
        {"services:\n"
         "  n:\n"
         "    image: bde2020/hadoop-namenode:${TAG}\n"
         "    env_file: ./h.env\n"
         "    environment: [HDFS_CONF_dfs_blocksize=1048576, FROM_CALLER]\n",
            "TAG=2.0\nPORT=9555\n", "CORE_CONF_fs_defaultFS=hdfs://n:${PORT}\nHDFS_CONF_dfs_blocksize=3\n"}};
    struct compose_plan plan;
    struct error error;
    assert_true(plan_texts(&disk, &plan, &error));
    assert_int_equal(plan.services.items[0].kind, COMPOSE_NAMENODE);
    assert_string_equal(plan.services.items[0].image, "bde2020/hadoop-namenode:2.0");
    assert_string_equal(setting(&plan, "fs.defaultFS"), "hdfs://n:9555");
    assert_string_equal(setting(&plan, "dfs.blocksize"), "1048576");
    assert_int_equal(plan.services.items[0].ports.items[0].container, 9555);
    assert_true(has_note(&plan, "n: FROM_CALLER has no effect: it is not known here"));
    compose_plan_free(&plan);
}

static void a_lab_has_its_token_and_folders(void **state) {
    struct compose_plan plan;
    struct error error;
    assert_true(plan_text("services:\n"
                          "  notebook:\n"
                          "    image: quay.io/jupyter/pyspark-notebook\n"
                          "    command: start-notebook.sh --NotebookApp.token=''\n"
                          "    ports: ['8889:8888', '4040:4040']\n"
                          "    volumes: [./sessions:/home/jovyan/sessions, data:/data, '/srv/d:/d:ro']\n",
        &plan, &error));
    assert_string_equal(setting(&plan, "jupyter.token"), "none");
    assert_string_equal(setting(&plan, "raudal.volumes"), "/home/jovyan/sessions=/c/sessions, /d=/srv/d");
    assert_int_equal(plan.services.items[0].ports.items[0].published, 8889);
    assert_true(has_note(&plan, "notebook: answers at port 8889 here"));
    assert_int_equal(plan.services.items[0].ports.items[1].role, COMPOSE_ROLE_SPARK_MASTER);
    compose_plan_free(&plan);
}

static void bad_files_name_their_place(void **state) {
    static const char *const rows[][2] = {
        {"services: {k: {image: a, ports: [0:1]}}", "compose.yml:1:34: '0:1' is no port"},
        {"services: {k: {image: a, ports: [70000]}}", "'70000' is no port"},
        {"services: {k: {image: a, ports: ['1-2:1-3']}}", "is no port"},
        {"services: {k: {image: a, depends_on: [j]}, j: {image: a, depends_on: {k: {condition: x}}}}",
            "depends on itself by way of others"},
        {"services: {k: {ports: []}}", "has neither an image nor a build"},
        {"services: {k: 3}", "must be a mapping, this is a text"},
        {"services: {k: {image: a, environment: {X: [1]}}}", "the value of X must be a text"},
        {"services: {k: {image: a, container_name: 'a b'}}", "cannot be a host name"},
        {"services: {k: {image: a, volumes: [a:b]}}", "a volume's place in the container begins with /"},
        {"services: {k: {image: a, scale: 1000}}", "a number of replicas from 0 to 20"},
        {"services: {k: {image: apache/kafka, environment: {KAFKA_NUM_PARTITIONS: '0'}}}", "KAFKA_NUM_PARTITIONS"},
        {"services: {k: {image: zookeeper, environment: {ZOO_PORT: x}}}", "'x' is no port"},
    };
    for (size_t i = 0; i < ARRAY_COUNT(rows); i++) {
        struct compose_plan plan;
        struct error error;
        assert_false(plan_text(rows[i][0], &plan, &error));
        if (strstr(error.message, rows[i][1]) == NULL)
            fail_msg("'%s' has no '%s'", error.message, rows[i][1]);
        assert_int_equal(plan.services.count, 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(aliases_and_merge_keys),
        cmocka_unit_test(bad_trees_name_their_place),
        cmocka_unit_test(small_files_do_not_become_large_trees),
        cmocka_unit_test(variables_are_put_in),
        cmocka_unit_test(bad_variables_are_refused),
        cmocka_unit_test(variable_files_are_read),
        cmocka_unit_test(doubling_variables_end),
        cmocka_unit_test(listeners_become_ports),
        cmocka_unit_test(init_services_become_commands),
        cmocka_unit_test(an_override_file_is_named),
        cmocka_unit_test(variables_come_from_all_their_places),
        cmocka_unit_test(a_lab_has_its_token_and_folders),
        cmocka_unit_test(bad_files_name_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
