/* parquet_schema.h: a Parquet schema as a tree with levels, from a Spark type or from a footer. Inside format/ only. */
#ifndef FORMAT_PARQUET_SCHEMA_H
#define FORMAT_PARQUET_SCHEMA_H

#include "column/type.h"
#include "format/parquet.h"
#include "format/parquet_thrift.h"

enum parquet_physical {
    PARQUET_BOOLEAN,
    PARQUET_INT32,
    PARQUET_INT64,
    PARQUET_INT96,
    PARQUET_FLOAT,
    PARQUET_DOUBLE,
    PARQUET_BYTE_ARRAY,
    PARQUET_FIXED
};
enum parquet_repetition { PARQUET_REQUIRED, PARQUET_OPTIONAL, PARQUET_REPEATED };
enum parquet_converted {
    PARQUET_UTF8,
    PARQUET_MAP,
    PARQUET_MAP_KEY_VALUE,
    PARQUET_LIST,
    PARQUET_ENUM,
    PARQUET_DECIMAL,
    PARQUET_DATE,
    PARQUET_TIME_MILLIS,
    PARQUET_TIME_MICROS,
    PARQUET_CONVERTED_TIMESTAMP_MILLIS,
    PARQUET_CONVERTED_TIMESTAMP_MICROS,
    PARQUET_UINT_8,
    PARQUET_UINT_16,
    PARQUET_UINT_32,
    PARQUET_UINT_64,
    PARQUET_INT_8,
    PARQUET_INT_16,
    PARQUET_INT_32,
    PARQUET_INT_64,
    PARQUET_JSON,
    PARQUET_BSON,
    PARQUET_INTERVAL,
    PARQUET_CONVERTED_NONE = -1
};
/* Fields of the union LogicalType. */
enum parquet_logical {
    PARQUET_LOGICAL_NONE = 0,
    PARQUET_LOGICAL_STRING = 1,
    PARQUET_LOGICAL_MAP = 2,
    PARQUET_LOGICAL_LIST = 3,
    PARQUET_LOGICAL_ENUM = 4,
    PARQUET_LOGICAL_DECIMAL = 5,
    PARQUET_LOGICAL_DATE = 6,
    PARQUET_LOGICAL_TIME = 7,
    PARQUET_LOGICAL_TIMESTAMP = 8,
    PARQUET_LOGICAL_INTEGER = 10,
    PARQUET_LOGICAL_UNKNOWN = 11,
    PARQUET_LOGICAL_JSON = 12,
    PARQUET_LOGICAL_BSON = 13,
    PARQUET_LOGICAL_UUID = 14,
    PARQUET_LOGICAL_FLOAT16 = 15
};
enum parquet_unit { PARQUET_MILLIS = 1, PARQUET_MICROS = 2, PARQUET_NANOS = 3 };

/* One element of the flattened schema. */
struct parquet_element {
    struct bytes name;
    enum parquet_physical physical;
    bool is_leaf;
    enum parquet_repetition repetition;
    int32_t type_length, child_count;
    int converted; /* enum parquet_converted */
    enum parquet_logical logical;
    int32_t scale, precision;
    enum parquet_unit unit;
    bool utc; /* timestamps: adjusted to UTC */
    int bits; /* integers */
    bool is_signed;
};

/* What a node of the tree is for the reader and writer of rows. Nodes with the repeated group of a list or map between
 * have no element of their own: `definition` and `repetition` are levels of the node when it is present. */
struct parquet_node {
    struct parquet_element element;
    const struct type *type; /* Spark's; NULL: a kind that Spark has no type for */
    bool optional;
    int definition;                 /* level at which the value (or group) is present */
    int repetition;                 /* number of repeated ancestors, itself included for list elements */
    int repeated_definition;        /* LIST, MAP: level at which there is an element */
    struct parquet_node **children; /* STRUCT: fields; ARRAY: element; MAP: key, value */
    size_t child_count;
    size_t leaf_index; /* of a leaf; else of its first leaf */
    size_t leaf_count; /* below, or 1 */
};

struct parquet_schema {
    struct parquet_node *root; /* STRUCT */
    struct parquet_node **leaves;
    size_t leaf_count;
    struct parquet_element *elements; /* flattened, root first */
    size_t element_count;
};

/* For writing. False with an error for types that Spark does not write (VOID, INTERVAL). In arena. */
bool parquet_schema_from_type(struct arena *arena, const struct type *type, enum parquet_timestamp timestamp,
    struct parquet_schema *schema, struct error *error);
/* For reading: elements (flattened, as in the footer) to the tree with Spark's types. */
bool parquet_schema_from_elements(struct arena *arena, struct parquet_element *elements, size_t count,
    struct parquet_schema *schema, struct error *error);
void parquet_element_write(const struct parquet_element *element, struct thrift_out *out);
bool parquet_element_read(struct thrift_in *in, struct parquet_element *element);
/* Path of a leaf, from below the root: the names of its elements. */
size_t parquet_leaf_path(const struct parquet_schema *schema, size_t leaf, struct bytes *path, size_t path_max);

#endif
