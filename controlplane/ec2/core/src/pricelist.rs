//! AWS's price list: what is asked for there, and what an answer says that a type costs.
//!
//! An answer is a list of texts, each a product in JSON with its terms. Prices are decimal texts in dollars;
//! nothing of them passes through a float.

use schema::unit::Micros;
use serde::Deserialize;
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// The service whose products are asked for.
pub const SERVICE: &str = "AmazonEC2";
/// Products in one answer: the most that AWS gives.
pub const PAGE: i32 = 100;

/// What an instance must be, by attribute: bare Linux on a shared machine, paid for by its use.
const LIKE: [(&str, &str); 4] = [
    ("operatingSystem", "Linux"),
    ("tenancy", "Shared"),
    ("preInstalledSw", "NA"),
    ("capacitystatus", "Used"),
];
/// The attribute that names the region.
const REGION: &str = "regionCode";
/// The attribute that names the type.
const TYPE: &str = "instanceType";
/// What a price is of.
const UNIT: &str = "Hrs";

/// What products are asked for: an attribute and its value each.
#[must_use]
pub fn filters(region: &str) -> Vec<(&str, &str)> {
    LIKE.into_iter().chain([(REGION, region)]).collect()
}

#[derive(Deserialize)]
struct Listed {
    product: Product,
    terms: Terms,
}

#[derive(Deserialize)]
struct Product {
    attributes: BTreeMap<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Terms {
    #[serde(rename = "OnDemand", default)]
    on_demand: BTreeMap<String, Term>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Term {
    price_dimensions: BTreeMap<String, Dimension>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Dimension {
    unit: String,
    price_per_unit: BTreeMap<String, String>,
}

/// The type that a product is and its price in micro-dollars per hour; nothing if it is another kind of
/// product, or does not say one price above nothing.
#[must_use]
pub fn price(region: &str, text: &str) -> Option<(SmolStr, Micros)> {
    let Listed { product, terms } = serde_json::from_str(text).ok()?;
    let attribute = |name: &str| product.attributes.get(name).and_then(|value| value.as_str());
    if !filters(region).into_iter().all(|(name, value)| attribute(name) == Some(value)) {
        return None;
    }
    let kind = attribute(TYPE).filter(|kind| kind.contains('.'))?;
    let dimensions = terms.on_demand.values().flat_map(|term| term.price_dimensions.values());
    let hourly = dimensions.filter(|dimension| dimension.unit == UNIT);
    let mut prices = hourly.map(|hourly| micros(hourly.price_per_unit.get("USD")?));
    let price = prices.next().flatten().filter(|price| *price > Micros(0))?;
    prices.all(|other| other == Some(price)).then(|| (kind.into(), price))
}

/// All prices of a list, by type; of a type that it names twice the higher.
#[must_use]
pub fn prices<'a>(
    region: &str,
    texts: impl IntoIterator<Item = &'a str>,
) -> BTreeMap<SmolStr, Micros> {
    let mut all = BTreeMap::new();
    for (kind, price) in texts.into_iter().filter_map(|text| self::price(region, text)) {
        let known = all.entry(kind).or_insert(price);
        *known = price.max(*known);
    }
    all
}

/// Dollars such as `0.0960000000` in micro-dollars, rounded up.
fn micros(text: &str) -> Option<Micros> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) {
        return None;
    }
    let (part, beyond) = part.split_at(part.len().min(6));
    let price: u64 = format!("{whole}{part:0<6}").parse().ok()?;
    let more = beyond.bytes().any(|digit| digit != b'0');
    price.checked_add(u64::from(more)).map(Micros)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// As AWS writes it.
    fn product() -> Value {
        json!({
            "product": {
                "productFamily": "Compute Instance",
                "attributes": {
                    "instanceType": "m9g.large", "regionCode": "us-east-1", "tenancy": "Shared",
                    "operatingSystem": "Linux", "preInstalledSw": "NA", "capacitystatus": "Used",
                    "memory": "8 GiB", "vcpu": "2", "usagetype": "BoxUsage:m9g.large"
                },
                "sku": "X"
            },
            "serviceCode": "AmazonEC2",
            "terms": {
                "OnDemand": { "X.JRTCKXETXF": {
                    "priceDimensions": { "X.JRTCKXETXF.6YS6EN2CT7": {
                        "unit": "Hrs", "endRange": "Inf", "beginRange": "0", "appliesTo": [],
                        "description": "$0.0816 per On Demand Linux m9g.large Instance Hour",
                        "pricePerUnit": { "USD": "0.0816000000" }
                    } },
                    "sku": "X", "effectiveDate": "2026-11-01T00:00:00Z", "termAttributes": {}
                } },
                "Reserved": { "X.Y": { "priceDimensions": {} } }
            }
        })
    }

    fn told(product: &Value) -> Option<(SmolStr, Micros)> {
        price("us-east-1", &product.to_string())
    }

    #[test]
    fn a_product_says_what_its_type_costs() {
        assert_eq!(told(&product()), Some(("m9g.large".into(), Micros(81_600))));
    }

    #[test]
    fn what_is_another_product_or_says_no_one_price_says_nothing() {
        let attribute = |name: &str, value: &str| {
            let mut product = product();
            product["product"]["attributes"][name] = value.into();
            product
        };
        let dimension = |name: &str, value: Value| {
            let mut product = product();
            let term = &mut product["terms"]["OnDemand"]["X.JRTCKXETXF"];
            term["priceDimensions"]["X.JRTCKXETXF.6YS6EN2CT7"][name] = value;
            product
        };
        let mut two = product();
        let term = two["terms"]["OnDemand"]["X.JRTCKXETXF"].clone();
        two["terms"]["OnDemand"]["X.Z"] = term;
        assert!(told(&two).is_some(), "twice the same");
        let other = json!({ "USD": "0.09" });
        two["terms"]["OnDemand"]["X.Z"]["priceDimensions"]["Z"] =
            json!({ "unit": "Hrs", "pricePerUnit": other });
        let mut unsaid = product();
        unsaid["terms"] = json!({});
        for (what, wrong) in [
            ("another system", attribute("operatingSystem", "Windows")),
            ("a machine of one's own", attribute("tenancy", "Dedicated")),
            ("software that is paid for", attribute("preInstalledSw", "SQL Std")),
            (
                "capacity that is only kept",
                attribute("capacitystatus", "UnusedCapacityReservation"),
            ),
            ("another region", attribute("regionCode", "us-west-2")),
            ("no type", attribute("instanceType", "m9g")),
            ("no price", unsaid),
            ("two prices", two),
            ("by the month", dimension("unit", "Quantity".into())),
            ("no dollars", dimension("pricePerUnit", json!({ "CNY": "0.5" }))),
            ("a number", dimension("pricePerUnit", json!({ "USD": 0.0816 }))),
            ("nothing", dimension("pricePerUnit", json!({ "USD": "0.0000000000" }))),
            ("less than nothing", dimension("pricePerUnit", json!({ "USD": "-0.1" }))),
            ("no number", dimension("pricePerUnit", json!({ "USD": "1e-2" }))),
            ("too much", dimension("pricePerUnit", json!({ "USD": "99999999999999999999" }))),
        ] {
            assert_eq!(told(&wrong), None, "{what}");
        }
        for text in ["", "{}", "[]", "null", r#"{"product":{"attributes":7},"terms":{}}"#] {
            assert_eq!(price("us-east-1", text), None, "{text}");
        }
    }

    #[test]
    fn dollars_are_micro_dollars_rounded_up() {
        for (text, micro) in [
            ("0.0960000000", Some(96_000)),
            ("0.0000001", Some(1)),
            ("0.0960001000", Some(96_001)),
            ("12", Some(12_000_000)),
            ("1.", Some(1_000_000)),
            ("18446744073709.551615", Some(u64::MAX)),
            ("18446744073709.5516151", None),
            (".5", None),
            ("", None),
            ("0.0,1", None),
        ] {
            assert_eq!(micros(text), micro.map(Micros), "{text}");
        }
    }

    #[test]
    fn of_a_type_that_is_named_twice_the_higher_price_counts() {
        let (first, mut second) = (product(), product());
        second["terms"]["OnDemand"]["X.JRTCKXETXF"]["priceDimensions"]["X.JRTCKXETXF.6YS6EN2CT7"]
            ["pricePerUnit"]["USD"] = "0.09".into();
        let texts = [second.to_string(), first.to_string(), "no product".to_owned()];
        let all = prices("us-east-1", texts.iter().map(String::as_str));
        assert_eq!(all, BTreeMap::from([("m9g.large".into(), Micros(90_000))]));
    }
}
