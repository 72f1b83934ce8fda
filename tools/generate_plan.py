#!/usr/bin/env python3
"""Makes plan_nodes.h and plan_tables.inc from schema/plan.def: generate_plan.py PLAN.def HEADER TABLES"""
import sys

C_TYPES = {
    "expression": "const struct expression *", "relation": "const struct relation *", "node": "const struct node *",
    "expressions": "struct expression_list ", "relations": "struct relation_list ", "bytes": "struct bytes ",
    "names": "struct bytes_list ", "options": "struct option_list ", "bool": "bool ", "int": "int32_t ", "long": "int64_t ",
    "double": "double ", "id": "uint32_t ", "type": "const struct type *", "column": "const struct column *",
    "batches": "struct batch_list ", "function": "const struct function *", "pointer": "const void *",
}


def read(path):
    nodes = []
    for number, line in enumerate(open(path), 1):
        text = line.rstrip()
        if not text or text.startswith("#"):
            continue
        words = text.split()
        if text[0] != " ":
            if words[0] not in ("expression", "relation", "command"):
                sys.exit(f"{path}:{number}: a node is an expression, a relation or a command")
            nodes.append((words[0], words[1], " ".join(words[2:]), []))
        else:
            if words[0] not in C_TYPES and not words[0].startswith("enum:"):
                sys.exit(f"{path}:{number}: unknown kind {words[0]}")
            nodes[-1][3].append((words[0], words[1], " ".join(words[2:])))
    return nodes


def c_type(kind):
    return f"enum {kind[5:]} " if kind.startswith("enum:") else C_TYPES[kind]


def header(nodes, out):
    out.write("/* Made by tools/generate_plan.py from schema/plan.def. Included by sql/plan.h. */\n")
    out.write("#ifndef SQL_PLAN_NODES_H\n#define SQL_PLAN_NODES_H\n\nenum node_tag {\n")
    for family, name, text, _ in nodes:
        comment = f" /* {text} */" if text else ""
        out.write(f"    {family.upper()}_{name.upper()},{comment}\n")
    out.write("    NODE_TAG_COUNT,\n};\n")
    for family, name, text, fields in nodes:
        struct = f"{family}_{name}"
        out.write(f"\nstruct {struct} {{\n    struct {family} base;\n")
        for kind, field, comment in fields:
            comment = f" /* {comment} */" if comment else ""
            out.write(f"    {c_type(kind)}{field};{comment}\n")
        out.write("};\n")
        out.write(f"static inline struct {struct} *{struct}_new(struct arena *arena) {{\n"
                  f"    return (struct {struct} *)node_new(arena, {struct.upper()});\n}}\n")
        out.write(f"static inline const struct {struct} *{struct}_of(const struct {family} *node) {{\n"
                  f"    ASSERT(node->node.tag == {struct.upper()});\n    return (const struct {struct} *)node;\n}}\n")
    out.write("\n#endif\n")


def tables(nodes, out):
    out.write("/* Made by tools/generate_plan.py from schema/plan.def. */\n")
    for family, name, _, fields in nodes:
        struct = f"{family}_{name}"
        if not fields:
            continue
        out.write(f"static const struct node_field {struct}_fields[] = {{\n")
        for kind, field, _ in fields:
            tag = "ENUM" if kind.startswith("enum:") else kind.upper()
            names = f"{kind[5:]}_names" if kind.startswith("enum:") else "NULL"
            out.write(f'    {{FIELD_{tag}, "{field}", offsetof(struct {struct}, {field}), {names}}},\n')
        out.write("};\n")
    out.write("static const struct node_class node_classes[NODE_TAG_COUNT] = {\n")
    for family, name, _, fields in nodes:
        struct = f"{family}_{name}"
        values = f"{struct}_fields, {len(fields)}" if fields else "NULL, 0"
        out.write(f'    [{struct.upper()}] = {{NODE_{family.upper()}, "{name}", sizeof(struct {struct}), {values}}},\n')
    out.write("};\n")


def main():
    nodes = read(sys.argv[1])
    with open(sys.argv[2], "w") as out:
        header(nodes, out)
    with open(sys.argv[3], "w") as out:
        tables(nodes, out)


main()
