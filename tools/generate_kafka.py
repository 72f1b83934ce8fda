#!/usr/bin/env python3
"""Turns the message descriptions of schema/kafka/*.kafka into C structs and constant field tables.

usage: generate_kafka.py OUTPUT.h OUTPUT.c SCHEMA...
The notation is explained in schema/kafka/README.md; the tables are read by src/wire/message.c.
"""
import os
import re
import sys

EVER, NEVER = 32766, 32767
SCALARS = {'bool': ('bool', 'BOOL'), 'int8': ('int8_t', 'INT8'), 'int16': ('int16_t', 'INT16'),
           'uint16': ('uint16_t', 'UINT16'), 'int32': ('int32_t', 'INT32'), 'int64': ('int64_t', 'INT64'),
           'float64': ('double', 'FLOAT64'), 'uuid': ('struct uuid', 'UUID'), 'string': ('struct bytes', 'STRING'),
           'bytes': ('struct bytes', 'BYTES'), 'records': ('struct bytes', 'RECORDS')}


class Field:
    def __init__(self, where, text):
        self.where, self.children = where, []
        parts = text.split()
        if len(parts) < 2:
            sys.exit(f'{where}: a field needs a name and a type')
        self.name = parts[0]
        match = re.fullmatch(r'(\[(\w+)\]|\{(\w+)\}|(\w+))(\?(\d*))?', parts[1])
        if not match:
            sys.exit(f'{where}: unknown type {parts[1]}')
        self.array, self.single, self.base = match[2] is not None, match[3] is not None, match[2] or match[3] or match[4]
        self.nullable = NEVER if match[5] is None else int(match[6] or 0)
        self.first, self.last, self.tag, self.default, self.lossy = 0, EVER, -1, None, False
        rest = parts[2:]
        if rest and re.fullmatch(r'\d+(\+|-\d+)?', rest[0]):
            self.first, self.last = versions(rest.pop(0))
        while rest:
            word = rest.pop(0)
            if word == 'lossy':
                self.lossy = True
            elif word == 'tag':
                self.tag = int(rest.pop(0))
            elif word == '=':
                self.default = rest.pop(0)
            else:
                sys.exit(f'{where}: unknown option {word}')

    def is_struct(self):
        return self.base not in SCALARS


class Message:
    def __init__(self, c_name, kind, name, key, low, high, flexible):
        self.c_name, self.kind, self.name, self.key = c_name, kind, name, key
        self.low, self.high, self.flexible, self.fields, self.structs = low, high, flexible, [], []


def versions(text):
    match = re.fullmatch(r'(\d+)(\+|-(\d+))?', text)
    low = int(match[1])
    return low, EVER if match[2] == '+' else int(match[3] or low)


def read(path, messages):
    header, stack = None, []
    for number, line in enumerate(open(path, encoding='utf-8'), 1):
        where, text = f'{os.path.basename(path)}:{number}', line.split('#')[0].rstrip()
        if not text:
            continue
        if not text[0].isspace():
            words = text.split()
            if words[0] in ('request', 'reply'):
                message = Message(f'kafka_{header.name}_{words[0]}', words[0], header.name, header.key, header.low,
                                  header.high, header.flexible)
                messages.append(message)
            else:
                options = dict(zip(words[2::2], words[3::2]))
                low, high = versions(options['versions'])
                name = words[1]
                suffix = '_record' if words[0] == 'record' and not re.search('_(key|value)$', name) else ''
                header = message = Message(f'kafka_{name}{suffix}', words[0], name, int(options.get('key', -1)), low,
                    high,
                                           int(options.get('flexible', NEVER)))
                if words[0] != 'api':
                    messages.append(message)
            stack = [(0, message.fields)]
            continue
        depth = len(text) - len(text.lstrip())
        while depth <= stack[-1][0]:
            stack.pop()
        field = Field(where, text)
        stack[-1][1].append(field)
        if field.is_struct():
            stack.append((depth, field.children))


def c_struct(message, field_name, fields, lines):
    """Declares nested structs before the one that holds them."""
    body = []
    for field in fields:
        if field.is_struct():
            name = f'{message.c_name}_{field.base}'
            if name in message.structs:
                sys.exit(f'{field.where}: a second struct named {field.base}')
            message.structs.append(name)
            c_struct(message, name, field.children, lines)
            c_type = f'struct {name}'
        else:
            c_type = SCALARS[field.base][0]
        if field.array:
            body.append(f'    struct {{\n        {c_type} *items;\n        int32_t count; /* -1: null */\n    }} {field.name};')
        elif field.single and field.nullable != NEVER:
            body.append(f'    {c_type} *{field.name}; /* may be NULL */')
        else:
            body.append(f'    {c_type} {field.name};')
    lines += [f'struct {field_name} {{', *(body or ['    uint8_t nothing;']), '};']


def c_table(message, struct_name, fields, lines):
    for field in fields:
        if field.is_struct():
            c_table(message, f'{message.c_name}_{field.base}', field.children, lines)
    rows = []
    for field in sorted(fields, key=lambda item: item.tag):
        kind = 'STRUCT' if field.is_struct() else SCALARS[field.base][1]
        c_type = f'struct {message.c_name}_{field.base}' if field.is_struct() else SCALARS[field.base][0]
        default = '-1' if field.default == 'null' else field.default or '0'
        if default == '-2147483648':
            default = 'INT32_MIN'
        row = [f'"{field.name}"', f'offsetof(struct {struct_name}, {field.name})', f'WIRE_{kind}', f'sizeof({c_type})',
               str(field.first), str(field.last), str(field.nullable), str(field.tag),
               'true' if field.array else 'false', 'true' if field.lossy else 'false',
               f'&{message.c_name}_{field.base}_struct' if field.is_struct() else 'NULL', default]
        rows.append('    {' + ', '.join(row) + '},')
    if rows:
        lines += [f'static const struct wire_field {struct_name}_fields[] = {{', *rows, '};']
    fields_name = f'{struct_name}_fields' if rows else 'NULL'
    lines.append(f'const struct wire_struct {struct_name}_struct = {{"{struct_name}", sizeof(struct {struct_name}), '
                 f'{len(rows)}, {fields_name}}};')


def main():
    header_path, source_path, *schemas = sys.argv[1:]
    messages = []
    for path in schemas:
        read(path, messages)
    names = [os.path.basename(path) for path in schemas]
    note = f'/* Made by tools/generate_kafka.py from schema/kafka/ ({", ".join(names)}). */'
    header = [note, '#ifndef WIRE_KAFKA_MESSAGES_H', '#define WIRE_KAFKA_MESSAGES_H', '', '#include "wire/message.h"',
        '']
    source = [note, '#include "wire/kafka_messages.h"', '']
    for message in messages:
        message.structs.append(message.c_name)
        c_struct(message, message.c_name, message.fields, header)
        for name in message.structs:
            header.append(f'extern const struct wire_struct {name}_struct;')
        header += [f'extern const struct wire_message {message.c_name}_message;', '']
        c_table(message, message.c_name, message.fields, source)
        source += [f'const struct wire_message {message.c_name}_message = {{"{message.name}", WIRE_KIND_{message.kind.upper()}, '
                   f'{message.key}, {message.low}, {message.high}, {message.flexible}, &{message.c_name}_struct}};', '']
    header += ['/* Every message above. */', 'extern const struct wire_message *const kafka_messages[];',
               f'#define KAFKA_MESSAGE_COUNT {len(messages)}', '', '#endif']
    source += ['const struct wire_message *const kafka_messages[] = {',
               *(f'    &{message.c_name}_message,' for message in messages), '};']
    open(header_path, 'w', encoding='utf-8').write('\n'.join(header) + '\n')
    open(source_path, 'w', encoding='utf-8').write('\n'.join(source) + '\n')


main()
