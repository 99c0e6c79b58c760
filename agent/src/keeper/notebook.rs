//! What a keeper knows, kept in a file beside it: one note a line. A keeper that dies loses none of
//! the ends that it had seen, and the next one ends what it left running. The file outlives the
//! process, not the machine, with which the execs go as well.

use super::process;
use super::wire::Note;
use schema::id::ExecId;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file is written anew when it has grown to this, in bytes.
const LARGE: u64 = 4 << 20;

pub(super) struct Notebook {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Notebook {
    /// Opens the notes of the keepers before. What one of them left running is killed, for nobody
    /// would learn of its end; it is lost.
    pub(super) fn open(path: PathBuf) -> io::Result<(Notebook, BTreeMap<ExecId, Note>)> {
        let mut known = read(&path)?;
        for note in known.values_mut() {
            if let Note::Running { pid, born, .. } = note
                && process::born(*pid) == Some(*born)
            {
                process::signal_group(*pid, process::KILL);
            }
            if let Note::Asked { .. } | Note::Running { .. } = note {
                *note = Note::Lost { exec: note.exec().clone() };
            }
        }
        let (file, bytes) = write_anew(&path, &known)?;
        Ok((Notebook { path, file, bytes }, known))
    }

    /// Adds a note. A full disk must not keep an end from being told: it is reported, no more.
    pub(super) fn add(&mut self, note: &Note) {
        let Ok(line) = line(note) else { return };
        if let Err(error) = self.file.write_all(&line) {
            tracing::error!(%error, "a keeper cannot keep its notes");
        }
        self.bytes += line.len() as u64;
    }

    /// Drops what has been forgotten, when there is much of it.
    pub(super) fn tidy<'a>(&mut self, known: impl Iterator<Item = &'a Note>) {
        if self.bytes < LARGE {
            return;
        }
        let known = known.map(|note| (note.exec().clone(), note.clone())).collect();
        if let Ok((file, bytes)) = write_anew(&self.path, &known) {
            (self.file, self.bytes) = (file, bytes);
        }
    }
}

fn line(note: &Note) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(note).map_err(io::Error::other)?;
    line.push(b'\n');
    Ok(line)
}

fn read(path: &Path) -> io::Result<BTreeMap<ExecId, Note>> {
    let text = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    let mut known = BTreeMap::new();
    // A last line that was cut short is a note that was not made.
    for note in text.split(|byte| *byte == b'\n').filter_map(|l| serde_json::from_slice(l).ok()) {
        let note: Note = note;
        match note {
            Note::Forgotten { exec } => drop(known.remove(&exec)),
            note => drop(known.insert(note.exec().clone(), note)),
        }
    }
    Ok(known)
}

fn write_anew(path: &Path, known: &BTreeMap<ExecId, Note>) -> io::Result<(File, u64)> {
    let lines: Vec<Vec<u8>> = known.values().map(line).collect::<io::Result<_>>()?;
    let (lines, aside) = (lines.concat(), path.with_extension("new"));
    fs::write(&aside, &lines)?;
    fs::rename(&aside, path)?;
    let file = OpenOptions::new().append(true).open(path)?;
    Ok((file, lines.len() as u64))
}
