//! Pages: what comes after the first one is kept under a token, which stays good, so that a page whose
//! answer was lost can be had again.

use crate::error::Error;
use crate::request::Request;
use std::collections::BTreeMap;

#[derive(Default)]
pub(crate) struct Pages(BTreeMap<String, Vec<String>>);

/// As large as EC2 lets one be.
const LARGEST: usize = 1000;

impl Pages {
    /// What is left to show under the token of a request.
    pub(crate) fn rest(&self, request: &Request) -> Result<Option<Vec<String>>, Error> {
        let Some(token) = request.get("NextToken").filter(|token| !token.is_empty()) else {
            return Ok(None);
        };
        let known = self.0.get(token).cloned().map(Some);
        known.ok_or_else(|| {
            let message = "The specified pagination token is not valid or is expired.";
            Error::new("InvalidPaginationToken", message)
        })
    }

    /// The names on the next page, and the token of the one after it.
    pub(crate) fn turn(
        &mut self,
        names: Vec<String>,
        size: Option<usize>,
    ) -> (Vec<String>, Option<String>) {
        let size = size.unwrap_or(names.len()).min(names.len());
        let (page, rest) = names.split_at(size);
        let token = (!rest.is_empty()).then(|| {
            let token = uuid::Uuid::new_v4().simple().to_string();
            self.0.insert(token.clone(), rest.to_vec());
            token
        });
        (page.to_vec(), token)
    }
}

/// The size of a page that a request asks for, which may not be below `smallest`.
pub(crate) fn size(request: &Request, smallest: usize) -> Result<Option<usize>, Error> {
    let Some(text) = request.get("MaxResults") else { return Ok(None) };
    match text.parse() {
        Ok(size) if (smallest..=LARGEST).contains(&size) => Ok(Some(size)),
        _ => {
            let message = format!("Value ( {text} ) for parameter maxResults is invalid.");
            Err(Error::new("InvalidParameterValue", message))
        }
    }
}
