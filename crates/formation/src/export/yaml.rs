//! YAML documents.

use serde::Serialize;

/// One document.
pub(super) fn yaml(document: &impl Serialize) -> String {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(document, options)
        .expect("text, numbers, lists and mappings can be serialized")
}
