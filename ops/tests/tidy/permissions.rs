//! `docs/ec2.md` says what the account must allow: that, and no more than that, is what the EC2 cloud asks for.

use super::{none, read, texts};
use serde_json::Value;
use std::collections::BTreeSet;

/// What a call is not made of, but needs: tags that come with a call, a role that is given to instances, and the
/// role of its own that EC2 makes with an account's first spot instance.
const WITH_OTHERS: [&str; 5] = [
    "ec2:CreateTags",
    "iam:PassRole",
    "iam:TagRole",
    "iam:TagInstanceProfile",
    "iam:CreateServiceLinkedRole",
];

/// The actions of all calls in the sources: of the SDKs' clients by method, of IAM by name.
fn called() -> BTreeSet<String> {
    let mut called = BTreeSet::new();
    for (path, text) in texts(".rs") {
        if !path.starts_with("controlplane/ec2/src/") {
            continue;
        }
        let text: String = text.split_whitespace().collect();
        let names = |before: &'static str, after: char| {
            let parts = text.split(before).skip(1).map(str::to_owned).collect::<Vec<_>>();
            parts.into_iter().filter_map(move |part| {
                let (name, _) = part.split_once(after)?;
                let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
                (plain && !name.is_empty()).then(|| name.to_owned())
            })
        };
        called.extend(names("client.", '(').map(|method| format!("ec2:{}", camel(&method))));
        called.extend(names("=list.get_", '(').map(|what| format!("pricing:Get{}", camel(&what))));
        called.extend(names("self.ask(\"", '"').map(|action| format!("iam:{action}")));
    }
    called
}

/// `describe_images` is `DescribeImages`.
fn camel(method: &str) -> String {
    let word = |word: &str| word[..1].to_uppercase() + &word[1..];
    method.split('_').filter(|part| !part.is_empty()).map(word).collect()
}

/// The actions of the policy on the page, and its statements.
fn allowed() -> (BTreeSet<String>, Vec<Value>) {
    let page = read("docs/ec2.md");
    let policy = page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next());
    let policy: Value = serde_json::from_str(policy.expect("a policy")).expect("JSON");
    let statements = policy["Statement"].as_array().expect("statements").clone();
    let list = |value: &Value| match value {
        Value::Array(all) => all.clone(),
        one => vec![one.clone()],
    };
    let actions = statements.iter().flat_map(|statement| list(&statement["Action"]));
    let actions = actions.map(|action| action.as_str().expect("a name").to_owned());
    (actions.collect(), statements)
}

#[test]
fn the_page_on_ec2_allows_what_is_called_and_nothing_else() {
    let mut needed = called();
    assert!(needed.contains("ec2:RunInstances") && needed.contains("iam:CreateRole"), "{needed:?}");
    needed.extend(WITH_OTHERS.map(str::to_owned));
    let (allowed, _) = allowed();
    let silent = needed.difference(&allowed).map(|action| format!("{action} is not allowed"));
    let idle = allowed.difference(&needed).map(|action| format!("{action} is never asked for"));
    none(silent.chain(idle).collect());
}

/// What is changed is told apart by the cluster's tag, or by its name.
#[test]
fn nothing_may_be_changed_that_is_not_the_clusters() {
    let mut wide = Vec::new();
    for statement in allowed().1 {
        let reads = |action: &str| {
            let (_, name) = action.split_once(':').expect("a service and a name");
            name.starts_with("Describe") || name.starts_with("Get")
        };
        let all = match &statement["Action"] {
            Value::Array(all) => all.iter().filter_map(Value::as_str).all(reads),
            one => one.as_str().is_some_and(reads),
        };
        let wherever = statement["Resource"] == "*";
        let within = statement["Condition"].to_string().contains("fleetlog:cluster");
        let named = !statement["Resource"].to_string().contains(":*/*");
        if wherever && !all || !all && !within && !named && statement["Sid"] != "SetupTags" {
            wide.push(statement["Sid"].to_string());
        }
    }
    none(wide);
}
