//! The settings that `fleet setup` completes: read from files, and written back without a loss.

use super::SetupArgs;
use crate::output::{Output, Usage, in_full, print, say};
use anyhow::Context as _;
use ec2_core::setup::{Draft, Kept};
use serde_json::json;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

/// What is to be completed: what is in the file that is written to, and for what that leaves empty, what is in
/// the one that is completed; with what was kept of the first though the second has another.
///
/// # Errors
/// One of them cannot be read as settings: nothing is made of it.
pub(super) fn begun(args: &SetupArgs) -> anyhow::Result<(Draft, Vec<Kept>)> {
    let mut draft = args.write.as_deref().map_or_else(|| Ok(Draft::default()), there)?;
    let Some(from) = &args.from else { return Ok((draft, Vec::new())) };
    let kept = draft.fill(&parse(from, &super::text(from)?)?);
    Ok((draft, kept))
}

/// The region that is meant: the one that was named, if that is not another than the settings have.
pub(super) fn region(args: &SetupArgs, draft: &Draft) -> anyhow::Result<String> {
    match (args.region.as_deref(), draft.text("region")) {
        (Some(named), Some(has)) if named != has => Err(Usage(format!(
            "the settings are of region {has}, and --region says {named}: complete others, or leave it out"
        ))
        .into()),
        (Some(region), _) | (None, Some(region)) => Ok(region.to_owned()),
        (None, None) => Err(Usage("which region? give --region".to_owned()).into()),
    }
}

/// What is in a file that need not be there yet.
fn there(path: &Path) -> anyhow::Result<Draft> {
    match fs::read_to_string(path) {
        Ok(text) => parse(path, &text),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Draft::default()),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn parse(path: &Path, text: &str) -> anyhow::Result<Draft> {
    let wrong = |error| Usage(format!("{}: these are no settings: {error}", path.display()));
    Ok(Draft::parse(text).map_err(wrong)?)
}

/// Prints the settings, writes them, and says what was kept and what they still lack.
pub(super) fn give(
    args: &SetupArgs,
    draft: &Draft,
    kept: (&[Kept], &[Kept]),
    output: Output,
) -> anyhow::Result<()> {
    let settings = draft.value();
    match output {
        Output::Table => print(&format!("\n{}", in_full(output, &settings)?)),
        Output::Json => print(&json!({ "settings": settings }).to_string()),
        Output::Quiet => {}
    }
    let (of_from, of_found) = kept;
    for Kept { key, instead_of } in of_from {
        say(&format!("{key} stays as it is in --write; --from has {instead_of}"));
    }
    for Kept { key, instead_of } in of_found {
        say(&format!("{key} stays as it is; what there is in the account is {instead_of}"));
    }
    if let Some(file) = &args.write {
        write(file, draft).with_context(|| format!("cannot write {}", file.display()))?;
    }
    let config: Result<ec2_core::Config, _> = serde_json::from_value(settings);
    let lacks = match config {
        Ok(config) => config.check().err(),
        Err(error) => Some(error.to_string()),
    };
    if let Some(lacks) = lacks {
        say(&format!("no controller takes these settings yet: {lacks}"));
    }
    Ok(())
}

/// Whole or not at all; what says the same already stays as somebody wrote it.
fn write(file: &Path, draft: &Draft) -> anyhow::Result<()> {
    // What a link leads to is replaced, and not the link.
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let before = match fs::read_to_string(&file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error.into()),
    };
    if before.as_deref().is_some_and(|text| Draft::parse(text).as_ref() == Ok(draft)) {
        return Ok(());
    }
    let mut beside = file.clone().into_os_string();
    beside.push(format!(".{}", std::process::id()));
    let beside = PathBuf::from(beside);
    let mut new = fs::File::create(&beside)?;
    if before.is_some() {
        new.set_permissions(fs::metadata(&file)?.permissions())?;
    }
    writeln!(new, "{}", serde_json::to_string_pretty(&draft.value())?)?;
    new.sync_all()?;
    Ok(fs::rename(&beside, &file)?)
}
