//! The shapes of what calls take and give, as JSON Schemas.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

use crate::Call;

/// What a call takes and gives; none when there is nothing.
pub(crate) struct Shapes {
    pub(super) query: Option<Value>,
    pub(super) request: Option<Value>,
    pub(super) reply: Option<Value>,
    /// Every type that is named by them.
    pub(super) types: Map<String, Value>,
    /// Reads a text as the request.
    pub(super) reads: fn(&str) -> Result<(), serde_json::Error>,
}

impl Shapes {
    pub(crate) fn of<C: Call>() -> Self
    where
        C::Query: JsonSchema,
        C::Request: JsonSchema,
        C::Reply: JsonSchema,
    {
        // What is left out of a request has a default; what a reply has is always there.
        let mut taken = SchemaSettings::draft2020_12()
            .for_deserialize()
            .into_generator();
        let mut given = SchemaSettings::draft2020_12()
            .for_serialize()
            .into_generator();
        let query = shape::<C::Query>(&mut taken);
        let request = shape::<C::Request>(&mut taken);
        let reply = shape::<C::Reply>(&mut given);
        let mut types = taken.take_definitions(true);
        types.extend(given.take_definitions(true));
        Self {
            query,
            request,
            reply,
            types,
            reads: super::reads::<C::Request>,
        }
    }
}

fn shape<T: JsonSchema>(generator: &mut SchemaGenerator) -> Option<Value> {
    let schema = generator.subschema_for::<T>().to_value();
    let is_nothing = schema.get("type").and_then(Value::as_str) == Some("null");
    (!is_nothing).then_some(schema)
}

/// Every type of the API by name.
pub(super) fn types() -> Map<String, Value> {
    let mut types = Map::new();
    for shapes in crate::calls::shapes() {
        types.extend(shapes.types);
    }
    types
}

/// The name of the type that a schema refers to.
pub(super) fn named(schema: &Value) -> Option<&str> {
    schema.get("$ref")?.as_str()?.strip_prefix("#/$defs/")
}

/// The text of a schema's description on one line.
pub(super) fn described(schema: &Value) -> String {
    let text = schema.get("description").and_then(Value::as_str);
    let text = text.unwrap_or_default().replace('\n', " ");
    // References of rustdoc are names elsewhere.
    text.replace("[`", "`").replace("`]", "`")
}

/// Whether an object always has a member.
pub(super) fn is_required(object: &Value, member: &str) -> bool {
    let required = object.get("required").and_then(Value::as_array);
    required.is_some_and(|names| names.iter().any(|name| name == member))
}

/// The members of an object with their schemas.
pub(super) fn members(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let members = object.get("properties").and_then(Value::as_object);
    members.into_iter().flatten()
}

/// The alternatives of a schema.
pub(super) fn alternatives(schema: &Value) -> Option<&Vec<Value>> {
    let found = schema.get("oneOf").or_else(|| schema.get("anyOf"));
    found.and_then(Value::as_array)
}
