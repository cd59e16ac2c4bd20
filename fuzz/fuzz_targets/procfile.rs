#![no_main]

use procfile::{Procfile, ProcfileError, ProcfileSource, Reading};
use libfuzzer_sys::fuzz_target;

fn parse(bytes: &[u8]) -> Result<Procfile, ProcfileError> {
    Reading::of(bytes, &|_| false).into_procfile(ProcfileSource::File)
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(procfile) = parse(bytes) else {
        return;
    };
    // What was read is read again from what is written of it.
    let written: String = procfile
        .entries
        .iter()
        .map(|entry| format!("{}: {}\n", entry.process_type, entry.command))
        .collect();
    let again = parse(written.as_bytes()).expect("a Procfile that was written");
    assert_eq!(again.entries, procfile.entries);
});
