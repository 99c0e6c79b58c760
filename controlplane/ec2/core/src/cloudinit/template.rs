//! Texts with places to fill: `{{name}}`. What stands before the first line of a text stands before
//! every line, and is taken off; a value of several lines keeps the indentation of its place.

use std::collections::BTreeSet;

/// Why a template cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A line begins to the left of the first one.
    #[error("the line {0:?} begins to the left of the first one")]
    Indentation(String),
    /// A place has no value.
    #[error("there is no value for {{{{{0}}}}}")]
    Missing(String),
    /// A value has no place.
    #[error("there is no place for {0:?}")]
    Unused(String),
    /// A place does not end.
    #[error("the line {0:?} opens a place and does not close it")]
    Open(String),
}

/// The text with every place filled. A line that holds nothing but a place whose value is empty is
/// left out.
///
/// # Errors
/// [`TemplateError`] says what does not fit.
pub fn fill(text: &str, values: &[(&str, &str)]) -> Result<String, TemplateError> {
    let mut used = BTreeSet::new();
    let mut out = String::new();
    for line in dedent(text)? {
        let indent = &line[..line.len() - line.trim_start().len()];
        let filled = places(line, indent, values, &mut used)?;
        if filled.trim().is_empty() && !line.is_empty() {
            continue;
        }
        out.push_str(&filled);
        out.push('\n');
    }
    match values.iter().find(|(name, _)| !used.contains(name)) {
        Some((name, _)) => Err(TemplateError::Unused((*name).to_owned())),
        None => Ok(out),
    }
}

/// The lines without what stands before the first one, and without blank ones at either end.
fn dedent(text: &str) -> Result<Vec<&str>, TemplateError> {
    let lines: Vec<&str> = text.lines().collect();
    let full = |line: &&str| !line.trim().is_empty();
    let Some(first) = lines.iter().position(full) else { return Ok(Vec::new()) };
    let last = lines.iter().rposition(full).unwrap_or(first);
    let margin = &lines[first][..lines[first].len() - lines[first].trim_start().len()];
    let kept = lines[first..=last].iter().map(|&line| {
        let stripped = if full(&line) { line.strip_prefix(margin) } else { Some("") };
        stripped.ok_or_else(|| TemplateError::Indentation(line.to_owned()))
    });
    kept.collect()
}

fn places<'v>(
    line: &str,
    indent: &str,
    values: &[(&'v str, &'v str)],
    used: &mut BTreeSet<&'v str>,
) -> Result<String, TemplateError> {
    let (mut out, mut rest) = (String::new(), line);
    while let Some((before, after)) = rest.split_once("{{") {
        let open = || TemplateError::Open(line.to_owned());
        let (name, after) = after.split_once("}}").ok_or_else(open)?;
        let found = values.iter().find(|(other, _)| *other == name);
        let (name, value) = found.ok_or_else(|| TemplateError::Missing(name.to_owned()))?;
        used.insert(name);
        out.push_str(before);
        out.push_str(&value.trim_end_matches('\n').replace('\n', &format!("\n{indent}")));
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indentation_is_kept_and_the_margin_is_not() {
        let text = "
            x, y, {{z}}
                blah
            bloop
        ";
        assert_eq!(fill(text, &[("z", "1")]).as_deref(), Ok("x, y, 1\n    blah\nbloop\n"));
        let nested = "a:\n  {{b}}\n\nc: {{d}}{{d}}\n";
        let filled = fill(nested, &[("b", "one:\n  two\n"), ("d", "3")]);
        assert_eq!(filled.as_deref(), Ok("a:\n  one:\n    two\n\nc: 33\n"));
        assert_eq!(fill("a\n{{b}}\nc", &[("b", "")]).as_deref(), Ok("a\nc\n"));
        assert_eq!(fill("", &[]).as_deref(), Ok(""));
    }

    #[test]
    fn a_template_that_does_not_fit_is_refused() {
        let left = "\n    x, y\n  blah";
        assert_eq!(fill(left, &[]), Err(TemplateError::Indentation("  blah".into())));
        assert_eq!(fill("{{a}}", &[]), Err(TemplateError::Missing("a".into())));
        assert_eq!(fill("a", &[("b", "c")]), Err(TemplateError::Unused("b".into())));
        assert_eq!(fill("a {{b", &[("b", "c")]), Err(TemplateError::Open("a {{b".into())));
        let shown = TemplateError::Missing("a".into()).to_string();
        assert_eq!(shown, "there is no value for {{a}}");
    }
}
