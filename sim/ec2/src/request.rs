//! A request of EC2's query protocol: an action and its parameters, from a query or a form; and one of a
//! service that speaks JSON, as if it were one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::collections::BTreeMap;

/// Names and values, in the order of names.
pub type Parameters = BTreeMap<String, String>;

const REGION: &str = "us-east-1";
/// What says who asks and when, not what is asked for.
const SIGNED: [&str; 9] = [
    "AWSAccessKeyId",
    "ClientToken",
    "Expires",
    "SecurityToken",
    "Signature",
    "SignatureMethod",
    "SignatureVersion",
    "Timestamp",
    "Version",
];

/// Which of AWS's services is asked, by the signature or by the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Service {
    Ec2,
    Iam,
    /// The price list; it alone speaks JSON.
    Pricing,
}

impl Service {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Service::Ec2 => "ec2",
            Service::Iam => "iam",
            Service::Pricing => "pricing",
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) action: String,
    pub(crate) region: String,
    pub(crate) service: Service,
    pub(crate) parameters: Parameters,
}

/// `Filter.N.Name` and its values.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) name: String,
    pub(crate) values: Vec<String>,
}

impl Request {
    /// Takes the region and the service out of the signature's scope, which nobody checks.
    pub(crate) fn parse(query: &str, body: &[u8], authorization: Option<&str>) -> Request {
        let pairs = form_urlencoded::parse(query.as_bytes()).chain(form_urlencoded::parse(body));
        let parameters: Parameters =
            pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let signed = parameters.get("X-Amz-Credential").map(String::as_str);
        let scope = scope(authorization).or(signed);
        let region = scope.and_then(|scope| scope.split('/').nth(2));
        let iam = scope.is_some_and(|scope| scope.split('/').nth(3) == Some("iam"));
        let service = if iam { Service::Iam } else { Service::Ec2 };
        let action = parameters.get("Action").cloned().unwrap_or_default();
        Request { action, region: region.unwrap_or(REGION).to_owned(), service, parameters }
    }

    /// The same of the price list, which speaks JSON: `target` is `SERVICE.ACTION`. Members that are texts or
    /// numbers are parameters, and filters are named as in a query.
    pub(crate) fn of_json(target: &str, body: &[u8], authorization: Option<&str>) -> Request {
        let region = scope(authorization).and_then(|scope| scope.split('/').nth(2));
        let action = target.rsplit('.').next().unwrap_or_default();
        let mut request = Request::new(action, region.unwrap_or(REGION));
        (request.service, request.parameters) = (Service::Pricing, Parameters::new());
        let body: BTreeMap<String, Value> = serde_json::from_slice(body).unwrap_or_default();
        for (name, value) in &body {
            match value {
                Value::String(text) => request = request.with(name, text),
                Value::Number(number) => request = request.with(name, &number.to_string()),
                _ => {}
            }
        }
        let filters = body.get("Filters").and_then(Value::as_array).into_iter().flatten();
        let filters: Vec<Filter> = filters
            .map(|filter| {
                let text = |name: &str| filter[name].as_str().unwrap_or_default().to_owned();
                Filter { name: text("Field"), values: vec![text("Value")] }
            })
            .collect();
        request.with_filters(&filters)
    }

    /// One that the proxy makes itself.
    pub(crate) fn new(action: &str, region: &str) -> Request {
        let named = [("Action", action), ("Version", "2016-11-15")];
        let parameters = named.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let (action, region) = (action.to_owned(), region.to_owned());
        Request { action, region, service: Service::Ec2, parameters }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Request {
        self.parameters.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds `name.1`, `name.2`, and so on.
    pub(crate) fn with_list(mut self, name: &str, values: &[String]) -> Request {
        for (index, value) in values.iter().enumerate() {
            self = self.with(&format!("{name}.{}", index + 1), value);
        }
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The values of `name.1`, `name.2`, and so on, by number.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        let numbered = self.parameters.iter().filter_map(|(key, value)| {
            let number: u32 = key.strip_prefix(name)?.strip_prefix('.')?.parse().ok()?;
            Some((number, value.clone()))
        });
        let numbered: BTreeMap<u32, String> = numbered.collect();
        numbered.into_values().collect()
    }

    pub(crate) fn filters(&self) -> Vec<Filter> {
        let numbered = self.parameters.iter().filter_map(|(key, value)| {
            let number: u32 = key.strip_prefix("Filter.")?.strip_suffix(".Name")?.parse().ok()?;
            Some((number, value.clone()))
        });
        let numbered: BTreeMap<u32, String> = numbered.collect();
        let filter = |(number, name)| {
            let values = self.list(&format!("Filter.{number}.Value"));
            Filter { name, values }
        };
        numbered.into_iter().map(filter).collect()
    }

    /// The same with these filters and no others.
    pub(crate) fn with_filters(mut self, filters: &[Filter]) -> Request {
        self.parameters.retain(|name, _| !name.starts_with("Filter."));
        for (index, filter) in filters.iter().enumerate() {
            let number = index + 1;
            self = self.with(&format!("Filter.{number}.Name"), &filter.name);
            self = self.with_list(&format!("Filter.{number}.Value"), &filter.values);
        }
        self
    }

    /// The instances that it names.
    pub(crate) fn instances(&self) -> Vec<String> {
        let lists = ["InstanceId", "ResourceId"].map(|name| self.list(name));
        let one = self.get("InstanceId").map(str::to_owned);
        let named = lists.into_iter().flatten().chain(one);
        named.filter(|id| id.starts_with("i-")).collect()
    }

    /// What is asked for, whoever asks and whenever: what a client token is bound to.
    pub(crate) fn asked_for(&self) -> Parameters {
        let asked = self
            .parameters
            .iter()
            .filter(|(name, _)| !name.starts_with("X-Amz-") && !SIGNED.contains(&name.as_str()));
        asked.map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    /// The user data, decoded; `None` inside if it is not base64.
    pub(crate) fn user_data(&self) -> Option<Option<Vec<u8>>> {
        self.get("UserData").map(|text| STANDARD.decode(text).ok())
    }

    pub(crate) fn encode(&self) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(&self.parameters).finish()
    }
}

/// What a signature says of where it counts.
fn scope(authorization: Option<&str>) -> Option<&str> {
    authorization.and_then(|text| text.split("Credential=").nth(1))
}

impl Filter {
    /// Whether one of its values is this one; `*` and `?` stand for others, as EC2 has it.
    pub(crate) fn admits(&self, value: &str) -> bool {
        self.values.iter().any(|pattern| glob(pattern.as_bytes(), value.as_bytes()))
    }
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => (0..=text.len()).any(|at| glob(rest, &text[at..])),
        ([b'?', rest @ ..], [_, left @ ..]) => glob(rest, left),
        ([one, rest @ ..], [other, left @ ..]) if one == other => glob(rest, left),
        _ => false,
    }
}
