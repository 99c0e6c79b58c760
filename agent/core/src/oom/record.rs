//! Records as `/dev/kmsg` gives them: `PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;TEXT`, then lines of
//! `KEY=value` that begin with a space. Bytes that cannot be printed come as `\xNN`.

/// One record of the kernel's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Facility times 8, plus level.
    pub priority: u32,
    /// Its number; the next record has the next one.
    pub sequence: u64,
    /// Microseconds since the machine was started.
    pub at: u64,
    /// It goes on with the text of the record before it.
    pub continues: bool,
    /// What it says.
    pub text: String,
}

impl Record {
    /// One record as it was read; none if it is not one.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Record> {
        let (prefix, text) = bytes.split_at(bytes.iter().position(|byte| *byte == b';')?);
        let mut fields = std::str::from_utf8(prefix).ok()?.split(',');
        let (priority, sequence, at) = (fields.next()?, fields.next()?, fields.next()?);
        let text = text[1..].split(|byte| *byte == b'\n').next().unwrap_or_default();
        Some(Record {
            priority: priority.parse().ok()?,
            sequence: sequence.parse().ok()?,
            at: at.parse().ok()?,
            continues: fields.next().is_some_and(|flags| flags.starts_with('+')),
            text: String::from_utf8_lossy(&unescaped(text)).into_owned(),
        })
    }

    /// Whether the kernel wrote it: what programs write there has another facility, whatever they do.
    #[must_use]
    pub fn of_kernel(&self) -> bool {
        self.priority < 8
    }
}

fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, after @ ..] = rest {
        match rest {
            [b'\\', b'x', high, low, after @ ..] if hex(*high).is_some() && hex(*low).is_some() => {
                plain.push(hex(*high).unwrap_or(0) * 16 + hex(*low).unwrap_or(0));
                rest = after;
            }
            _ => {
                plain.push(*first);
                rest = after;
            }
        }
    }
    plain
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_is_framed() {
        let record = Record::parse(
            b"4,478,6436485209,-;python3 invoked oom-killer: gfp_mask=0xcc0\n SUBSYSTEM=memory\n",
        );
        let text = "python3 invoked oom-killer: gfp_mask=0xcc0".to_owned();
        let (at, continues) = (6_436_485_209, false);
        assert_eq!(record, Some(Record { priority: 4, sequence: 478, at, continues, text }));
        for (bytes, text) in [
            (&b"6,1,2,-;a\\x0ab\\x5cx41"[..], "a\nb\\x41"),
            (b"6,1,2,-;\\x4", "\\x4"),
            (b"6,1,2,-;\\xzz\\", "\\xzz\\"),
            (b"6,1,2,c,caller=T1;x;y", "x;y"),
            (b"6,1,2,-;\\xe2\\x82\\xac \xff", "\u{20ac} \u{fffd}"),
            (b"6,1,2;", ""),
        ] {
            assert_eq!(Record::parse(bytes).expect("a record").text, text);
        }
        assert!(Record::parse(b"6,1,2,+;x").is_some_and(|record| record.continues));
        for bytes in
            [&b""[..], b"x", b"6,1,2,-", b"a,1,2,-;x", b"6,-1,2;x", b"6,1;x", b"\xff,1,2;x"]
        {
            assert_eq!(Record::parse(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn what_a_program_writes_is_not_the_kernels() {
        assert!(Record::parse(b"3,1,2,-;x").is_some_and(|record| record.of_kernel()));
        assert!(Record::parse(b"12,1,2,-;x").is_some_and(|record| !record.of_kernel()));
    }
}
