//! The simulator itself is tested here: defects that a product like this one could have are built into
//! a copy of its cores, and each must be caught within a stated number of seeds, and in those that are
//! kept for it. A simulator that catches nothing proves nothing.
//!
//! The copy is built once, with a switch for each defect (`FLEETLOG_DEFECT`); the product has no such
//! switch. A defect is a place in the source and what stands there instead: where the source has moved
//! on, the first test says so.

mod defects {
    pub(crate) mod agent;
    pub(crate) mod controlplane;
    pub(crate) mod copy;
    pub(crate) mod fold;
    pub(crate) mod learnt;
    pub(crate) mod trust;
}

use defects::copy::Copied;
use defects::learnt::LEARNT;

/// Something that is wrong in the copy while the switch is on.
pub(crate) struct Defect {
    /// The switch.
    name: &'static str,
    /// What is wrong, in a few words.
    what: &'static str,
    /// Within how many seeds, from 0, it must be caught.
    within: u64,
    /// It shows only when a seed is run twice.
    twice: bool,
    /// The places: a file, what stands there, once, and what stands there instead. `ON` is true while
    /// the switch is on.
    edits: &'static [(&'static str, &'static str, &'static str)],
}

fn all() -> Vec<&'static Defect> {
    let parts = [
        defects::fold::DEFECTS,
        defects::controlplane::DEFECTS,
        defects::agent::DEFECTS,
        defects::trust::DEFECTS,
    ];
    parts.into_iter().flatten().collect()
}

#[test]
fn every_defect_has_its_place_in_the_source() {
    let edits = all().into_iter().flat_map(|d| d.edits.iter().map(move |edit| (d.name, edit)));
    let gone =
        edits.filter(|(_, (file, old, _))| defects::copy::source(file).matches(old).count() != 1);
    let gone: Vec<String> =
        gone.map(|(name, (file, old, _))| format!("{name}: {file}: {old}")).collect();
    assert!(gone.is_empty(), "these must stand once:\n{}", gone.join("\n"));
}

#[test]
fn every_lesson_is_of_a_defect() {
    for (seed, shows, _) in LEARNT {
        assert!(all().iter().any(|defect| defect.name == *shows), "{seed}: there is no {shows}");
    }
}

#[test]
fn every_defect_is_caught() {
    let defects = all();
    assert!(defects.len() >= 15, "{} defects", defects.len());
    let copy = Copied::with(&defects);
    let sound = copy.run("none", 0..30, true);
    assert!(sound.is_sound(), "without a defect nothing is found:\n{}", sound.output);
    let mut missed = Vec::new();
    for defect in defects {
        let (name, what) = (defect.name, defect.what);
        let mut kept = LEARNT.iter().filter(|(_, shows, _)| *shows == name).peekable();
        let mut known = kept.peek().is_some();
        let mut stale = Vec::new();
        for (seed, _, lesson) in kept {
            match copy.run(name, *seed..seed + 1, defect.twice).caught() {
                Some((_, found)) => println!("{name:<22} {lesson}: seed {seed}: {found}"),
                None => {
                    known = false;
                    stale.push(seed);
                }
            }
        }
        if known {
            continue;
        }
        let run = copy.run(name, 0..defect.within, defect.twice);
        let Some((first, found)) = run.caught() else {
            missed.push(format!("{name}: {what}\n{}", run.output));
            continue;
        };
        println!("{name:<22} {what}: seed {first}: {found}");
        let stale =
            stale.iter().map(|seed| format!("{name}: seed {seed} is kept, {first} shows it"));
        missed.extend(stale);
    }
    assert!(missed.is_empty(), "not caught:\n{}", missed.join("\n"));
}
