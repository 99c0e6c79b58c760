//! Two cloud-configs as one: the later one lies over the earlier.

use super::yaml::Node;

/// Why two documents cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: a {over} cannot lie over a {under}")]
pub struct MergeError {
    /// The keys that lead there, with dots between.
    pub path: String,
    /// What the later one has there.
    pub over: &'static str,
    /// What the earlier one has there.
    pub under: &'static str,
}

/// `over` laid over `under`: mappings key by key, lists one after the other, texts replaced.
///
/// # Errors
/// [`MergeError`] names the first place where both have something of another kind.
pub fn merge(under: Node, over: Node) -> Result<Node, MergeError> {
    at("", under, over)
}

fn at(path: &str, under: Node, over: Node) -> Result<Node, MergeError> {
    match (under, over) {
        (Node::Map(mut entries), Node::Map(later)) => {
            for (key, node) in later {
                match entries.iter_mut().find(|(name, _)| name.text == key.text) {
                    None => entries.push((key, node)),
                    Some((name, there)) => {
                        let dot = if path.is_empty() { "" } else { "." };
                        let path = format!("{path}{dot}{}", name.text);
                        let earlier = std::mem::replace(there, Node::List(Vec::new()));
                        *there = at(&path, earlier, node)?;
                    }
                }
            }
            Ok(Node::Map(entries))
        }
        (Node::List(mut nodes), Node::List(later)) => {
            nodes.extend(later);
            Ok(Node::List(nodes))
        }
        (Node::Scalar(_), over @ Node::Scalar(_)) => Ok(over),
        (under, over) => {
            let path = if path.is_empty() { "the document".into() } else { path.to_owned() };
            Err(MergeError { path, over: kind(&over), under: kind(&under) })
        }
    }
}

fn kind(node: &Node) -> &'static str {
    match node {
        Node::Scalar(_) => "text",
        Node::List(_) => "list",
        Node::Map(_) => "mapping",
    }
}
