# The part of JSON Schema (draft 2020-12) that Documentation/schemas/ uses, as a filter:
#   jq -r --argjson schema "$(cat FILE)" -f t/lib/schema.jq <<<"$value"
# prints a line for each fault: where it is, and what is wrong.
def kind:
  if type == "number" and . == floor then "integer" else type end;

def fits($want):
  kind as $is | [$want] | flatten | any (. == $is or (. == "number" and $is == "integer"));

def faults($schema; $at):
  ($schema | keys_unsorted[]
    | select (IN ("$schema", "title", "type", "required", "properties", "items", "enum", "const",
        "anyOf", "pattern") | not)
    | "\($at): the schema uses \(.), which this check does not know"),
  (if $schema | has ("type") then
    if fits ($schema.type) then empty else "\($at): \(kind) is not \($schema.type | tojson)" end
  else empty end),
  (if $schema | has ("enum") then
    . as $value | if any ($schema.enum[]; . == $value) then empty
      else "\($at): \($value | tojson) is none of \($schema.enum | tojson)" end
  else empty end),
  (if $schema | has ("const") then
    if . == $schema.const then empty else "\($at): \(tojson) is not \($schema.const | tojson)" end
  else empty end),
  (if ($schema | has ("pattern")) and type == "string" then
    if test ($schema.pattern) then empty else "\($at): \(tojson) does not match \($schema.pattern)" end
  else empty end),
  (if ($schema | has ("anyOf")) then
    . as $value | [$schema.anyOf[] as $one | [$value | faults ($one; $at)]] as $all
    | if any ($all[]; length == 0) then empty else "\($at): no alternative fits: \($all | tojson)" end
  else empty end),
  (if type == "object" then
    . as $value
    | ($schema.required // [] | .[] | . as $key | select ($value | has ($key) | not)
      | "\($at): \($key) is missing"),
    ($schema.properties // {} | to_entries[] | . as $entry | select ($value | has ($entry.key))
      | $value[$entry.key] | faults ($entry.value; "\($at).\($entry.key)")),
    (if $schema | has ("properties") then
      $value | keys_unsorted[] | . as $key | select ($schema.properties | has ($key) | not)
      | "\($at): \($key) is not in the schema"
    else empty end)
  else empty end),
  (if type == "array" and ($schema | has ("items")) then
    to_entries[] | . as $entry | $entry.value | faults ($schema.items; "\($at)[\($entry.key)]")
  else empty end);

faults ($schema; "")
