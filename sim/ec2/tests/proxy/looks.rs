//! Looks at instances in pages and with filters, as an SDK's paginator asks for them.

use super::world::World;
use std::collections::BTreeSet;

/// All pages, as a paginator fetches them: until there is no token, or an empty one.
async fn pages(world: &World, query: &str) -> Vec<Vec<String>> {
    let (mut pages, mut token) = (Vec::new(), String::new());
    loop {
        let more = if token.is_empty() { String::new() } else { format!("&NextToken={token}") };
        let answer = world.ask(&format!("{query}&MaxResults=5{more}")).await.well();
        pages.push(answer.ids());
        token = answer.one("nextToken");
        if token.is_empty() {
            return pages;
        }
        assert!(pages.len() < 100, "it does not end");
    }
}

#[tokio::test]
async fn a_paginator_sees_each_instance_once() {
    let world = World::start().await;
    let tags = "TagSpecification.1.ResourceType=instance&TagSpecification.1.Tag.1.Key=fleet";
    for (count, fleet) in [(7, "a"), (2, "b"), (6, "a")] {
        let tag = format!("TagSpecification.1.Tag.1.Value={fleet}");
        world.run(&format!("MaxCount={count}&{tags}&{tag}")).await.well();
    }
    let sizes = |pages: &[Vec<String>]| pages.iter().map(Vec::len).collect::<Vec<_>>();
    let all = pages(&world, "Action=DescribeInstances").await;
    assert_eq!(sizes(&all), [5, 5, 5]);
    assert_eq!(all.concat().into_iter().collect::<BTreeSet<_>>(), world.running().await);
    let fleet = "Filter.1.Name=tag:fleet&Filter.1.Value.1=a";
    let of_a = pages(&world, &format!("Action=DescribeInstances&{fleet}")).await;
    assert_eq!(sizes(&of_a), [5, 5, 3]);
    let state = "Filter.2.Name=instance-state-name&Filter.2.Value.1=running";
    let statuses = pages(&world, "Action=DescribeInstanceStatus").await;
    assert_eq!(statuses.concat().len(), 15);
    let both = pages(&world, &format!("Action=DescribeInstances&{fleet}&{state}")).await;
    assert_eq!(both, of_a);
}

#[tokio::test]
async fn a_page_can_be_had_again() {
    let world = World::start().await;
    world.run("MaxCount=12").await.well();
    let query = "Action=DescribeInstances&MaxResults=5";
    let first = world.ask(query).await.well();
    let second = format!("{query}&NextToken={}", first.one("nextToken"));
    let one = world.ask(&second).await.well();
    world.ask(&format!("Action=TerminateInstances&InstanceId.1={}", first.ids()[0])).await.well();
    world.run("MaxCount=3").await.well();
    let other = world.ask(&second).await.well();
    assert_eq!((one.ids().len(), one.ids()), (5, other.ids()));
    for (query, code) in [
        ("Action=DescribeInstances&NextToken=none", "InvalidPaginationToken"),
        ("Action=DescribeInstances&MaxResults=4", "InvalidParameterValue"),
        ("Action=DescribeInstances&MaxResults=1001", "InvalidParameterValue"),
        ("Action=DescribeInstances&MaxResults=5&InstanceId.1=i-1", "InvalidParameterCombination"),
        ("Action=DescribeInstances&InstanceId.1=i-1", "InvalidInstanceID.NotFound"),
    ] {
        assert_eq!(world.ask(query).await.code(), (400, code.to_owned()), "{query}");
    }
}

#[tokio::test]
async fn filters_that_moto_lacks_are_answered() {
    let world = World::start().await;
    let one = world.run("ClientToken=a-1").await.well().one("instanceId");
    let two = world.run("ClientToken=a-2&InstanceMarketOptions.MarketType=spot").await.well();
    let two = two.one("instanceId");
    let other = world.run("ClientToken=b-1").await.well().one("instanceId");
    world.ask(&format!("Action=StopInstances&InstanceId.1={other}")).await.well();
    let found = async |filters: &[(&str, &[&str])]| {
        let mut query = "Action=DescribeInstances".to_owned();
        for (index, (name, values)) in filters.iter().enumerate() {
            query += &format!("&Filter.{}.Name={name}", index + 1);
            for (nth, value) in values.iter().enumerate() {
                query += &format!("&Filter.{}.Value.{}={value}", index + 1, nth + 1);
            }
        }
        world.ask(&query).await.well().ids()
    };
    assert_eq!(found(&[("client-token", &["a-2"])]).await, std::slice::from_ref(&two));
    assert_eq!(found(&[("client-token", &["a-1", "b-1"])]).await, [one.clone(), other.clone()]);
    assert_eq!(found(&[("client-token", &["a-*"])]).await, [one.clone(), two.clone()]);
    assert_eq!(found(&[("client-token", &["?-1"])]).await, [one.clone(), other.clone()]);
    assert_eq!(found(&[("client-token", &["a"])]).await, Vec::<String>::new());
    let spot: (&str, &[&str]) = ("instance-lifecycle", &["spot"]);
    assert_eq!(found(&[("client-token", &["a-*"]), spot]).await, std::slice::from_ref(&two));
    let large: (&str, &[&str]) = ("instance-type", &["m5.large"]);
    assert_eq!(found(&[spot, large]).await, [two]);
    assert_eq!(found(&[("instance-state-code", &["80"])]).await, [other]);
    assert_eq!(found(&[("instance-type", &["c5.large"]), spot]).await, Vec::<String>::new());
    let unknown = "Action=DescribeInstances&Filter.1.Name=no-such&Filter.1.Value.1=x";
    assert_eq!(world.ask(unknown).await.code(), (400, "MotoCannot".to_owned()));
}
