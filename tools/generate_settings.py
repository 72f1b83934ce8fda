#!/usr/bin/env python3
"""Makes docs/kafka-settings.md from schema/settings/kafka.def and kafka_topic.def.

    generate_settings.py [OUT]     OUT: docs/kafka-settings.md by default
"""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[1]
EFFECTS = {"USED": "used", "NO_EFFECT": "no effect", "REFUSED": "only the default"}
UPDATES = {"READ_ONLY": "start", "PER_BROKER": "start", "CLUSTER_WIDE": "running"}
INTRODUCTION = """# Kafka's settings

Every setting of a Kafka 4.4 broker and of its topics, and what it does here. Broker settings go into `raudal.properties` or `--set` with
`kafka.` in front (`--set kafka.num.partitions=6`), into a real `server.properties` (`raudal up --kafka-properties FILE`), or, where
*changes* says running, into `kafka-configs.sh --alter --entity-type brokers`, which applies at once and lasts.

- **used**: it does what it does in Kafka; a test shows it.
- **no effect**: accepted, so that files and programs work as they are; one node has nothing for it to change. `raudal up` and the
  broker's log say so.
- **only the default**: another value would promise something that this broker does not do, so it is refused with a message.

Passwords are never shown. Settings of Kafka's own tests and experiments are marked *internal*.
"""


def rows(name, macro):
    text = (TOP / "schema/settings" / name).read_text()
    text = text[text.index("*/") + 2:]
    word = r'"(?:[^"\\]|\\.)*"'
    pattern = re.compile(macro + r"\(((?:" + word + r"|\((?:" + word + r"|[^()\"])*\)|[^()\"])*)\)")
    for match in pattern.finditer(text):
        fields = re.findall(r"(?:" + word + r"\s*)+|[A-Z_0-9a-z]+(?:\([^)]*\))?|NULL", match[1])
        yield [plain(field) for field in fields]


def plain(field):
    field = field.strip()
    if not field.startswith('"'):
        return None if field == "NULL" else field
    return "".join(part.replace('\\"', '"').replace("\\\\", "\\") for part in re.findall(r'"((?:[^"\\]|\\.)*)"', field))


def values(kind, rule):
    if rule == "ANY" or rule == "DISTINCT":
        return {"BOOLEAN": "true, false"}.get(kind, kind.lower())
    name, _, arguments = rule.partition("(")
    words = arguments.rstrip(")").replace("INT32_MAX", "2147483647").replace("INT64_MAX", "9223372036854775807")
    if name == "AT_LEAST":
        return f"{words} or more"
    if name == "BETWEEN_OR_MINUS_1":
        return " to ".join(words.split(", ")) + ", or -1"
    if name in ("BETWEEN", "BETWEEN_REAL"):
        return " to ".join(words.split(", "))
    if name in ("ONE_OF", "ONE_OF_ANY_CASE"):
        return words.strip('"').lower() if name == "ONE_OF_ANY_CASE" else words.strip('"')
    return {"NON_EMPTY": "text", "ADDRESSES": "address:number, …", "THROTTLED": "partition:broker, …, or *"}[name]


def cell(text):
    return "not set" if text is None else "empty" if text == "" else f"`{text}`"


def line(*cells):
    return "| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |\n"


def document():
    out = INTRODUCTION + "\n## Topics\n\n"
    out += line("setting", "default", "values", "broker's name", "here", "what") + line(*["---"] * 6)
    for name, kind, default, rule, importance, broker, effect, text in sorted(rows("kafka_topic.def", "TOPIC_CONFIG")):
        out += line(f"`{name}`", cell(default), values(kind, rule), f"`{broker}`" if broker else "", EFFECTS[effect],
                    text + (" (internal)" if importance == "INTERNAL" else ""))
    out += "\n## Brokers\n\n"
    out += line("setting", "default", "values", "changes", "here", "what") + line(*["---"] * 6)
    for name, kind, default, rule, importance, update, effect, text in rows("kafka.def", "BROKER_CONFIG"):
        out += line(f"`{name}`", cell(default), values(kind, rule), UPDATES[update], EFFECTS[effect],
                    text + (" (internal)" if importance == "INTERNAL" else ""))
    return out


if __name__ == "__main__":
    pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else TOP / "docs/kafka-settings.md").write_text(document())
