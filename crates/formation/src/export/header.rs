//! The comment that a file begins with: how it was made, and what to do with it.

/// A comment in the making.
pub(super) struct Header {
    text: String,
}

impl Header {
    pub(super) fn new(made_by: &str) -> Self {
        let mut header = Self {
            text: String::new(),
        };
        header.line(&format!("Made by Formation {}:", env!("CARGO_PKG_VERSION")));
        header.line(&format!("  {made_by}"));
        header
    }

    pub(super) fn paragraph(&mut self, lines: &[&str]) {
        self.line("");
        for line in lines {
            self.line(line);
        }
    }

    pub(super) fn commands(&mut self, commands: &[&str]) {
        for command in commands {
            self.line(&format!("  {command}"));
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    /// What has line ends of its own stays a comment.
    fn line(&mut self, text: &str) {
        for line in text.split(['\n', '\r']) {
            self.text += format!("# {line}").trim_end();
            self.text.push('\n');
        }
    }
}
