//! What is sold beside what moto has: types that it does not know, places where its types are not sold, and the
//! price list, a service of its own that answers in JSON.

use crate::error::Error;
use crate::page;
use crate::request::{Filter, Request};
use crate::world::{World, lock};
use crate::xml::Element;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Most types on a page, as EC2 has it.
const TYPES: usize = 100;
/// Most products on a page, as AWS has it.
const PRODUCTS: usize = 100;

/// What is sold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shelf {
    /// Types that moto does not know, or that have something else than it says.
    pub types: Vec<Kind>,
    /// Where types are not sold, though moto says so.
    pub gone: Vec<Gone>,
    /// The price list.
    pub products: Vec<Product>,
}

/// A type. Where moto knows one of this name, this is what it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    /// Such as `m9.large`.
    pub instance_type: String,
    /// Moto's type that it is like but for what follows; and that moto launches for it.
    pub like: String,
    /// Virtual cpus.
    #[serde(default)]
    pub vcpu: Option<u32>,
    /// Memory in MiB.
    #[serde(default)]
    pub memory_mib: Option<u64>,
    /// The zones, by name, where it is sold beside those where moto sells one of its name.
    #[serde(default)]
    pub zones: Vec<String>,
}

/// A place where a type is not sold any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gone {
    /// The zone, by name.
    pub zone: String,
    /// Such as `m5.large`.
    pub instance_type: String,
}

/// A product of the price list: an instance by the hour, of Linux on a shared machine unless `attributes`
/// say otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    /// Such as `m5.large`.
    pub instance_type: String,
    /// By name.
    pub region: String,
    /// Dollars an hour, as AWS writes them.
    pub price: String,
    /// What else it is, or is otherwise.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

impl Shelf {
    /// The type that moto knows in the place of one of this name.
    pub(crate) fn like(&self, name: &str) -> Option<&str> {
        self.types.iter().find(|kind| kind.instance_type == name).map(|kind| kind.like.as_str())
    }
}

/// Answers `DescribeInstanceTypes`: what moto has, and what it does not.
pub(crate) async fn types(world: &World, request: &Request) -> Result<Element, Error> {
    let size = page::size(request, 5)?.unwrap_or(TYPES);
    if size > TYPES {
        let message = format!("Value ( {size} ) for parameter maxResults is invalid.");
        return Err(Error::new("InvalidParameterValue", message));
    }
    let items = match rest(world, request)? {
        Some(items) => items,
        None => all_types(world, request).await?,
    };
    Ok(turned(world, "DescribeInstanceTypes", "instanceTypeSet", items, size))
}

async fn all_types(world: &World, request: &Request) -> Result<Vec<Element>, Error> {
    let shelf = lock(&world.shelf).clone();
    let mut items = list(world, whole(request), "instanceTypeSet").await?;
    let named = |item: &Element, name: &str| item.at(&["instanceType"]) == name;
    for kind in &shelf.types {
        items.retain(|item| !named(item, &kind.instance_type));
        let like = Request::new("DescribeInstanceTypes", &request.region);
        let like = like.with("InstanceType.1", &kind.like);
        for item in list(world, like, "instanceTypeSet").await? {
            items.push(kind.made_of(item));
        }
    }
    let filters = request.filters();
    let asked = filters.iter().filter(|filter| filter.name == "instance-type");
    let asked: Vec<&Filter> = asked.collect();
    items.retain(|item| asked.iter().all(|filter| filter.admits(item.at(&["instanceType"]))));
    Ok(items)
}

impl Kind {
    fn made_of(&self, mut item: Element) -> Element {
        let mut put = |set: &str, name: &str, text: String| {
            let mut info = item.child(set).cloned().unwrap_or_else(|| Element::new(set));
            info.put(Element::text(name, &text));
            item.put(info);
        };
        self.vcpu.into_iter().for_each(|vcpu| put("vCpuInfo", "defaultVCpus", vcpu.to_string()));
        let memory = self.memory_mib.into_iter();
        memory.for_each(|mib| put("memoryInfo", "sizeInMiB", mib.to_string()));
        item.put(Element::text("instanceType", &self.instance_type));
        item
    }
}

/// Answers `DescribeInstanceTypeOfferings` by region or zone; what is not moto's is sold in zones that are
/// asked for by name alone.
pub(crate) async fn offerings(world: &World, request: &Request) -> Result<Element, Error> {
    const SET: &str = "instanceTypeOfferingSet";
    let size = page::size(request, 5)?.unwrap_or(1000);
    let items = match rest(world, request)? {
        Some(items) => items,
        None => {
            let shelf = lock(&world.shelf).clone();
            let mut items = list(world, whole(request), SET).await?;
            let is_gone = |item: &Element| {
                let (kind, place) = (item.at(&["instanceType"]), item.at(&["location"]));
                shelf.gone.iter().any(|gone| gone.zone == place && gone.instance_type == kind)
            };
            items.retain(|item| !is_gone(item));
            if request.get("LocationType") == Some("availability-zone") {
                items.extend(shelf.types.iter().flat_map(|kind| kind.offered(request)));
            }
            items
        }
    };
    Ok(turned(world, "DescribeInstanceTypeOfferings", SET, items, size))
}

impl Kind {
    fn offered(&self, request: &Request) -> Vec<Element> {
        let filters = request.filters();
        let asked = |name: &str, value: &str| {
            filters.iter().filter(|filter| filter.name == name).all(|filter| filter.admits(value))
        };
        let here = |zone: &&String| {
            zone.starts_with(&request.region)
                && asked("location", zone)
                && asked("instance-type", &self.instance_type)
        };
        let item = |zone: &String| {
            let item = Element::new("item").leaf("instanceType", &self.instance_type);
            item.leaf("locationType", "availability-zone").leaf("location", zone)
        };
        self.zones.iter().filter(here).map(item).collect()
    }
}

/// The same without pages and filters by names: moto knows no such thing, or not all names.
fn whole(request: &Request) -> Request {
    let mut filters = request.filters();
    filters.retain(|filter| filter.name != "instance-type");
    let mut whole = request.clone().with_filters(&filters);
    whole.parameters.retain(|name, _| name != "MaxResults" && name != "NextToken");
    whole
}

async fn list(world: &World, request: Request, set: &str) -> Result<Vec<Element>, Error> {
    Ok(world.ask(&request).await?.items(set).cloned().collect())
}

/// What is left of a list under the token of a request.
fn rest(world: &World, request: &Request) -> Result<Option<Vec<Element>>, Error> {
    let Some(token) = request.get("NextToken").filter(|token| !token.is_empty()) else {
        return Ok(None);
    };
    let known = lock(&world.lists).get(token).cloned().map(Some);
    known.ok_or_else(|| {
        let message = "The specified pagination token is not valid or is expired.";
        Error::new("InvalidPaginationToken", message)
    })
}

/// One page, and what is behind it kept under a token.
fn turned(world: &World, action: &str, name: &str, items: Vec<Element>, size: usize) -> Element {
    let (page, rest) = items.split_at(size.min(items.len()));
    let mut set = Element::new(name);
    set.children = page.to_vec();
    let answer = Element::answer(action).with(set);
    if rest.is_empty() {
        return answer;
    }
    let token = uuid::Uuid::new_v4().simple().to_string();
    lock(&world.lists).insert(token.clone(), rest.to_vec());
    answer.leaf("nextToken", &token)
}

/// Answers `GetProducts` of the price list: texts in JSON, each a product.
pub(crate) fn products(world: &World, request: &Request) -> Result<String, Error> {
    if request.get("ServiceCode") != Some("AmazonEC2") {
        return Err(Error::new("NotFoundException", "no such service"));
    }
    let size = request.get("MaxResults").map_or(Ok(PRODUCTS), str::parse::<usize>);
    let size = size.ok().filter(|size| (1..=PRODUCTS).contains(size));
    let size = size.ok_or_else(|| Error::new("InvalidParameterException", "MaxResults"))?;
    let from = request.get("NextToken").map_or(Ok(0), str::parse::<usize>);
    let from = from.map_err(|_| Error::new("InvalidNextTokenException", "no such page"))?;
    let filters = request.filters();
    let shelf = lock(&world.shelf);
    let meant = |product: &&Product| {
        let all = product.all();
        filters
            .iter()
            .all(|filter| all.get(&filter.name).is_some_and(|v| filter.values.contains(v)))
    };
    let texts: Vec<String> = shelf.products.iter().filter(meant).map(Product::text).collect();
    let page: Vec<&String> = texts.iter().skip(from).take(size).collect();
    let next = from + page.len();
    let next = (next < texts.len()).then(|| next.to_string());
    let answer = json!({ "FormatVersion": "aws_v1", "PriceList": page, "NextToken": next });
    Ok(answer.to_string())
}

impl Product {
    /// All its attributes.
    fn all(&self) -> BTreeMap<String, String> {
        let usual = [
            ("instanceType", self.instance_type.as_str()),
            ("regionCode", &self.region),
            ("operatingSystem", "Linux"),
            ("tenancy", "Shared"),
            ("preInstalledSw", "NA"),
            ("capacitystatus", "Used"),
        ];
        let usual = usual.map(|(name, value)| (name.to_owned(), value.to_owned()));
        usual.into_iter().chain(self.attributes.clone()).collect()
    }

    /// As AWS writes it.
    fn text(&self) -> String {
        let price: Value = json!({ "USD": self.price });
        let dimension = json!({ "unit": "Hrs", "beginRange": "0", "pricePerUnit": price });
        let term = json!({ "priceDimensions": { "S.T.D": dimension } });
        let product = json!({ "productFamily": "Compute Instance", "attributes": self.all() });
        json!({ "product": product, "terms": { "OnDemand": { "S.T": term } } }).to_string()
    }
}
