//! What the build log says about the gems.

use crate::gems::decision::GemsDecision;
use crate::gems::inputs::BundleInputs;
use crate::report::counted;
use std::io;

/// Why cached gems are updated, or not used.
pub(super) fn before(decision: &GemsDecision<'_>) -> Option<String> {
    let (what, reasons) = match decision {
        GemsDecision::Unchanged(_) | GemsDecision::Restore(_) => return None,
        GemsDecision::Update { reasons, .. } => ("Updating the cached gems", reasons),
        GemsDecision::Fresh { reasons } => ("Not using the cached gems", reasons),
    };
    (!reasons.is_empty()).then(|| format!("{what}: {}", reasons.join(", ")))
}

/// How many gems there are, and whether Bundler had to run for them.
pub(super) fn after(decision: &GemsDecision<'_>, gems: usize, inputs: &BundleInputs) -> String {
    match decision {
        GemsDecision::Unchanged(_) | GemsDecision::Restore(_) => {
            let gems = counted(gems, "cached gem");
            format!("Using {gems}. Bundler does not run: no change in {inputs}")
        }
        GemsDecision::Update { .. } | GemsDecision::Fresh { .. } => {
            let verb = if gems == 1 { "is" } else { "are" };
            format!("{} {verb} installed", counted(gems, "gem"))
        }
    }
}

/// Why Bundler is going to run on every build.
pub(super) fn unwatched(inputs: &BundleInputs) -> Option<String> {
    let what = inputs.unwatched();
    (!what.is_empty()).then(|| {
        format!(
            "Bundler runs on every build: the Gemfile or a gemspec asks for what cannot be watched \
             ({})",
            what.join(", ")
        )
    })
}

pub(super) fn unusable_archive(error: &io::Error) -> String {
    format!("The cached gems cannot be used: {error}")
}

pub(super) fn not_cached(error: &io::Error) -> String {
    format!("The gems cannot be cached, so the next build installs all of them: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gems::decision::CachedGems;
    use crate::gems::metadata::GemsLayerMetadata;
    use crate::gems::question::UNKNOWN;

    #[test]
    fn what_cannot_be_watched_is_named() {
        let inputs = BundleInputs::for_tests(&[("Ruby", "3.3.8")]);
        assert_eq!(unwatched(&inputs), None);
        let inputs = inputs.with_answers(&[
            ("program git", UNKNOWN),
            ("network", UNKNOWN),
            ("file VERSION", "1"),
        ]);
        assert_eq!(
            unwatched(&inputs).unwrap(),
            "Bundler runs on every build: the Gemfile or a gemspec asks for what cannot be watched \
             (network, program git)"
        );
    }

    #[test]
    fn each_decision_is_told() {
        let inputs = BundleInputs::for_tests(&[("Gemfile", "1"), ("Ruby", "3.3.8")]);
        let metadata = GemsLayerMetadata::for_tests(inputs.clone());
        let cached = CachedGems::InArchive(&metadata);
        let reasons = || vec!["Gemfile has changed".to_string(), "Ruby has changed".into()];
        let told: Vec<String> = [
            (GemsDecision::Unchanged(&metadata), 1),
            (GemsDecision::Restore(cached), 12),
            (
                GemsDecision::Update {
                    cached,
                    reasons: reasons(),
                },
                1,
            ),
            (GemsDecision::Fresh { reasons: reasons() }, 12),
            (GemsDecision::Fresh { reasons: vec![] }, 0),
        ]
        .into_iter()
        .flat_map(|(decision, gems)| {
            let lines = before(&decision).into_iter();
            lines.chain([after(&decision, gems, &inputs)])
        })
        .collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        Using 1 cached gem. Bundler does not run: no change in Gemfile, Ruby
        Using 12 cached gems. Bundler does not run: no change in Gemfile, Ruby
        Updating the cached gems: Gemfile has changed, Ruby has changed
        1 gem is installed
        Not using the cached gems: Gemfile has changed, Ruby has changed
        12 gems are installed
        0 gems are installed
        ");
    }
}
