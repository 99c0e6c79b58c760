//! A server that takes nothing but TLS, with a certificate that no machine trusts by itself.

use crate::place::{directory, opened};
use crate::support::{append_each, cluster, numbers};
use replay::log::jetstream::trusting;
use replay::log::{OpenError, open};
use replay::testing::{Authority, NatsServer};
use std::path::{Path, PathBuf};

fn authority(name: &str) -> Authority {
    Authority::new(name).expect("an authority")
}

fn file(dir: &Path, name: &str, content: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, content).expect("written");
    path
}

async fn refusal(url: &str) -> OpenError {
    open(url, &cluster(), true).await.err().expect("refused")
}

/// The URL of the same log for one who trusts who is in this file.
fn with(url: &str, ca: &Path) -> String {
    trusting(url, ca.to_str().expect("text"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_is_reached_with_the_certificate_of_its_own_authority() {
    let (dir, own) = (directory(), authority("own"));
    let mut server = NatsServer::start_with_tls(dir.path(), &own).expect("a nats-server");
    let ca = file(dir.path(), "ca.pem", &own.certificate());
    let url = with(&server.url(), &ca);
    let log = opened(&url).await;
    append_each(&*log, 0..3).await;
    assert_eq!(numbers(&*log).await, [0, 1, 2]);
    // Whatever else is in the file.
    let both = format!("{}{}", authority("other").certificate(), own.certificate());
    let both = file(dir.path(), "both.pem", &both);
    assert_eq!(numbers(&*opened(&with(&server.url(), &both)).await).await, [0, 1, 2]);
    // What is named so is TLS, whatever the URL begins with.
    let plain = with(&server.url().replacen("tls", "nats", 1), &ca);
    assert_eq!(numbers(&*opened(&plain).await).await, [0, 1, 2]);
    // A connection that is made again trusts the same.
    server.kill();
    server.up().expect("it comes back");
    append_each(&*log, 3..4).await;
    assert_eq!(numbers(&*log).await, [0, 1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_trusted_is_refused_with_what_to_do() {
    let (dir, own) = (directory(), authority("own"));
    let server = NatsServer::start_with_tls(dir.path(), &own).expect("a nats-server");
    let alone = refusal(&server.url()).await;
    assert!(matches!(alone, OpenError::Unreachable { .. }), "{alone}");
    assert!(alone.to_string().contains("signed by nobody whom this machine trusts"), "{alone}");
    assert!(alone.to_string().contains("?ca=/PATH/ca.pem"), "{alone}");
    // Of another name, or of the same: that one has another key.
    for name in ["other", "own"] {
        let ca = file(dir.path(), "other.pem", &authority(name).certificate());
        let other = refusal(&with(&server.url(), &ca)).await.to_string();
        let told = format!("its certificate is signed by nobody in {}", ca.display());
        assert!(other.contains(&told), "{name}: {other}");
    }
    // One that is for another address.
    let ca = file(dir.path(), "ca.pem", &own.certificate());
    let elsewhere = with(&server.url().replacen("127.0.0.1", "localhost", 1), &ca);
    let elsewhere = refusal(&elsewhere).await.to_string();
    assert!(elsewhere.contains("its certificate will not do"), "{elsewhere}");
    assert!(elsewhere.contains("localhost"), "{elsewhere}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_refused_by_who_names_an_authority() {
    let dir = directory();
    let server = NatsServer::start(dir.path()).expect("a nats-server");
    let ca = file(dir.path(), "ca.pem", &authority("own").certificate());
    let error = refusal(&with(&server.url(), &ca)).await.to_string();
    assert!(error.contains("it does not speak TLS"), "{error}");
}

/// Nobody is asked before the file is read: there is no server here.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_no_use_is_named_with_what_is_wrong() {
    let dir = directory();
    let own = authority("own").certificate();
    let half = &own[..own.len() / 2];
    let other = own.replace("CERTIFICATE", "PRIVATE KEY");
    let lines: Vec<&str> = own.lines().collect();
    let garbled = own.replace(lines[1], "AAAA");
    for (content, told) in [
        ("", "holds no certificate in PEM"),
        ("MIIB", "holds no certificate in PEM"),
        (&*other, "holds no certificate in PEM"),
        (half, "is no PEM"),
        (&*garbled, "holds what is no certificate"),
    ] {
        let ca = file(dir.path(), "ca.pem", content);
        let error = refusal(&with("tls://127.0.0.1:1", &ca)).await;
        assert!(matches!(error, OpenError::Broken { .. }), "{error}");
        let told = format!("{} {told}", ca.display());
        assert!(error.to_string().contains(&told), "{content}: {error}");
    }
    let missing = dir.path().join("missing.pem");
    let error = refusal(&with("tls://127.0.0.1:1", &missing)).await.to_string();
    assert!(error.contains(&format!("cannot read {}: No such file", missing.display())), "{error}");
}
