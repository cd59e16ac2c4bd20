#![no_main]

use libfuzzer_sys::fuzz_target;
use procfile::{Procfile, ProcfileError, ProcfileSource, Reading};

fn parse(bytes: &[u8]) -> Result<Procfile, ProcfileError> {
    Reading::of(bytes, &|_| false).into_procfile(ProcfileSource::File)
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(procfile) = parse(bytes) else {
        return;
    };
    // Entries that are written as lines are read back unchanged.
    let written: String = procfile
        .entries
        .iter()
        .map(|entry| format!("{}: {}\n", entry.process_type, entry.command))
        .collect();
    let read_back = parse(written.as_bytes()).expect("the written Procfile has no mistakes");
    assert_eq!(read_back.entries, procfile.entries);
});
