//! The spot market from a table.

use super::world::World;
use sim_ec2::{Price, Score, SpotMarket};

fn score(zone_id: &str, instance_type: &str, score: u8, capacity: Option<u64>) -> Score {
    let (region, zone_id) = ("us-east-1".to_owned(), zone_id.to_owned());
    Score { region, zone_id, instance_type: instance_type.to_owned(), score, capacity }
}

fn price(zone: &str, instance_type: &str, price: &str, since: &str) -> Price {
    Price {
        zone: zone.to_owned(),
        instance_type: instance_type.to_owned(),
        product: "Linux/UNIX".to_owned(),
        price: price.to_owned(),
        since: since.parse().expect("a time"),
    }
}

fn market() -> SpotMarket {
    let scores = vec![
        score("use1-az1", "m5.large", 3, None),
        score("use1-az2", "m5.large", 9, Some(10)),
        score("use1-az1", "c5.large", 7, None),
    ];
    let prices = vec![
        price("us-east-1a", "m5.large", "0.0300", "2026-01-01T00:00:00Z"),
        price("us-east-1a", "m5.large", "0.0400", "2026-02-01T00:00:00Z"),
        price("us-east-1a", "m5.large", "0.0500", "2026-03-01T00:00:00Z"),
        price("us-east-1b", "m5.large", "0.0100", "2026-01-15T00:00:00Z"),
        price("us-east-1b", "c5.large", "0.0200", "2026-01-15T00:00:00Z"),
        price("eu-west-1a", "m5.large", "0.0900", "2026-01-15T00:00:00Z"),
    ];
    SpotMarket { scores, prices }
}

#[tokio::test]
async fn placement_scores_come_from_the_table() {
    let world = World::start().await;
    world.proxy.market(market());
    let query = "Action=GetSpotPlacementScores&InstanceType.1=m5.large&SingleAvailabilityZone=true";
    let answer = world.ask(&format!("{query}&TargetCapacity=5")).await.well();
    let zones = answer.all("availabilityZoneId");
    assert_eq!(
        (answer.all("score"), zones),
        (vec!["9".into(), "3".into()], vec!["use1-az2".into(), "use1-az1".into()])
    );
    let beyond = world.ask(&format!("{query}&TargetCapacity=11")).await.well();
    assert_eq!(beyond.all("score"), ["3", "1"]);
    let types =
        world.ask(&format!("{query}&InstanceType.2=c5.large&TargetCapacity=1")).await.well();
    assert_eq!(types.all("score"), ["9", "7"]);
    let regions = query.replace("=true", "=false");
    let whole = world.ask(&format!("{regions}&TargetCapacity=1")).await.well();
    assert_eq!(
        (whole.all("score"), whole.all("region")),
        (vec!["9".into()], vec!["us-east-1".into()])
    );
    assert!(whole.all("availabilityZoneId").is_empty());
    assert_eq!(world.ask(query).await.code(), (400, "MissingParameter".to_owned()));
}

#[tokio::test]
async fn prices_come_from_the_table() {
    let world = World::start().await;
    world.proxy.market(market());
    let query = "Action=DescribeSpotPriceHistory";
    let all = world.ask(query).await.well();
    assert_eq!(all.all("spotPrice"), ["0.0500", "0.0400", "0.0200", "0.0100", "0.0300"]);
    assert!(all.text.contains("<nextToken></nextToken>"), "there, and empty");
    assert_eq!(all.one("timestamp"), "2026-03-01T00:00:00.000Z");
    let expected: [(&str, &[&str]); 6] = [
        ("StartTime=2026-02-15T00:00:00Z&InstanceType.1=m5.large", &["0.0500", "0.0400", "0.0100"]),
        (
            "StartTime=2026-02-15T00:00:00Z&EndTime=2026-02-15T00:00:00Z",
            &["0.0400", "0.0200", "0.0100"],
        ),
        ("EndTime=2026-01-01T00:00:00Z", &["0.0300"]),
        ("AvailabilityZone=us-east-1b", &["0.0200", "0.0100"]),
        (
            "Filter.1.Name=availability-zone&Filter.1.Value.1=*b&InstanceType.1=c5.large",
            &["0.0200"],
        ),
        ("ProductDescription.1=Windows", &[]),
    ];
    for (more, prices) in expected {
        assert_eq!(
            world.ask(&format!("{query}&{more}")).await.well().all("spotPrice"),
            prices,
            "{more}"
        );
    }
    let first = world.ask(&format!("{query}&MaxResults=3")).await.well();
    let second = format!("{query}&MaxResults=3&NextToken={}", first.one("nextToken"));
    let second = world.ask(&second).await.well();
    assert_eq!((first.all("spotPrice").len(), second.all("spotPrice").len()), (3, 2));
    assert_eq!(second.one("nextToken"), "");
    let unknown = world.ask(&format!("{query}&Filter.1.Name=x&Filter.1.Value.1=y")).await;
    assert_eq!(unknown.code(), (400, "InvalidParameterValue".to_owned()));
}
