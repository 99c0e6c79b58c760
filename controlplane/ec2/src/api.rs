//! The calls of EC2 that are made, each in its turn.

use crate::error::{ApiError, Failed};
use crate::hardware;
use crate::pace::Pace;
use crate::prices::SpotPrice;
use crate::wire;
use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::http::HttpResponse;
use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::primitives::DateTime;
use aws_sdk_ec2::types::{Filter, LocationType};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use controlplane_core::Moment;
use ec2_core::RunRequest;
use ec2_core::bucket::Call;
use ec2_core::config::FoundImage;
use ec2_core::pricelist;
use ec2_core::seen::Row;
use schema::event::Hardware;
use schema::id::InstanceId;
use schema::unit::Micros;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::pin::Pin;
use std::time::SystemTime;

/// Rows on a page: the most that EC2 gives.
pub(crate) const PAGE: i32 = 1000;
/// Types on a page: the most that EC2 gives.
const TYPES: i32 = 100;

/// What names the page behind this one, if there is one.
pub(crate) fn following(token: Option<&str>) -> Option<String> {
    token.filter(|token| !token.is_empty()).map(str::to_owned)
}

/// EC2, at the pace that it asks for.
pub(crate) struct Api {
    pub(crate) client: Client,
    /// The price list, if it may be asked.
    list: Option<aws_sdk_pricing::Client>,
    pace: Pace,
}

impl Api {
    pub(crate) fn new(client: Client) -> Api {
        Api { client, list: None, pace: Pace::new() }
    }

    /// The same, which may ask the price list as well.
    pub(crate) fn with_price_list(self, list: Option<aws_sdk_pricing::Client>) -> Api {
        Api { list, ..self }
    }

    pub(crate) fn now(&self) -> Moment {
        self.pace.now()
    }

    /// The ids of the instances that a launch made now or before.
    pub(crate) async fn run(&self, request: &RunRequest) -> Result<Vec<String>, ApiError> {
        let sent = wire::run(&self.client, request).map_err(ApiError::Failed)?;
        let answer = self.made(Call::Run(request.most), Box::pin(sent.send())).await?;
        let ids = answer.instances().iter().filter_map(|one| one.instance_id());
        Ok(ids.map(str::to_owned).collect())
    }

    /// Asks that an instance ends.
    pub(crate) async fn terminate(&self, instance: &InstanceId) -> Result<(), ApiError> {
        let sent = self.client.terminate_instances().instance_ids(instance.as_str());
        self.made(Call::Terminate(1), Box::pin(sent.send())).await.map(drop)
    }

    /// What an instance wrote on its console: as it is now, where its type can show that, else as it was
    /// when EC2 last took it down.
    pub(crate) async fn console(&self, instance: &InstanceId) -> Result<Option<String>, ApiError> {
        let asked = || self.client.get_console_output().instance_id(instance.as_str());
        let now = self.made(Call::Describe, Box::pin(asked().latest(true).send())).await;
        let answer = match now {
            Err(ApiError::Failed(failed)) if failed.is_unsupported() => {
                self.made(Call::Describe, Box::pin(asked().send())).await?
            }
            answer => answer?,
        };
        let bytes = answer.output().and_then(|text| STANDARD.decode(text.trim()).ok());
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// All instances for which all of this holds, page by page.
    pub(crate) async fn instances(&self, filters: &[Filter]) -> Result<Vec<Row>, ApiError> {
        let (mut rows, mut next) = (Vec::new(), None);
        loop {
            let sent = self.client.describe_instances().set_filters(Some(filters.to_vec()));
            let sent = sent.max_results(PAGE).set_next_token(next.take());
            let page = self.made(Call::Describe, Box::pin(sent.send())).await?;
            let found = page.reservations().iter().flat_map(|of| of.instances());
            rows.extend(found.map(wire::row));
            next = following(page.next_token());
            if next.is_none() {
                return Ok(rows);
            }
        }
    }

    /// The spot prices in force for which all of this holds, page by page.
    pub(crate) async fn spot_prices(&self, filters: &[Filter]) -> Result<Vec<SpotPrice>, ApiError> {
        // Changes since now are none, and with them come the prices in force.
        let now = DateTime::from(SystemTime::now());
        let (mut prices, mut next) = (Vec::new(), None);
        loop {
            let sent = self.client.describe_spot_price_history().start_time(now);
            let sent = sent.set_filters(Some(filters.to_vec())).max_results(PAGE);
            let sent = sent.set_next_token(next.take());
            let page = self.made(Call::Describe, Box::pin(sent.send())).await?;
            prices.extend(page.spot_price_history().iter().filter_map(wire::spot_price));
            next = following(page.next_token());
            if next.is_none() {
                return Ok(prices);
            }
        }
    }

    /// How likely so many of any of these types are to be had as spot in each zone of a region: the ids of
    /// zones, and 1 to 10.
    pub(crate) async fn scores(
        &self,
        region: &str,
        kinds: &[SmolStr],
        count: i32,
    ) -> Result<Vec<(SmolStr, u8)>, ApiError> {
        let kinds: Vec<String> = kinds.iter().map(ToString::to_string).collect();
        let (mut scores, mut next) = (Vec::new(), None);
        loop {
            let sent = self.client.get_spot_placement_scores().region_names(region);
            let sent = sent.set_instance_types(Some(kinds.clone())).target_capacity(count);
            let sent = sent.single_availability_zone(true).set_next_token(next.take());
            let page = self.made(Call::Describe, Box::pin(sent.send())).await?;
            scores.extend(page.spot_placement_scores().iter().filter_map(wire::score));
            next = following(page.next_token());
            if next.is_none() {
                return Ok(scores);
            }
        }
    }

    /// What the types have for which all of this holds, page by page.
    pub(crate) async fn types(
        &self,
        filters: &[Filter],
    ) -> Result<BTreeMap<SmolStr, Hardware>, ApiError> {
        let (mut types, mut next) = (BTreeMap::new(), None);
        loop {
            let (page, behind) = self.some_types(filters, next).await?;
            types.extend(page);
            if behind.is_none() {
                return Ok(types);
            }
            next = behind;
        }
    }

    /// One page of that, the first or this one; and what names the page behind it.
    pub(crate) async fn some_types(
        &self,
        filters: &[Filter],
        page: Option<String>,
    ) -> Result<(Vec<(SmolStr, Hardware)>, Option<String>), ApiError> {
        let sent = self.client.describe_instance_types().max_results(TYPES);
        let sent = sent.set_filters(Some(filters.to_vec())).set_next_token(page);
        let page = self.made(Call::Describe, Box::pin(sent.send())).await?;
        let types = page.instance_types().iter().filter_map(hardware::hardware).collect();
        Ok((types, following(page.next_token())))
    }

    /// Which types are sold in which zones, for which all of this holds: of places of this kind, page by page.
    pub(crate) async fn sold(
        &self,
        by: LocationType,
        filters: &[Filter],
    ) -> Result<BTreeSet<(SmolStr, SmolStr)>, ApiError> {
        let (mut sold, mut next) = (BTreeSet::new(), None);
        loop {
            let sent = self.client.describe_instance_type_offerings().location_type(by.clone());
            let sent = sent.set_filters(Some(filters.to_vec())).max_results(PAGE);
            let sent = sent.set_next_token(next.take());
            let page = self.made(Call::Describe, Box::pin(sent.send())).await?;
            sold.extend(page.instance_type_offerings().iter().filter_map(hardware::place));
            next = following(page.next_token());
            if next.is_none() {
                return Ok(sold);
            }
        }
    }

    /// What each type costs on demand in a region by the price list, page by page: nothing if that may not be
    /// asked.
    pub(crate) async fn listed(
        &self,
        region: &str,
    ) -> Result<Option<BTreeMap<SmolStr, Micros>>, ApiError> {
        let Some(list) = &self.list else { return Ok(None) };
        let filters = wire::products(region).map_err(ApiError::Failed)?;
        let (mut texts, mut next) = (Vec::new(), None);
        loop {
            let sent = list.get_products().service_code(pricelist::SERVICE);
            let sent = sent.set_filters(Some(filters.clone())).max_results(pricelist::PAGE);
            let sent = sent.set_next_token(next.take());
            let page = self.made(Call::PriceList, Box::pin(sent.send())).await?;
            texts.extend(page.price_list().iter().cloned());
            next = following(page.next_token());
            if next.is_none() {
                let texts = texts.iter().map(String::as_str);
                return Ok(Some(pricelist::prices(region, texts)));
            }
        }
    }

    /// Name and id of each zone of the region.
    pub(crate) async fn zones(&self) -> Result<Vec<(SmolStr, SmolStr)>, ApiError> {
        let sent = self.client.describe_availability_zones();
        let answer = self.made(Call::Describe, Box::pin(sent.send())).await?;
        let zones = answer.availability_zones().iter();
        Ok(zones
            .filter_map(|zone| Some((zone.zone_name()?.into(), zone.zone_id()?.into())))
            .collect())
    }

    /// An image by its id.
    pub(crate) async fn image(&self, id: &str) -> Result<Vec<FoundImage>, ApiError> {
        let sent = self.client.describe_images().image_ids(id);
        let answer = self.made(Call::Describe, Box::pin(sent.send())).await?;
        Ok(answer.images().iter().filter_map(wire::image).collect())
    }

    /// The images of an owner for which all of this holds, page by page.
    pub(crate) async fn images(
        &self,
        owner: &str,
        filters: &[Filter],
    ) -> Result<Vec<FoundImage>, ApiError> {
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let sent = self.client.describe_images().owners(owner).max_results(PAGE);
            let sent = sent.set_filters(Some(filters.to_vec())).set_next_token(next.take());
            let page = self.made(Call::Describe, Box::pin(sent.send())).await?;
            found.extend(page.images().iter().filter_map(wire::image));
            next = following(page.next_token());
            if next.is_none() {
                return Ok(found);
            }
        }
    }

    /// Makes a call in its turn, and keeps count of what is throttled. The SDK's futures are large: they
    /// come boxed.
    pub(crate) async fn made<T, E>(
        &self,
        call: Call,
        sent: Pin<Box<impl Future<Output = Result<T, SdkError<E, HttpResponse>>>>>,
    ) -> Result<T, ApiError>
    where
        E: ProvideErrorMetadata + Error + 'static,
    {
        self.pace.turn(call).await.map_err(ApiError::NotYet)?;
        let failed = match sent.await {
            Ok(answer) => {
                self.pace.answered(call);
                return Ok(answer);
            }
            Err(error) => Failed::of(&error),
        };
        if failed.is_throttle() {
            self.pace.throttled(call);
        } else if failed.failure().status.is_some() {
            self.pace.answered(call);
        }
        Err(ApiError::Failed(failed))
    }
}
