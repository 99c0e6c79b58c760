//! Settings that are not complete yet, as they are in a file. What somebody wrote stays: what is found or made
//! fills what is empty, and nothing else.

use super::{Has, Want};
use serde_json::{Map, Value, json};

/// The image where the settings name none: the newest stable Flatcar, by its makers.
const OWNER: &str = "075585003325";
const NAME: &str = "Flatcar-stable-*-hvm";
const FLAVOUR: &str = "flatcar";

/// Settings, key by key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Draft(Map<String, Value>);

/// Where a draft has something and something else would have filled it.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// The key; those of a part after a dot.
    pub key: String,
    /// What would have been there.
    pub instead_of: Value,
}

impl Draft {
    /// The draft in this text. One of nothing but blanks is empty.
    ///
    /// # Errors
    /// It is no JSON object; says where.
    pub fn parse(text: &str) -> Result<Draft, String> {
        if text.trim().is_empty() {
            return Ok(Draft::default());
        }
        serde_json::from_str(text).map(Draft).map_err(|error| error.to_string())
    }

    /// A text that it has.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str().filter(|text| !text.is_empty())
    }

    /// Fills what is empty with what another has; says what was kept instead.
    pub fn fill(&mut self, other: &Draft) -> Vec<Kept> {
        let mut kept = Vec::new();
        merge(&mut self.0, &other.0, "", &mut kept);
        kept
    }

    /// Fills what is empty with what there is in a region; says what was kept instead.
    pub fn complete(&mut self, region: &str, want: &Want, has: &Has) -> Vec<Kept> {
        let subnet = |zone| has.subnets.get(zone).map(|id| json!({ "zone": zone, "subnet": id }));
        let subnets: Vec<Value> = want.zones.iter().filter_map(subnet).collect();
        let groups: Vec<&str> = has.groups.keys().map(AsRef::as_ref).collect();
        let mut found = json!({ "region": region, "subnets": subnets, "security_groups": groups });
        if let Some(key) = &want.key {
            found["key_name"] = json!(key);
        }
        // The way out is the internet gateway, and that takes a public address. That the subnet is to say is
        // something that may be said.
        if !self.0.contains_key("public_ip") {
            found["public_ip"] = json!(true);
        }
        let other_family = self.text("flavour").is_some_and(|flavour| flavour != FLAVOUR);
        if self.0.get("images").is_none_or(is_empty) && !other_family {
            let newest = json!({ "newest": { "owner": OWNER, "name": NAME } });
            found["images"] = json!({ "x86_64": newest });
            found["flavour"] = json!(FLAVOUR);
        }
        let Value::Object(found) = found else { return Vec::new() };
        self.fill(&Draft(found))
    }

    /// As JSON.
    #[must_use]
    pub fn value(&self) -> Value {
        Value::Object(self.0.clone())
    }
}

fn merge(
    into: &mut Map<String, Value>,
    other: &Map<String, Value>,
    under: &str,
    kept: &mut Vec<Kept>,
) {
    for (key, new) in other {
        match into.get_mut(key) {
            Some(Value::Object(old)) if new.is_object() && !old.is_empty() => {
                let Value::Object(new) = new else { continue };
                merge(old, new, &format!("{under}{key}."), kept);
            }
            Some(old) if !is_empty(old) => {
                if old != new && !is_empty(new) {
                    kept.push(Kept { key: format!("{under}{key}"), instead_of: new.clone() });
                }
            }
            Some(_) | None => _ = into.insert(key.clone(), new.clone()),
        }
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(value: &Value) -> Draft {
        Draft::parse(&value.to_string()).expect("an object")
    }

    fn has() -> (Want, Has) {
        let zones = vec!["a".into(), "b".into()];
        let block = "10.83.0.0/16".parse().expect("a block");
        let want = Want { zones, block, key: Some("fleetlog-c1".into()), profile: None };
        let subnets = [("a".into(), "subnet-1".into()), ("b".into(), "subnet-2".into())].into();
        let has = Has { subnets, groups: [("sg-1".into(), true)].into(), ..Has::default() };
        (want, has)
    }

    #[test]
    fn what_is_empty_is_filled() {
        let (want, has) = has();
        for nothing in [json!({}), json!({ "region": "", "subnets": [], "images": {} })] {
            let mut filled = draft(&nothing);
            assert_eq!(filled.complete("r", &want, &has), []);
            assert_eq!(
                filled.value(),
                json!({
                    "region": "r",
                    "subnets": [{ "zone": "a", "subnet": "subnet-1" },
                                { "zone": "b", "subnet": "subnet-2" }],
                    "security_groups": ["sg-1"],
                    "key_name": "fleetlog-c1",
                    "public_ip": true,
                    "images": { "x86_64": { "newest": { "owner": OWNER, "name": NAME } } },
                    "flavour": "flatcar",
                })
            );
            let before = filled.clone();
            assert_eq!((filled.complete("r", &want, &has), filled), (vec![], before), "once");
        }
    }

    #[test]
    fn what_somebody_wrote_stays_whatever_was_found() {
        let (want, has) = has();
        let own = json!({
            "region": "r",
            "subnets": [{ "zone": "a", "subnet": "subnet-9" }],
            "security_groups": ["sg-9", "sg-1"],
            "key_name": "mine",
            "public_ip": null,
            "flavour": "ubuntu",
            "labels": { "team": "x" },
            "immortal": false,
            "no_such_key": 7,
        });
        let mut filled = draft(&own);
        let kept = filled.complete("r", &want, &has);
        assert_eq!(filled.value(), own);
        let kept: Vec<&str> = kept.iter().map(|kept| kept.key.as_str()).collect();
        assert_eq!(kept, ["key_name", "security_groups", "subnets"]);
    }

    #[test]
    fn of_two_files_the_first_counts_part_by_part() {
        let mut first =
            draft(&json!({ "log": { "url": "tls://a" }, "root": { "size": 0 }, "labels": {} }));
        let other = json!({ "log": { "url": "tls://b", "ca": "pem" }, "root": { "size": 9 },
            "labels": { "team": "x" }, "immortal": true });
        let kept = first.fill(&draft(&other));
        let filled = json!({ "log": { "url": "tls://a", "ca": "pem" }, "root": { "size": 0 },
            "labels": { "team": "x" }, "immortal": true });
        assert_eq!(first.value(), filled);
        let kept: Vec<(&str, &Value)> =
            kept.iter().map(|kept| (kept.key.as_str(), &kept.instead_of)).collect();
        assert_eq!(kept, [("log.url", &json!("tls://b")), ("root.size", &json!(9))]);
    }

    #[test]
    fn what_is_no_object_is_not_read_as_nothing() {
        assert_eq!(Draft::parse(" \n"), Ok(Draft::default()));
        for wrong in ["[]", "{", "null", "{} {}"] {
            assert!(Draft::parse(wrong).is_err(), "{wrong}");
        }
    }
}
