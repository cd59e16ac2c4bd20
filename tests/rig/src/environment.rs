//! Variables that `script/test` and `script/bench` set.

/// The value of a variable that has to be set.
pub fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: use script/test or script/bench"))
}
