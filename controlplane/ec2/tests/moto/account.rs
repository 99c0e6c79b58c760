//! An account held against settings: what is there, what is missing, and what is not told.

use crate::world::{World, ZONE, accepted, order, repeated};
use catalogue::Catalogue;
use ec2::account::{Account, Rules};
use ec2_core::Config;
use ec2_core::account::{Check, NOBODYS, Status};
use ec2_core::config::{Arch, ImageRule, PriceList};
use schema::event::TypeSeen;
use schema::policy::Policy;
use sim_ec2::{Effect, Failure, Often, Product, Rule, Shelf};
use smol_str::SmolStr;
use std::collections::BTreeMap;

async fn verified(world: &World, config: &Config, policy: &Policy) -> Vec<Check> {
    verified_after(world, config, policy, &[]).await
}

/// Of a cluster that has been told this of types.
async fn verified_after(
    world: &World,
    config: &Config,
    policy: &Policy,
    told: &[(SmolStr, TypeSeen)],
) -> Vec<Check> {
    let account = Account::of(&world.sdk, "genomics".parse().expect("an id"));
    let list = config.price_list.as_ref();
    let list = list.map(|list| ec2::client::price_list(&world.sdk, list));
    let account = account.with_price_list(list);
    let catalogue = Catalogue::shipped().expect("a catalogue");
    let refused = [("standard spot".to_owned(), "MaxSpotInstanceCountExceeded".to_owned())];
    let rules = Rules { catalogue: &catalogue, told, policy, refused: &refused };
    account.verify(config, &rules).await
}

/// What came of each check of a kind, with what is to be done.
fn of<'a>(checks: &'a [Check], kind: &str) -> Vec<(Status, &'a str, &'a str)> {
    let checks = checks.iter().filter(|check| check.check == kind);
    checks.map(|check| (check.status, check.found.as_str(), check.todo.as_str())).collect()
}

#[tokio::test]
async fn what_is_there_is_said_to_be_there_and_nothing_is_made() {
    let world = World::start().await;
    let checks = verified(&world, &world.config, &Policy::default()).await;
    let missing: Vec<&Check> = checks.iter().filter(|c| c.status == Status::Missing).collect();
    assert!(missing.is_empty(), "{missing:#?}");
    for (kind, count) in [
        ("credentials", 1),
        ("zone", 2),
        ("subnet", 2),
        ("security group", 1),
        ("image", 1),
        ("types", 2),
        ("types told", 1),
        ("launch", 2),
        ("instances", 1),
        ("end", 1),
    ] {
        let found = of(&checks, kind);
        let good = found.iter().all(|(status, ..)| *status == Status::Ok);
        assert!(found.len() == count && good, "{kind}: {found:?}");
    }
    let limits = of(&checks, "limit");
    assert!(limits.iter().any(|(status, ..)| *status == Status::NotTold), "{limits:?}");
    assert!(checks.iter().all(|check| check.status != Status::CannotSay), "{checks:#?}");
    assert!(limits.iter().any(|(_, found, _)| found.contains("MaxSpot")), "{limits:?}");
    assert!(world.truth().await.is_empty(), "nothing is launched");
}

/// What the log has of types, by the names of zones, counts for what may be bought there.
#[tokio::test]
async fn what_was_told_of_types_is_known() {
    let world = World::start().await;
    let mut policy = Policy::default();
    policy.types.allow = vec!["m5.large".into()];
    let gone = TypeSeen { kind: "m5.large".into(), sold: false, hardware: None, on_demand: None };
    let told = [(SmolStr::from(ZONE), gone)];
    for (told, may, status) in [(&told[..0], 1, Status::Ok), (&told[..], 0, Status::Missing)] {
        let checks = verified_after(&world, &world.config, &policy, told).await;
        let here = checks.iter().find(|check| check.check == "types" && check.of == ZONE);
        let here = here.expect("it is checked");
        let found = format!("of {may} types that may be bought there, EC2 sells {may}");
        assert_eq!((here.status, here.found.as_str()), (status, found.as_str()));
    }
}

/// An endpoint may not heed that something is only tried: what is named could not be ended then either.
#[tokio::test]
async fn whether_instances_may_be_ended_is_asked_of_one_that_there_is_not() {
    let world = World::start().await;
    let cloud = world.cloud().await;
    let [there] = &accepted(repeated(&cloud, &order("l-one", 1)).await)[..] else { panic!("one") };
    for (code, status, todo) in [
        (None, Status::Ok, ""),
        (Some("InvalidInstanceID.NotFound"), Status::Ok, ""),
        (Some("UnauthorizedOperation"), Status::Missing, "allow ec2:TerminateInstances"),
        (Some("InternalError"), Status::CannotSay, "try again"),
        (Some("InvalidInstanceID.Malformed"), Status::CannotSay, "try again"),
    ] {
        world.proxy.clear();
        if let Some(code) = code {
            let failure = Failure { code: code.to_owned(), message: None };
            let effect = Effect::Error(failure);
            world.proxy.add(Rule::on("TerminateInstances", Often::Always, effect));
        }
        let checks = verified(&world, &world.config, &Policy::default()).await;
        let [(found, _, what)] = of(&checks, "end")[..] else { panic!("{checks:#?}") };
        assert_eq!(found, status, "{code:?}");
        assert!(what.starts_with(todo), "{what}");
    }
    let ledger = world.proxy.ledger();
    for call in ledger.of("TerminateInstances") {
        let named = call.parameters.get("InstanceId.1").map(String::as_str);
        assert_eq!(named, Some(NOBODYS));
        assert_eq!(call.parameters.get("DryRun").map(String::as_str), Some("true"));
    }
    assert_eq!(ledger.of("TerminateInstances").count(), 5);
    let truth = world.truth().await;
    assert!(truth.iter().any(|one| one.id == there.as_str() && one.runs()), "{truth:?}");
}

/// Settings with one fault, what the fault is said to be, and what is to be done about it.
type Case = (fn(&mut Config), &'static str, &'static str);

#[tokio::test]
async fn each_fault_of_the_settings_is_found_with_what_to_do_about_it() {
    let world = World::start().await;
    let cases: [Case; 7] = [
        (|c| c.subnets[0].subnet = "subnet-00000000".into(), "subnet", "make one with"),
        (|c| c.subnets[0].zone = "us-east-1c".into(), "subnet", "name a subnet in us-east-1c"),
        (|c| c.subnets[0].zone = "us-east-1z".into(), "zone", "name another one"),
        (|c| c.security_groups = vec!["sg-00000000".into()], "security group", "make one with"),
        (|c| c.key_name = Some("nobodys".into()), "key pair", "import it"),
        (
            |c| _ = c.images.insert(Arch::X86, ImageRule::Id("ami-00000000".into())),
            "image",
            "name another one",
        ),
        (|c| c.region = "eu-west-1".into(), "types", "allow others"),
    ];
    for (spoil, kind, todo) in cases {
        let mut config = world.config.clone();
        spoil(&mut config);
        let checks = verified(&world, &config, &Policy::default()).await;
        let missing = |(status, _, what): &(Status, &str, &str)| {
            *status == Status::Missing && what.contains(todo)
        };
        assert!(of(&checks, kind).iter().any(missing), "{kind}: {checks:#?}");
    }
    let mut policy = Policy::default();
    policy.types.allow = vec!["nothing*".into()];
    let checks = verified(&world, &world.config, &policy).await;
    assert!(of(&checks, "types").iter().all(|(status, ..)| *status == Status::Missing));
}

#[tokio::test]
async fn what_a_launch_would_be_refused_for_is_said_and_what_may_not_be_asked_is_not_guessed() {
    let world = World::start().await;
    let says = |action: &str, code: &str, message: &str| {
        let failure = Failure { code: code.to_owned(), message: Some(message.to_owned()) };
        world.proxy.clear();
        world.proxy.add(Rule::on(action, Often::Always, Effect::ErrorAfter(failure)));
    };
    let checked = async |kind: &str| {
        let checks = verified(&world, &world.config, &Policy::default()).await;
        let all = of(&checks, kind).into_iter();
        all.map(|(status, _, todo)| (status, todo.to_owned())).collect::<Vec<_>>()
    };

    let profile = "Value (x) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance \
                   Profile name";
    says("RunInstances", "InvalidParameterValue", profile);
    let missing = (Status::Missing, "name an instance profile that there is".to_owned());
    assert_eq!(checked("launch").await, [missing.clone(), missing]);
    says("RunInstances", "UnauthorizedOperation", "You are not authorized to perform iam:PassRole");
    assert!(checked("launch").await[0].1.contains("iam:PassRole"));
    says("RunInstances", "InsufficientInstanceCapacity", "none now");
    assert_eq!(checked("launch").await[0].0, Status::Ok, "it passes");
    says("RunInstances", "InternalError", "oh");
    assert_eq!(checked("launch").await[0].0, Status::CannotSay);

    says("DescribeSubnets", "UnauthorizedOperation", "You are not authorized");
    let unsaid = checked("subnet").await;
    assert_eq!(unsaid.len(), 2);
    assert!(unsaid.iter().all(|one| one.0 == Status::CannotSay), "{unsaid:?}");
    says("DescribeImages", "UnauthorizedOperation", "You are not authorized");
    assert_eq!(checked("image").await[0].0, Status::Missing, "controllers need it");

    says("DescribeInstanceTypes", "UnauthorizedOperation", "You are not authorized");
    let unsaid = checked("types told").await;
    assert!(unsaid[0].1.starts_with("allow ec2:DescribeInstanceTypes to them; without it"));
    assert_eq!((unsaid[0].0, checked("list prices").await), (Status::CannotSay, Vec::new()));

    says("DescribeInstances", "UnauthorizedOperation", "You are not authorized");
    assert_eq!(checked("instances").await[0].0, Status::Missing, "controllers need it");

    says("DescribeAvailabilityZones", "AuthFailure", "AWS was not able to validate");
    let checks = verified(&world, &world.config, &Policy::default()).await;
    assert_eq!(checks.len(), 1, "nothing else can be asked");
    assert_eq!(checks[0].status, Status::Missing);
}

#[tokio::test]
async fn whether_the_price_list_may_be_asked_is_said_where_the_settings_name_it() {
    let mut world = World::start().await;
    let list = PriceList { region: "us-east-1".into(), endpoint: None };
    world.config.price_list = Some(list);
    let checked = async || {
        let checks = verified(&world, &world.config, &Policy::default()).await;
        let all = of(&checks, "list prices").into_iter();
        all.map(|(status, _, todo)| (status, todo.to_owned())).collect::<Vec<_>>()
    };
    let empty = (Status::CannotSay, "name another region of the price list".to_owned());
    assert_eq!(checked().await, [empty]);
    let product = Product {
        instance_type: "m5.large".into(),
        region: "us-east-1".into(),
        price: "0.0960000000".into(),
        attributes: BTreeMap::new(),
    };
    world.proxy.shelf(Shelf { products: vec![product], ..Shelf::default() });
    assert_eq!(checked().await, [(Status::Ok, String::new())]);
    let denied = Effect::error("AccessDeniedException");
    world.proxy.add(Rule::on("GetProducts", Often::Always, denied));
    let found = checked().await;
    assert!(found[0].1.starts_with("allow pricing:GetProducts to them"), "{found:?}");
    assert_eq!(found[0].0, Status::CannotSay);
}
