//! IAM's part of setting up: five calls of its query protocol, signed here. They do not need a second SDK.

mod xml;

use crate::client::{CALL, connector};
use aws_config::SdkConfig;
use aws_sdk_ec2::config::http::HttpRequest;
use aws_sdk_ec2::config::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_http_client::Connector;
use aws_smithy_runtime_api::client::http::HttpConnector as _;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use ec2_core::account::{Asked, Said};
use ec2_core::setup::{Named, Profile, TRUST};
use ec2_core::tags;
use form_urlencoded::Serializer;
use smol_str::SmolStr;
use std::error::Error;
use std::time::SystemTime;
use xml::Element;

const VERSION: &str = "2010-05-08";
const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// IAM, with the credentials of a configuration.
pub(crate) struct Iam {
    http: Connector,
    credentials: Option<SharedCredentialsProvider>,
    endpoint: String,
    region: &'static str,
}

/// Where a partition's IAM is, and the region by which its requests are signed: there is one for all regions.
fn home(region: &str) -> (&'static str, &'static str) {
    if region.starts_with("cn-") {
        ("https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1")
    } else if region.starts_with("us-gov-") {
        ("https://iam.us-gov.amazonaws.com", "us-gov-west-1")
    } else {
        ("https://iam.amazonaws.com", "us-east-1")
    }
}

impl Iam {
    /// As the configuration has it. `AWS_ENDPOINT_URL_IAM` names another endpoint, else `AWS_ENDPOINT_URL` does.
    pub(crate) fn of(config: &SdkConfig) -> Iam {
        let region = config.region().map(AsRef::as_ref).unwrap_or_default();
        let (endpoint, region) = home(region);
        let own = std::env::var("AWS_ENDPOINT_URL_IAM").ok().filter(|url| !url.is_empty());
        let other = own.or_else(|| config.endpoint_url().map(str::to_owned));
        let endpoint = other.unwrap_or_else(|| endpoint.to_owned());
        Iam { http: connector(), credentials: config.credentials_provider(), endpoint, region }
    }

    /// What there is under a name.
    pub(crate) async fn named(&self, cluster: &str, name: &str) -> Asked<Named> {
        let profile = self.ask("GetInstanceProfile", &[("InstanceProfileName", name)]).await;
        let profile = present(profile)?.map(|answer| profile_of(cluster, &answer));
        let role = present(self.ask("GetRole", &[("RoleName", name)]).await)?;
        let role = role.map(|answer| is_ours(cluster, answer.find("Role")));
        Ok(Named { profile, role })
    }

    /// Makes a role that instances may take, and that allows nothing.
    pub(crate) async fn make_role(&self, cluster: &str, name: &str) -> Asked<SmolStr> {
        let described = format!("instances of fleetlog cluster {cluster}");
        let asked = [
            ("RoleName", name),
            ("AssumeRolePolicyDocument", TRUST),
            ("Description", &described),
            ("Tags.member.1.Key", tags::CLUSTER),
            ("Tags.member.1.Value", cluster),
        ];
        let answer = self.ask("CreateRole", &asked).await?;
        Ok(answer.text(&["CreateRoleResult", "Role", "Arn"]).into())
    }

    /// Makes an instance profile, with nothing in it.
    pub(crate) async fn make_profile(&self, cluster: &str, name: &str) -> Asked<SmolStr> {
        let asked = [
            ("InstanceProfileName", name),
            ("Tags.member.1.Key", tags::CLUSTER),
            ("Tags.member.1.Value", cluster),
        ];
        let answer = self.ask("CreateInstanceProfile", &asked).await?;
        Ok(answer.text(&["CreateInstanceProfileResult", "InstanceProfile", "Arn"]).into())
    }

    /// Puts the role into the profile of its name.
    pub(crate) async fn join(&self, name: &str) -> Asked<SmolStr> {
        let asked = [("InstanceProfileName", name), ("RoleName", name)];
        self.ask("AddRoleToInstanceProfile", &asked).await.map(|_| name.into())
    }

    async fn ask(&self, action: &str, parameters: &[(&str, &str)]) -> Asked<Element> {
        let mut form = Serializer::new(String::new());
        form.extend_pairs([("Action", action), ("Version", VERSION)]).extend_pairs(parameters);
        let request = self.signed(form.finish()).await?;
        let sent = async {
            let answer = self.http.call(request).await.map_err(|error| unsaid(&error))?;
            let status = answer.status().as_u16();
            let body = ByteStream::new(answer.into_body()).collect().await;
            Ok((status, body.map_err(|error| unsaid(&error))?.into_bytes()))
        };
        let answered = tokio::time::timeout(CALL, sent).await;
        let (status, body) = answered.map_err(|late| unsaid(&late))??;
        let root = std::str::from_utf8(&body).ok().and_then(xml::parse);
        match root {
            Some(root) if (200..300).contains(&status) => Ok(root),
            root => Err(refused(status, root.as_ref())),
        }
    }

    async fn signed(&self, body: String) -> Asked<HttpRequest> {
        let provider = self.credentials.as_ref().ok_or_else(|| said("there are no credentials"))?;
        let credentials = provider.provide_credentials().await.map_err(|error| unsaid(&error))?;
        let identity = credentials.into();
        let settings = v4::SigningParams::builder().identity(&identity).region(self.region);
        let settings = settings.name("iam").time(SystemTime::now());
        let settings = settings.settings(SigningSettings::default()).build();
        let settings = settings.map_err(|error| unsaid(&error))?.into();
        let headers = [("content-type", FORM)].into_iter();
        let bytes = SignableBody::Bytes(body.as_bytes());
        let signable = SignableRequest::new("POST", &self.endpoint, headers, bytes);
        let signed = signable.and_then(|signable| sign(signable, &settings));
        let (signature, _) = signed.map_err(|error| unsaid(&error))?.into_parts();
        let mut request = HttpRequest::new(SdkBody::from(body));
        request.set_method("POST").map_err(|error| unsaid(&error))?;
        request.set_uri(self.endpoint.as_str()).map_err(|error| unsaid(&error))?;
        request.headers_mut().insert("content-type", FORM);
        for (name, value) in signature.headers() {
            request.headers_mut().insert(name.to_owned(), value.to_owned());
        }
        Ok(request)
    }
}

/// Nothing, if IAM knows nobody of that name.
fn present(asked: Asked<Element>) -> Asked<Option<Element>> {
    match asked {
        Ok(answer) => Ok(Some(answer)),
        Err(said) if said.code.as_deref() == Some("NoSuchEntity") => Ok(None),
        Err(said) => Err(said),
    }
}

fn profile_of(cluster: &str, answer: &Element) -> Profile {
    let profile = answer.find("InstanceProfile");
    let text = |name: &str| profile.map(|one| one.text(&[name])).unwrap_or_default();
    let roles = profile.and_then(|one| one.child("Roles"));
    let role = roles.and_then(|roles| roles.children.first()).map(|role| {
        // As it comes: a form in which this name has nothing to encode.
        let trusts = role.text(&["AssumeRolePolicyDocument"]).contains("ec2.amazonaws.com");
        (role.text(&["RoleName"]).into(), trusts)
    });
    Profile { arn: text("Arn").into(), ours: is_ours(cluster, profile), role }
}

/// Whether something has the cluster's tag.
fn is_ours(cluster: &str, of: Option<&Element>) -> bool {
    let all = of.and_then(|one| one.child("Tags")).map(|tags| tags.children.as_slice());
    let mut all = all.unwrap_or_default().iter();
    all.any(|tag| tag.text(&["Key"]) == tags::CLUSTER && tag.text(&["Value"]) == cluster)
}

fn refused(status: u16, root: Option<&Element>) -> Said {
    let error = root.and_then(|root| root.find("Error"));
    let text = |name: &str| error.map(|error| error.text(&[name]).to_owned());
    let message = text("Message").unwrap_or_else(|| "no answer that IAM gives".to_owned());
    Said { code: text("Code").filter(|code| !code.is_empty()), message, status: Some(status) }
}

fn said(message: &str) -> Said {
    Said { code: None, message: message.to_owned(), status: None }
}

/// What went wrong before IAM could say anything.
fn unsaid(error: &(dyn Error + 'static)) -> Said {
    said(&crate::error::chain(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_an_iam_of_its_own() {
        for (region, host, signed) in [
            ("eu-west-1", "https://iam.amazonaws.com", "us-east-1"),
            ("us-east-1", "https://iam.amazonaws.com", "us-east-1"),
            ("cn-northwest-1", "https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            ("us-gov-east-1", "https://iam.us-gov.amazonaws.com", "us-gov-west-1"),
        ] {
            assert_eq!(home(region), (host, signed), "{region}");
        }
    }

    #[test]
    fn an_error_of_iam_is_read_and_whatever_else_answers_is_told_by_its_status() {
        let text = "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code>\
                    <Message>none</Message></Error><RequestId>1</RequestId></ErrorResponse>";
        let told = refused(404, xml::parse(text).as_ref());
        assert_eq!(told.code.as_deref(), Some("NoSuchEntity"));
        assert_eq!(present(Err(told)), Ok(None));
        let told = refused(502, xml::parse("<html><body>no</body></html>").as_ref());
        assert_eq!((told.code.as_deref(), told.status), (None, Some(502)));
        assert!(present(Err(told)).is_err());
    }
}
